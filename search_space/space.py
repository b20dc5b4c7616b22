"""Search spaces: a YAML file of choices, with its genes, genotypes, networks and number of networks.

Genes follow the flow of the data: resolution, stem, then stage by stage. Networks that agree in their leading
genes therefore share the leading part of their computation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from search_space import complexity
from search_space import genotype as genotypes
from search_space.arrays import Booleans, Genotypes
from search_space.block_options import (
    MBCONV,
    HeadOptions,
    StageOptions,
    StemOptions,
    check_options,
)
from search_space.errors import DocumentError
from search_space.files.plug_ins import PlugInGroup
from search_space.files.yaml_document import (
    BASE,
    Document,
    built_in_names,
    parse_document,
    read_laid_over,
    unknown_document,
)
from search_space.genotype import Gene, Genotype
from search_space.stage_genes import stage_cardinality, stage_choices, stage_genes
from search_space.subnet import (
    BLOCKS,
    CONV,
    VIT,
    Block,
    Head,
    MBConv,
    PatchMerging,
    Stage,
    Stem,
    Subnet,
)


@dataclass(frozen=True)
class Switch:
    """A gene whose options make other genes inactive.

    Attributes:
        gene: Index of the gene.
        inactive: For each of its options the indices of the genes that it makes inactive.
    """

    gene: int
    inactive: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Space(Document):
    """A search space as written in its YAML file.

    Options of every choice but the kind of down-sampling stand in ascending order, so index 0 is the
    smallest of each.

    Example:
        >>> from search_space import load_space
        >>> space = load_space("cifar32")
        >>> len(space.genes), space.resolution
        (58, (24, 28, 32))
        >>> space.decode(space.smallest()).vit_blocks
        0
    """

    name: str
    resolution: tuple[int, ...]
    stem: StemOptions
    stages: tuple[StageOptions, ...]
    head: HeadOptions

    def __post_init__(self) -> None:
        check_options("resolution", self.resolution, multiple_of=4)
        if not self.stages:
            raise DocumentError("stages must not be empty")

    # --- genes -----------------------------------------------------------------------------------

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """All genes, active or not, in the order of the data flow."""
        genes = [Gene("resolution", self.resolution), Gene("stem.width", self.stem.width)]
        for number, stage in enumerate(self.stages, start=1):
            genes += stage_genes(f"stage{number}", stage)
        return tuple(genes)

    @cached_property
    def _position(self) -> dict[str, int]:
        return {gene.name: index for index, gene in enumerate(self.genes)}

    def _chosen(self, genotype: Genotype, name: str) -> int | str:
        index = self._position[name]
        return self.genes[index].options[genotype[index]]

    def _number(self, genotype: Genotype, name: str) -> int:
        return int(self._chosen(genotype, name))

    def active(self, genotype: Sequence[int]) -> tuple[bool, ...]:
        """Whether the network uses each gene.

        Raises:
            GenotypeError: `genotype` is not in this space.
        """
        values = genotypes.checked(genotype, self.genes)
        active = [True] * len(values)
        for switch in self._switches:
            for index in switch.inactive[values[switch.gene]]:
                active[index] = False
        return tuple(active)

    def active_rows(self, genotypes: Genotypes) -> Booleans:
        """`active` for genotypes (n, genes), which are not checked: shape (n, genes)."""
        # Genes as rows, which lie together in memory.
        active = np.ones(genotypes.shape[::-1], dtype=np.bool_)
        for switch in self._switches:
            values = genotypes[:, switch.gene]
            for option, inactive in enumerate(switch.inactive):
                if inactive:
                    has_genes = values != option
                    for gene in inactive:
                        active[gene] &= has_genes
        return np.ascontiguousarray(active.T)

    @cached_property
    def _switches(self) -> tuple[Switch, ...]:
        switches = []
        for number, stage in enumerate(self.stages, start=1):
            name = f"stage{number}"
            options_of_mbconv = self._genes_named(f"{name}.downsampling.")
            kinds = stage.downsampling.kind
            switches.append(
                Switch(
                    self._position[f"{name}.downsampling"],
                    tuple(() if kind == MBCONV else options_of_mbconv for kind in kinds),
                )
            )
            for kind in stage.kinds:
                depths = stage.depths(kind)
                absent = [range(depth + 1, max(depths) + 1) for depth in depths]
                switches.append(
                    Switch(
                        self._position[f"{name}.{kind}_depth"],
                        tuple(
                            self._genes_named(*(f"{name}.{kind}{place}." for place in places))
                            for places in absent
                        ),
                    )
                )
        return tuple(switches)

    def _genes_named(self, *prefixes: str) -> tuple[int, ...]:
        """Indices of the genes whose names begin with one of `prefixes`."""
        return tuple(index for name, index in self._position.items() if name.startswith(prefixes))

    def canonical(self, genotype: Sequence[int]) -> Genotype:
        """`genotype` with every inactive gene set to 0. Equal networks have equal canonical genotypes.

        Raises:
            GenotypeError: `genotype` is not in this space.
        """
        values = genotypes.checked(genotype, self.genes)
        canonical = list(values)
        for switch in self._switches:
            for index in switch.inactive[values[switch.gene]]:
                canonical[index] = 0
        return tuple(canonical)

    # --- networks --------------------------------------------------------------------------------

    def decode(self, genotype: Sequence[int]) -> Subnet:
        """The network of `genotype`.

        Raises:
            GenotypeError: `genotype` is not in this space.
        """
        values = genotypes.checked(genotype, self.genes)
        stem = Stem(width=self._number(values, "stem.width"), stride=self.stem.stride)
        stages: list[Stage] = []
        width = stem.width
        for number in range(1, len(self.stages) + 1):
            stages.append(self._decode_stage(values, number, width))
            width = stages[-1].width
        return Subnet(
            resolution=self._number(values, "resolution"),
            stem=stem,
            stages=tuple(stages),
            head=Head(in_width=width, width=self.head.width, classes=self.head.classes),
        )

    def _decode_stage(self, genotype: Genotype, number: int, in_width: int) -> Stage:
        options, prefix = self.stages[number - 1], f"stage{number}"
        width = self._number(genotype, f"{prefix}.width")
        downsampling: MBConv | PatchMerging
        if self._chosen(genotype, f"{prefix}.downsampling") == MBCONV:
            downsampling = MBConv(
                in_width=in_width,
                width=width,
                kernel=self._number(genotype, f"{prefix}.downsampling.kernel"),
                stride=options.stride,
                expansion=self._number(genotype, f"{prefix}.downsampling.expansion"),
            )
        else:
            downsampling = PatchMerging(in_width=in_width, width=width, stride=options.stride)
        blocks = {kind: self._decode_blocks(genotype, number, kind, width) for kind in options.kinds}
        conv_blocks, vit_blocks = blocks.pop(CONV), blocks.pop(VIT)
        return Stage(
            downsampling=downsampling,
            conv_blocks=conv_blocks,  # type: ignore[arg-type]
            vit_blocks=vit_blocks,  # type: ignore[arg-type]
            other_blocks=tuple(block for group in blocks.values() for block in group),
        )

    def _decode_blocks(self, genotype: Genotype, number: int, kind: str, width: int) -> tuple[Block, ...]:
        prefix, options = f"stage{number}.{kind}", self.stages[number - 1].options(kind)
        if options is None:
            return ()
        return tuple(
            BLOCKS[kind].in_stage(
                width,
                **options.constants,
                **{name: self._chosen(genotype, f"{prefix}{place}.{name}") for name in options.choices},
            )
            for place in range(1, self._number(genotype, f"{prefix}_depth") + 1)
        )

    def encode(self, subnet: Subnet) -> Genotype:
        """The canonical genotype of `subnet`; the inverse of `decode`.

        Raises:
            DocumentError: `subnet` is not in this space.
        """
        choices: dict[str, int | str] = {"resolution": subnet.resolution, "stem.width": subnet.stem.width}
        for number, (options, stage) in enumerate(zip(self.stages, subnet.stages, strict=False), start=1):
            choices |= stage_choices(f"stage{number}", options, stage)
        values = [0] * len(self.genes)
        for name, option in choices.items():
            index = self._position.get(name)
            if index is None or option not in self.genes[index].options:
                allowed = "absent" if index is None else f"one of {list(self.genes[index].options)}"
                raise DocumentError(f"space {self.name!r}: {name} must be {allowed}, but got {option!r}")
            values[index] = self.genes[index].options.index(option)
        genotype = self.canonical(values)
        if self.decode(genotype) != subnet:
            raise DocumentError(f"space {self.name!r} does not contain {subnet}")
        return genotype

    def parse(self, text: str) -> Genotype:
        """The canonical genotype that `text` names: ``max``, ``min``, or indices joined by commas.

        Raises:
            GenotypeError: `text` has another form, or the genotype is not in this space.
        """
        if text == "max":
            return self.largest()
        if text == "min":
            return self.smallest()
        return self.canonical(genotypes.parse(text))

    # --- sampling, extremes, neighbours, size ----------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Genotype:
        """A random canonical genotype: every gene is drawn uniformly, then inactive genes are set to 0.

        The draw is uniform over choices, not over networks. Nearly all networks of a space have maximum depth
        everywhere, so a draw uniform over networks would hardly ever return another one.
        """
        return self.canonical(genotypes.sample(self.genes, rng))

    def largest(self) -> Genotype:
        """The network with the most multiply-accumulates."""
        return self._largest

    def smallest(self) -> Genotype:
        """The network with the fewest multiply-accumulates."""
        return self._smallest

    # Cached, because every training step uses both.
    @cached_property
    def _largest(self) -> Genotype:
        return self._extreme(largest=True)

    @cached_property
    def _smallest(self) -> Genotype:
        return self._extreme(largest=False)

    def _extreme(self, *, largest: bool) -> Genotype:
        # Cost rises with every gene but the kind of down-sampling (a norm adds operations, but no
        # multiply-accumulates). That one changes its own stage only, so each stage's kind is chosen alone.
        values = [gene.cardinality - 1 if largest else 0 for gene in self.genes]
        best = max if largest else min
        for number in range(1, len(self.stages) + 1):
            index = self._position[f"stage{number}.downsampling"]

            def cost(kind: int, index: int = index) -> int:
                return complexity.macs(self.decode([*values[:index], kind, *values[index + 1 :]]))

            values[index] = best(range(self.genes[index].cardinality), key=cost)
        return self.canonical(values)

    def neighbours(self, genotype: Sequence[int]) -> Iterator[Genotype]:
        """Canonical genotypes of all networks that differ from this one in one gene, each once.

        A gene that becomes active, such as one of a block that a greater depth adds, has its first option.
        """
        origin = self.canonical(genotype)
        seen = {origin}
        for index, (gene, active) in enumerate(zip(self.genes, self.active(origin), strict=True)):
            for value in range(gene.cardinality) if active else ():
                neighbour = self.canonical([*origin[:index], value, *origin[index + 1 :]])
                if neighbour not in seen:
                    seen.add(neighbour)
                    yield neighbour

    @cached_property
    def cardinality(self) -> int:
        """Number of distinct networks, exact."""
        return len(self.resolution) * len(self.stem.width) * prod(map(stage_cardinality, self.stages))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the definition of the space, which decides the meaning of its genotypes."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


_BUILT_IN = resources.files("search_space") / "spaces"
PLUG_INS = PlugInGroup("h4h.spaces", "space")
"""Spaces of other packages: a `Space`, or the path of a YAML file."""


def known_spaces() -> tuple[str, ...]:
    """Names of all spaces: those that come with the project, then those of installed packages.

    Example:
        >>> from search_space import known_spaces
        >>> known_spaces()[:3]
        ('cifar32', 'imagenet224', 'photo128')
    """
    return tuple(dict.fromkeys((*built_in_spaces(), *PLUG_INS.names())))


def built_in_spaces() -> tuple[str, ...]:
    """Names of the spaces that come with the project."""
    return built_in_names(_BUILT_IN)


def is_built_in(space: Space) -> bool:
    """Whether `space` is exactly the one that comes with the project under its name."""
    return space.name in built_in_spaces() and _built_in_digest(space.name) == space.digest


@cache
def _built_in_digest(name: str) -> str:
    return load_space(name).digest


def load_space(name: str) -> Space:
    """A space of the project or of an installed package by its name, or one by the path of its YAML file.

    A file may extend another space, which its key `base` names; its own keys replace those of the base.

    Example:
        >>> from search_space import load_space
        >>> load_space("cifar32").head.classes
        10

    Raises:
        UnknownNameError: No space has this name.
        DocumentError: The file cannot be read or does not describe a search space.
        OwnCodeError: The space of a package cannot be imported, is none, or has another name.
    """
    space = parse_document(
        Space, read_laid_over("space", name, _BUILT_IN, _plugged_in), source=name, more=[BASE]
    )
    if space.name != name and name not in built_in_spaces() and (plug_in := PLUG_INS.find(name)) is not None:
        raise plug_in.error(f"calls itself {space.name!r}: give both the same name")
    return space


def _plugged_in(name: str) -> Path | dict[str, Any]:
    """File or content of the space that an installed package offers under `name`."""
    plug_in = PLUG_INS.find(name)
    if plug_in is None:
        raise unknown_document("space", name, known_spaces())
    offered = plug_in.load()
    if isinstance(offered, Space):
        return offered.to_dict()
    if isinstance(offered, str | Path):
        return Path(offered)
    raise plug_in.error(f"must be a Space, or the path of a YAML file, but is {offered!r:.80}")
