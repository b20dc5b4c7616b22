"use strict";
/* Draws a report from the numbers in #data. Texts of studies are set as text, never as markup; Plotly reads a
   little markup in its labels, so what goes there is escaped by `plain`. */

const report = JSON.parse(document.getElementById("data").textContent);
const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross", "star"];
const SOLID_SYMBOLS = ["circle", "diamond", "square", "cross", "x", "circle-open"];
const LANE_COLOURS = ["#4477aa", "#ccbb44", "#228833"];
const LEGEND = { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, bgcolor: "rgba(0,0,0,0)" };
const MOST_LINES = 500; // in parallel coordinates, beyond which they are a wall
const RATIO = "ViT per 10 conv";
const several = report.studies.length > 1;
const chosen = { study: 0, row: 0 };
const plots = [];

/* ---------------------------------------------------------------- small things */

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

const isCounted = (name) => name === "macs" || name === "params";
const withUnit = (goal, value) =>
  number(value, goal.unit) + (isCounted(goal.name) || value === null ? "" : ` ${goal.unit}`);

/* Whether an axis of `name` is better logarithmic: only positive values, of very different sizes. */
function isWide(name) {
  if (name === null || name === RATIO || goalOf(name).unit === "%") return false;
  let [low, high] = [Infinity, -Infinity];
  for (const study of report.studies)
    for (const value of quantity(study, name) ?? []) {
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  return low > 0 && high > 30 * low;
}

/* An axis of a plot, or of a view in three dimensions. */
function axisOf(name) {
  const isLog = isWide(name);
  const text = name === null ? "evaluation" : name === RATIO ? "ViT blocks per 10 conv blocks" : axisName(name);
  return { title: { text }, ...(isLog ? { type: "log", dtick: isNarrow() ? 1 : "D2", minor: { dtick: "D1" } } : {}) };
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

/* Values of one quantity of all subnets of a study; null where the study does not know it. */
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
    node.replaceChildren("The genotype of this subnet is none of the study's space, so its blocks are not known.");
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

/* Registers a plot: `make` gives its traces and layout in the colours of the moment. */
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
      const found = event.points.map((point) => point.customdata).find(Boolean);
      if (found) plot.onClick(found);
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

/* One trace of subnets `rows` of a study, along `names` (two or three quantities). */
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

function cloud(names, { lines = null } = {}) {
  const isSolid = names.length === 3;
  const traces = [];
  report.studies.forEach((study, index) => {
    const columns = names.map((name) => quantity(study, name));
    if (columns.some((column) => column === null)) return;
    const isKnown = (row) => columns.every((column) => column[row] !== null);
    const front = new Set(study.front);
    const rows = study.rows.id.map((_, row) => row).filter(isKnown);
    const ink = colour(`study${index}`);
    const symbol = (isSolid ? SOLID_SYMBOLS : SYMBOLS)[index];
    const open = isSolid ? "circle-open" : `${symbol}-open`;
    const others = rows.filter((row) => study.rows.feasible[row] && !front.has(row));
    const broken = rows.filter((row) => !study.rows.feasible[row]);
    const members = study.front.filter(isKnown);
    traces.push(points(index, names, others, { color: ink, symbol, size: isSolid ? 2 : 4, opacity: isSolid ? 0.5 : 0.35, line: { width: 0 } }));
    traces.push(points(index, names, broken, { color: colour("soft"), symbol: open, size: isSolid ? 2 : 5, opacity: 0.6 }));
    if (lines && lines[index].length > 1)
      traces.push({ ...points(index, names, lines[index], {}), mode: "lines", line: { color: ink, width: 1.5 }, hoverinfo: "skip", hovertemplate: null });
    const edge = { color: colour("panel"), width: isSolid ? 0 : 1 };
    traces.push(points(index, names, members, { color: ink, symbol, size: isSolid ? 5 : 10, line: edge }, { name: plain(study.name), showlegend: several }));
  });
  const columns = names.map((name) => quantity(report.studies[chosen.study], name));
  if (columns.every((column) => column !== null && column[chosen.row] !== null)) {
    const ring = { color: colour("chosen"), symbol: "circle-open", size: isSolid ? 12 : 18, line: { width: 3, color: colour("chosen") } };
    traces.push(points(chosen.study, names, [chosen.row], ring, { legendgroup: "chosen" }));
  }
  return traces;
}

/* Whether any subnet of any study has all these quantities; else says so in place of the plot. */
function canBeDrawn(names, node) {
  const found = report.studies.some((study) => {
    const columns = names.map((name) => quantity(study, name));
    return columns.every((column) => column !== null) && study.rows.id.some((_, row) => columns.every((column) => column[row] !== null));
  });
  if (!found) node.replaceWith(element("p", {}, "No subnet has all of these measured, so there is nothing to draw."));
  return found;
}

function hasWebGL() {
  try {
    return document.createElement("canvas").getContext("webgl") !== null;
  } catch {
    return false;
  }
}

const linked = [];
let solid = null;

function drawViews() {
  const parent = byId("views");
  for (const { x, y, lines } of report.views) {
    const caption = x === null ? `${axisName(y)} in the order of evaluation` : `${y} against ${x}`;
    const node = figure(parent, caption);
    if (!canBeDrawn([x, y], node)) continue;
    linked.push(addPlot(node, `Scatter plot: ${caption}. The list below holds the same members of the front.`, () => ({
      data: cloud([x, y], { lines }),
      layout: baseLayout({ xaxis: axisOf(x), yaxis: axisOf(y) }),
    }), choosePoint));
  }
  if (report.solid === null) return;
  const node = figure(parent, report.solid.join(", "));
  if (!canBeDrawn(report.solid, node)) return;
  if (!hasWebGL()) {
    node.replaceWith(element("p", {}, "The view in three dimensions needs WebGL, which this browser does not offer."));
    return;
  }
  const axis = (name) => ({ title: { text: axisName(name) }, ...(isWide(name) ? { type: "log", nticks: 4 } : { nticks: 5 }), gridcolor: colour("line"), backgroundcolor: colour("panel"), color: colour("text") });
  solid = node; // drawn after the others: WebGL takes half a second to start
  linked.push(addPlot(node, `Scatter plot in three dimensions: ${report.solid.join(", ")}.`, () => ({
    data: cloud([report.solid[1], report.solid[2], report.solid[0]]),
    layout: { ...baseLayout({}), dragmode: "orbit", margin: { l: 0, r: 0, t: 0, b: 0 }, uirevision: "kept",
      scene: { xaxis: axis(report.solid[1]), yaxis: axis(report.solid[2]), zaxis: axis(report.solid[0]), aspectmode: "cube", camera: { eye: { x: 1.6, y: -1.6, z: 0.7 } } } },
  }), choosePoint));
}

function drawProgress() {
  const names = report.hypervolume_of;
  byId("progress-text").textContent = names.length
    ? `Share of a fixed box that the front dominates, 0 to 1, by ${names.join(", ")}${several ? "; one box around the bounds of all studies" : ""}.`
    : "The studies have no objective in common: each curve is of its own study's objectives and box, and they do not compare.";
  addPlot(byId("progress-plot"), "Hypervolume over evaluations, a curve for each study.", () => ({
    data: report.studies.map((study, index) => ({
      x: study.hypervolume_curve.map((pair) => pair[0]), y: study.hypervolume_curve.map((pair) => pair[1]),
      mode: "lines+markers", line: { color: colour(`study${index}`), width: 2 }, marker: { symbol: SYMBOLS[index], size: 5 },
      name: plain(study.name), showlegend: several, hovertemplate: "after %{x} evaluations: %{y:.4f}<extra></extra>",
    })),
    layout: baseLayout({ xaxis: { title: { text: "evaluations" }, rangemode: "tozero" }, yaxis: { title: { text: "hypervolume" } } }),
  }));
}

function drawBlocks() {
  const names = ["acc", "lat"].filter((name) => goalOf(name) !== null);
  if (!names.length) {
    byId("blocks").hidden = true;
    document.querySelector('nav a[href="#blocks"]').hidden = true;
    return;
  }
  const without = report.studies.reduce((sum, study) => sum + study.rows.conv.filter((conv) => conv === 0).length, 0);
  byId("blocks-text").textContent = `ViT blocks for every 10 convolution blocks of each subnet.${without ? ` ${without} without convolution blocks have no such ratio and are not drawn.` : ""}`;
  for (const name of names) {
    const node = figure(byId("blocks-views"), `Blocks against ${name}`);
    if (!canBeDrawn([name, RATIO], node)) continue;
    linked.push(addPlot(node, `Scatter plot: ViT blocks per 10 convolution blocks against ${name}.`, () => ({
      data: cloud([name, RATIO]),
      layout: baseLayout({ xaxis: axisOf(name), yaxis: axisOf(RATIO) }),
    }), choosePoint));
  }
}

function drawImportance() {
  const parent = byId("importance");
  for (const study of report.studies) {
    const found = study.importance;
    if (found === null) continue;
    const node = figure(parent, `${several ? `${study.name}: ` : ""}importance of genes, ${found.evaluations} subnets`, "plot tall");
    addPlot(node, `Bars: importance of genes for each objective, ${study.name}.`, () => ({
      data: study.goals.map((goal, index) => ({
        type: "bar", orientation: "h", name: goal.name, y: found.genes, x: found.shares[goal.name],
        marker: { color: colour(`study${index % 6}`) }, hovertemplate: `%{y} and ${goal.name}: %{x:.3f}<extra></extra>`,
      })),
      layout: baseLayout({ barmode: "group", bargap: 0.25, yaxis: { autorange: "reversed", ticks: "" }, xaxis: { title: { text: "share of entropy" }, rangemode: "tozero" } }),
    }));
  }
  if (!parent.children.length) parent.append(element("p", {}, "Too few evaluations, or none that differ, to weigh the genes."));
}

/* Axes of the parallel coordinates: common objectives, blocks, and the most important genes of a single space. */
function parallelAxes() {
  const [first] = report.studies;
  const axes = first.goals
    .filter((goal) => report.studies.every((study) => quantity(study, goal.name) !== null))
    .map((goal) => ({ label: axisName(goal.name), of: (study) => quantity(study, goal.name), reverse: goal.direction === "min" }));
  axes.push({ label: "conv blocks", of: (study) => study.rows.conv }, { label: "ViT blocks", of: (study) => study.rows.vit });
  const isOneSpace = report.studies.every((study) => JSON.stringify(study.genes) === JSON.stringify(first.genes));
  if (first.importance !== null && isOneSpace) {
    for (const place of first.importance.columns.slice(0, isNarrow() ? 3 : 5)) {
      const gene = first.genes[place];
      axes.push({ label: gene.name.replace(".", "<br>"), options: gene.options, of: (study) => study.rows.genotype.map((text) => +text.split(",")[place]) });
    }
  }
  return axes;
}

function drawParallel() {
  if (!hasWebGL()) {
    byId("parallel").remove();
    byId("parallel-text").textContent = "Parallel coordinates need WebGL, which this browser does not offer.";
    return;
  }
  const isWhole = ([index, row]) => report.studies[index].rows.values.every((column) => column[row] !== null);
  let lines = report.studies.flatMap((study, index) => study.rows.id.map((_, row) => [index, row])).filter(isWhole);
  if (lines.length > MOST_LINES) {
    lines = report.studies.flatMap((study, index) => study.front.map((row) => [index, row]));
    byId("parallel-text").textContent = "Each line is a member of a front. Drag along an axis to keep only those that pass there.";
  }
  const [first] = report.studies;
  if (!lines.length) {
    byId("parallel").remove();
    byId("parallel-text").textContent = "No subnet has all its objectives measured, so there is nothing to draw.";
    return;
  }
  addPlot(byId("parallel"), "Parallel coordinates of all subnets.", () => {
    const inks = report.studies.map((_, index) => colour(`study${index}`));
    const steps = Math.max(inks.length - 1, 1);
    const dimensions = parallelAxes().map((axis) => {
      const columns = report.studies.map(axis.of);
      const values = lines.map(([index, row]) => columns[index][row]);
      const dimension = { label: axis.label, values };
      if (axis.options) Object.assign(dimension, { tickvals: axis.options.map((_, place) => place), ticktext: axis.options.map(String), range: [0, Math.max(axis.options.length - 1, 1)] });
      else if (axis.reverse) dimension.range = [Math.max(...values), Math.min(...values)];
      return dimension;
    });
    const byValue = { color: dimensions[0] ? dimensions[0].values : [], colorscale: "Cividis", showscale: true, colorbar: { title: { text: dimensions[0] ? dimensions[0].label : "" }, thickness: 12 } };
    const byStudy = { color: lines.map(([index]) => index), colorscale: inks.map((ink, index) => [index / steps, ink]), cmin: 0, cmax: steps };
    return {
      data: [{ type: "parcoords", dimensions, line: several ? byStudy : byValue, labelfont: { size: 12 }, unselected: { line: { color: colour("soft"), opacity: 0.1 } } }],
      layout: baseLayout({ margin: { l: 60, r: 60, t: 70, b: 20 } }),
    };
  });
  if (several) {
    const keys = report.studies.map((study, index) => element("span", { style: "margin-left:1em" }, element("span", { class: "key", style: `background:var(--study${index})` }), study.name));
    byId("parallel-text").append(...keys);
  }
}

function drawSensitivity() {
  const parent = byId("sensitivity");
  byId("hardware-text").textContent =
    "A number of the chip is assumed where its file states a range. Each is set to its low and to its high end, all others left alone, and " +
    "the networks are mapped anew: what their latency and energy become, as a multiple. All numbers were tried on the middle one of these " +
    "members of the front; the most influential are shown, as the mean over the members.";
  for (const study of report.studies) {
    if (study.sensitivity === null) continue;
    const { members, shifts } = study.sensitivity;
    const ids = members.map((row) => study.rows.id[row]).join(", ");
    const views = element("div", { class: "views" });
    parent.append(element("h3", {}, `${study.name}: ${study.hardware.name}, subnets ${ids}`), views);
    const names = [...new Set(shifts.map((shift) => shift.name))];
    for (const [what, title] of [["latency", "latency"], ["energy", "energy"]]) {
      const node = figure(views, `How ${title} moves`);
      addPlot(node, `For each assumed number, the multiple of ${title} at its low and at its high end.`, () => {
        const traces = names.map((name) => {
          const both = shifts.filter((shift) => shift.name === name).map((shift) => 1 + shift[what]);
          return { x: [Math.min(1, ...both), Math.max(1, ...both)], y: [name, name], mode: "lines", line: { color: colour("soft"), width: 3 }, hoverinfo: "skip", showlegend: false };
        });
        [["low", "study0", "circle"], ["high", "study1", "diamond"]].forEach(([end, ink, symbol]) => {
          const own = shifts.filter((shift) => shift.end === end);
          traces.push({
            x: own.map((shift) => 1 + shift[what]), y: own.map((shift) => shift.name), mode: "markers", name: `at its ${end}`,
            marker: { color: colour(ink), symbol, size: 11 },
            text: own.map((shift) => `${plain(shift.name)}: ${number(shift.nominal)} → ${number(shift.value)} ${plain(shift.unit)}`),
            hovertemplate: `%{text}<br>${title} × %{x:.3f}<extra></extra>`,
          });
        });
        return { data: traces, layout: baseLayout({
          xaxis: { type: "log", title: { text: `${title}, multiple of the nominal` }, nticks: 6 }, yaxis: { autorange: "reversed", type: "category" },
          shapes: [{ type: "line", x0: 1, x1: 1, y0: 0, y1: 1, yref: "paper", line: { color: colour("text"), width: 1, dash: "dot" } }],
        }) };
      });
    }
    const rows = shifts.map((shift) => [shift.name, shift.unit, number(shift.nominal), `${number(shift.value)} (${shift.end})`, percent(shift.latency), percent(shift.energy)]);
    parent.append(element("details", {}, element("summary", {}, "As a table"),
      element("div", { class: "scroll" }, table(["number", "unit", "nominal", "set to", "latency", "energy"], rows, { text: [0, 1] }))));
  }
  if (!parent.children.length) {
    byId("hardware-text").textContent = "Left out; see the notes above.";
  }
}

const percent = (share) => `${share >= 0 ? "+" : ""}${(100 * share).toFixed(1)} %`;

/* ---------------------------------------------------------------- the subnet chosen */

function choosePoint([study, row]) {
  choose(study, row);
  if (isNarrow()) byId("subnet").scrollIntoView({ block: "start" });
}

function choose(index, row) {
  chosen.study = index;
  chosen.row = row;
  showSubnet();
  for (const plot of linked) if (plot.isDrawn) draw(plot);
}

function showSubnet() {
  const study = report.studies[chosen.study];
  const { row } = chosen;
  const { rows } = study;
  byId("subnet-title").textContent = `Subnet ${rows.id[row]}${several ? ` of ${study.name}` : ""}`;
  for (const button of byId("members").querySelectorAll("button")) {
    const isChosen = +button.dataset.study === chosen.study && +button.dataset.row === row;
    button.setAttribute("aria-pressed", String(isChosen));
    button.closest("tr").classList.toggle("chosen", isChosen);
  }
  const mapping = study.mappings[row] ?? null;
  const values = study.goals.map((goal, place) => [goal.name, withUnit(goal, rows.values[place][row])]);
  if (!study.goals.some((goal) => goal.name === "macs")) values.push(["macs", count(rows.macs[row])]);
  if (!study.goals.some((goal) => goal.name === "params")) values.push(["params", count(rows.params[row])]);
  values.push(["conv blocks", rows.conv[row]], ["ViT blocks", rows.vit[row]], ["family", rows.family[row]]);
  for (const [name, numbers] of Object.entries(rows.chip)) values.push([`${name} of its chip`, numbers[row] ?? "none"]);
  if (mapping !== null) values.push(["macros in use", mapping.macros]);
  if (!rows.feasible[row]) values.push(["feasible", "no"]);
  byId("subnet-values").replaceChildren(...values.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
  drawDiagram(study, row);
  showMapping(study, row, mapping);
  const commands = study.next[row] ?? {};
  byId("next").replaceChildren(
    element("h3", {}, Object.keys(commands).length ? "Next" : "Genotype"),
    ...(Object.keys(commands).length
      ? Object.entries(commands).map(([name, command]) => element("div", {}, name, element("pre", { tabindex: 0 }, command)))
      : [element("pre", { tabindex: 0 }, rows.genotype[row])]),
  );
}

function showMapping(study, row, mapping) {
  byId("mapping").hidden = mapping === null;
  byId("mapping-missing").hidden = mapping !== null;
  if (mapping === null) {
    byId("mapping-missing").textContent =
      study.hardware === null ? "The mapping is left out; see the notes in the summary."
        : "The mapping is part of this report for members of the front alone" +
          (study.front.includes(row) ? ", and not for all of them: the command below shows it." : ".");
    return;
  }
  const { ops, energy } = mapping;
  if (!gantt.isDrawn) gantt.node.setAttribute("role", "img");
  gantt.node.setAttribute("aria-label", `Gantt chart: when NPU, network-on-chip and macros are busy; ${mapping.latency_ms.toPrecision(4)} ms in all. The table of ops below says the same.`);
  draw(gantt);
  const sums = Object.entries(energy).map(([part, column]) => [part, column.reduce((sum, value) => sum + value, 0)]);
  const all = sums.reduce((sum, [, value]) => sum + value, 0);
  byId("energy").replaceChildren(table(["part", "energy, uJ", "share", ""], sums.map(([part, value]) => [
    part, number(value / 1e3), `${((100 * value) / all).toFixed(1)} %`,
    element("span", { class: "bar", style: `width:${(120 * value) / all}px;background:${report.parts[part]}` }),
  ]), { text: [0, 3] }));
  byId("ops").replaceChildren(table(["op", "kind", "shape", "runs on", "split NPU | macros", "bound by", "us", "energy, nJ"],
    ops.name.map((name, op) => [name, ops.kind[op], ops.shape[op], ops.schema[op], ops.split[op], ops.bound[op], number(ops.length[op]),
      number(Object.values(energy).reduce((sum, column) => sum + column[op], 0))]), { text: [0, 1, 2, 3, 4, 5] }));
}

const gantt = { node: byId("gantt"), isDrawn: false, onClick: null, make() {
  const mapping = report.studies[chosen.study].mappings[chosen.row];
  const { ops, energy } = mapping;
  const traces = report.lanes.map((lane, place) => {
    const own = mapping.bars.filter((bar) => bar[0] === place);
    return {
      type: "bar", orientation: "h", y: own.map(() => lane), base: own.map((bar) => bar[2]), x: own.map((bar) => bar[3]), width: 0.75,
      marker: { color: LANE_COLOURS[place], line: { color: colour("panel"), width: 0.5 } }, showlegend: false,
      text: own.map((bar) => `${plain(ops.name[bar[1]])}<br>${ops.kind[bar[1]]} on ${ops.schema[bar[1]]} ${plain(ops.split[bar[1]])}<br>${number(bar[3])} us from ${number(bar[2])} us`),
      textposition: "none", hovertemplate: "%{text}<extra></extra>", yaxis: "y",
    };
  });
  for (const part of Object.keys(energy)) {
    traces.push({
      type: "bar", name: part, x: ops.start.map((start, op) => start + ops.length[op] / 2), width: ops.length, y: energy[part], yaxis: "y2",
      marker: { color: report.parts[part] }, text: ops.name.map(plain), textposition: "none", hovertemplate: `%{text}<br>${part} %{y:.4g} nJ<extra></extra>`,
    });
  }
  return { data: traces, layout: baseLayout({
    barmode: "stack", bargap: 0, legend: { ...LEGEND, traceorder: "normal" },
    xaxis: { title: { text: "time, us" }, anchor: "y2", range: [0, Math.max(...ops.start.map((start, op) => start + ops.length[op]))] },
    yaxis: { domain: [0.62, 1], categoryorder: "array", categoryarray: [...report.lanes].reverse(), type: "category", range: [-0.5, report.lanes.length - 0.5] },
    yaxis2: { domain: [0, 0.55], title: { text: "energy, nJ" } },
  }) };
} };

/* ---------------------------------------------------------------- lists and texts */

function fillSummary() {
  byId("title").textContent = report.studies.map((study) => study.name).join(", ");
  const head = ["study", "space", "objectives", "evaluations", "feasible", "front", "hypervolume", "ViT per 10 conv"];
  const rows = report.studies.map((study, index) => [
    element("span", {}, element("span", { class: "key", style: `background:var(--study${index})` }), study.name),
    study.space, study.goals.map((goal) => goal.name).join(", "), study.rows.id.length, study.rows.feasible.reduce((a, b) => a + b, 0),
    study.front.length, study.hypervolume.toFixed(4), study.blocks.vit_per_10_conv === null ? "-" : study.blocks.vit_per_10_conv.toFixed(1),
  ]);
  byId("summary-table").replaceChildren(table(head, rows, { text: [0, 1, 2] }));
  const gain = (found) => (found === null ? "-" : `${found.mean >= 0 ? "+" : ""}${found.mean.toFixed(2)} (most ${found.max >= 0 ? "+" : ""}${found.max.toFixed(2)})`);
  if (report.pairs.length) {
    const rowsOf = report.pairs.map((pair) => [`${pair.b} against ${pair.a}`, pair.objectives.join(", "), pair.evaluations,
      `${pair.hypervolume_b.toFixed(4)} : ${pair.hypervolume_a.toFixed(4)}`, gain(pair.acc_at_equal_lat), gain(pair.acc_at_equal_energy), gain(pair.lat_at_equal_acc), gain(pair.energy_at_equal_acc)]);
    byId("pairs").append(element("div", { class: "scroll" }, table(
      ["studies", "by", "evaluations", "hypervolumes", "acc at equal lat, points", "acc at equal energy, points", "lat saved at equal acc, %", "energy saved at equal acc, %"],
      rowsOf, { text: [0, 1], caption: "Gains of the one over the other" })));
  }
  const notes = [...report.notes, ...report.pairs.flatMap((pair) => pair.notes.map((note) => `${pair.b} against ${pair.a}: ${note}`))];
  byId("notes").append(...notes.map((note) => element("li", {}, note)));
  byId("notes").hidden = !notes.length;
}

function fillMembers() {
  const names = [...new Set(report.studies.flatMap((study) => study.goals.map((goal) => goal.name)))];
  const head = ["id", ...(several ? ["study"] : []), ...names.map(axisName), "conv", "ViT", "family"];
  const rows = report.studies.flatMap((study, index) => study.front.map((row) => [
    element("button", { type: "button", "data-study": index, "data-row": row, "aria-pressed": "false", onclick: () => choose(index, row),
      "aria-label": `Show subnet ${study.rows.id[row]}${several ? ` of ${study.name}` : ""}` }, String(study.rows.id[row])),
    ...(several ? [study.name] : []),
    ...names.map((name) => number((quantity(study, name) ?? [])[row], goalOf(name).unit)),
    study.rows.conv[row], study.rows.vit[row], study.rows.family[row],
  ]));
  const node = byId("members");
  if (!rows.length) node.replaceChildren(element("p", { style: "padding:0 .7rem" }, "No subnet holds all constraints: the front is empty."));
  else node.replaceChildren(table(head, rows, { text: several ? [0, 1, head.length - 1] : [0, head.length - 1] }));
  node.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const buttons = [...node.querySelectorAll("button")];
    const place = buttons.indexOf(document.activeElement);
    if (step === undefined || place < 0 || !buttons[place + step]) return;
    event.preventDefault();
    buttons[place + step].focus();
  });
}

function fillFind() {
  byId("find-study").append(...report.studies.map((study, index) => element("option", { value: index }, study.name)));
  byId("find-study-label").hidden = !several;
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    const index = +byId("find-study").value;
    const study = report.studies[index];
    const row = study.rows.id.indexOf(+byId("find-id").value);
    byId("find-error").textContent = row >= 0 ? "" : `${study.name} has no subnet ${byId("find-id").value}: its ids are ${Math.min(...study.rows.id)} to ${Math.max(...study.rows.id)}.`;
    if (row >= 0) {
      choose(index, row);
      byId("subnet").focus();
    }
  });
}

function fillSettings() {
  const list = (record) => table(["name", "value"], Object.entries(record).map(([name, value]) => [name, value === null ? "-" : String(value)]), { text: [0, 1] });
  for (const study of report.studies) {
    const settings = { ...study.settings, constraints: study.constraints.join(", ") || "none", "made (UTC)": study.created_at };
    byId("settings-list").append(
      element("h3", {}, study.name), element("p", {}, "The command that repeats it:"), element("pre", { tabindex: 0 }, study.command),
      element("details", { class: "settings" }, element("summary", {}, "Settings"), element("div", { class: "scroll" }, list(settings))),
      element("details", { class: "settings" }, element("summary", {}, "Fingerprint: everything that decides the result"), element("div", { class: "scroll" }, list(study.fingerprint))));
  }
}

/* ---------------------------------------------------------------- theme and start */

const system = window.matchMedia("(prefers-color-scheme: dark)");

function applyTheme() {
  const wanted = byId("theme").value;
  document.documentElement.dataset.theme = wanted === "auto" ? (system.matches ? "dark" : "light") : wanted;
}

function redraw() {
  for (const plot of plots) if (plot.isDrawn) draw(plot);
  if (gantt.isDrawn && !byId("mapping").hidden) draw(gantt);
}

function start() {
  applyTheme();
  byId("theme").addEventListener("change", () => { applyTheme(); redraw(); });
  system.addEventListener("change", () => { applyTheme(); redraw(); });
  fillSummary();
  fillMembers();
  fillFind();
  fillSettings();
  const first = Math.max(report.studies.findIndex((study) => study.knee !== null), 0);
  chosen.study = first;
  chosen.row = report.studies[first].knee ?? 0;
  showSubnet();
  drawViews();
  drawProgress();
  drawBlocks();
  drawImportance();
  drawParallel();
  drawSensitivity();
  // The front first; the rest one at a time, so that the page answers meanwhile, and what comes into view at once.
  const views = byId("views");
  plots.filter((plot) => views.contains(plot.node) && plot.node !== solid).forEach(draw);
  performance.mark("front drawn");
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) drawOnce(plots.find((plot) => plot.node === entry.target));
  });
  const waiting = plots.filter((plot) => !plot.isDrawn);
  for (const plot of waiting) seen.observe(plot.node);
  const next = () => {
    const plot = waiting.shift();
    if (plot === undefined) {
      seen.disconnect();
      performance.mark("all drawn");
      document.documentElement.dataset.ready = "true";
      return;
    }
    drawOnce(plot);
    setTimeout(next, 20);
  };
  setTimeout(next, 20);
}

function drawOnce(plot) {
  if (!plot.isDrawn) draw(plot);
}

start();
