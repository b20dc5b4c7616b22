"""Table of a mutation run: mutants, killed, equivalent and survivors by part of the project."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mutation.mutant import Mutant
from tests.mutation.mutant_lists import NearestTests
from tests.mutation.session import Verdict


def table(
    verdicts: Mapping[Mutant, Verdict], nearest: Mapping[str, NearestTests], equivalent: Mapping[Mutant, str]
) -> str:
    """A Markdown table. The share is of mutants that are not equivalent."""
    groups = list(dict.fromkeys(nearest[mutant.file].group for mutant in verdicts))
    lines = [
        "| part | mutants | equivalent | killed | survived | share killed |",
        "|---|---|---|---|---|---|",
    ]
    for group in (*groups, "all"):
        of_group = [mutant for mutant in verdicts if group in ("all", nearest[mutant.file].group)]
        killed = sum(verdicts[mutant].is_killed for mutant in of_group)
        known = sum(not verdicts[mutant].is_killed and mutant in equivalent for mutant in of_group)
        relevant = len(of_group) - known
        share = f"{100 * killed / relevant:.1f} %" if relevant else "-"
        lines.append(f"| {group} | {len(of_group)} | {known} | {killed} | {relevant - killed} | {share} |")
    return "\n".join(lines)


def description(mutant: Mutant) -> str:
    """A mutant as a difference of lines."""
    before = "\n".join(f"    - {line}" for line in mutant.before.split("\n"))
    after = "\n".join(f"    + {line}" for line in mutant.after.split("\n"))
    where = mutant.definition or "top level"
    again = f", occurrence {mutant.occurrence}" if mutant.occurrence else ""
    return f"{mutant.file}, {where}{again}\n{before}\n{after}"
