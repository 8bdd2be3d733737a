// Pictures of the rows under the pointer.

const SOON = 60; // milliseconds that the pointer rests before pictures are asked for
const KNOWN = 2000; // cards that are kept
const hovers = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let hover = hovers.get(parentElement);
  if (!hover) hovers.set(parentElement, (hover = new Hover(parentElement)));
  hover.trigger = setTriggerValue;
  hover.update(data);
  const watch = setInterval(() => hover.attach(), 500); // a chart that is made again is another node
  return () => { clearInterval(watch); hover.hide(); };
}

class Hover {
  constructor(parent) {
    this.cards = new Map();
    this.box = document.createElement("div");
    this.box.className = "box";
    this.box.hidden = true;
    this.box.setAttribute("aria-hidden", "true"); // the table of selected rows says the same
    parent.append(this.box);
  }

  update(data) {
    if (this.data?.token !== data.token) this.cards.clear();
    this.data = data;
    for (const [key, cards] of Object.entries(data.cards)) this.cards.set(key, cards);
    while (this.cards.size > KNOWN) this.cards.delete(this.cards.keys().next().value);
    this.attach();
    if (this.over) this.show();
  }

  attach() {
    const chart = document.querySelector(`.st-key-${this.data.chart} .js-plotly-plot`);
    if (!chart?.on || chart._ev === this.events) return;
    this.chart = chart;
    this.events = chart._ev; // others once the chart is made again, even on the same node
    chart.on("plotly_hover", (event) => this.enter(event));
    chart.on("plotly_unhover", () => this.hide());
    chart.on("plotly_relayouting", () => this.hide());
  }

  enter({ points, event }) {
    if (event.buttons) return; // a lasso is being drawn, or the map moved
    const [point] = points;
    const place = `${point.customdata[0]}`; // a row's, or a cell's
    this.over = { place, x: event.clientX, y: event.clientY, at: [point.x, point.y] };
    if (this.cards.has(place)) return this.show();
    this.box.hidden = true;
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.trigger("hovered", { ...this.over, token: this.data.token }), SOON);
  }

  hide() {
    clearTimeout(this.asking);
    this.over = null;
    this.box.hidden = true;
  }

  show() {
    const cards = this.cards.get(this.over.place);
    if (!cards) return;
    this.box.replaceChildren(...cards.map((card) => {
      const figure = document.createElement("figure"), image = document.createElement("img");
      image.src = card.picture;
      image.alt = "";
      figure.style.setProperty("--mark", card.mark);
      figure.append(image, ...card.lines.map((text) => {
        const line = document.createElement("div");
        line.textContent = text;
        return line;
      }));
      return figure;
    }));
    this.box.hidden = false;
    // Below the pointer, or above it where that is nearer to the edge; the tooltip is beside it.
    const { width, height } = this.box.getBoundingClientRect(), gap = 26;
    const below = this.over.y + gap + height < innerHeight;
    this.box.style.top = `${below ? this.over.y + gap : this.over.y - gap - height}px`;
    this.box.style.left = `${Math.max(4, Math.min(this.over.x - width / 2, innerWidth - width - 4))}px`;
  }
}
