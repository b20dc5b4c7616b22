"""Latency learned as a factor of its estimate from tables, against latency learned from networks alone.

    python -m benchmarks.search.cost_estimates [--json]

Random networks are costed exactly on a chip whose macros hold only part of their weights, or under the
mapping `edp`. The Gaussian process of `--sampler surrogate` learns some of them and predicts the others.
Kendall's tau and the median relative error of the predictions show what the estimate is worth.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from objectives.hardware import CostModel, load_soc
from objectives.hardware.soc import SoC
from objectives.hardware_objectives import network_totals
from objectives.population.cost_tables import SpaceTables
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.space import load_space
from studies.design_space.design_space import DesignSpace
from studies.samplers.gaussian_process import GaussianProcess, steps
from studies.study.prediction_quality import kendall

MAPPINGS = ("latency", "edp")


def with_capacity(soc: SoC, kib: float) -> SoC:
    """`soc` with macros of another capacity.

    Raises:
        H4HError: The chip has no macros.
    """
    if soc.cim is None:
        raise H4HError(f"hardware {soc.name!r} has no macros; choose one that has, such as u55-256-cim8")
    capacity = replace(soc.cim.capacity, value=kib, low=min(kib, soc.cim.capacity.low))
    return replace(soc, cim=replace(soc.cim, capacity=capacity))


def measure(space: DesignSpace, model: CostModel, *, networks: int, learned: int) -> dict[str, Any]:
    """Quality of the estimate, and of predictions with and without it."""
    rng = np.random.default_rng(0)
    genotypes = np.array([space.sample(rng) for _ in range(networks)])
    subnets = [space.decode(row).subnet for row in genotypes.tolist()]
    latency_ms, _ = network_totals(model, subnets)
    tables = SpaceTables.cached(space.networks, model)
    estimate, _ = tables.estimates(genotypes)
    known = steps(space, genotypes)

    def quality(values: Floats, scale: Floats) -> dict[str, float]:
        process = GaussianProcess.fit(known[:learned], values[:learned])
        predicted = process.forecast(known[learned:]) * scale[learned:]
        true = latency_ms[learned:]
        return {
            "kendall_tau": kendall(predicted, true),
            "median_relative_error": float(np.median(np.abs(predicted / true - 1))),
        }

    return {
        "fitting": float(tables.suffice(genotypes).mean()),
        "correlation": float(np.corrcoef(estimate, latency_ms)[0, 1]),
        "factor": quality(latency_ms / estimate, estimate),
        "alone": quality(latency_ms, np.ones_like(latency_ms)),
    }


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.search.cost_estimates", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--space", default="cifar32")
    parser.add_argument("--hardware", default="u55-256-cim8")
    parser.add_argument("--capacity", type=float, default=16.0, help="KiB of each macro (default: 16)")
    parser.add_argument("--networks", type=int, default=60, help="networks in all (default: 60)")
    parser.add_argument("--learned", type=int, default=24, help="networks that are learned (default: 24)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    space = DesignSpace(load_space(options.space))
    soc = with_capacity(load_soc(options.hardware), options.capacity)
    figures = {
        mapping: measure(space, CostModel(soc, mapping), networks=options.networks, learned=options.learned)
        for mapping in MAPPINGS
    }
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table(title=f"latency of {options.space} on {soc.name} with {options.capacity:g} KiB a macro")
    for name in ("mapping", "learned", "Kendall's tau", "median relative error"):
        table.add_column(name, justify="left" if name in ("mapping", "learned") else "right")
    for mapping, own in figures.items():
        for way in ("factor", "alone"):
            tau, error = own[way].values()
            table.add_row(mapping, way, f"{tau:.3f}", f"{error:.1%}")
    Console().print(table)


if __name__ == "__main__":
    run_command(main)
