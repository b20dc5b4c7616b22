"""Parser of the documentation: commands, code blocks, links, anchors, tables and sentences of a page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
)

PROGRAMS = ("python", "pip", "uv", "torchrun", "optuna-dashboard", "pytest", "ruff", "mypy")
"""Programs whose lines in a code block count as commands; other lines do not."""

_PYTHON = re.compile(r"^((from \S+ )?import |class \w+)", re.MULTILINE)
_PYTHON_FILE = re.compile(r"[\w/]+\.py")
_YAML_FILE = re.compile(r"[\w/]+\.yaml")
_SENTENCE_END = re.compile(r"(?<!et al\.)(?<=[.?!])\s+|(?<=[.?!][)\"])\s+|(?<=:)\s+(?=[A-Z])")
_OPTIONAL = re.compile(r"\s\[[^\[\]]*\]")


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        kind: ``commands``, ``yaml``, ``python`` or ``text``.
        content: Text of the block.
        line: Line number on the page, from 1.
        file: For YAML and Python, the .yaml or .py file named last before the block; empty without one.
    """

    kind: str
    content: str
    line: int
    file: str = ""


@dataclass(frozen=True)
class Page:
    """A page of the documentation.

    Attributes:
        name: Path from the project's root.
        blocks: Code blocks, in order.
        spans: Line and content of inline code.
        links: Line and target of links and pictures.
        anchors: Anchors of the headings, as GitHub makes them.
        tables: Rows of each table, the head first, as plain text.
        sentences: Line and text of each sentence outside of tables and code blocks; inline code and links
            are one word each.
    """

    name: str
    blocks: tuple[Block, ...]
    spans: tuple[tuple[int, str], ...]
    links: tuple[tuple[int, str], ...]
    anchors: frozenset[str]
    tables: tuple[tuple[tuple[str, ...], ...], ...] = ()
    sentences: tuple[tuple[int, str], ...] = ()

    def commands(self) -> Iterator[tuple[int, str]]:
        """Line and text of each command, in code blocks and inline, each text once."""
        line_of: dict[str, int] = {}
        for block in self.blocks:
            if block.kind == "commands":
                lines = block.content.replace("\\\n", " ").splitlines()
                line_of.update({line: block.line for line in lines if line.strip()})
        line_of.update({text: line for line, text in self.spans if is_command(text) and text not in line_of})
        return ((line, text) for text, line in line_of.items())


def is_command(text: str) -> bool:
    """Whether `text` begins with one of `PROGRAMS` and has arguments."""
    words = text.split()
    return len(words) > 1 and words[0] in PROGRAMS


@lru_cache
def page(name: str) -> Page:
    """The page with this path from the project's root."""
    return parse_page(name, (ROOT / name).read_text(encoding="utf-8"))


def parse_page(name: str, text: str) -> Page:
    """Parses `text` as a page."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    blocks: list[Block] = []
    spans: list[tuple[int, str]] = []
    links: list[tuple[int, str]] = []
    anchors: dict[str, int] = {}
    tables: list[list[tuple[str, ...]]] = []
    cells: list[str] = []
    sentences: list[tuple[int, str]] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type in ("code_block", "fence"):
            assert token.map is not None
            line = token.map[0] + 1
            blocks.append(_block(token.content, line, [code for _, code in spans][-1:]))
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_close":
            tables[-1].append(tuple(cells))
            cells.clear()
        if token.type != "inline":
            continue
        line = _line(token)
        if before is not None and before.type in ("th_open", "td_open"):
            cells.append(_plain(token))
        else:
            in_heading = before is not None and before.type == "heading_open"
            sentences += [(line, each) for each in _sentences(token) if not in_heading]
        spans += [(line, each.content) for each in token.children or () if each.type == "code_inline"]
        links += [(line, target) for each in token.children or () if (target := _target(each))]
        if before is not None and before.type == "heading_open":
            anchor = slug("".join(each.content for each in token.children or ()))
            number = anchors.get(anchor, 0)
            anchors[anchor] = number + 1
            if number:
                anchors[f"{anchor}-{number}"] = 1
    return Page(
        name,
        tuple(blocks),
        tuple(spans),
        tuple(links),
        frozenset(anchors),
        tuple(map(tuple, tables)),
        tuple(sentences),
    )


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def variants(command: str) -> list[str]:
    """`command` with everything in square brackets, and without it where there is any."""
    full, bare = command, command
    while _OPTIONAL.search(bare):
        bare = _OPTIONAL.sub("", bare)
        full = re.sub(r"(\s)\[([^\[\]]*)\]", r"\1\2", full)
    return [full] if full == bare else [full, bare]


def parts(command: str) -> list[list[str]]:
    """The words of each part of ``first && second  # why``."""
    result: list[list[str]] = [[]]
    for word in shlex.split(command, comments=True):
        if word == "&&":
            result.append([])
        else:
            result[-1].append(word)
    return [part for part in result if part]


def _plain(token: Token) -> str:
    return "".join(
        " " if each.type in ("softbreak", "hardbreak") else each.content for each in token.children or ()
    )


def _sentences(token: Token) -> list[str]:
    """Sentences of a paragraph; inline code is one word each, and a colon before a capital ends one."""
    text = "".join(
        each.content.replace(" ", "_") if each.type == "code_inline" else each.content or " "
        for each in token.children or ()
        if each.type in ("text", "code_inline", "softbreak", "hardbreak")
    )
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def _line(token: Token) -> int:
    # Cells of a table have no line of their own in every version of the parser.
    return token.map[0] + 1 if token.map else 0


def _target(token: Token) -> str:
    return str(token.attrs.get("href") or token.attrs.get("src") or "")


def _block(content: str, line: int, code_before: Sequence[str]) -> Block:
    lines = [each for each in content.splitlines() if each.strip() and not each.startswith(("#", " "))]
    if any(is_command(each) for each in lines):
        return Block("commands", content, line)
    file = code_before[0] if code_before and _PYTHON_FILE.fullmatch(code_before[0]) else ""
    if _PYTHON.search(content):
        return Block("python", content, line, file)
    if code_before and _YAML_FILE.fullmatch(code_before[0]) and re.match(r"\w+:( |\n)", content):
        return Block("yaml", content, line, code_before[0])
    return Block("text", content, line)
