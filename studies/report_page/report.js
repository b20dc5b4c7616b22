"use strict";
/* Sections of the report page: scatter plots, curves, the chosen subnet, lists, and the start of the page.

   drawing.js, which the page loads before, holds the tools; mapping.js draws the mapping of the chosen subnet. */

/* ---------------------------------------------------------------- plots of all subnets */

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
function drawViews() {
  const parent = byId("views");
  for (const { x, y, lines } of report.views) {
    const caption = x === null ? `${axisName(y)} in the order of evaluation` : `${y} against ${x}`;
    const node = figure(parent, caption);
    if (!canBeDrawn([x, y], node)) continue;
    linked.push(addPlot(node, `Scatter plot: ${caption}. The list below shows the same members of the front.`, () => {
      const { traces, shapes, annotations } = beside(x, y);
      return { data: [...cloud([x, y], { lines }), ...traces], layout: baseLayout({ xaxis: axisOf(x), yaxis: axisOf(y), shapes, annotations }) };
    }, choosePoint));
  }
  if (report.solid === null) return;
  const node = figure(parent, report.solid.join(", "));
  if (!canBeDrawn(report.solid, node)) return;
  if (!hasWebGL()) {
    node.replaceWith(element("p", {}, "The plot in three dimensions needs WebGL, which this browser does not support."));
    return;
  }
  const axis = (name) => ({ title: { text: axisName(name) }, ...(isWide(name) ? logarithmic(true) : { nticks: 5 }), gridcolor: colour("line"), backgroundcolor: colour("panel"), color: colour("text") });
  solid = node; // drawn last: WebGL takes half a second to start
  linked.push(addPlot(node, `Scatter plot in three dimensions: ${report.solid.join(", ")}.`, () => ({
    data: cloud([report.solid[1], report.solid[2], report.solid[0]]),
    layout: { ...baseLayout({}), dragmode: "orbit", margin: { l: 0, r: 0, t: 0, b: 0 }, uirevision: "kept",
      scene: { xaxis: axis(report.solid[1]), yaxis: axis(report.solid[2]), zaxis: axis(report.solid[0]), aspectmode: "cube", camera: { eye: { x: 1.6, y: -1.6, z: 0.7 } } } },
  }), choosePoint));
}

function drawProgress() {
  const names = report.hypervolume_of;
  byId("progress-text").textContent = names.length
    ? `Share of a fixed box that the front dominates, from 0 to 1, over ${names.join(", ")}.${several ? " All studies share one box, which encloses the bounds of each." : ""}`
    : "The studies have no objective in common. Each curve uses the objectives and the box of its own study, so the curves cannot be compared.";
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
  byId("blocks-text").textContent = `ViT blocks per 10 convolution blocks of each subnet.${without ? ` ${without} ${without === 1 ? "subnet" : "subnets"} without convolution blocks cannot be drawn.` : ""}`;
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
    const { importance } = study;
    if (importance === null) continue;
    const node = figure(parent, `${several ? `${study.name}: ` : ""}importance of genes, ${importance.evaluations} subnets`, "plot tall");
    addPlot(node, `Bars: importance of genes for each objective, ${study.name}.`, () => ({
      data: study.goals.map((goal, index) => ({
        type: "bar", orientation: "h", name: goal.name, y: importance.genes, x: importance.shares[goal.name],
        marker: { color: colour(`study${index % 6}`) }, hovertemplate: `%{y} and ${goal.name}: %{x:.3f}<extra></extra>`,
      })),
      layout: baseLayout({ barmode: "group", bargap: 0.25, yaxis: { autorange: "reversed", ticks: "" }, xaxis: { title: { text: "share of entropy" }, rangemode: "tozero" } }),
    }));
  }
  if (!parent.children.length) parent.append(element("p", {}, "Gene importance needs more evaluations, or evaluations that differ."));
}

/* Axes of the parallel coordinates: shared objectives, blocks, and the most important genes if all studies share a space. */
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
    byId("parallel-text").textContent = "Parallel coordinates need WebGL, which this browser does not support.";
    return;
  }
  const isWhole = ([index, row]) => report.studies[index].rows.values.every((column) => column[row] !== null);
  let lines = report.studies.flatMap((study, index) => study.rows.id.map((_, row) => [index, row])).filter(isWhole);
  if (lines.length > MOST_LINES) {
    lines = report.studies.flatMap((study, index) => study.front.map((row) => [index, row]));
    byId("parallel-text").textContent = "Each line is a member of a front. Drag along an axis to select the lines that pass there.";
  }
  const [first] = report.studies;
  if (!lines.length) {
    byId("parallel").remove();
    byId("parallel-text").textContent = "Nothing to draw: no subnet has values of all objectives.";
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
    "A number of the chip is assumed if its SoC file states a range. Each assumed number is set to its low and to its high end, one at a " +
    "time, and the networks are mapped again. The plots show latency and energy as multiples of the nominal values. All numbers were tried " +
    "on the middle one of these members of the front; the plots show the most influential ones, as means over the members.";
  for (const study of report.studies) {
    if (study.sensitivity === null) continue;
    const { members, shifts } = study.sensitivity;
    const ids = members.map((row) => study.rows.id[row]).join(", ");
    const views = element("div", { class: "views" });
    parent.append(element("h3", {}, `${study.name}: ${study.hardware.name}, subnets ${ids}`), views);
    const names = [...new Set(shifts.map((shift) => shift.name))];
    for (const [what, title] of [["latency", "latency"], ["energy", "energy"]]) {
      const node = figure(views, `Change of ${title}`);
      addPlot(node, `Multiple of the nominal ${title} at the low and at the high end of each assumed number.`, () => {
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
    byId("hardware-text").textContent = "The sensitivity was left out; see the notes in the summary.";
  }
}

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
  for (const [name, numbers] of Object.entries(rows.chip)) values.push([`${name} of the chip`, numbers[row] ?? "none"]);
  if (mapping !== null) values.push(["macros in use", mapping.macros]);
  if (!rows.feasible[row]) values.push(["feasible", "no"]);
  byId("subnet-values").replaceChildren(...values.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
  drawDiagram(study, row);
  showMapping(study, row, mapping);
  showClasses(study, row);
  const commands = study.next[row] ?? {};
  byId("next").replaceChildren(
    element("h3", {}, Object.keys(commands).length ? "Next" : "Genotype"),
    ...(Object.keys(commands).length
      ? Object.entries(commands).map(([name, command]) => element("div", {}, name, element("pre", { tabindex: 0 }, command)))
      : [element("pre", { tabindex: 0 }, rows.genotype[row])]),
  );
}

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
  const signed = (value) => `${value >= 0 ? "+" : ""}${value.toFixed(2)}`;
  const between = (ends) => (ends === null ? "" : ` [${signed(ends[0])} to ${signed(ends[1])}]`);
  const gain = (points) => (points === null ? "-" : `${signed(points.mean)}${between(points.mean_interval)} (at most ${signed(points.max)})`);
  if (report.pairs.length) {
    const rowsOf = report.pairs.map((pair) => [`${pair.b} against ${pair.a}`, pair.objectives.join(", "), pair.evaluations,
      `${pair.hypervolume_b.toFixed(4)} : ${pair.hypervolume_a.toFixed(4)}`, gain(pair.acc_at_equal_lat), gain(pair.acc_at_equal_energy), gain(pair.lat_at_equal_acc), gain(pair.energy_at_equal_acc)]);
    byId("pairs").append(element("div", { class: "scroll" }, table(
      ["studies", "objectives", "evaluations", "hypervolumes", "acc at equal lat, points", "acc at equal energy, points", "lat saved at equal acc, %", "energy saved at equal acc, %"],
      rowsOf, { text: [0, 1], caption: "Gains of the first study of each pair over the second, with 95 % intervals over images" })));
  }
  const notes = [...report.notes, ...report.pairs.flatMap((pair) => pair.notes.map((note) => `${pair.b} against ${pair.a}: ${note}`))];
  byId("notes").append(...notes.map((note) => element("li", {}, note)));
  byId("notes").hidden = !notes.length;
}

function fillMembers() {
  const names = [...new Set(report.studies.flatMap((study) => study.goals.map((goal) => goal.name)))];
  const noise = [...new Set(report.studies.flatMap((study) => Object.keys(study.certainty)))];
  const head = ["id", ...(several ? ["study"] : []), ...names.map(axisName), ...noise, "conv", "ViT", "family"];
  const rows = report.studies.flatMap((study, index) => study.front.map((row, place) => [
    element("button", { type: "button", "data-study": index, "data-row": row, "aria-pressed": "false", onclick: () => choose(index, row),
      "aria-label": `Show subnet ${study.rows.id[row]}${several ? ` of ${study.name}` : ""}` }, String(study.rows.id[row])),
    ...(several ? [study.name] : []),
    ...names.map((name) => number((quantity(study, name) ?? [])[row], goalOf(name).unit)),
    ...noise.map((title) => (study.certainty[title] ?? [])[place] ?? "-"), study.rows.conv[row], study.rows.vit[row], study.rows.family[row],
  ]));
  const node = byId("members");
  if (!rows.length) node.replaceChildren(element("p", { style: "padding:0 .7rem" }, "No subnet satisfies all constraints: the front is empty."));
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
    const settings = { ...study.settings, constraints: study.constraints.join(", ") || "none", "created (UTC)": study.created_at };
    byId("settings-list").append(
      element("h3", {}, study.name), element("p", {}, "Command that repeats this study:"), element("pre", { tabindex: 0 }, study.command),
      element("details", { class: "settings" }, element("summary", {}, "Settings"), element("div", { class: "scroll" }, list(settings))),
      element("details", { class: "settings" }, element("summary", {}, "Fingerprint: everything that decides the result"), element("div", { class: "scroll" }, list(study.fingerprint))));
  }
}

/* ---------------------------------------------------------------- theme and start */

function applyTheme() {
  const wanted = byId("theme").value;
  document.documentElement.dataset.theme = wanted === "auto" ? (system.matches ? "dark" : "light") : wanted;
}

function redraw() {
  for (const plot of plots) if (plot.isDrawn) draw(plot);
  if (gantt.isDrawn && !byId("mapping").hidden) for (const plot of [gantt, roofs]) draw(plot);
}

function start() {
  byId("scope").hidden = !report.studies.some((study) => study.goals.some((goal) => goal.name === "lat" || goal.name === "energy"));
  byId("scope").textContent = report.scope;
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
  // The front first; then one plot at a time, so that the page stays responsive, and any plot that scrolls into view at once.
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
