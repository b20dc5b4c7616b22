"""Training phases: part of the search space, learning rate, and sampling of each phase.

H4H (ASP-DAC 2025) trains a hybrid supernet in two phases: first without transformer blocks, then the whole
space from those weights. The layer scale of transformer blocks starts near zero, so the second phase begins
with the function of the first. Once-for-all (ICLR 2020) frees one kind of choice after the other (progressive
shrinking).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from search_space.block_options import OPTIONS
from search_space.errors import DocumentError, UnknownNameError
from search_space.families import without_vit
from search_space.files.yaml_document import Document
from search_space.genotype import Genotype
from search_space.space import Space
from search_space.subnet import Subnet
from search_space.subnet_sampling import FAMILY, SAMPLINGS, UNIFORM
from supernet.training.number_ranges import PHASE_RANGES

CHOICES = (
    "resolution",
    "width",
    "downsampling",
    "kernel",
    "expansion",
    "conv_depth",
    "vit_depth",
    "heads",
    "mlp_ratio",
    "norm",
)
"""Kinds of choice: last parts of the genes' names. `width` covers the stem and the stages."""


def known_choices() -> tuple[str, ...]:
    """`CHOICES`, and those of further kinds of block."""
    others = {kind: options for kind, options in OPTIONS.items() if f"{kind}_depth" not in CHOICES}
    names = (
        name
        for kind, options in others.items()
        for name in (f"{kind}_depth", *(field.name for field in fields(options)))
    )
    return tuple(dict.fromkeys([*CHOICES, *names]))


TRAIN, LOW_RATE, FREEZE_BLOCKS, FREEZE = "train", "low_lr", "freeze_blocks", "freeze"
CNN_MODES = (TRAIN, LOW_RATE, FREEZE_BLOCKS, FREEZE)

COSINE, CONSTANT = "cosine", "constant"
SCHEDULES = (COSINE, CONSTANT)

PARETO = "pareto"
PHASE_SAMPLINGS = (*SAMPLINGS, PARETO)

FAMILY_CHOICES = ("downsampling", "conv_depth", "vit_depth")
"""Choices that determine the family of a subnet."""

LARGEST, SMALLEST, RANDOM = "largest", "smallest", "random"
KINDS = (LARGEST, SMALLEST, RANDOM)
"""Kinds of subnet in a step."""


@dataclass(frozen=True)
class Phase(Document):
    """A part of the training, over one part of the space.

    Attributes:
        name: Name in progress and logs.
        epochs: Number of passes over the training images, at least 1.
        rate: Learning rate after warm-up, above 0.
        random_subnets: Number of random subnets per step, in addition to the largest and the smallest.
        vit: Whether transformer blocks are trained. Without them, they are removed from every subnet.
        cnn: Treatment of the weights of networks without transformer blocks: ``train`` (at the phase's rate),
            ``low_lr`` (at `low_lr_factor` times it), ``freeze_blocks`` (the kernels of stem, down-sampling
            and convolution blocks keep every bit; norms, head and classifier are trained), ``freeze`` (all
            keep every bit).
        elastic: Kinds of choice that are free (of `CHOICES`). The others stay at their largest option, and
            the kind of down-sampling at that of the largest network. None: all are free.
        sampling: How random subnets are drawn: ``uniform`` over genes; ``family``, each family equally often;
            ``macs``, each of eight bins of multiply-accumulates equally often; ``pareto``, in each such bin
            the most promising of a few (`supernet.training.step_subnets`).
        largest_every: Steps from one training of the largest subnet to the next. In between, stored soft
            labels or the running average of the weights give the targets.
        low_lr_factor: Rate of the CNN's weights under ``cnn: low_lr``, as a share of `rate`.
        vit_lr_factor: Rate of the weights of transformer blocks, as a multiple of `rate`.
    """

    name: str
    epochs: int
    rate: float
    random_subnets: int
    vit: bool = True
    cnn: str = TRAIN
    elastic: tuple[str, ...] | None = None
    sampling: str = UNIFORM
    largest_every: int = 1
    low_lr_factor: float = 0.1
    vit_lr_factor: float = 1.0

    def check(self) -> None:
        """Raises a `DocumentError` that names the phase, the field, its value and the allowed values."""
        where = f"phase {self.name!r}"
        if self.epochs < 1:
            raise DocumentError(
                f"{where}: epochs must be at least 1, but got {self.epochs}; leave out a phase that has none"
            )
        for name, limits in PHASE_RANGES.items():
            limits.check(f"{where}: {name}", getattr(self, name))
        if self.cnn not in CNN_MODES:
            raise UnknownNameError(f"treatment of the CNN in {where}", self.cnn, CNN_MODES)
        if self.cnn == FREEZE and not self.vit:
            raise DocumentError(f"{where}: cnn: freeze with vit: false leaves nothing to train")
        for choice in self.elastic or ():
            if choice not in known_choices():
                raise UnknownNameError(f"elastic choice in {where}", choice, known_choices())
        if self.sampling not in PHASE_SAMPLINGS:
            raise UnknownNameError(f"sampling in {where}", self.sampling, PHASE_SAMPLINGS)
        missing = [
            choice for choice in FAMILY_CHOICES if self.elastic is not None and choice not in self.elastic
        ]
        if self.sampling == FAMILY and missing:
            raise DocumentError(
                f"{where}: sampling: family needs {', '.join(FAMILY_CHOICES)} among elastic, but it lacks "
                f"{', '.join(missing)}: add them, or choose another sampling"
            )
        if self.sampling == PARETO and (self.elastic is not None or not self.vit):
            raise DocumentError(
                f"{where}: sampling: pareto needs the whole space, but the phase has "
                f"{'vit: false' if not self.vit else 'elastic choices'}: choose another sampling"
            )


def restricted(space: Space, phase: Phase, genotype: Genotype) -> Subnet:
    """The subnet of `genotype`, moved into the part of the space that `phase` trains."""
    if phase.elastic is not None:
        genes = zip(space.genes, genotype, _fullest(space), strict=True)
        genotype = space.canonical(
            [
                value if gene.name.rpartition(".")[2] in phase.elastic else fullest
                for gene, value, fullest in genes
            ]
        )
    subnet = space.decode(genotype)
    return subnet if phase.vit else without_vit(subnet)


def _fullest(space: Space) -> list[int]:
    """Genes of the largest network, with the last option for genes that it does not use."""
    return [
        value if gene.name.endswith(".downsampling") else gene.cardinality - 1
        for gene, value in zip(space.genes, space.largest(), strict=True)
    ]


def phase_at(phases: Sequence[Phase], epoch: int) -> tuple[Phase, int]:
    """The phase of `epoch` (from 0), and the number of the epoch within it."""
    for phase in phases:
        if epoch < phase.epochs:
            return phase, epoch
        epoch -= phase.epochs
    raise IndexError("epoch lies behind the last phase")
