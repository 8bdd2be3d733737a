// Lets Tab come to a field first and then to its "?", which Streamlit puts before the field.

const FIELDS = "a[href], button, input, select, textarea, [tabindex]";
// Its own keys move among the choices; Tab leaves it from any of them.
const GROUP = '[role="radiogroup"], [role="toolbar"]';

function parts(node) {
  const box = node?.closest?.('[data-testid="stElementContainer"]');
  const help = box?.querySelector('[data-testid="stWidgetLabel"] [data-testid="stTooltipIcon"] button');
  if (!help) return null;
  const fields = [...box.querySelectorAll(FIELDS)].filter((one) =>
    one !== help && one.tabIndex >= 0 && !one.disabled && one.getClientRects().length);
  const before = fields.length && help.compareDocumentPosition(fields[0]) & Node.DOCUMENT_POSITION_FOLLOWING;
  return before ? { box, help, first: fields[0], last: fields.at(-1) } : null;
}

const alike = (one, other) => one === other || one.closest(GROUP)?.contains(other);

export default function () {
  if (window.wannTabOrder) return;
  window.wannTabOrder = true;
  let step = 0; // 1 while Tab is pressed, -1 with Shift
  let from = null; // where it was pressed
  let moving = false;
  const move = (node) => {
    moving = true;
    node.focus();
    node.focus(); // a group gives the focus to the choice that had it last, once
    moving = false;
  };
  window.addEventListener("keydown", (event) => {
    if (event.key !== "Tab" || event.altKey || event.ctrlKey || event.metaKey) return;
    const here = document.activeElement, own = parts(here);
    step = event.shiftKey ? -1 : 1;
    from = own?.box;
    if (!own) return;
    if (here === own.help) {
      move(own.last); // from there the browser goes on
      if (step < 0) event.preventDefault();
    } else if (alike(here, step > 0 ? own.last : own.first)) {
      move(own.help);
      if (step > 0) event.preventDefault();
      if (here.closest(GROUP)) event.stopPropagation(); // or the group takes the focus back
    }
  }, true);
  window.addEventListener("focusin", (event) => {
    if (!step || moving) return;
    const own = parts(event.target);
    if (!own || own.box === from) return;
    if (step > 0 && event.target === own.help) move(own.first);
    else if (step < 0 && alike(event.target, own.last)) {
      event.stopPropagation();
      move(own.help);
    }
  }, true);
  for (const kind of ["keyup", "pointerdown"])
    window.addEventListener(kind, () => (step = 0), true);
}
