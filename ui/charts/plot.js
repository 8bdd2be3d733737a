// Draws a chart by Plotly, and updates it where it stands when its figure or the theme changes.

// Of Font Awesome's "expand", as in Streamlit's own charts.
const EXPAND = {
  width: 448, height: 512,
  path: "M32 32C14.3 32 0 46.3 0 64v96c0 17.7 14.3 32 32 32s32-14.3 32-32V96h64c17.7 0 32-14.3 "
    + "32-32s-14.3-32-32-32H32zM64 352c0-17.7-14.3-32-32-32s-32 14.3-32 32v96c0 17.7 14.3 32 32 "
    + "32h96c17.7 0 32-14.3 32-32s-14.3-32-32-32H64V352zM320 32c-17.7 0-32 14.3-32 32s14.3 32 32 "
    + "32h64v64c0 17.7 14.3 32 32 32s32-14.3 32-32V64c0-17.7-14.3-32-32-32H320zM448 352c0-17.7-"
    + "14.3-32-32-32s-32 14.3-32 32v64H320c-17.7 0-32 14.3-32 32s14.3 32 32 32h96c17.7 0 32-14.3 "
    + "32-32V352z",
};
const FULLSCREEN = { // one object: Plotly builds a chart from scratch where its settings changed
  name: "fullscreen", title: "Fullscreen", icon: EXPAND,
  click: (chart) => document.fullscreenElement
    ? document.exitFullscreen() : chart.requestFullscreen(),
};
let library; // shared by all charts

export default async function ({ data, parentElement, setTriggerValue }) {
  const place = parentElement.querySelector(":scope > .wann-plot") ?? created(parentElement);
  place.ariaLabel = data.description;
  place.wanted = data;
  place.clicked = ({ points }) => {
    const cell = points.map((point) => point.pointNumber).find(Array.isArray); // row and column
    if (data.clickable && cell) setTriggerValue("clicked", cell);
  };
  const figure = JSON.parse(data.figure);
  const height = figure.layout.height;
  place.style.minHeight = `${height}px`;
  library ??= load(new URL(data.library, location.origin)).catch((error) => {
    library = undefined; // the next run of the page tries again
    throw error;
  });
  const Plotly = await library;
  if (place.wanted !== data || !place.isConnected) return undefined; // changed meanwhile
  const template = themed(place);
  const asked = data.figure + JSON.stringify([data.config, template]);
  place.update = () => {
    const full = document.fullscreenElement === place;
    const size = { width: place.clientWidth, height: full ? place.clientHeight : height };
    // Beside an open dialog or in a closed section it has no width yet: the observer sees it come.
    if (!size.width) return;
    // A slip of the mouse during a click must not zoom.
    const dragmode = data.clickable ? "pan" : "zoom";
    const layout = { dragmode, ...figure.layout, ...size, template };
    Plotly.react(place, figure.data, layout, { ...data.config, modeBarButtonsToAdd: [FULLSCREEN] });
    place.listening ??= place.on("plotly_click", (event) => place.clicked(event));
  };
  if (place.asked !== asked) place.update(); // many runs of a page leave a chart as it is
  place.asked = asked;
  return () => {
    if (place.isConnected) return; // of an earlier figure
    place.observer.disconnect();
    Plotly.purge(place);
  };
}

// The server does not say how long its answer holds; the address names the version.
async function load(address) {
  const answer = await fetch(address, { cache: "force-cache" });
  if (!answer.ok) throw new Error(`${address} answers ${answer.status}`);
  await import(URL.createObjectURL(await answer.blob()));
  return window.Plotly;
}

function created(parent) {
  const place = document.createElement("div");
  place.className = "wann-plot";
  place.role = "figure";
  place.observer = new ResizeObserver(() => {
    if (place.update && place.clientWidth !== place.layout?.width) place.update();
  });
  place.onfullscreenchange = () => place.update?.();
  parent.append(place);
  place.observer.observe(place);
  return place;
}

// The look that Streamlit gives its own charts, from the colors of the page.
function themed(element) {
  const styles = getComputedStyle(element);
  const [color, ground, line, border, family] = ["text-color", "background-color",
    "border-color-light", "border-color", "font"]
    .map((name) => styles.getPropertyValue(`--st-${name}`).trim());
  const axis = (standoff) => ({
    automargin: true, gridcolor: line, zerolinecolor: line, tickcolor: line,
    tickfont: { size: 12 }, title: { font: { size: 14 }, standoff },
  });
  return { layout: {
    font: { color, family, size: 12 },
    legend: { bgcolor: "rgba(0, 0, 0, 0)" },
    paper_bgcolor: ground, plot_bgcolor: ground,
    xaxis: { ...axis(20), showgrid: false, zeroline: false },
    yaxis: axis(24),
    margin: { pad: 8 },
    hoverlabel: { bgcolor: ground, bordercolor: border, font: { color, family, size: 12 } },
  } };
}
