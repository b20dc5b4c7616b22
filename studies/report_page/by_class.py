"""Accuracy by class in a report, from the JSON files of `studies.validate`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search_space.errors import H4HError
from search_space.files.regular_file import file_problem
from search_space.genotype import to_text
from studies.report_page.records import ClassesRecord, ClassRowRecord, ReportRecord

OPTION = "--by-class"
HELP = "JSON file of studies.validate, whose figures by class the report shows; may be repeated"

REMEDY = "write it by `python -m studies.validate --study NAME --data DIR --json > FILE`"


class ByClassError(H4HError):
    """A file that holds no figures by class, or those of other networks."""


def read_by_class(paths: Sequence[Path]) -> dict[Path, Mapping[str, Any]]:
    """Reads JSON files of `studies.validate`.

    Raises:
        ByClassError: A file cannot be read, or holds no figures by class.
    """
    found = {}
    for path in paths:
        if (problem := file_problem(path)) is not None:
            raise ByClassError(f"{OPTION} {path} {problem}; {REMEDY}")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ByClassError(f"{OPTION} {path}: cannot be read ({error.strerror}); {REMEDY}") from error
        except ValueError as error:
            raise ByClassError(f"{OPTION} {path}: is no JSON file; {REMEDY}") from error
        is_whole = isinstance(content, dict) and {"study", "split", "subnets"} <= set(content)
        if not is_whole or not all("by_class" in subnet for subnet in content["subnets"]):
            raise ByClassError(f"{OPTION} {path}: holds no figures by class; {REMEDY}")
        found[path] = content
    return found


def add_by_class(record: ReportRecord, files: Mapping[Path, Mapping[str, Any]]) -> None:
    """Adds the figures of `files` to the studies of `record` that they belong to.

    Raises:
        ByClassError: The report holds no study of a file's name, or another network under an id.
    """
    for path, content in files.items():
        study = next((one for one in record["studies"] if _base(one["name"]) == content["study"]), None)
        if study is None:
            names = ", ".join(one["name"] for one in record["studies"])
            raise ByClassError(
                f"{OPTION} {path}: belongs to study {content['study']!r}, but the report holds {names}: "
                f"leave it out, or name that study"
            )
        row_of = {index: row for row, index in enumerate(study["rows"]["id"])}
        rows: dict[int, ClassRowRecord] = {}
        for subnet in content["subnets"]:
            row = row_of.get(subnet["id"])
            if row is None or study["rows"]["genotype"][row] != to_text(subnet["genotype"]):
                raise ByClassError(
                    f"{OPTION} {path}: id {subnet['id']} is another network in study {study['name']!r}: "
                    f"{REMEDY} again"
                )
            figures = subnet["by_class"]
            rows[row] = {
                "recall": list(figures["recall"].values()),
                "balanced": figures["balanced_accuracy"],
                "never": figures["never_predicted"],
                "confusion": figures.get("confusion"),
            }
        study["classes"] = _classes(content["split"], content["subnets"][0]["by_class"], rows)


def _classes(split: str, first: Mapping[str, Any], rows: dict[int, ClassRowRecord]) -> ClassesRecord:
    return {
        "split": split,
        "names": list(first["images"]),
        "images": list(first["images"].values()),
        "majority": first["majority_baseline"],
        "rows": rows,
    }


def _base(name: str) -> str:
    """Name of a study without the database before it."""
    return name.rpartition(":")[2]
