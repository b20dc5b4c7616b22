"use strict";
/* Drawing tools of the report page: numbers as text, elements, tables, the diagram of blocks, and plots.

   `report` is the record in #data; studies/report_page/records.py defines it. Texts of studies are inserted as text,
   never as markup. Plotly interprets some markup in its labels, so `plain` escapes the texts that go there. */

const report = JSON.parse(document.getElementById("data").textContent);
const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross", "star"];
const SOLID_SYMBOLS = ["circle", "diamond", "square", "cross", "x", "circle-open"];
const LANE_COLOURS = ["#4477aa", "#ccbb44", "#228833"];
const LEGEND = { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, bgcolor: "rgba(0,0,0,0)" };
const MOST_LINES = 500; // of parallel coordinates; more cannot be told apart
const RATIO = "ViT per 10 conv";
const several = report.studies.length > 1;
const chosen = { study: 0, row: 0 };
const plots = [];
const linked = []; // plots that mark the chosen subnet
let solid = null; // element of the plot in three dimensions
const system = window.matchMedia("(prefers-color-scheme: dark)");

/* ---------------------------------------------------------------- numbers, elements, quantities */

const byId = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function drawing(tag, attributes = {}, text = null) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== null) node.textContent = text;
  return node;
}

const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const isNarrow = () => window.innerWidth < 700;
const percent = (share) => `${share >= 0 ? "+" : ""}${(100 * share).toFixed(1)} %`;

function count(value) {
  for (const [factor, prefix] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (value >= factor) return (value / factor).toPrecision(4) + prefix;
  return String(value);
}

function number(value, unit = "") {
  if (value === null || value === undefined) return "-";
  if (unit === "%") return value.toFixed(2);
  if (Number.isInteger(value) && Math.abs(value) >= 1000) return count(value);
  return Math.abs(value) >= 1e-4 || value === 0 ? String(+value.toPrecision(4)) : value.toExponential(3);
}

/* A logarithmic axis with whole labels at 1, 2 and 5 of each decade, or only at 1. Plotly would write the digits alone. */
function logarithmic(isCrowded = isNarrow()) {
  const tickvals = [];
  for (let decade = -9; decade <= 12; decade++)
    for (const digit of isCrowded ? [1] : [1, 2, 5]) tickvals.push(Number(`${digit}e${decade}`));
  return { type: "log", tickvals, ticktext: tickvals.map((value) => (value < 1e4 ? String(value) : count(value).replace(/\.0+/, ""))), minor: { dtick: "D1" } };
}

const isCounted = (name) => name === "macs" || name === "params";
const withUnit = (goal, value) =>
  number(value, goal.unit) + (isCounted(goal.name) || value === null ? "" : ` ${goal.unit}`);

/* The largest over the smallest value of a quantity; 1 where not all values are positive, and for shares. */
function spreadOf(name) {
  if (name === null || name === RATIO || goalOf(name).unit === "%") return 1;
  let [low, high] = [Infinity, -Infinity];
  for (const study of report.studies)
    for (const value of quantity(study, name) ?? []) {
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  return low > 0 ? high / low : 1;
}

/* Whether the axis of a quantity is logarithmic. */
const isWide = (name) => spreadOf(name) > 30;

/* The axis of a quantity in a plot. */
function axisOf(name) {
  const isLog = isWide(name);
  const text = name === null ? "evaluation" : name === RATIO ? "ViT blocks per 10 conv blocks" : axisName(name);
  return { title: { text }, ...(isLog ? logarithmic(isNarrow() || spreadOf(name) > 300) : {}) };
}

function goalOf(name) {
  for (const study of report.studies) for (const goal of study.goals) if (goal.name === name) return goal;
  return null;
}

function axisName(name) {
  const goal = goalOf(name);
  if (goal === null) return name;
  return isCounted(name) ? name : `${name}, ${goal.unit}`;
}

/* Values of a quantity for all subnets of a study; null if the study lacks it. */
function quantity(study, name) {
  if (name === null) return study.rows.id;
  const column = study.goals.findIndex((goal) => goal.name === name);
  if (column >= 0) return study.rows.values[column];
  if (name === RATIO) return study.rows.vit.map((vit, row) => (study.rows.conv[row] ? (10 * vit) / study.rows.conv[row] : null));
  return null;
}

function table(head, rows, { text = [], caption = null } = {}) {
  const place = (index) => (text.includes(index) ? "text" : null);
  const node = element("table");
  if (caption !== null) node.append(element("caption", {}, caption));
  node.append(
    element("thead", {}, element("tr", {}, ...head.map((name, index) => element("th", { scope: "col", class: place(index) }, name)))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell, index) => element("td", { class: place(index) }, cell))))),
  );
  return node;
}

/* ---------------------------------------------------------------- blocks as text and as a diagram */

function blockText(block) {
  if (block[0] === "conv") return `mb${block[1]}x${block[2]}`;
  return block[0] === "vit" ? `vit${block[1]}h${block[2]}r${block[3] === "batch" ? "-bn" : ""}` : "merge";
}

function stagesOf(study, row) {
  const places = study.rows.stages[row];
  return places === null ? null : places.map((place) => report.stages[place]);
}

function subnetText(study, row) {
  const stages = stagesOf(study, row);
  if (stages === null) return "";
  return stages.map((stage) => `${stage.width}: ${stage.blocks.map(blockText).join(" ")}`).join("<br>");
}

const BLOCK = { width: 104, height: 26, gap: 8, top: 36 };

function column(title, subtitle, blocks) {
  const height = BLOCK.top + blocks.length * (BLOCK.height + BLOCK.gap);
  const label = `${title}, ${subtitle}: ${blocks.map((block) => block.label).join(", ") || "no blocks"}`;
  const svg = drawing("svg", { width: BLOCK.width + 16, height, role: "img", "aria-label": label });
  const middle = BLOCK.width / 2 + 4;
  svg.append(drawing("text", { x: middle, y: 14 }, title), drawing("text", { x: middle, y: 29, class: "soft" }, subtitle));
  blocks.forEach((block, index) => {
    const y = BLOCK.top + index * (BLOCK.height + BLOCK.gap);
    if (index) svg.append(drawing("path", { d: `M${middle} ${y - BLOCK.gap} V${y}` }));
    svg.append(
      drawing("rect", { x: 4, y, width: BLOCK.width, height: BLOCK.height, rx: block.kind === "vit" ? 13 : 4, class: block.kind }),
      drawing("text", { x: middle, y: y + 17, class: "in" }, block.label),
    );
  });
  return svg;
}

function blockLabel(block) {
  if (block[0] === "conv") return { kind: "conv", label: `conv ${block[1]}×${block[1]} ×${block[2]}${block[3] > 1 ? ` /${block[3]}` : ""}` };
  if (block[0] === "vit" && block[3] === "batch") return { kind: "vit", label: `ViT ${block[1]}h ×${block[2]} BN` };
  if (block[0] === "vit") return { kind: "vit", label: `ViT ${block[1]} ${block[1] === 1 ? "head" : "heads"} ×${block[2]}` };
  return { kind: "other", label: block[1] > 1 ? `merge ${block[1]}×${block[1]}` : "merge 1×1" };
}

function drawDiagram(study, row) {
  const node = byId("diagram");
  const stages = stagesOf(study, row);
  if (stages === null) {
    node.replaceChildren("The genotype of this subnet is not in the search space of its study, so its blocks are unknown.");
    return;
  }
  const outline = report.outlines[study.rows.outline[row]];
  const [width, stride] = outline.stem;
  node.replaceChildren(
    column("image", `${outline.resolution} px`, [{ kind: "other", label: `stem 3×3 /${stride}` }]),
    ...stages.map((stage, index) =>
      column(`stage ${index + 1}`, `${outline.sides[index + 1]}×${outline.sides[index + 1]}, ${stage.width} ch`, stage.blocks.map(blockLabel))),
    column("head", `${outline.head} ch`, [{ kind: "other", label: "pool, classify" }]),
  );
}

/* ---------------------------------------------------------------- plots */

function baseLayout(more) {
  const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("soft"), automargin: true };
  const result = {
    paper_bgcolor: colour("panel"), plot_bgcolor: colour("panel"),
    font: { color: colour("text"), family: "system-ui, sans-serif", size: 13 },
    margin: { l: 8, r: 16, t: isNarrow() ? 12 : 34, b: 8 },
    hoverlabel: { align: "left", bgcolor: colour("page"), bordercolor: colour("soft"), font: { color: colour("text"), size: 13 } },
    legend: { ...LEGEND },
    dragmode: isNarrow() ? false : "zoom",
    hovermode: "closest",
    ...more,
  };
  for (const name of Object.keys(result)) if (/^[xy]axis\d*$/.test(name)) result[name] = { ...axis, ...result[name] };
  return result;
}

/* Registers a plot; `make` returns its traces and layout in the current colours. */
function addPlot(node, label, make, onClick = null) {
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", label);
  const plot = { node, make, isDrawn: false, onClick };
  plots.push(plot);
  return plot;
}

function draw(plot) {
  const { data, layout } = plot.make();
  const config = { responsive: true, displaylogo: false, displayModeBar: isNarrow() ? false : "hover", modeBarButtonsToRemove: ["lasso2d", "select2d", "sendChartToCloud"] };
  Plotly.react(plot.node, data, layout, config);
  if (!plot.isDrawn && plot.onClick !== null) {
    plot.node.on("plotly_click", (event) => {
      const subnet = event.points.map((point) => point.customdata).find(Boolean);
      if (subnet) plot.onClick(subnet);
    });
  }
  plot.isDrawn = true;
}

function figure(parent, caption, cssClass = "plot") {
  const node = element("div", { class: cssClass });
  parent.append(element("figure", {}, element("figcaption", {}, caption), node));
  return node;
}

const hoverTexts = report.studies.map(() => []);

function hoverText(index, row) {
  if (hoverTexts[index][row] === undefined) {
    const study = report.studies[index];
    const values = study.goals.map((goal, column) => `${goal.name} ${withUnit(goal, study.rows.values[column][row])}`);
    hoverTexts[index][row] =
      `<b>${plain(study.name)}, subnet ${study.rows.id[row]}</b><br>${values.join(", ")}<br>` +
      `${study.rows.conv[row]} conv, ${study.rows.vit[row]} ViT blocks<br>${subnetText(study, row)}`;
  }
  return hoverTexts[index][row];
}

/* One trace of the subnets `rows` of a study; `names` are two or three quantities, one for each axis. */
function points(index, names, rows, marker, more = {}) {
  const study = report.studies[index];
  const trace = {
    mode: "markers", marker, customdata: rows.map((row) => [index, row]), text: rows.map((row) => hoverText(index, row)),
    hovertemplate: "%{text}<extra></extra>", showlegend: false, legendgroup: String(index), ...more,
  };
  names.forEach((name, place) => {
    const values = quantity(study, name);
    trace["xyz"[place]] = rows.map((row) => values[row]);
  });
  trace.type = names.length === 3 ? "scatter3d" : "scatter";
  return trace;
}

/* Whether any subnet has all these quantities; otherwise a sentence replaces the plot. */
function canBeDrawn(names, node) {
  const isKnown = report.studies.some((study) => {
    const columns = names.map((name) => quantity(study, name));
    return columns.every((column) => column !== null) && study.rows.id.some((_, row) => columns.every((column) => column[row] !== null));
  });
  if (!isKnown) node.replaceWith(element("p", {}, "Nothing to draw: no subnet has values of all these objectives."));
  return isKnown;
}

const STAR_SIDES = ["bottom right", "top right", "bottom left", "top left"];
const LINE_ENDS = [{ y: 0.02, yanchor: "bottom" }, { y: 0.98, yanchor: "top" }];

/* Networks of files beside the front: a star each, or a dashed line at the cost of one without a value of `y`.
   Labels take turns around the stars, and at both ends of the lines: mappings of one network lie close. */
function beside(x, y) {
  const traces = [], shapes = [], annotations = [];
  report.studies.forEach((study, index) => {
    const place = (name) => study.goals.findIndex((goal) => goal.name === name);
    if (place(x) < 0 || place(y) < 0) return;
    for (const entry of study.beside) {
      const [across, up] = [entry.values[place(x)], entry.values[place(y)]];
      if (across === null) continue;
      const label = plain(`${entry.name} (${entry.mapping})`);
      const ink = colour(`study${index}`);
      if (up === null) {
        shapes.push({ type: "line", x0: across, x1: across, y0: 0, y1: 1, yref: "paper", line: { color: ink, width: 1.5, dash: "dash" } });
        annotations.push({ x: isWide(x) ? Math.log10(across) : across, ...LINE_ENDS[shapes.length % LINE_ENDS.length], yref: "paper", xanchor: "right", text: label, textangle: -90, showarrow: false, font: { size: 11 } });
        continue;
      }
      const values = study.goals.map((goal, column) => `${goal.name} ${withUnit(goal, entry.values[column])}`).join(", ");
      traces.push({ type: "scatter", mode: "markers+text", x: [across], y: [up], text: [label], textposition: STAR_SIDES[traces.length % STAR_SIDES.length], textfont: { size: 11 },
        marker: { symbol: "star", size: 15, color: ink, line: { color: colour("text"), width: 1 } }, hovertext: [`<b>${label}</b><br>${values}`], hovertemplate: "%{hovertext}<extra></extra>", showlegend: false });
    }
  });
  return { traces, shapes, annotations };
}

function hasWebGL() {
  try {
    return document.createElement("canvas").getContext("webgl") !== null;
  } catch {
    return false;
  }
}
