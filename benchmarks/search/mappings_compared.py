"""What a search does with the mapping: fixed, as a gene, or each network with all of its mappings.

    python -m benchmarks.search.mappings_compared [--sampler nsga2] [--seeds 6] [--networks 288]

Compared at equal numbers of measured networks, since another mapping of a measured network costs next to
nothing. Accuracies come from the stand-in of `accuracy_table`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.search.accuracy_table import AccuracyOf, AccuracyTable, fit_stand_in
from benchmarks.search.surrogate_savings import POPULATION, Bench
from objectives.hardware import CostModel, load_soc
from objectives.hardware.chip import Chip
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.genotype import Genotype
from studies.design_space.chip_choices import SEARCHED_MAPPINGS, ChipChoices
from studies.design_space.design_space import DesignSpace
from studies.design_space.exact_costs import ExactQuantities
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import SamplerContext
from studies.study.hypervolume import hypervolume
from studies.study.pareto_front import losses, nondominated

SPACE, HARDWARE = "cifar32", "u55-256-cim8"
GENE, ALL = "gene", "all"
VARIANTS = (*SEARCHED_MAPPINGS, GENE, ALL)
"""One mapping; a gene for the mapping; each network with all mappings, which is what `studies.run` does."""
TEXTS = {
    "latency": "fastest mapping only",
    "energy": "most frugal mapping only",
    GENE: "a gene for the mapping",
    ALL: "each network with both mappings",
}
"""Variants in words."""
LEAST_SHARE = 0.5
"""Ideal of the logarithmic box: this share of the smallest network's cost."""


@dataclass(frozen=True)
class OneMappingAtATime(DesignSpace):
    """A design space in which a sampler tries a single mapping of a network, the variant that lost."""

    def siblings(self, genotype: Genotype) -> Sequence[Genotype]:  # type: ignore[override]
        """None."""
        del genotype
        return ()


def space_of(variant: str, bench: Bench) -> tuple[DesignSpace, ExactQuantities]:
    """What a variant searches, and the exact costs of its designs."""
    if variant in SEARCHED_MAPPINGS:
        costs = {Chip(): CostModel(load_soc(HARDWARE), variant)}
        return bench.space, ExactQuantities(bench.space, costs, ("lat", "energy"))
    kind = OneMappingAtATime if variant == GENE else DesignSpace
    space = kind(bench.space.networks, ChipChoices(mapping=SEARCHED_MAPPINGS))
    costs = {Chip(mapping=name): CostModel(load_soc(HARDWARE), name) for name in SEARCHED_MAPPINGS}
    return space, ExactQuantities(space, costs, ("lat", "energy"))


def search(bench: Bench, accuracy: AccuracyOf, *, sampler: str, seed: int, networks: int) -> Floats:
    """Values (n, 3) of all designs of one search, until it has measured `networks` networks."""
    space = bench.space
    context = SamplerContext(
        space=space,
        study=bench.study,
        population=POPULATION,
        seed=seed,
        exact=bench.exact,
        network_only=frozenset({"acc"}),
    )
    made = create_sampler(sampler, context)
    accuracies: dict[Genotype, float] = {}
    rows: list[Floats] = []
    while len(accuracies) < networks:
        asked = made.ask(POPULATION)
        new = list(dict.fromkeys(own for own in map(space.network, asked) if own not in accuracies))
        if new:
            accuracies |= zip(new, accuracy(new).tolist(), strict=True)
        values = bench.values(asked, np.array([accuracies[space.network(each)] for each in asked]))
        made.tell(bench.evaluations(asked, values, sum(map(len, rows))))
        rows.append(values)
    return np.concatenate(rows)


def hypervolumes(bench: Bench, values: Floats) -> tuple[float, float]:
    """Hypervolume of values (n, 3) in the study's box, and in one with logarithmic costs."""
    study = bench.study
    costs = bench.exact(np.array([bench.space.smallest()]))
    least = [LEAST_SHARE * float(costs[name][0]) for name in ("lat", "energy")]

    def logarithmic(rows: Floats) -> Floats:
        return np.column_stack([rows[:, :1], np.log(rows[:, 1:])])

    def within(rows: Floats, ideal: Floats, reference: Floats) -> float:
        found, *box = (losses(part, study.directions) for part in (rows, ideal, reference))
        return hypervolume(found[nondominated(found)], *box)

    ideal, reference = np.array(study.ideal), np.array(study.reference)
    log_ideal = np.array([ideal[0], *np.log(least)])
    log_reference = np.array([reference[0], *np.log(reference[1:])])
    return within(values, ideal, reference), within(logarithmic(values), log_ideal, log_reference)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        H4HError: A number is too small, or there is no such sampler.
    """
    parser = Parser(prog="python -m benchmarks.search.mappings_compared", description=__doc__)
    parser.add_argument("--sampler", default="nsga2", help="sampler of all searches (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=6, help="searches of a variant (default: %(default)s)")
    parser.add_argument(
        "--networks", type=int, default=288, help="measured networks of a search (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    options = parser.parse_args(arguments)
    if options.seeds < 2 or options.networks < 1:
        raise H4HError("--seeds must be at least 2 and --networks at least 1")
    bench = Bench.of(SPACE, HARDWARE)
    accuracy = fit_stand_in(bench.space.networks, AccuracyTable.load()).accuracy
    if not options.json:
        print(
            f"{SPACE} on {HARDWARE}, {options.sampler}: mean and standard deviation of the hypervolume over "
            f"{options.seeds} searches of {options.networks} measured networks",
            flush=True,
        )
        print(f"{'':<32}{'linear costs':>20}{'logarithmic costs':>20}", flush=True)
    records = []
    for variant in VARIANTS:
        space, exact = space_of(variant, bench)
        of_variant = replace(bench, space=space, exact=exact)
        found = np.array(
            [
                hypervolumes(
                    bench,
                    search(
                        of_variant,
                        accuracy,
                        sampler=options.sampler,
                        seed=seed,
                        networks=options.networks,
                    ),
                )
                for seed in range(options.seeds)
            ]
        )
        (linear, log), (linear_sd, log_sd) = found.mean(axis=0), found.std(axis=0, ddof=1)
        records.append(
            {
                "variant": variant,
                **{"hypervolume": linear, "hypervolume_sd": linear_sd},
                **{"logarithmic": log, "logarithmic_sd": log_sd},
            }
        )
        if not options.json:
            texts = (f"{mean:.4f} +- {sd:.4f}" for mean, sd in ((linear, linear_sd), (log, log_sd)))
            print(f"{TEXTS[variant]:<32}" + "".join(f"{text:>20}" for text in texts), flush=True)
    if options.json:
        print(json.dumps(records))


if __name__ == "__main__":
    run_command(main)
