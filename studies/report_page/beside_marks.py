"""Networks of TensorFlow Lite files in a report: marks in the plots of the front, and notes."""

from __future__ import annotations

from collections.abc import Sequence

from studies.analysis.beside import BesideFile, beside_notes, beside_rows
from studies.report_page.records import ReportRecord
from studies.report_page.report_data import Reported


def add_beside(record: ReportRecord, reported: Sequence[Reported], files: Sequence[BesideFile]) -> None:
    """Adds the networks of `files`, on the chip of each study, to `record`.

    Raises:
        HardwareError: A study measured neither latency nor energy, or its cost model has changed since.
    """
    for study, entry in zip(record["studies"], reported, strict=True):
        contender = entry.contender
        rows = beside_rows(contender.study, contender.front, files)
        study["beside"] = [
            {"name": row.name, "mapping": row.mapping, "values": list(row.values)} for row in rows
        ]
        record["notes"] += [f"{contender.name}: {note}" for note in beside_notes(rows)]
