"""Tables of a classifier's figures by class, for terminals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.table import Table

from supernet.accuracy.class_figures import ClassFigures

MOST_COLUMNS = 12
"""Number of classes up to which the whole confusion matrix is shown."""
NAMED_CONFUSIONS = 3


def summary(figures: ClassFigures, names: Sequence[str]) -> str:
    """Accuracy, balanced accuracy and majority baseline in one line."""
    largest = names[int(figures.images.argmax())]
    return (
        f"accuracy {figures.accuracy:.2f} %, balanced {figures.balanced:.2f} %, "
        f"always {largest!r} {figures.majority:.2f} %"
    )


def class_table(figures: ClassFigures, names: Sequence[str]) -> Table:
    """Images and recall of each class, and the classes it is taken for.

    Up to `MOST_COLUMNS` classes, the columns are the confusion matrix: numbers of images by predicted class.
    """
    is_small = len(names) <= MOST_COLUMNS
    table = Table("class", box=box.SIMPLE_HEAD)
    for name in ("images", "recall %"):
        table.add_column(name, justify="right")
    if is_small:
        for name in names:
            table.add_column(f"as {name}", justify="right")
    else:
        table.add_column("taken for")
    for label, (name, recall) in enumerate(zip(names, figures.recalls, strict=True)):
        row = figures.confusion[label]
        cells = [str(count) for count in row.tolist()] if is_small else [_confusions(row, label, names)]
        table.add_row(name, str(figures.images[label]), "" if recall is None else f"{recall:.1f}", *cells)
    return table


def _confusions(row: np.ndarray, label: int, names: Sequence[str]) -> str:
    """The classes that images of class `label` are most often taken for."""
    others = [other for other in np.argsort(-row, kind="stable").tolist() if other != label and row[other]]
    return ", ".join(f"{names[other]} ({row[other]})" for other in others[:NAMED_CONFUSIONS])
