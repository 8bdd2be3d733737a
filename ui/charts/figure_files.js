// Saves the chart beside these buttons as SVG or PNG, with the page's settings below it.

const FORMATS = { SVG: "svg", PNG: "png" };
const LINE = 13; // pixels of a line of settings
const LETTERS = 6; // pixels of a letter, about

export default function ({ data, parentElement }) {
  parentElement.querySelector(".files")?.remove();
  const files = document.createElement("div");
  files.className = "files";
  for (const [title, format] of Object.entries(FORMATS)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.setAttribute("aria-label", `${title}: ${data.name.replaceAll("-", " ")}`);
    button.onclick = () => save(data, format);
    files.append(button);
  }
  parentElement.append(files);
}

// All that the address says of the view: each control that is not at its default.
function settings(data) {
  const asked = [...new URLSearchParams(location.search)].map(([key, value]) => `${key}=${value}`);
  return [`WANN Explorer ${data.version}`, data.settings, asked.join(", ")]
    .filter((part) => part).join(" · ");
}

function wrapped(text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && (lines.at(-1).length + word.length) * LETTERS > width) lines.push("");
    lines[lines.length - 1] += `${lines.at(-1) ? " " : ""}${word}`;
  }
  return lines.map((line) => line.replaceAll("&", "&amp;").replaceAll("<", "&lt;"));
}

function save(data, format) {
  const chart = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
  const camera = [...(chart?.querySelectorAll(".modebar-btn") ?? [])]
    .find((button) => /^Download plot/.test(button.dataset.title ?? ""));
  if (!camera) return;
  const shown = chart.layout;
  const { width, height, _size: inner } = chart._fullLayout;
  const lines = wrapped(settings(data), width - 20);
  const added = LINE * (lines.length + 1);
  const { backgroundColor, color } = getComputedStyle(document.querySelector("[data-testid=stApp]"));
  const axes = Object.fromEntries(Object.entries(shown).filter(([key]) => /^[xy]axis/.test(key))
    .map(([key, axis]) => [key, { ...axis, tickfont: { ...axis.tickfont, color },
      title: { ...axis.title, font: { ...axis.title?.font, color } } }]));
  // Plotly's own camera takes its copy at once, so that the chart on the page stays as it is.
  chart.layout = {
    ...shown,
    autosize: false,
    ...axes,
    font: { ...shown.font, color },
    legend: { ...shown.legend, font: { ...shown.legend?.font, color } },
    paper_bgcolor: backgroundColor,
    margin: { l: inner.l, r: inner.r, t: inner.t, b: inner.b + added, autoexpand: false },
    annotations: [...(shown.annotations ?? []), {
      text: lines.join("<br>"), showarrow: false, align: "left", font: { size: 10 },
      xref: "paper", x: 0, xanchor: "left", xshift: 10 - inner.l,
      yref: "paper", y: 0, yanchor: "bottom", yshift: -inner.b - added + 4,
    }],
  };
  const usual = chart._context.toImageButtonOptions;
  chart._context.toImageButtonOptions = {
    format, filename: `wann-${data.name}`, width, height: height + added,
    scale: format === "png" ? 2 : 1,
  };
  try {
    camera.click();
  } finally {
    chart.layout = shown;
    chart._context.toImageButtonOptions = usual;
  }
}
