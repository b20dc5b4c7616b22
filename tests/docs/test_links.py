"""What pages refer to exists: links, anchors, files, modules and options."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, page

CARDS = ("supernet/checkpoints/cifar32.md", "supernet/packs/cifar10/README.md", "CHANGELOG.md")
"""Pages beside those of the documentation whose links are checked as well."""

PACKAGES = ("search_space", "supernet", "objectives", "studies", "benchmarks")
MADE_BY_COMMANDS = ("runs/", "data/", "figures/")
"""Beginnings of paths that a page may name though the project has them not."""

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_DOTTED = re.compile(rf"({'|'.join(PACKAGES)})(\.[A-Za-z_]\w*)+")
_PATH = re.compile(rf"({'|'.join(PACKAGES)}|tests|docs)/[\w./-]+")


@pytest.mark.parametrize("name", [*PAGES, *CARDS])
def test_links_resolve(name: str) -> None:
    for line, target in page(name).links:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name}:{line} links to {target}, which does not exist"
        if anchor:
            anchors = page(str(file.resolve().relative_to(ROOT))).anchors
            assert anchor in anchors, (
                f"{name}:{line} links to {target}, but the headings are {sorted(anchors)}"
            )


@pytest.mark.parametrize("name", PAGES)
def test_files_that_are_named_exist(name: str) -> None:
    for line, text in page(name).spans:
        if not _PATH.fullmatch(text) or "NAME" in text or text.startswith(MADE_BY_COMMANDS):
            continue
        exists = (ROOT / text).exists() or text in shown_files(name)
        assert exists, f"{name}:{line} names {text}, which does not exist"


def shown_files(name: str) -> set[str]:
    """Files whose whole text the page shows, for a reader to make."""
    return {block.file for block in page(name).blocks if block.file}


@pytest.mark.parametrize("name", PAGES)
def test_modules_and_names_that_are_named_exist(name: str) -> None:
    for line, text in page(name).spans:
        if _DOTTED.fullmatch(text) and not text.endswith((".db", ".yaml")):
            assert resolves(text), f"{name}:{line} names {text}, which does not exist"


@cache
def resolves(dotted: str) -> bool:
    """Whether `dotted` is a module, or something in one."""
    words = dotted.split(".")
    for count in range(len(words), 0, -1):
        try:
            found: object = importlib.import_module(".".join(words[:count]))
        except ModuleNotFoundError:
            continue
        for word in words[count:]:
            if not hasattr(found, word):
                return False
            found = getattr(found, word)
        return True
    return False


@cache
def options_of_the_project() -> frozenset[str]:
    """Options as the sources of commands state them; some are made of the names of fields."""
    from supernet.training.recipe import Recipe

    found = {f"--{name.replace('_', '-')}" for name in Recipe.__dataclass_fields__}
    found |= {f"--{name.replace('_', '-')}" for name in limits()}
    for package in PACKAGES:
        for source in sorted(Path(ROOT / package).rglob("*.py")):
            found |= set(re.findall(r"\"(--[a-z][a-z-]*)\"", source.read_text(encoding="utf-8")))
    oracle = ("batches", "images", "subnets", "seed")  # supernet.conflict makes these in a loop
    return frozenset(found | {f"--{name}" for name in oracle} | {"--help", "--nproc-per-node", "--check"})


def limits() -> tuple[str, ...]:
    from studies.pick import limit_options

    return tuple(limit_options())


@pytest.mark.parametrize("name", PAGES)
def test_options_that_are_named_exist(name: str) -> None:
    for line, text in page(name).spans:
        for option in _OPTION.findall(text):
            assert option in options_of_the_project(), f"{name}:{line} names {option}, which no command has"
