"use strict";
/* Accuracy of the chosen subnet by class: recall, and the confusion matrix or the most frequent confusions.

   drawing.js, which the page loads before, holds the tools. */

const MOST_COLUMNS = 20; // of a confusion matrix
const LISTED = 3; // confusions of a class where there are more classes

function showClasses(study, row) {
  const known = study.classes;
  byId("classes").hidden = known === null;
  if (known === null) return;
  const figures = known.rows[row] ?? null;
  if (figures === null) {
    byId("classes-text").textContent = "This subnet was not scored by class; studies.validate --all scores every one.";
    byId("classes-table").replaceChildren();
    return;
  }
  const { names, images } = known;
  const { confusion } = figures;
  const largest = names[images.indexOf(Math.max(...images))];
  const all = images.reduce((sum, value) => sum + value, 0);
  const never = figures.never.length ? ` It never predicts ${figures.never.join(", ")}.` : "";
  byId("classes-text").textContent =
    `Balanced accuracy ${figures.balanced.toFixed(2)} % on ${count(all)} ${known.split} images. Always ${largest} would have ${known.majority.toFixed(2)} %.${never}`;
  const isMatrix = confusion !== null && names.length <= MOST_COLUMNS;
  const more = confusion === null ? [] : isMatrix ? names.map((name) => `as ${name}`) : ["taken for"];
  const rest = (label) => (confusion === null ? [] : isMatrix ? confusion[label].map(String) : [confusions(confusion[label], label, names)]);
  const cells = names.map((name, label) => [name, String(images[label]), figures.recall[label]?.toFixed(1) ?? "", ...rest(label)]);
  byId("classes-table").replaceChildren(table(["class", "images", "recall, %", ...more], cells, { text: isMatrix ? [0] : [0, 3] }));
}

function confusions(counts, label, names) {
  const others = counts.map((value, other) => [value, other]).filter(([value, other]) => value > 0 && other !== label);
  others.sort(([first], [second]) => second - first);
  return others.slice(0, LISTED).map(([value, other]) => `${names[other]} (${value})`).join(", ");
}
