// Cards to judge by button and by key; deck_view.js, before this in one module, draws them.
//
// A verdict shows at once and is sent as a numbered event; events that the server has not
// acknowledged yet are sent again with the next one, so that none is lost to a busy server.

const KEYS = { k: "keep", r: "relabel", x: "remove", u: "unsure", z: "undo", y: "redo" };
const STEPS = { j: -1, l: 1, ArrowLeft: -1, ArrowRight: 1 };
const ASKED = ["page", "head"]; // events that other cards answer
const decks = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let deck = decks.get(parentElement);
  if (!deck) decks.set(parentElement, (deck = new Deck(parentElement)));
  deck.send = (log) => setStateValue("log", log);
  deck.update(data);
  window.addEventListener("keydown", deck.onKey, true);
  return () => window.removeEventListener("keydown", deck.onKey, true);
}

function typing(node) {
  return node instanceof Element && (node.closest("input:not([type=checkbox]), textarea, select")
    || node.isContentEditable);
}

class Deck {
  constructor(parent) {
    this.client = crypto.getRandomValues(new Uint32Array(2)).join("-");
    this.sequence = 0;
    this.pending = []; // events that the server has not acknowledged
    this.shown = {}; // verdicts of these events, by card
    this.selected = new Set();
    this.notes = {}; // typed on a card, and not yet part of a verdict
    this.cursor = 0;
    this.root = make("div", { class: "deck" });
    this.said = make("div", { class: "unheard", "aria-live": "polite" });
    parent.append(this.root, this.said);
    this.onKey = (event) => this.key(event);
  }

  update(data) {
    const acknowledged = data.client === this.client ? data.sequence : 0;
    this.pending = this.pending.filter((event) => event.sequence > acknowledged);
    this.shown = {};
    for (const event of this.pending) this.foresee(event);
    if (this.replaced(data)) return this.draw();
    const now = this.bettered(data) ? this.data.cards[this.cursor]?.id : null;
    if (!this.data || this.data.page !== data.page) {
      this.cursor = this.sought == null ? 0
        : Math.max(0, data.cards.findIndex((card) => !this.verdict(card)));
      this.selected.clear();
      this.whole = false; // whether all of the list is selected, beyond this page
      this.ticked = null; // the card that was ticked last
    }
    this.wait(this.pending.some((event) => ASKED.includes(event.kind)));
    const kept = data.cards.findIndex((card) => card.id === now);
    const focus = data.cards.findIndex((card) => card.id === data.focus.id);
    const led = data.focus.turn !== this.turn && focus >= 0;
    // Who has gone on from the card that was looked for is not led back to it.
    if (kept >= 0 && !(led && data.focus.id !== this.sought)) this.cursor = kept;
    else if (led) this.cursor = focus;
    this.sought = null;
    this.turn = data.focus.turn;
    this.data = data;
    this.draw();
  }

  bettered(data) {
    return this.data?.provisional && !data.provisional && this.data.case === data.case;
  }

  // A better ranking has taken the list's place: stay on the card, which may lie on another page.
  // Until it is found, the cards that one sees are judged as before.
  replaced(data) {
    const card = this.data?.cards[this.cursor];
    const led = this.turn !== data.focus.turn && this.sought !== data.focus.id; // by an undo
    if (!this.bettered(data) || this.waiting || led || !card || this.sought === card.id
      || this.verdict(card) || data.cards.some(({ id }) => id === card.id)) return false;
    this.sought = card.id;
    this.turn = data.focus.turn;
    this.emit({ kind: "find", id: card.id });
    return true;
  }

  // Keys judge nothing until the card that they would judge is there.
  wait(waiting) {
    this.waiting = waiting;
    this.missed = false; // whether a key was pressed meanwhile
    this.root.ariaBusy = waiting;
  }

  emit(event) {
    this.pending.push({ ...event, sequence: ++this.sequence });
    this.foresee(this.pending.at(-1));
    this.send({ client: this.client, events: this.pending });
  }

  foresee(event) {
    for (const item of event.items ?? []) {
      this.shown[item.id] = { ...event, label: item.label, note: item.note };
    }
  }

  verdict(card) {
    return this.shown[card.id] ?? card.verdict;
  }

  // Somebody else's note stays with their verdict.
  note(card) {
    const verdict = this.verdict(card);
    const own = verdict && (!verdict.who || verdict.who === this.data.who);
    return this.notes[card.id] ?? (own ? verdict.note : null) ?? "";
  }

  judge(action, cards, label = null, bulk = false) {
    if (this.waiting) return this.miss();
    if (!cards.length) return;
    // A label that nobody suggests cannot be given in bulk, nor by one key.
    const items = cards.map((card) => ({ id: card.id, label: action === "relabel"
      ? label ?? card.suggestion : null, note: this.note(card) })).filter((item) => action !== "relabel"
      || item.label != null);
    if (!items.length) return this.root.querySelector("select")?.focus();
    const whole = bulk && this.whole;
    this.emit({ kind: "verdict", action, items, ...(whole ? { list: this.data.list } : {}) });
    for (const { id } of items) delete this.notes[id];
    const many = whole ? this.data.total : items.length;
    this.say(`${NAMES[action]}: ${many === 1 ? cards[0].title : `${many} cards`}`);
    if (!bulk) return this.advance();
    this.selected.clear();
    this.whole = false;
    this.draw();
  }

  advance() {
    const next = this.data.cards.findIndex((c, i) => i > this.cursor && !this.verdict(c));
    if (next >= 0) this.cursor = next;
    else if (this.sought != null) return this.ask({ kind: "head" }); // of the better ranking
    else if (this.data.more) return this.turnPage(1);
    this.draw();
  }

  move(step) {
    const to = this.cursor + step;
    if (to < 0 && this.data.first > 1) return this.turnPage(-1);
    if (to >= this.data.cards.length && this.data.more) return this.turnPage(1);
    this.cursor = Math.max(0, Math.min(this.data.cards.length - 1, to));
    this.draw();
    this.root.querySelector(".card.now")?.scrollIntoView({ block: "nearest" });
    this.say(this.data.cards[this.cursor].title);
  }

  turnPage(by) {
    this.ask({ kind: "page", by });
  }

  // Ask for other cards.
  ask(event) {
    // A held key must not turn pages that nobody has seen.
    if (this.waiting) return;
    this.wait(true);
    this.emit(event);
    this.draw();
  }

  miss() {
    this.missed = true;
    this.say(MISSED);
    this.draw();
  }

  say(text) {
    this.said.textContent = text;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const path = event.composedPath();
    if (typing(path[0]) || document.querySelector("[role=dialog]") || !this.data.cards.length) return;
    const card = this.data.cards[this.cursor];
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // Arrows mean something to the page's own controls.
    const ours = path[0] === document.body || path.includes(this.root);
    if (key in STEPS && (key.length === 1 || ours)) this.move(STEPS[key]);
    else if (event.repeat && (key in KEYS || /^[1-9]$/.test(key))) void 0;
    else if (key === "n") this.root.querySelector(".note")?.focus();
    else if (key === "z" || key === "y") this.emit({ kind: KEYS[key] });
    else if (key in KEYS) this.judge(KEYS[key], [card]);
    else if (/^[1-9]$/.test(key) && card.likely.length >= +key) {
      this.judge("relabel", [card], card.likely[key - 1]);
    } else return;
    // Streamlit takes “r” and “c” for itself.
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  draw() {
    const { data } = this;
    const typed = this.root.querySelector("select:focus, .note:focus");
    if (typed && typed.dataset.card === data.cards[this.cursor]?.id) return;
    const held = this.root.getRootNode().activeElement?.dataset?.hold;
    this.root.replaceChildren(
      make("div", { class: "split" },
        make("div", {}, data.cards.length ? panel(this, data.cards[this.cursor]) : null),
        make("div", {}, bar(this), grid(this))));
    if (held) this.root.querySelector(`[data-hold="${held}"]`)?.focus({ preventScroll: true });
  }
}
