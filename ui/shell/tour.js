// Five steps, one at a time. Whoever skipped them or saw the last does not meet them again.

const SEEN = "wann-tour-seen";

function seen() {
  try {
    return localStorage.getItem(SEEN) !== null;
  } catch {
    return true; // a browser that remembers nothing would show it at each visit
  }
}

export default function ({ data, parentElement }) {
  if (parentElement.querySelector(".tour") || seen()) return;
  const tour = document.createElement("section");
  tour.className = "tour";
  tour.setAttribute("aria-label", "Tour");
  const part = (tag, name) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    tour.append(node);
    return node;
  };
  const count = part("span", "count"), text = part("p"), next = part("button"), skip = part("button");
  next.type = skip.type = "button";
  skip.textContent = "Skip the tour";
  let step = 0;
  const end = () => {
    localStorage.setItem(SEEN, "1");
    tour.remove();
  };
  const draw = () => {
    count.textContent = `${step + 1} of ${data.steps.length}`;
    // Every second part stands between two pairs of asterisks.
    text.replaceChildren(...data.steps[step].split("**").map((piece, i) => {
      const node = document.createElement(i % 2 ? "strong" : "span");
      node.textContent = piece;
      return node;
    }));
    const last = step === data.steps.length - 1;
    next.textContent = last ? "Done" : "Next";
    skip.hidden = last;
  };
  next.onclick = () => {
    step += 1;
    if (step === data.steps.length) end();
    else draw();
  };
  skip.onclick = end;
  draw();
  parentElement.append(tour);
}
