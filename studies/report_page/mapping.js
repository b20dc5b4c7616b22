"use strict";
/* The mapping of the chosen subnet: when each device works, use of its multipliers, energy, rooflines, frames.

   drawing.js, which the page loads before, holds the tools. */

const DEVICE_COLOURS = { NPU: LANE_COLOURS[0], macros: LANE_COLOURS[2] };

function showMapping(study, row, mapping) {
  byId("mapping").hidden = mapping === null;
  byId("mapping-missing").hidden = mapping !== null;
  if (mapping === null) {
    byId("mapping-missing").textContent =
      study.hardware === null ? "The mapping was left out; see the notes in the summary."
        : study.front.includes(row) ? "The report does not hold the mapping of this member of the front; the command below prints it."
          : "The report holds mappings of members of the front only.";
    return;
  }
  const { ops, energy } = mapping;
  if (!gantt.isDrawn) gantt.node.setAttribute("role", "img");
  gantt.node.setAttribute("aria-label", `Gantt chart: when NPU, network-on-chip and macros are busy, multipliers in use, and energy; ${mapping.latency_ms.toPrecision(4)} ms in all. The table of ops below has the same content.`);
  draw(gantt);
  if (!roofs.isDrawn) roofs.node.setAttribute("role", "img");
  roofs.node.setAttribute("aria-label", `Rooflines of ${mapping.rooflines.map((line) => line.device).join(" and ")}: multiply-accumulates per cycle over those per byte, a mark for each op.`);
  draw(roofs);
  byId("frames").textContent = framesText(mapping.frames);
  const sums = Object.entries(energy).map(([part, column]) => [part, column.reduce((sum, value) => sum + value, 0)]);
  const all = sums.reduce((sum, [, value]) => sum + value, 0);
  byId("energy").replaceChildren(table(["part", "energy, uJ", "share", ""], sums.map(([part, value]) => [
    part, number(value / 1e3), `${((100 * value) / all).toFixed(1)} %`,
    element("span", { class: "bar", style: `width:${(120 * value) / all}px;background:${report.parts[part]}` }),
  ]), { text: [0, 3] }));
  byId("ops").replaceChildren(table(["op", "kind", "shape", "runs on", "split NPU | macros", "bound by", "us", "energy, nJ", ...Object.keys(mapping.utilisation).map((device) => `${device} busy, %`)],
    ops.name.map((name, op) => [name, ops.kind[op], ops.shape[op], ops.schema[op], ops.split[op], ops.bound[op], number(ops.length[op]),
      number(Object.values(energy).reduce((sum, column) => sum + column[op], 0)), ...Object.values(mapping.utilisation).map((shares) => shares[op].toFixed(1))]), { text: [0, 1, 2, 3, 4, 5] }));
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
  for (const [device, shares] of Object.entries(mapping.utilisation)) {
    traces.push({
      type: "scatter", mode: "lines", line: { shape: "hv", color: DEVICE_COLOURS[device], width: 1.5 }, name: `${device} multipliers`, yaxis: "y3",
      x: [...ops.start, ops.start.at(-1) + ops.length.at(-1)], y: [...shares, shares.at(-1)], text: [...ops.name.map(plain), ""],
      hovertemplate: `%{text}<br>${device}: %{y:.1f} % of the multipliers<extra></extra>`,
    });
  }
  return { data: traces, layout: baseLayout({
    barmode: "stack", bargap: 0, legend: { ...LEGEND, traceorder: "normal" },
    xaxis: { title: { text: "time, us" }, anchor: "y2", range: [0, Math.max(...ops.start.map((start, op) => start + ops.length[op]))] },
    yaxis: { domain: [0.72, 1], categoryorder: "array", categoryarray: [...report.lanes].reverse(), type: "category", range: [-0.5, report.lanes.length - 0.5] },
    yaxis2: { domain: [0, 0.36], title: { text: "energy, nJ" } },
    yaxis3: { domain: [0.42, 0.66], title: { text: "busy, %" }, range: [0, 100] },
  }) };
} };

/* Rooflines side by side: multiply-accumulates per cycle over those per byte. Ops without transfers lie at the right end. */
const roofs = { node: byId("rooflines"), isDrawn: false, onClick: null, make() {
  const mapping = report.studies[chosen.study].mappings[chosen.row];
  const { rooflines, ops } = mapping;
  const traces = [], axes = {}, annotations = [];
  const width = 1 / Math.max(rooflines.length, 1);
  rooflines.forEach((line, place) => {
    const end = place ? String(place + 1) : "";
    const ridge = line.peak / line.bandwidth;
    const reached = line.macs.map((macs, op) => (line.bytes[op] ? macs / line.bytes[op] : null));
    const known = reached.filter((value) => value !== null);
    const [low, high] = [Math.min(ridge, ...known) / 2, Math.max(ridge, ...known) * 4];
    const axis = { xaxis: `x${end}`, yaxis: `y${end}`, showlegend: false };
    traces.push({ ...axis, type: "scatter", mode: "lines", x: [low, ridge, high], y: [line.bandwidth * low, line.peak, line.peak], line: { color: colour("text"), width: 1.5 }, hoverinfo: "skip" });
    traces.push({
      ...axis, type: "scatter", mode: "markers", x: reached.map((value) => value ?? high), y: line.macs.map((macs, op) => macs / line.cycles[op]),
      marker: { color: LANE_COLOURS[line.device === "NPU" ? 0 : 2], size: 7, opacity: 0.75 }, text: line.op.map((op) => `${plain(ops.name[op])}<br>${ops.kind[op]} ${plain(ops.shape[op])}`),
      hovertemplate: "%{text}<br>%{x:.3g} MAC per byte, %{y:.3g} MAC per cycle<extra></extra>",
    });
    axes[`xaxis${end}`] = { ...logarithmic(), domain: [place * width + (place ? 0.06 : 0), (place + 1) * width], anchor: `y${end}`, title: { text: `MAC per byte over the ${line.memory}` } };
    axes[`yaxis${end}`] = { ...logarithmic(), anchor: `x${end}`, title: { text: "MAC per cycle" } };
    annotations.push({ text: plain(`${line.device}: ${number(line.peak)} MAC/cycle, ${line.memory} ${number(line.bandwidth)} B/cycle`), showarrow: false, xref: `x${end} domain`, yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "bottom" });
  });
  return { data: traces, layout: baseLayout({ ...axes, annotations, margin: { l: 8, r: 16, t: 34, b: 8 } }) };
} };

function framesText(frames) {
  const rates = Object.entries(frames.at_rate).map(([name, value]) => `, ${number(value)} mW as ${name}`);
  const pipelined = frames.in_flight > 1
    ? `; ${number(frames.pipelined_fps)} with NPU and macros pipelined over ${frames.in_flight} frames, limited by the ${frames.bottleneck}` : "";
  return `Frames per second: ${number(frames.sequential_fps)} one after the other${pipelined}. Average power: ${number(frames.busy_mw)} mW while one inference follows another, ` +
    `${number(frames.sleep_mw)} mW between frames${rates.join("")}.`;
}
