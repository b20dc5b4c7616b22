"""HTML page of a report: one self-contained file of markup, style, scripts, plotly.js and data.

A content security policy in the file forbids every request. Texts from studies reach the page as JSON and are
inserted as text, never as markup.
"""

from __future__ import annotations

import json
from html import escape
from importlib import resources

from studies.report_page.records import ReportRecord

_PAGE = resources.files("studies.report_page")


def page(record: ReportRecord) -> str:
    """Text of the HTML file."""
    names = ", ".join(study["name"] for study in record["studies"])
    parts = {
        "title": escape(names),
        "style": _text("report.css"),
        "data": embedded_json(record),
        "drawing": _text("drawing.js"),
        "mapping": _text("mapping.js"),
        "classes": _text("classes.js"),
        "script": _text("report.js"),
        "plotly": (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8"),
    }
    text = _text("report.html")
    # One pass over the template, so that inserted texts are never searched for placeholders.
    pieces = text.split("%%")
    pieces[1::2] = [parts[name] for name in pieces[1::2]]
    return "".join(pieces)


def embedded_json(record: object) -> str:
    """JSON for a script element: the characters <, > and & are escaped."""
    text = json.dumps(record, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _text(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")
