// Gives each change of a setting an entry in the browser's history, so that Back takes it back.
// Streamlit replaces the address instead, but takes the settings of any entry that is gone back to.

const TOGETHER = 1000; // milliseconds within which changes of one setting are one step

function changed(before, after) {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => `${before.getAll(name)}` !== `${after.getAll(name)}`).join();
}

export default function () {
  if (window.wannHistory) return;
  window.wannHistory = true;
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  let acted = false; // whether the user has done anything since the last entry
  let last = { names: "", at: -TOGETHER };
  for (const kind of ["pointerdown", "keydown", "drop"])
    window.addEventListener(kind, (event) => (acted ||= !event.repeat), true);
  window.addEventListener("popstate", () => {
    acted = false;
    last = { names: "", at: -TOGETHER };
  });
  const enter = (state, title, url) => {
    const now = new URL(location.href), next = new URL(url ?? now, now);
    const names = changed(now.searchParams, next.searchParams), at = performance.now();
    const moved = now.pathname !== next.pathname;
    const together = !moved && names === last.names && at - last.at < TOGETHER;
    last = { names, at };
    // What follows from a click belongs to its entry: settings that fit no longer, and the page
    // that a link leads to, before which the settings of this one are taken from the address.
    if (!acted || together || !(names || moved)) return replace(state, title, url);
    acted = false;
    return push(state, title, url);
  };
  history.pushState = history.replaceState = enter;
}
