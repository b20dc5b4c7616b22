"""Text of the results page: verdict first, then tables and figures, each with its command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.paper import tables
from benchmarks.paper.campaign import Budget
from benchmarks.paper.comparison import Figures, Fronts, Verdict, verdict
from benchmarks.paper.protocol import (
    BASE,
    COST_NAMES,
    COSTS,
    DEFAULT_CHIP,
    MOST_EVALUATIONS,
    Cost,
    PrimaryFigure,
    Run,
    counted,
)
from benchmarks.paper.remapping import SETS, AssumedNumber

PROTOCOL = "results-protocol.md"
NO_HEADS = "u55-256-cim8-no-heads"


@dataclass(frozen=True)
class Results:
    """Everything that the page tells.

    Attributes:
        run: The run.
        space: Name of the search space.
        images: Number of test images.
        budget: Evaluations of each search.
        fronts: Fronts of all searches.
        figures: Figures of each chip, by chip and cost.
        baselines: Figures of sets of networks, by cost.
        assumed: Primary figures with assumed numbers at their ends; the first row is the chip as it is.
        digests: Digests of chips and weights, by file.
        command: The command that made the page.
    """

    run: Run
    space: str
    images: int
    budget: Budget
    fronts: Fronts
    figures: tables.ByChip
    baselines: Mapping[Cost, Mapping[str, Figures]]
    assumed: Sequence[AssumedNumber]
    digests: Mapping[str, str]
    command: str

    def verdicts(self) -> dict[PrimaryFigure, Verdict]:
        """Verdict on each primary figure."""
        return {
            figure: verdict(figure, self.figures[figure.chip, figure.cost][figure.measure])
            for figure in self.run.primary
        }


def page(results: Results, figures: Mapping[str, str]) -> str:
    """The page as Markdown.

    Args:
        results: What it tells.
        figures: Path of each figure from the page, by its name.
    """
    command = f"    {results.command}"
    pictures = {name: f"![{CAPTIONS[name]}]({path})\n\n{command}\n" for name, path in figures.items()}
    parts = [
        "# Macros against the NPU alone, beside the paper\n",
        *_verdict_lines(results),
        "",
        *_reasons(results),
        "",
        f"The [protocol]({PROTOCOL}) fixed chips, searches, measures and intervals before any search ran. "
        "Everything outside the first table is secondary.\n",
        *_departures(results),
        "## Primary figures",
        tables.markdown(tables.primary_table(results.run, results.figures)),
        "",
        "A figure *agrees* if its sign is the paper's and the paper's value lies in its interval.",
        "It *agrees in sign* if its interval excludes zero on the paper's side.",
        "The paper gives no number for *almost all*. Here an interval that reaches 90 % agrees, and one "
        "above 50 % agrees in sign.",
        "A maximum over a grid is biased upwards, and its interval contains that bias.\n",
        pictures["fronts"],
        pictures["savings"],
        "## Every chip",
        *(f"{tables.markdown(tables.chips_table(results.figures, cost))}\n" for cost in COSTS),
        "Costs that no network of the chip is as low as are left out of the points at equal cost.\n",
        "## Blocks",
        "ViT blocks per 10 conv blocks of the networks on the fronts, all seeds together. The paper sees "
        "2 to 5 in almost all of its networks.\n",
        *(
            f"Searched for {COST_NAMES[cost]}:\n\n"
            f"{tables.markdown(tables.blocks_table(results.run, results.fronts, cost))}\n"
            for cost in COSTS
        ),
        pictures["blocks"],
        "## Co-design, mapping alone, random networks",
        f"Each set is compared with networks that were searched for `{BASE}` and run on it. The last row "
        f"compares two sets on `{DEFAULT_CHIP}`: it is what co-design adds to mapping.\n",
        tables.markdown(tables.baseline_table(results.baselines)),
        "",
        f"A random set has {counted(results.budget.evaluations, 'network')}, as many as a search has.\n",
        "## Assumed numbers",
        "The networks of all fronts of both chips are mapped and costed again, with one number at an end "
        "of its range on both chips. Fronts are formed from this union. Nothing is searched again.",
        f"The table shows the {tables.SHOWN_NUMBERS} numbers that move a primary figure most.\n",
        tables.markdown(tables.assumed_table(results.run, results.assumed)),
        "",
        pictures["assumed"],
        "## How it was made",
        command,
        "",
        _making(results),
        "",
        tables.markdown(tables.digest_table(results.digests)),
        "",
    ]
    return "\n".join(parts)


CAPTIONS = {
    "fronts": "Test accuracy against cost: median of the seeds, band from the lowest to the highest",
    "savings": "Saved cost at equal accuracy: mean of the seeds, band from the lowest to the highest",
    "blocks": "ViT blocks per 10 conv blocks of the front networks against their test accuracy",
    "assumed": "Mean savings with each assumed number at the ends of its range",
}
"""Caption of each figure, by its name."""


def _verdict_lines(results: Results) -> list[str]:
    """What agrees with the paper and what does not, the sign first."""
    by_verdict: dict[Verdict, list[str]] = {"disagrees": [], "agrees in sign": [], "agrees": []}
    for figure, found in results.verdicts().items():
        value = results.figures[figure.chip, figure.cost][figure.measure].value
        ours = tables.number(value, tables.digits_of(figure.measure))
        by_verdict[found].append(
            f"  * {figure.title}: {ours} {figure.unit}, paper {tables.paper_text(figure)}"
        )
    count = len(results.run.primary)
    right_sign = count - len(by_verdict["disagrees"])
    lines = [
        f"**{right_sign} of {count} primary figures have the sign of the paper. The paper's value lies in "
        f"the interval of {len(by_verdict['agrees'])}.**\n"
    ]
    words: dict[Verdict, str] = {
        "disagrees": "Disagreement",
        "agrees in sign": "Agreement in sign, but not in size",
        "agrees": "Agreement",
    }
    for name, titles in by_verdict.items():
        lines += [f"* {words[name]}: {len(titles)} of {count}", *titles]
    return lines


def _reasons(results: Results) -> list[str]:
    """Why, as far as it was measured: mapping against search, heads, assumed numbers."""
    lines = []
    for cost in COSTS:
        name, found = COST_NAMES[cost], results.figures[DEFAULT_CHIP, cost]["saved_mean"]
        mapped = results.baselines[cost][SETS[2]]["saved_mean"]
        lines.append(
            f"Mapping alone saves {tables.number(mapped.value)} % {name} on average. Networks searched for "
            f"the chip save {tables.number(found.value)} %."
        )
        if NO_HEADS in results.run.chips:
            without = results.figures[NO_HEADS, cost]["saved_mean"]
            lines.append(
                f"Without attention heads on the macros, searched networks save "
                f"{tables.number(without.value)} % {name}."
            )
    nominal, *ends = results.assumed
    for figure in results.run.primary:
        if figure.measure == "saved_mean" and figure.paper is not None:
            lines.append(_crossing(figure, figure.paper, nominal, ends))
    return [*lines]


def _crossing(
    figure: PrimaryFigure, paper: float, nominal: AssumedNumber, ends: Sequence[AssumedNumber]
) -> str:
    """Which assumed numbers alone bring a figure to the paper's value."""
    ours = nominal.figures[figure.title]
    side = 1 if ours < paper else -1
    names = [
        f"`{one.name}` at its {one.end}"
        for one in ends
        if one.figures and side * (one.figures[figure.title] - paper) >= 0
    ]
    what = f"Over the union of all fronts, {figure.title}, is {tables.number(ours)} %."
    if not names:
        return f"{what} No assumed number alone brings it to the paper's {paper:g} %."
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{what} Assumed numbers that alone bring it to the paper's {paper:g} %: {listed}."


def _departures(results: Results) -> list[str]:
    found = results.run.departures(results.space, results.images)
    return [f"**This run departs from the protocol**: {'; '.join(found)}.\n"] if found else []


def _making(results: Results) -> str:
    budget = results.budget
    sentences = [
        f"{counted(budget.evaluations, 'evaluation')} in each search, "
        f"{counted(len(results.run.seeds), 'seed')}, {counted(results.images, 'test image')}, "
        f"{counted(results.run.resamples, 'resample')}."
    ]
    if budget.has_settled:
        sentences.append("The stop rule held: no primary figure moved by 1 point during the last quarter.")
    elif budget.has_settled is not None:
        moved = [
            f"{figure.title} by {abs(new - old):.2f}"
            for figure, old, new in zip(results.run.primary, budget.before, budget.after, strict=True)
            if not abs(new - old) < 1
        ]
        sentences.append(
            f"The searches stopped at the limit of {MOST_EVALUATIONS:,} evaluations. These figures still "
            f"moved by a point or more during the last quarter: {', '.join(moved)}."
        )
    return " ".join(sentences)
