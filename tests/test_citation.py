"""`CITATION.cff` agrees with the project file and the README."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_citation_is_that_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # What the format requires, https://citation-file-format.github.io.
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert citation["keywords"] == project["keywords"]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"title = {{{citation['title']}}}" in readme
    assert f"author = {{{{{citation['authors'][0]['name']}}}}}" in readme
    assert f"version = {{{project['version']}}}" in readme
    (paper,) = citation["references"]
    assert paper["doi"] in readme
    assert f"{paper['start']}-{paper['end']}" in readme
