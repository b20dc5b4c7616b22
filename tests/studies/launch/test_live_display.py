from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from studies.launch.live_display import LiveDisplay, PlainDisplay, create_display, sparkline, status
from studies.search.search_loop import EXHAUSTED, Progress
from studies.search.stop_rules import StopRules
from studies.study.prediction_quality import GenerationReport

PROGRESS = Progress(
    generation=2, evaluations=12, measured=6, front=(), hypervolume=0.25, is_generation_done=False, idle=1
)
RULES = StopRules(generations=10)


def test_status_says_what_counts_and_the_time_left_by_what_this_run_measured() -> None:
    text = status(PROGRESS, RULES, 6, elapsed_s=12.0)
    for part in ("12/60", "generation 2/10", "front 0", "0.2500", "0.5/s", "0:01:36 left"):
        assert part in text
    assert "left" not in status(replace(PROGRESS, measured=0), RULES, 6, elapsed_s=12.0)
    assert "left" not in status(PROGRESS, StopRules(generations=2), 6, elapsed_s=12.0)


def test_status_follows_the_rules_there_are() -> None:
    text = status(PROGRESS, StopRules(patience=5), 6, elapsed_s=12.0)
    assert text.startswith("12 evaluations · generation 2 · ")
    assert "no gain 1/5" in text
    assert "left" not in text
    # 18 to go at 0.5/s, or 24 s of a minute: whichever comes first.
    assert "0:00:36 left" in status(PROGRESS, StopRules(evaluations=30, minutes=5), 6, elapsed_s=12.0)
    assert "0:00:48 left" in status(PROGRESS, StopRules(generations=10, minutes=1), 6, elapsed_s=12.0)


def test_sparkline_spans_what_it_shows() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.5]) == sparkline([0.2, 0.5])[:1] == "▁"
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert len(sparkline([float(value) for value in range(100)])) == 8


def test_plain_lines_come_with_generations_and_after_silence() -> None:
    now = [0.0]

    def steps() -> Iterator[tuple[float, Progress]]:
        yield 1.0, replace(PROGRESS, measured=0, is_generation_done=True)  # From the table: no line.
        yield 2.0, PROGRESS  # The first that this run measured.
        yield 2.5, PROGRESS  # Too soon.
        yield 3.0, replace(PROGRESS, evaluations=13, is_generation_done=True)
        yield 9.0, replace(PROGRESS, evaluations=14)  # Too soon.
        yield 13.5, replace(PROGRESS, evaluations=15)
        yield 14.0, replace(PROGRESS, evaluations=16, is_generation_done=True)
        yield 14.0, replace(PROGRESS, evaluations=16, is_generation_done=True, stopped_by=EXHAUSTED)

    console = Console(file=io.StringIO(), width=40)
    with PlainDisplay(console, rules=RULES, population=6, clock=lambda: now[0]) as display:
        for now[0], progress in steps():
            display.show(progress)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split("/")[0] for line in lines] == ["12", "13", "15", "16"]


@pytest.mark.parametrize(
    ("report", "hits", "end"),
    [
        (None, 0, "▁▂▃▄▅▆▇█"),
        (GenerationReport("random", None), 0, "▁▂▃▄▅▆▇█"),
        (GenerationReport("surrogate", 0.826), 0, "▁▂▃▄▅▆▇█"),
        (GenerationReport("nsga2", 0.826), 0, "▁▂▃▄▅▆▇█"),
        (None, 288, "▁▂▃▄▅▆▇█"),
        (GenerationReport("surrogate", 0.826), 1008, "▁█"),
    ],
)
def test_live_line_fits_a_terminal_of_80_columns(
    report: GenerationReport | None, hits: int, end: str
) -> None:
    now = [0.0]
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    rules = StopRules(generations=99)
    with LiveDisplay(console, rules=rules, population=24, clock=lambda: now[0]) as display:
        for generation in range(1, 12):
            now[0] += 20
            display.show(
                replace(
                    PROGRESS,
                    generation=generation,
                    evaluations=1000 + generation,
                    measured=24 * generation,
                    hypervolume=generation / 20,
                    is_generation_done=True,
                    report=report,
                    cache_hits=hits,
                )
            )
        # Within the next generation, what was said of the last one stays.
        last = replace(PROGRESS, generation=12, evaluations=1012, measured=265, hypervolume=0.55)
        display.show(replace(last, cache_hits=hits))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    rank = " τ0.83" if report is not None and report.rank_correlation is not None else ""
    served = f" ↺{hits}" if hits else ""
    assert re.search(rf"1012/2376 gen 12/99 front 0 hv 0.5500{rank}{served} 1.2/s 0:18:52 left {end}", text)


def test_status_counts_cache_hits_where_there_are_any() -> None:
    assert "cache hits 5" in status(replace(PROGRESS, cache_hits=5), RULES, 6, elapsed_s=12.0)
    assert "cache hits" not in status(PROGRESS, RULES, 6, elapsed_s=12.0)


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("file", "is_forced", "kind"),
    [
        (Terminal(), None, LiveDisplay),
        (io.StringIO(), None, PlainDisplay),
        # FORCE_COLOR in a pipe.
        (io.StringIO(), True, PlainDisplay),
    ],
)
def test_live_bar_only_on_a_terminal(file: io.StringIO, is_forced: bool | None, kind: type) -> None:
    console = Console(file=file, force_terminal=is_forced, width=120)
    display = create_display(console, rules=RULES, population=6)
    assert isinstance(display, kind)
    with display:
        display.show(replace(PROGRESS, is_generation_done=True))
    assert "12/60" in file.getvalue()


def test_status_says_how_well_was_predicted() -> None:
    predicted = replace(PROGRESS, report=GenerationReport("surrogate", 0.826))
    assert "surrogate, rank correlation 0.83" in status(predicted, RULES, 6, elapsed_s=12.0)
    drawn = replace(PROGRESS, report=GenerationReport("random", None))
    assert status(drawn, RULES, 6, elapsed_s=12.0) == status(PROGRESS, RULES, 6, elapsed_s=12.0)
