// What a deck of cards looks like: one card in full, and all of the page beside it.
// deck.js follows in the same module.

const SIGNS = { keep: "✓", relabel: "→", remove: "✕", unsure: "?" };
const NAMES = { keep: "Keep", relabel: "Relabel", remove: "Remove", unsure: "Unsure" };
const MISSED = "Not recorded: the next cards are loading.";

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

function noting(deck, card) {
  return make("input", { type: "text", class: "note", value: deck.note(card),
    "data-card": card.id, maxlength: deck.data.longest, "aria-label": "Note",
    placeholder: "Note for your verdict (key N)",
    oninput: (event) => { deck.notes[card.id] = event.target.value; },
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.target.blur();
      const verdict = deck.verdict(card);
      // A verdict that is given already is given again, with the note.
      if (event.key === "Enter" && verdict && card.id in deck.notes
        && (!verdict.who || verdict.who === deck.data.who)) {
        const items = [{ id: card.id, label: verdict.label, note: deck.note(card) }];
        deck.emit({ kind: "verdict", action: verdict.action, items });
        delete deck.notes[card.id];
        deck.say("Note kept");
      }
      deck.draw();
    } });
}

function button(text, key, hold, onclick, attributes = {}) {
  return make("button", { type: "button", "data-hold": hold, onclick,
    title: key ? `${text} (key ${key.toUpperCase()})` : text, ...attributes },
    make("span", {}, text), key && !attributes["aria-label"] ? make("kbd", { "aria-hidden": "true" }, key.toUpperCase()) : null);
}

function panel(deck, card) {
  const { classes, order, colors } = deck.data;
  const verdict = deck.verdict(card);
  const suggested = card.suggestion == null ? "?" : classes[card.suggestion];
  const act = (action, key, text) => button(text, key, action,
    () => deck.judge(action, [card]), { "data-action": true, "--fill": colors[action],
      "aria-pressed": verdict?.action === action });
  const choice = make("select", { "aria-label": "Relabel to", "data-card": card.id,
    ...choosing(deck, card) },
    make("option", { value: "", selected: true, disabled: true }, "other …"),
    make("optgroup", { label: "Most likely (keys 1 …)" }, ...card.likely.map((c, i) =>
      make("option", { value: c }, `${i + 1}  ${classes[c]}`))),
    make("optgroup", { label: "All classes" }, ...order.map((c) =>
      make("option", { value: c }, classes[c]))));
  return make("div", { class: "panel", "--verdict": verdict && colors[verdict.action] },
    deck.missed ? make("p", { class: "missed" }, MISSED) : null,
    make("div", { class: "actions", role: "group", "aria-label": "Verdict" },
      act("keep", "k", "Keep"),
      act("relabel", "r", card.suggestion == null ? "Relabel …" : `Relabel to ${suggested}`),
      choice, act("remove", "x", "Remove"), act("unsure", "u", "Unsure")),
    noting(deck, card),
    ...content(card),
    make("div", { class: "head" },
      make("img", { src: card.large, alt: card.title, class: card.smooth && "smooth" }),
      make("div", {},
        make("div", { class: "muted" }, card.where),
        make("div", { class: "labels" }, classes[card.given],
          make("span", { class: "arrow", "aria-label": "suggested" }, "→"), suggested),
        card.issues.length ? make("div", { class: "chips", role: "group", "aria-label": "Issues" },
          ...card.issues.map((name) => make("span", {}, name))) : null,
        make("div", { class: "muted" }, card.doubt),
        bars(card)),
      make("ul", {}, ...card.reasons.map((text) => make("li", {}, text)))),
    ...card.evidence.map((part) => make("div", { class: "rows" },
      make("h2", {}, part.title),
      part.rows.length ? make("div", { class: "thumbs" }, ...part.rows.map((row) =>
        make("figure", { title: row.title, "--fill": part.color },
          make("img", { src: row.picture, alt: row.title, class: card.smooth && "smooth" }),
          row.line))) : make("div", { class: "none" }, "none"))),
    verdict ? make("p", { class: "muted" }, told(deck, verdict)) : null);
}

// A list that is closed changes with every letter and arrow: what keys choose waits for Enter.
function choosing(deck, card) {
  let keyed = false;
  const take = (list) => {
    list.blur();
    deck.judge("relabel", [card], +list.value);
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
      else deck.say(`Enter relabels to ${deck.data.classes[+event.target.value]}`);
    },
  };
}

function told(deck, verdict) {
  const to = verdict.action === "relabel" ? ` to ${deck.data.classes[verdict.label]}` : "";
  return `${SIGNS[verdict.action]} ${NAMES[verdict.action]}${to}${verdict.who
    ? `, by ${verdict.who}` : ""}${verdict.note ? `: ${verdict.note}` : ""}`;
}

function content(card) {
  const texts = card.texts.map((text) => make("div", { class: "text" },
    make("div", { class: "muted" }, text.title),
    ...text.parts.flatMap(([words, marked]) => [marked ? make("mark", {}, words) : words, " "])));
  const facts = card.facts.flatMap(([name, value]) => [
    make("span", { class: "muted" }, name), make("span", {}, value)]);
  return [...texts, facts.length ? make("div", { class: "facts" }, ...facts) : null];
}

function bars(card) {
  return make("div", { class: "bars" }, ...card.bars.flatMap((bar) => [
    make("span", { class: "name" }, bar.name),
    make("div", { class: "track" }, make("div", { class: "fill", "--fill": bar.color,
      "--share": `${100 * bar.share}%` })),
    make("span", {}, `${(100 * bar.share).toFixed(0)} %`)]));
}

function bar(deck) {
  const { data } = deck;
  const chosen = data.cards.filter((card) => deck.selected.has(card.id));
  const all = chosen.length === data.cards.length && chosen.length > 0;
  const bulk = chosen.length ? Object.keys(NAMES).map((action) => button(
    action === "relabel" ? "Relabel as suggested" : NAMES[action], "", `all-${action}`,
    () => deck.judge(action, chosen, null, true), { "data-action": true, "--fill": data.colors[action] })) : [];
  const pick = () => {
    deck.selected = new Set(all ? [] : data.cards.map((card) => card.id));
    deck.whole = false;
    deck.draw();
  };
  const more = all && !deck.whole && data.total > data.cards.length;
  const total = data.total.toLocaleString("en");
  const count = deck.whole ? `All ${total} of the list selected:` : `${chosen.length} selected:`;
  return make("div", {},
    make("div", { class: "bar" },
      button("‹", "", "back", () => deck.turnPage(-1),
        { disabled: data.first <= 1 || deck.waiting, "aria-label": "Cards before" }),
      make("span", { class: "muted" }, data.where),
      button("›", "", "on", () => deck.turnPage(1),
        { disabled: !data.more || deck.waiting, "aria-label": "Next cards" }),
      make("span", { class: "gap" }),
      button("↶", "z", "undo", () => deck.emit({ kind: "undo" }),
        { title: "Undo your last verdict (key Z)", "aria-label": "Undo" }),
      button("↷", "y", "redo", () => deck.emit({ kind: "redo" }),
        { title: "Redo what you undid last (key Y)", "aria-label": "Redo" }),
      button(all ? "Select none" : "Select all", "", "all", pick,
        { disabled: !data.cards.length })),
    chosen.length ? make("div", { class: "bar", role: "group", "aria-label": "All selected" },
      make("strong", {}, count), ...bulk, more ? button(`Select all ${total} of the list`,
        "", "whole", () => { deck.whole = true; deck.draw(); }) : null) : null);
}

function grid(deck) {
  const { data } = deck;
  return make("div", { class: "grid" }, ...data.cards.map((card, i) => {
    const verdict = deck.verdict(card);
    const tick = make("input", { type: "checkbox", "data-hold": `tick-${card.id}`,
      "aria-label": `Select ${card.title}`, onclick: (event) => {
        // With Shift: all from the one before to this one.
        const from = event.shiftKey && deck.ticked != null ? deck.ticked : i;
        deck.ticked = i;
        for (const { id } of data.cards.slice(Math.min(from, i), Math.max(from, i) + 1)) {
          deck.selected[event.target.checked ? "add" : "delete"](id);
        }
        deck.whole = false;
        deck.draw();
      } });
    tick.checked = deck.selected.has(card.id);
    return make("div", { class: `card${i === deck.cursor ? " now" : ""}${verdict ? " done" : ""}`,
      "--verdict": verdict && data.colors[verdict.action] },
      make("button", { type: "button", title: card.title, "data-hold": `card-${card.id}`,
        "aria-current": i === deck.cursor, onclick: () => { deck.cursor = i; deck.draw(); } },
        make("img", { src: card.small, alt: "", class: card.smooth && "smooth" }),
        make("div", {}, card.line),
        make("div", { class: "verdict" }, verdict
          ? `${SIGNS[verdict.action]} ${verdict.action === "relabel"
            ? data.classes[verdict.label] : NAMES[verdict.action]}` : "")),
      tick);
  }));
}
