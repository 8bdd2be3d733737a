// Tells which part of the chart is in view once the pointer has moved or zoomed it.

const STILL = 350; // milliseconds after the last turn of the wheel
const zooms = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let zoom = zooms.get(parentElement);
  if (!zoom) zooms.set(parentElement, (zoom = {}));
  zoom.trigger = setTriggerValue;
  const attach = () => {
    const chart = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    if (!chart?.on || chart._ev === zoom.events) return;
    zoom.events = chart._ev; // others once the chart is made again, even on the same node
    chart.on("plotly_relayout", (event) => {
      if (!Object.keys(event).some((key) => /axis.*range/.test(key))) return;
      clearTimeout(zoom.waiting);
      zoom.waiting = setTimeout(() => {
        const { xaxis, yaxis } = chart._fullLayout;
        zoom.trigger("zoomed", { x: xaxis.range, y: yaxis.range });
      }, STILL);
    });
  };
  attach();
  const watch = setInterval(attach, 500);
  return () => {
    clearInterval(watch);
    clearTimeout(zoom.waiting);
  };
}
