"""Genes of one stage: their options, the choices that make a given stage, and the number of stages."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from search_space.block_options import MBCONV, PATCH_MERGING, BlockOptions, StageOptions
from search_space.genotype import Gene
from search_space.subnet import MBConv, Stage


def stage_genes(prefix: str, stage: StageOptions) -> Iterator[Gene]:
    """Genes of a stage, in the order of the data flow; their names begin with `prefix`."""
    yield Gene(f"{prefix}.width", stage.width)
    yield Gene(f"{prefix}.downsampling", stage.downsampling.kind)
    yield Gene(f"{prefix}.downsampling.kernel", stage.downsampling.kernel)
    yield Gene(f"{prefix}.downsampling.expansion", stage.downsampling.expansion)
    for kind in stage.kinds:
        yield Gene(f"{prefix}.{kind}_depth", stage.depths(kind))
        if (options := stage.options(kind)) is not None:
            for place in range(1, max(stage.depths(kind)) + 1):
                for name, values in options.choices.items():
                    yield Gene(f"{prefix}.{kind}{place}.{name}", values)


def stage_choices(prefix: str, options: StageOptions, stage: Stage) -> dict[str, int | str]:
    """Chosen option of every active gene of `stage`, by name."""
    down = stage.downsampling
    choices: dict[str, int | str] = {
        f"{prefix}.width": stage.width,
        f"{prefix}.downsampling": MBCONV if isinstance(down, MBConv) else PATCH_MERGING,
    }
    if isinstance(down, MBConv):
        choices[f"{prefix}.downsampling.kernel"] = down.kernel
        choices[f"{prefix}.downsampling.expansion"] = down.expansion
    for kind in options.kinds:
        blocks = stage.blocks_of(kind)
        choices[f"{prefix}.{kind}_depth"] = len(blocks)
        of_kind = options.options(kind)
        for place, block in enumerate(blocks if of_kind is not None else (), start=1):
            for name in of_kind.choices if of_kind is not None else ():
                choices[f"{prefix}.{kind}{place}.{name}"] = getattr(block, name)
    return choices


def stage_cardinality(stage: StageOptions) -> int:
    """Number of distinct stages, exact."""
    of_downsampling = {
        MBCONV: len(stage.downsampling.kernel) * len(stage.downsampling.expansion),
        PATCH_MERGING: 1,
    }
    count = len(stage.width) * sum(of_downsampling[kind] for kind in stage.downsampling.kind)
    for kind in stage.kinds:
        options = stage.options(kind)
        of_block = _block_cardinality(options) if options is not None else 0
        count *= sum(of_block**depth for depth in stage.depths(kind))
    return count


def _block_cardinality(options: BlockOptions) -> int:
    return prod(map(len, options.choices.values()))
