// Cards to judge: one in full, all of the page beside it, verdicts by button and by key.
//
// A verdict shows at once and is sent as a numbered event; events that the server has not
// acknowledged yet are sent again with the next one, so that none is lost to a busy server.

const KEYS = { k: "keep", r: "relabel", x: "remove", u: "unsure", z: "undo", y: "redo" };
const SIGNS = { keep: "✓", relabel: "→", remove: "✕", unsure: "?" };
const NAMES = { keep: "Keep", relabel: "Relabel", remove: "Remove", unsure: "Unsure" };
const STEPS = { j: -1, l: 1, ArrowLeft: -1, ArrowRight: 1 };
const ASKED = ["page", "head"]; // events that other cards answer
const MISSED = "Not recorded: the next cards are loading.";
const decks = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let deck = decks.get(parentElement);
  if (!deck) decks.set(parentElement, (deck = new Deck(parentElement)));
  deck.send = (log) => setStateValue("log", log);
  deck.update(data);
  window.addEventListener("keydown", deck.onKey, true);
  return () => window.removeEventListener("keydown", deck.onKey, true);
}

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node[name] = value;
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
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

  noting(card) {
    return make("input", { type: "text", class: "note", value: this.note(card),
      "data-card": card.id, maxlength: this.data.longest, "aria-label": "Note",
      placeholder: "Note for your verdict (key N)",
      oninput: (event) => { this.notes[card.id] = event.target.value; },
      onkeydown: (event) => {
        if (event.key !== "Enter" && event.key !== "Escape") return;
        event.target.blur();
        const verdict = this.verdict(card);
        // A verdict that is given already is given again, with the note.
        if (event.key === "Enter" && verdict && card.id in this.notes
          && (!verdict.who || verdict.who === this.data.who)) {
          const items = [{ id: card.id, label: verdict.label, note: this.note(card) }];
          this.emit({ kind: "verdict", action: verdict.action, items });
          delete this.notes[card.id];
          this.say("Note kept");
        }
        this.draw();
      } });
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
        make("div", {}, data.cards.length ? this.panel(data.cards[this.cursor]) : null),
        make("div", {}, this.bar(), this.grid())));
    if (held) this.root.querySelector(`[data-hold="${held}"]`)?.focus({ preventScroll: true });
  }

  button(text, key, hold, onclick, attributes = {}) {
    return make("button", { type: "button", "data-hold": hold, onclick,
      title: key ? `${text} (key ${key.toUpperCase()})` : text, ...attributes },
      make("span", {}, text), key && !attributes["aria-label"] ? make("kbd", { "aria-hidden": "true" }, key.toUpperCase()) : null);
  }

  panel(card) {
    const { classes, colors } = this.data;
    const verdict = this.verdict(card);
    const suggested = card.suggestion == null ? "?" : classes[card.suggestion];
    const act = (action, key, text) => this.button(text, key, action,
      () => this.judge(action, [card]), { "data-action": true, "--fill": colors[action],
        "aria-pressed": verdict?.action === action });
    const choice = make("select", { "aria-label": "Relabel to", "data-card": card.id,
      ...this.choosing(card) },
      make("option", { value: "", selected: true, disabled: true }, "other …"),
      make("optgroup", { label: "Most likely (keys 1 …)" }, ...card.likely.map((c, i) =>
        make("option", { value: c }, `${i + 1}  ${classes[c]}`))),
      make("optgroup", { label: "All classes" }, ...classes.map((name, c) =>
        make("option", { value: c }, name))));
    return make("div", { class: "panel", "--verdict": verdict && colors[verdict.action] },
      this.missed ? make("p", { class: "missed" }, MISSED) : null,
      make("div", { class: "actions", role: "group", "aria-label": "Verdict" },
        act("keep", "k", "Keep"),
        act("relabel", "r", card.suggestion == null ? "Relabel …" : `Relabel to ${suggested}`),
        choice, act("remove", "x", "Remove"), act("unsure", "u", "Unsure")),
      this.noting(card),
      ...this.content(card),
      make("div", { class: "head" },
        make("img", { src: card.large, alt: card.title, class: card.smooth && "smooth" }),
        make("div", {},
          make("div", { class: "muted" }, card.where),
          make("div", { class: "labels" }, classes[card.given],
            make("span", { class: "arrow", "aria-label": "suggested" }, "→"), suggested),
          card.issues.length ? make("div", { class: "chips", role: "group", "aria-label": "Issues" },
            ...card.issues.map((name) => make("span", {}, name))) : null,
          make("div", { class: "muted" }, card.doubt),
          this.bars(card)),
        make("ul", {}, ...card.reasons.map((text) => make("li", {}, text)))),
      ...card.evidence.map((part) => make("div", { class: "rows" },
        make("h2", {}, part.title),
        part.rows.length ? make("div", { class: "thumbs" }, ...part.rows.map((row) =>
          make("figure", { title: row.title, "--fill": part.color },
            make("img", { src: row.picture, alt: row.title, class: card.smooth && "smooth" }),
            row.line))) : make("div", { class: "none" }, "none"))),
      verdict ? make("p", { class: "muted" }, this.told(verdict)) : null);
  }

  // A list that is closed changes with every letter and arrow: what keys choose waits for Enter.
  choosing(card) {
    let keyed = false;
    const take = (list) => {
      list.blur();
      this.judge("relabel", [card], +list.value);
    };
    return {
      onpointerdown: () => { keyed = false; },
      onkeydown: (event) => {
        if (event.key === "Escape") event.target.blur();
        else if (event.key !== "Enter") keyed = true;
        else if (keyed && event.target.value !== "") {
          event.preventDefault();
          take(event.target);
        }
      },
      onchange: (event) => {
        if (!keyed) take(event.target);
        else this.say(`Enter relabels to ${this.data.classes[+event.target.value]}`);
      },
    };
  }

  told(verdict) {
    const to = verdict.action === "relabel" ? ` to ${this.data.classes[verdict.label]}` : "";
    return `${SIGNS[verdict.action]} ${NAMES[verdict.action]}${to}${verdict.who
      ? `, by ${verdict.who}` : ""}${verdict.note ? `: ${verdict.note}` : ""}`;
  }

  content(card) {
    const texts = card.texts.map((text) => make("div", { class: "text" },
      make("div", { class: "muted" }, text.title),
      ...text.parts.flatMap(([words, marked]) => [marked ? make("mark", {}, words) : words, " "])));
    const facts = card.facts.flatMap(([name, value]) => [
      make("span", { class: "muted" }, name), make("span", {}, value)]);
    return [...texts, facts.length ? make("div", { class: "facts" }, ...facts) : null];
  }

  bars(card) {
    return make("div", { class: "bars" }, ...card.bars.flatMap((bar) => [
      make("span", { class: "name" }, bar.name),
      make("div", { class: "track" }, make("div", { class: "fill", "--fill": bar.color,
        "--share": `${100 * bar.share}%` })),
      make("span", {}, `${(100 * bar.share).toFixed(0)} %`)]));
  }

  bar() {
    const { data } = this;
    const chosen = data.cards.filter((card) => this.selected.has(card.id));
    const all = chosen.length === data.cards.length && chosen.length > 0;
    const bulk = chosen.length ? Object.keys(NAMES).map((action) => this.button(
      action === "relabel" ? "Relabel as suggested" : NAMES[action], "", `all-${action}`,
      () => this.judge(action, chosen, null, true), { "data-action": true, "--fill": data.colors[action] })) : [];
    const pick = () => {
      this.selected = new Set(all ? [] : data.cards.map((card) => card.id));
      this.whole = false;
      this.draw();
    };
    const more = all && !this.whole && data.total > data.cards.length;
    const total = data.total.toLocaleString("en");
    const count = this.whole ? `All ${total} of the list selected:` : `${chosen.length} selected:`;
    return make("div", {},
      make("div", { class: "bar" },
        this.button("‹", "", "back", () => this.turnPage(-1),
          { disabled: data.first <= 1 || this.waiting, "aria-label": "Cards before" }),
        make("span", { class: "muted" }, data.where),
        this.button("›", "", "on", () => this.turnPage(1),
          { disabled: !data.more || this.waiting, "aria-label": "Next cards" }),
        make("span", { class: "gap" }),
        this.button("↶", "z", "undo", () => this.emit({ kind: "undo" }),
          { title: "Undo your last verdict (key Z)", "aria-label": "Undo" }),
        this.button("↷", "y", "redo", () => this.emit({ kind: "redo" }),
          { title: "Redo what you undid last (key Y)", "aria-label": "Redo" }),
        this.button(all ? "Select none" : "Select all", "", "all", pick,
          { disabled: !data.cards.length })),
      chosen.length ? make("div", { class: "bar", role: "group", "aria-label": "All selected" },
        make("strong", {}, count), ...bulk, more ? this.button(`Select all ${total} of the list`,
          "", "whole", () => { this.whole = true; this.draw(); }) : null) : null);
  }

  grid() {
    const { data } = this;
    return make("div", { class: "grid" }, ...data.cards.map((card, i) => {
      const verdict = this.verdict(card);
      const tick = make("input", { type: "checkbox", "data-hold": `tick-${card.id}`,
        "aria-label": `Select ${card.title}`, onclick: (event) => {
          // With Shift: all from the one before to this one.
          const from = event.shiftKey && this.ticked != null ? this.ticked : i;
          this.ticked = i;
          for (const { id } of data.cards.slice(Math.min(from, i), Math.max(from, i) + 1)) {
            this.selected[event.target.checked ? "add" : "delete"](id);
          }
          this.whole = false;
          this.draw();
        } });
      tick.checked = this.selected.has(card.id);
      return make("div", { class: `card${i === this.cursor ? " now" : ""}${verdict ? " done" : ""}`,
        "--verdict": verdict && data.colors[verdict.action] },
        make("button", { type: "button", title: card.title, "data-hold": `card-${card.id}`,
          "aria-current": i === this.cursor, onclick: () => { this.cursor = i; this.draw(); } },
          make("img", { src: card.small, alt: "", class: card.smooth && "smooth" }),
          make("div", {}, card.line),
          make("div", { class: "verdict" }, verdict
            ? `${SIGNS[verdict.action]} ${verdict.action === "relabel"
              ? data.classes[verdict.label] : NAMES[verdict.action]}` : "")),
        tick);
    }));
  }
}
