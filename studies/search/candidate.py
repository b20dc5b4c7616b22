"""Candidates: designs of a generation during their evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from objectives.objective import Design
from search_space import complexity
from search_space.families import Family, family
from search_space.family_distance import FAMILY, family_distance, stage_blocks
from search_space.genotype import Genotype
from search_space.subnet import Subnet
from search_space.table_space import TabledNetwork
from studies.design_space.design_space import DesignSpace


@dataclass(frozen=True)
class NetworkCounts:
    """Size and blocks of a network; all 0 and no family where only its genes are known.

    Attributes:
        macs: Multiply-accumulates.
        params: Parameters.
        conv_blocks: Number of MBConv blocks.
        vit_blocks: Number of transformer blocks.
        family: Pattern of blocks, see `search_space.families`.
    """

    macs: int = 0
    params: int = 0
    conv_blocks: int = 0
    vit_blocks: int = 0
    family: str = ""


def counts_of(network: Subnet | TabledNetwork) -> NetworkCounts:
    """The counts of a network."""
    if isinstance(network, TabledNetwork):
        return NetworkCounts()
    return NetworkCounts(
        macs=complexity.macs(network),
        params=complexity.params(network),
        conv_blocks=network.conv_blocks,
        vit_blocks=network.vit_blocks,
        family=str(family(network)),
    )


@dataclass(frozen=True)
class Candidate:
    """A design, decoded once for all measurements.

    Attributes:
        index: Index of its evaluation.
        genotype: Canonical genotype of the design.
        network: Genotype of the network alone.
        design: Network and chip.
        counts: Size and blocks of the network.
        values: Quantities that are known so far, by name.
    """

    index: int
    genotype: Genotype
    network: Genotype
    design: Design
    counts: NetworkCounts
    values: dict[str, float] = field(default_factory=dict)


def family_distances(network: Subnet) -> dict[str, float]:
    """Blocks that part a network from each family, by the quantity of a constraint."""
    blocks = stage_blocks([network])
    return {FAMILY + member: float(family_distance(blocks, member)[0]) for member in Family}


def candidates(space: DesignSpace, batch: Mapping[int, Genotype]) -> list[Candidate]:
    """Decodes canonical genotypes, given by index.

    The values include the numbers of blocks and the distances to families, which constraints may limit and no
    objective measures.

    Raises:
        GenotypeError: A genotype does not belong to `space`.
    """
    decoded = []
    for index, genotype in batch.items():
        design = space.decode(genotype)
        counts = counts_of(design.subnet)
        blocks = {"conv_blocks": float(counts.conv_blocks), "vit_blocks": float(counts.vit_blocks)}
        if isinstance(design.subnet, Subnet):
            blocks |= family_distances(design.subnet)
        decoded.append(Candidate(index, genotype, space.network(genotype), design, counts, blocks))
    return decoded
