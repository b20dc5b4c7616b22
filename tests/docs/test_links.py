"""References of the pages: links, anchors, files, modules and options exist."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import pytest
from distributed.cli import dask_scheduler, dask_worker

from tests.docs.option_tables import COMMANDS, options_of
from tests.docs.pages import PAGES, ROOT, page

CARDS = ("supernet/checkpoints/cifar32.md", "supernet/packs/cifar10/README.md", "CHANGELOG.md")
"""Further pages whose links are checked."""

PACKAGES = ("search_space", "supernet", "objectives", "studies", "benchmarks")
MADE_BY_COMMANDS = ("runs/", "data/", "figures/", "docs/results.md")
"""Beginnings of paths that commands create, so pages and sources may name them."""

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_DOTTED = re.compile(rf"({'|'.join(PACKAGES)})(\.[A-Za-z_]\w*)+")
_PAGE = re.compile(r"(?<![\w/])docs/[\w/-]+\.md")
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


def test_pages_that_sources_name_exist() -> None:
    for package in (*PACKAGES, "tests"):
        for source in sorted((ROOT / package).rglob("*")):
            if source.suffix not in (".py", ".yaml", ".js"):
                continue
            for path in _PAGE.findall(source.read_text(encoding="utf-8")):
                assert (ROOT / path).exists() or path in MADE_BY_COMMANDS, (
                    f"{source.relative_to(ROOT)} names {path}, which does not exist"
                )


@pytest.mark.parametrize("name", PAGES)
def test_files_that_are_named_exist(name: str) -> None:
    for line, text in page(name).spans:
        if not _PATH.fullmatch(text) or "NAME" in text or text.startswith(MADE_BY_COMMANDS):
            continue
        exists = (ROOT / text).exists() or text in shown_files(name)
        assert exists, f"{name}:{line} names {text}, which does not exist"


def shown_files(name: str) -> set[str]:
    """Files whose whole text the page shows."""
    return {block.file for block in page(name).blocks if block.file}


@pytest.mark.parametrize("name", PAGES)
def test_modules_and_names_that_are_named_exist(name: str) -> None:
    for line, text in page(name).spans:
        if _DOTTED.fullmatch(text) and not text.endswith((".db", ".yaml")):
            assert resolves(text), f"{name}:{line} names {text}, which does not exist"


@cache
def resolves(dotted: str) -> bool:
    """Whether `dotted` names a module or a member of one."""
    words = dotted.split(".")
    for count in range(len(words), 0, -1):
        try:
            member: object = importlib.import_module(".".join(words[:count]))
        except ModuleNotFoundError:
            continue
        for word in words[count:]:
            if not hasattr(member, word):
                return False
            member = getattr(member, word)
        return True
    return False


@cache
def options_of_the_project() -> frozenset[str]:
    """Options of all commands, of Dask's, and those that the sources of benchmarks and figures state."""
    options = frozenset[str]().union(*map(options_of, COMMANDS))
    for folder in ("benchmarks", "supernet/gradient_conflict", "tests/mutation"):
        for source in sorted(Path(ROOT / folder).rglob("*.py")):
            options |= set(re.findall(r"\"(--[a-z][a-z-]*)\"", source.read_text(encoding="utf-8")))
    for program in (dask_scheduler.main, dask_worker.main):
        options |= {option for each in program.params for option in [*each.opts, *each.secondary_opts]}
    # Of other programs, and of `tests.without_posix`.
    return options | {"--help", "--nproc-per-node", "--check", "--durations", "--torch-backend", "--chosen"}


@pytest.mark.parametrize("name", PAGES)
def test_options_that_are_named_exist(name: str) -> None:
    for line, text in page(name).spans:
        for option in _OPTION.findall(text):
            assert option in options_of_the_project(), f"{name}:{line} names {option}, which no command has"
