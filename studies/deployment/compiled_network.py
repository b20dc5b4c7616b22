"""Exported files compiled by Arm's compiler Vela, beside the cost model of the NPU alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
import torch
from rich.console import Console
from scipy import stats

from objectives.deployment.deployed_subnet import deployed
from objectives.deployment.network_graph import network_graph
from objectives.hardware.cost_model import CostModel
from objectives.hardware.soc import SoC
from objectives.hardware.vela_compiler.vela import (
    Compiled,
    compiled_model,
    compiler_options,
    system_configuration,
)
from objectives.workload import ops_of, peak_bytes, read_again, workload
from search_space.command.progress_lines import tracked
from search_space.subnet import Subnet
from studies.analysis.assumed_numbers import cost_model
from studies.analysis.held_out_images import check_checkpoint, search_images
from studies.analysis.validation_plan import ValidationPlan
from studies.deployment.file_checks import DeploymentError
from studies.study.evaluation import Evaluation
from supernet.accuracy.one_subnet import prepare
from supernet.network.supernet_file import load_checkpoint

MOST_ERROR = 0.05
"""Largest mean error of the cost model's cycles over a front, as a share of the compiler's."""


@dataclass(frozen=True)
class CompiledNetwork:
    """The compiler's file of a network beside the cost model, both for the NPU alone.

    Attributes:
        report: The compiler's report.
        modelled_cycles: Cycles of the cost model.
        modelled_sram: Peak of the activation memory by the workload, in bytes.
    """

    report: Compiled
    modelled_cycles: float
    modelled_sram: int

    @property
    def cycles(self) -> int:
        """Cycles by the compiler."""
        return sum(self.report.cycles.values())

    @property
    def error(self) -> float:
        """Deviation of the cost model's cycles from the compiler's, as a share of the latter."""
        return self.modelled_cycles / self.cycles - 1

    @property
    def compression(self) -> float:
        """Bytes of all weights as the compiler encodes them, over those before."""
        return self.report.encoded_weights / self.report.original_weights


def compiled_network(content: bytes, subnet: Subnet, soc: SoC) -> CompiledNetwork:
    """Compiles the file of a subnet for the NPU of a chip.

    Raises:
        DeploymentError: The chip has no NPU, or the compiler leaves an operator to the CPU.
        VelaError: The compiler does not know the NPU, or refuses the file.
    """
    if not soc.has_npu:
        raise DeploymentError(f"{soc.name} has no NPU that Vela could compile for")
    report = compiled_model(content, system_configuration(soc.npu), compiler_options(soc.npu))
    if report.cpu_operators:
        raise DeploymentError(f"Vela leaves {report.cpu_operators} operators of the network to the CPU")
    steps = workload(subnet)
    alone = CostModel(soc, "npu").network(ops_of(steps), read_again(steps))
    return CompiledNetwork(report, sum(op.cycles for op in alone.ops), peak_bytes(steps))


@dataclass(frozen=True)
class CompiledFront:
    """Networks of a front, compiled.

    Attributes:
        members: Each evaluation with its compiled network.
    """

    members: tuple[tuple[Evaluation, CompiledNetwork], ...]

    @property
    def mean_error(self) -> float:
        """Mean size of the error of the cycles."""
        return float(np.mean([abs(network.error) for _, network in self.members]))

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's correlation of modelled and compiled cycles; None if it is not defined."""
        pairs = np.array([(network.modelled_cycles, network.cycles) for _, network in self.members])
        if len(pairs) < 2:
            return None
        found = float(stats.spearmanr(pairs[:, 0], pairs[:, 1]).statistic)
        return None if isnan(found) else found


def compiled_front(plan: ValidationPlan, console: Console) -> CompiledFront:
    """Exports and compiles every chosen network of a study; writes nothing.

    Args:
        plan: The networks, their weights and images.
        console: Console that shows progress.

    Raises:
        H4HError: The chip, weights or images are not those of the study, or a network cannot be compiled.
    """
    study = plan.study
    soc = cost_model(study).soc
    check_checkpoint(plan)
    supernet = load_checkpoint(plan.checkpoint, plan.space).eval()
    calibration = prepare(
        search_images(plan).calibration,
        precision="fp32",
        device=torch.device("cpu"),
        scale=supernet.pixel_scale,
    )

    def compiled(subnet: Subnet) -> CompiledNetwork:
        graph, scores = network_graph(subnet, deployed(supernet, subnet, calibration))
        return compiled_network(graph.model([scores]), subnet, soc)

    # A network is compiled once, even if the study has it on several chips.
    networks = dict.fromkeys(study.network(evaluation.genotype) for evaluation, _ in plan.chosen)
    shown = tracked(networks, "networks", len(networks), console)
    results = {genotype: compiled(plan.space.decode(genotype)) for genotype in shown}
    return CompiledFront(
        tuple((evaluation, results[study.network(evaluation.genotype)]) for evaluation, _ in plan.chosen)
    )


def check_front(front: CompiledFront) -> None:
    """Raises `DeploymentError` if the cost model misjudges the front."""
    if front.mean_error > MOST_ERROR:
        raise DeploymentError(
            f"the cost model is off by {front.mean_error:.1%} on average over {len(front.members)} networks "
            f"(allowed: {MOST_ERROR:.0%}): profile one with --npu-model vela to see which op"
        )


def columns(members: Sequence[tuple[Evaluation, CompiledNetwork]]) -> dict[str, list[str]]:
    """Columns of a table of compiled networks, by title."""
    networks = [network for _, network in members]
    return {
        "Vela kcyc": [f"{one.cycles / 1e3:,.1f}" for one in networks],
        "model kcyc": [f"{one.modelled_cycles / 1e3:,.1f}" for one in networks],
        "error": [f"{one.error:+.2%}" for one in networks],
        "Vela SRAM KiB": [f"{one.report.sram_bytes / 1024:.1f}" for one in networks],
        "model SRAM KiB": [f"{one.modelled_sram / 1024:.1f}" for one in networks],
    }
