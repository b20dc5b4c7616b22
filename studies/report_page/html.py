"""A report as one HTML file that needs nothing beside it: markup, style, script, plotly.js and the numbers.

A content security policy in the file forbids every request; texts from studies reach the page as JSON and
are set as text, never as markup.
"""

from __future__ import annotations

import json
from html import escape
from importlib import resources
from typing import Any

_PAGE = resources.files("studies.report_page")


def page(record: dict[str, Any]) -> str:
    """The file's text.

    Args:
        record: As `report_record` makes it.
    """
    names = ", ".join(study["name"] for study in record["studies"])
    parts = {
        "title": escape(names),
        "style": _text("report.css"),
        "data": embedded_json(record),
        "script": _text("report.js"),
        "plotly": (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8"),
    }
    text = _text("report.html")
    # One pass over the template, so that what is filled in is never searched for placeholders itself.
    pieces = text.split("%%")
    pieces[1::2] = [parts[name] for name in pieces[1::2]]
    return "".join(pieces)


def embedded_json(record: object) -> str:
    """JSON that a script element may hold, whatever texts are in it."""
    text = json.dumps(record, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _text(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")
