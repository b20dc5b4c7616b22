"""Parser of pages and rules for commands: a wrong command cannot slip through."""

from __future__ import annotations

import pytest

from tests.docs.conftest import Call
from tests.docs.pages import PAGES, page, parse_page, parts, slug, variants
from tests.docs.rules import LIMITS, PARSED_ONLY
from tests.docs.test_commands import RuleError, runnable

PAGE = """# A page, and more

Text with `python -m studies.show --db x.db` and `--json`, [a link](docs/faq.md#running).

    python -m studies.run --seed 1   # why

`own.yaml`:

    base: cifar32
    name: own

| command | what |
|---|---|
| `python -m studies.pick STUDY [--json]` | picks |

    from studies import Study
    Study

    id  acc
"""


def test_a_page_is_read() -> None:
    parsed = parse_page("page.md", PAGE)
    assert [text for _, text in parsed.commands()] == [
        "python -m studies.run --seed 1   # why",
        "python -m studies.show --db x.db",
        "python -m studies.pick STUDY [--json]",
    ]
    assert [(block.kind, block.file) for block in parsed.blocks] == [
        ("commands", ""),
        ("yaml", "own.yaml"),
        ("python", ""),
    ]
    assert parsed.links == ((3, "docs/faq.md#running"),)
    assert parsed.anchors == {"a-page-and-more"}


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("In the integers of the hardware", "in-the-integers-of-the-hardware"),
        ("Accuracy (`acc`)", "accuracy-acc"),
    ],
)
def test_anchors_are_those_of_github(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor


def test_optional_parts() -> None:
    assert variants("run A") == ["run A"]
    assert variants("show [--study NAME [--all]] [--json]") == ["show --study NAME --all --json", "show"]


def test_parts_of_a_line() -> None:
    assert parts("pip install uv && uv run pytest  # all") == [
        ["pip", "install", "uv"],
        ["uv", "run", "pytest"],
    ]


def test_what_is_run_has_its_limits() -> None:
    words = [*runnable("pip install uv && uv run python -m supernet.evaluate --checkpoint FILE")]
    checkpoint = "runs/cifar32/checkpoint.safetensors"
    assert words == [["supernet.evaluate", "--checkpoint", checkpoint, *LIMITS["supernet.evaluate"]]]


@pytest.mark.parametrize(
    "command",
    ["python -m studies.nothing", "pip install torch", "python script.py", "python -m studies.show WHAT"],
)
def test_what_no_rule_covers_fails(command: str) -> None:
    with pytest.raises(RuleError):
        [*runnable(command)]


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("studies.show", ["--dbb", "studies.db"]),
        ("studies.show", ["--db", "absent.db"]),
        ("search_space.describe", ["--space", "cifar31"]),
    ],
)
def test_a_wrong_command_fails(module: str, arguments: list[str], call: Call) -> None:
    with pytest.raises(AssertionError, match="ends with 2"):
        call(module, arguments)


def test_parsing_alone_finds_wrong_options(parse_only: None, call: Call) -> None:
    call("studies.show", ["--db", "absent.db"])
    with pytest.raises(AssertionError, match="ends with 2"):
        call("studies.show", ["--dbb", "absent.db"])


def test_rules_are_needed() -> None:
    """Every rule serves a command of some page."""
    named = " ".join(text for name in PAGES for _, text in page(name).commands())
    unused = [module for module in (*LIMITS, *PARSED_ONLY) if module not in named]
    assert unused == []
