"""Spaces and closed-form objectives on which samplers are tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from search_space.files.yaml_document import parse_document
from search_space.genotype import Genotype
from search_space.space import Space
from studies.design_space.design_space import DesignSpace
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import Sampler, SamplerContext
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study

STAGE = {
    "stride": 1,
    "width": [16, 24, 32, 40],
    "downsampling": {"kind": ["patch_merging"], "kernel": [3], "expansion": [1]},
    "conv_depth": [0],
    "vit_depth": [0],
}


def space_of(**choices: object) -> DesignSpace:
    """A space of one stage without choices; `choices` replace its options."""
    document = {
        "name": "grid",
        "resolution": [32],
        "stem": {"stride": 2, "width": [16]},
        "stages": [STAGE | {"width": [16]}],
        "head": {"width": 16, "classes": 10},
    }
    return DesignSpace(parse_document(Space, document | choices, source="test"))


def grid() -> DesignSpace:
    """4 options for each of 6 genes: 4,096 networks."""
    return space_of(
        resolution=[20, 24, 28, 32], stem={"stride": 1, "width": [8, 16, 24, 32]}, stages=[STAGE] * 4
    )


GRID = grid()
CHOICES = [index for index, gene in enumerate(GRID.genes) if gene.cardinality > 1]


def sizes(genotype: Genotype) -> tuple[float, float]:
    """Two objectives in conflict over `GRID`: sum of the genes, and of their squared distances to 3."""
    genes = [genotype[index] for index in CHOICES]
    return float(sum(genes)), float(sum((3 - gene) ** 2 for gene in genes))


Measured = Callable[[Genotype], Sequence[float]]


def study_of(objectives: int, worst: float = 100.0, constraints: tuple[str, ...] = ()) -> Study:
    """A study of that many objectives to minimise, each from 0 to `worst`."""
    return Study(
        name="toy",
        space="grid",
        space_definition={},
        goals=tuple(Goal(f"f{number}", "", "min") for number in range(objectives)),
        constraints=constraints,
        settings={},
        fingerprint={},
        ideal=(0.0,) * objectives,
        reference=(worst,) * objectives,
        created_at="",
    )


def sampler_of(name: str, space: DesignSpace, study: Study, **settings: Any) -> Sampler:
    """The sampler called `name`, of population 10 and seed 0 if `settings` say nothing else."""
    context: dict[str, Any] = {"space": space, "study": study, "population": 10, "seed": 0}
    return create_sampler(name, SamplerContext(**(context | settings)))


def evaluations(
    genotypes: Sequence[Genotype],
    measured: Measured,
    limited: Callable[[Genotype], Sequence[float]] = lambda _: (),
    *,
    is_feasible: Callable[[Genotype], bool] = lambda _: True,
) -> list[Evaluation]:
    """Evaluations of `genotypes`; objectives of infeasible ones are unknown."""
    return [
        Evaluation(
            index=index,
            genotype=genotype,
            values=tuple(measured(genotype))
            if is_feasible(genotype)
            else (None,) * len(tuple(measured(genotype))),
            limited=tuple(limited(genotype)),
            is_feasible=is_feasible(genotype),
            macs=0,
            params=0,
            conv_blocks=0,
            vit_blocks=0,
            family="cnn",
        )
        for index, genotype in enumerate(genotypes)
    ]


def run(sampler: Sampler, generations: int, measured: Measured, count: int = 10) -> list[list[Genotype]]:
    """What `sampler` asks for in each generation, without constraints; ends where it asks for nothing."""
    asked = []
    for _ in range(generations):
        asked.append(sampler.ask(count))
        if not asked[-1]:
            break
        sampler.tell(evaluations(asked[-1], measured))
    return asked


def noise(objectives: int) -> Measured:
    """Objectives that depend on the genotype alone and follow no rule."""

    def measured(genotype: Genotype) -> Sequence[float]:
        values: list[float] = np.random.default_rng(genotype).uniform(0, 100, objectives).tolist()
        return values

    return measured
