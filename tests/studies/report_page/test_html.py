"""HTML page: self-contained, and safe against the texts in it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from studies.report import read
from studies.report_page.html import embedded_json, page
from studies.report_page.report_data import report_record
from tests.studies.reports import HOSTILE

pytestmark = pytest.mark.usefixtures("few_ends")


class Elements(HTMLParser):
    """Collects tags with their attributes, and the text of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def text(report_database: Path) -> str:
    return page(report_record(read([HOSTILE], report_database)))


@pytest.fixture(scope="module")
def elements(text: str) -> Elements:
    parser = Elements()
    parser.feed(text)
    return parser


def test_json_holds_no_markup_and_reads_back() -> None:
    record = {"name": "</script><!-- & \u2028"}
    text = embedded_json(record)
    assert not set("<>&") & set(text)
    assert json.loads(text) == record


def test_numbers_are_in_the_page(elements: Elements) -> None:
    record = json.loads(elements.scripts[0])
    assert record["studies"][0]["name"] == HOSTILE


def test_names_are_escaped(text: str, elements: Elements) -> None:
    assert "<script>alert" not in text
    assert len(elements.scripts) == 6


def test_nothing_is_fetched(text: str, elements: Elements) -> None:
    for tag, attributes in elements.found:
        assert tag not in ("img", "iframe", "object", "embed", "audio", "video", "base")
        assert "src" not in attributes
        if "href" in attributes:
            assert re.match(r"#|data:,", attributes["href"] or "")
    assert "default-src 'none'" in text
    assert "url(" not in text[: text.index("</style>")]


def test_structure_for_people_who_do_not_see(elements: Elements) -> None:
    found = elements.found
    tags = [tag for tag, _ in found]
    assert [tags.count(tag) for tag in ("main", "h1", "header")] == [1, 1, 1]
    assert dict(found)["html"] == {"lang": "en"}
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = [attributes["aria-labelledby"] for _, attributes in found if "aria-labelledby" in attributes]
    assert set(labelled) <= set(ids)
    targets = [(attributes["href"] or "")[1:] for tag, attributes in found if tag == "a"]
    assert set(targets) <= set(ids)


def test_no_placeholder_is_left(text: str) -> None:
    assert "%%" not in text[: text.index('id="data"')]
