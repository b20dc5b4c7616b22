"""Search spaces: decoding, canonical form, counting, extremes, neighbours, and the YAML format."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from search_space.complexity import macs
from search_space.errors import DocumentError, UnknownNameError
from search_space.families import Family, family
from search_space.files.yaml_document import parse_document
from search_space.genotype import Genotype, GenotypeError
from search_space.mobilenet_v2 import MOBILENET_V2
from search_space.space import Space, known_spaces, load_space
from search_space.subnet import MBConv, PatchMerging, ViTBlock

SPACES = {name: load_space(name) for name in known_spaces()}

# 2 x (1 + 2) x (1 + 2 + 4) x (1 + 2) = 126 networks, few enough to list.
TINY_YAML = """
name: tiny
resolution: [8]
stem: {stride: 1, width: [8, 16]}
stages:
  - stride: 2
    width: [8]
    downsampling: {kind: [patch_merging, mbconv], kernel: [3], expansion: [1, 2]}
    conv_depth: [0, 1, 2]
    conv: {kernel: [3, 5], expansion: [2]}
    vit_depth: [0, 1]
    vit: {heads: [1, 2], head_dim: 8, mlp_ratio: [1]}
head: {width: 16, classes: 10}
"""


def tiny() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(TINY_YAML)
    return data


TINY = parse_document(Space, tiny(), source="tiny")


def normed(*norms: str) -> Space:
    """TINY, its transformer blocks with a choice of norm."""
    data = tiny()
    data["stages"][0]["vit"]["norm"] = list(norms)
    return parse_document(Space, data, source="normed")


NORMED = normed("layer", "batch")


def raw_genotypes(space: Space) -> st.SearchStrategy[Genotype]:
    return st.tuples(*(st.integers(0, gene.cardinality - 1) for gene in space.genes))


def all_raw(space: Space) -> itertools.product[Genotype]:
    return itertools.product(*(range(gene.cardinality) for gene in space.genes))


spaces_with_genotype = st.sampled_from(sorted(SPACES)).flatmap(
    lambda name: st.tuples(st.just(SPACES[name]), raw_genotypes(SPACES[name]))
)


# --- genotype and network ------------------------------------------------------------------------


@given(spaces_with_genotype)
def test_encode_inverts_decode(case: tuple[Space, Genotype]) -> None:
    space, genotype = case
    subnet = space.decode(genotype)
    assert space.encode(subnet) == space.canonical(genotype)
    assert space.decode(space.canonical(genotype)) == subnet


@given(spaces_with_genotype)
def test_canonical_is_idempotent_and_zero_where_inactive(case: tuple[Space, Genotype]) -> None:
    space, genotype = case
    canonical = space.canonical(genotype)
    assert space.canonical(canonical) == canonical
    for value, kept, active in zip(genotype, canonical, space.active(genotype), strict=True):
        assert kept == (value if active else 0)


@given(st.tuples(raw_genotypes(TINY), raw_genotypes(TINY)))
def test_canonical_genotypes_are_equal_if_and_only_if_networks_are(pair: tuple[Genotype, Genotype]) -> None:
    first, second = pair
    assert (TINY.canonical(first) == TINY.canonical(second)) == (TINY.decode(first) == TINY.decode(second))


@given(spaces_with_genotype, st.data())
def test_inactive_genes_do_not_matter(case: tuple[Space, Genotype], data: st.DataObject) -> None:
    space, genotype = case
    other = tuple(
        value if active else data.draw(st.integers(0, gene.cardinality - 1))
        for value, active, gene in zip(genotype, space.active(genotype), space.genes, strict=True)
    )
    assert space.canonical(other) == space.canonical(genotype)
    assert space.decode(other) == space.decode(genotype)


def test_cardinality_counts_distinct_networks() -> None:
    networks = {TINY.decode(genotype) for genotype in all_raw(TINY)}
    canonical = {TINY.canonical(genotype) for genotype in all_raw(TINY)}
    assert TINY.cardinality == len(networks) == len(canonical) == 126


@given(spaces_with_genotype)
def test_widths_are_multiples_of_eight_and_chain(case: tuple[Space, Genotype]) -> None:
    space, genotype = case
    subnet = space.decode(genotype)
    width = subnet.stem.width
    for part in subnet.sequence():
        in_width = part.in_width if isinstance(part, MBConv | PatchMerging) else part.width
        assert in_width == width
        width = part.width
        assert width % 8 == 0
        hidden = (part.attention_width, part.mlp_width) if isinstance(part, ViTBlock) else (width,)
        assert all(value % 8 == 0 for value in hidden)
    assert subnet.head.in_width == width


def test_decode_refuses_what_is_no_genotype() -> None:
    with pytest.raises(GenotypeError, match=f"has {len(TINY.genes)} genes, but got 1"):
        TINY.decode((0,))


def test_encode_refuses_a_network_of_another_space() -> None:
    with pytest.raises(DocumentError, match="resolution must be one of"):
        SPACES["cifar32"].encode(MOBILENET_V2)
    member = TINY.decode(TINY.largest())
    with pytest.raises(DocumentError, match="does not contain"):
        TINY.encode(replace(member, head=replace(member.head, classes=11)))


# --- the four patterns of the paper --------------------------------------------------------------


def test_mobilenetv2_is_a_member_of_imagenet224() -> None:
    space = SPACES["imagenet224"]
    assert space.decode(space.encode(MOBILENET_V2)) == MOBILENET_V2
    assert family(MOBILENET_V2) is Family.CNN


def _chosen(space: Space, choose: Callable[[str], int | str | None]) -> Genotype:
    """The genotype whose genes take what `choose` says for their names, or else the first option."""
    values = []
    for gene in space.genes:
        wanted = choose(gene.name)
        values.append(gene.options.index(wanted) if wanted in gene.options else 0)
    return space.canonical(values)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_pure_vit_is_a_member(name: str) -> None:
    def choose(gene: str) -> int | str | None:
        if gene.endswith("downsampling"):
            return "patch_merging"
        return {"conv_depth": 0, "vit_depth": 2}.get(gene.split(".")[-1])

    subnet = SPACES[name].decode(_chosen(SPACES[name], choose))
    assert (subnet.conv_blocks, family(subnet)) == (0, Family.VIT)
    assert subnet.vit_blocks >= 4
    assert all(isinstance(part, (PatchMerging, ViTBlock)) for part in subnet.sequence())


@pytest.mark.parametrize("name", sorted(SPACES))
def test_cnn_then_vit_is_a_member(name: str) -> None:
    space = SPACES[name]
    last = f"stage{len(space.stages)}."

    def choose(gene: str) -> int | str | None:
        if gene.endswith("downsampling"):
            return "mbconv"
        depth = gene.split(".")[-1]
        return {"conv_depth": 1, "vit_depth": 2 if gene.startswith(last) else 0}.get(depth)

    subnet = space.decode(_chosen(space, choose))
    assert family(subnet) is Family.CNN_THEN_VIT
    kinds = [type(part) for part in subnet.sequence()]
    assert kinds == sorted(kinds, key=[MBConv, ViTBlock].index)
    assert kinds[-1] is ViTBlock


@pytest.mark.parametrize("name", sorted(SPACES))
def test_mixture_is_a_member(name: str) -> None:
    space = SPACES[name]
    subnet = space.decode(space.largest())
    assert family(subnet) is Family.MIXED
    kinds = [type(part) for part in subnet.sequence()]
    changes = sum(first is not second for first, second in itertools.pairwise(kinds))
    assert changes >= 3


# --- extremes, samples, neighbours ---------------------------------------------------------------


@given(spaces_with_genotype)
def test_nothing_is_smaller_or_larger_than_the_extremes(case: tuple[Space, Genotype]) -> None:
    space, genotype = case
    smallest, largest = (macs(space.decode(extreme)) for extreme in (space.smallest(), space.largest()))
    assert smallest <= macs(space.decode(genotype)) <= largest


def test_extremes_of_the_built_in_spaces() -> None:
    def extremes(name: str) -> tuple[int, int]:
        space = SPACES[name]
        return macs(space.decode(space.smallest())), macs(space.decode(space.largest()))

    smallest, largest = extremes("cifar32")
    assert (smallest, largest) == (698_368, 25_752_576)
    # No combination of kinds of down-sampling is smaller or larger.
    space = SPACES["cifar32"]
    kinds = [place for place, gene in enumerate(space.genes) if gene.name.endswith(".downsampling")]
    most = [gene.cardinality - 1 for gene in space.genes]
    for genotype, best, extreme in (([0] * len(most), min, smallest), (most, max, largest)):
        of_kinds = []
        for values in itertools.product((0, 1), repeat=len(kinds)):
            for place, value in zip(kinds, values, strict=True):
                genotype[place] = value
            of_kinds.append(macs(space.decode(genotype)))
        assert best(of_kinds) == extreme
        assert len(set(of_kinds)) == 2**4
    biggest = SPACES["cifar32"].decode(SPACES["cifar32"].largest())
    assert (biggest.conv_blocks, biggest.vit_blocks) == (12, 8)
    rng = np.random.default_rng(0)
    space = SPACES["imagenet224"]
    sizes = [macs(space.decode(space.sample(rng))) for _ in range(300)]
    assert 70e6 < np.quantile(sizes, 0.01) < 130e6
    assert extremes("imagenet224")[1] < 1000e6


def test_samples_are_canonical_and_repeatable() -> None:
    space = SPACES["cifar32"]
    first, second = (
        [space.sample(rng) for _ in range(50)] for rng in (np.random.default_rng(3), np.random.default_rng(3))
    )
    assert first == second
    assert all(space.canonical(genotype) == genotype for genotype in first)
    assert len(set(first)) == 50


@given(raw_genotypes(TINY))
def test_neighbours_are_all_networks_one_choice_away(genotype: Genotype) -> None:
    origin = TINY.canonical(genotype)
    found = list(TINY.neighbours(genotype))
    assert len(found) == len(set(found))
    expected = set()
    for index, gene in enumerate(TINY.genes):
        if TINY.active(origin)[index]:
            for value in range(gene.cardinality):
                expected.add(TINY.canonical((*origin[:index], value, *origin[index + 1 :])))
    assert set(found) == expected - {origin}


# --- norm of transformer blocks ------------------------------------------------------------------


def test_a_space_without_the_choice_of_norm_is_what_it_was() -> None:
    # Digests of version 0.1.0, which knew no such choice: studies and checkpoints hold them.
    assert SPACES["cifar32"].digest.startswith("6b5ab5a0ff95899c")
    assert SPACES["imagenet224"].digest.startswith("798a4c20e54e659f")
    assert TINY.stages[0].to_dict()["vit"] == {"heads": [1, 2], "head_dim": 8, "mlp_ratio": [1]}
    assert not any(gene.name.endswith("norm") for gene in TINY.genes)
    stages = SPACES["cifar32"].decode(SPACES["cifar32"].largest()).stages
    assert {block.norm for stage in stages for block in stage.vit_blocks} == {"layer"}


def test_norm_is_a_gene_of_each_transformer_block() -> None:
    added = [gene for gene in NORMED.genes if gene not in TINY.genes]
    assert [(gene.name, gene.options) for gene in added] == [("stage1.vit1.norm", ("batch", "layer"))]
    # A block has 2 heads x 2 norms; 2 x 3 x 7 x (1 + 4).
    assert NORMED.cardinality == len({NORMED.decode(genotype) for genotype in all_raw(NORMED)}) == 210
    read_back = parse_document(Space, NORMED.to_dict(), source="again")
    assert read_back == NORMED
    assert read_back.digest == NORMED.digest != TINY.digest


def test_the_order_in_which_norms_are_listed_means_nothing() -> None:
    assert normed("batch", "layer") == NORMED
    assert len({space.digest for space in (NORMED, normed("layer"), normed("batch"), TINY)}) == 4


def test_the_largest_network_has_layer_norm_and_the_smallest_batch_norm() -> None:
    data = tiny()
    data["stages"][0] |= {"vit_depth": [1]}
    data["stages"][0]["vit"]["norm"] = ["layer", "batch"]
    space = parse_document(Space, data, source="always a transformer")
    norms = [
        space.decode(extreme).stages[0].vit_blocks[0].norm for extreme in (space.smallest(), space.largest())
    ]
    assert norms == ["batch", "layer"]


@given(raw_genotypes(NORMED))
def test_genotypes_with_norms_are_encoded_and_made_canonical(genotype: Genotype) -> None:
    subnet = NORMED.decode(genotype)
    canonical = NORMED.canonical(genotype)
    assert NORMED.encode(subnet) == canonical
    assert (canonical[-1] == 0) or subnet.vit_blocks == 1
    blocks = subnet.stages[0].vit_blocks
    assert [block.norm for block in blocks] == [("batch", "layer")[genotype[-1]]] * len(blocks)
    flipped = NORMED.canonical((*canonical[:-1], 1 - canonical[-1]))
    assert (flipped in NORMED.neighbours(genotype)) == bool(blocks)


def test_a_norm_that_a_space_lacks_is_refused() -> None:
    genotype = [1 if gene.name == "stage1.vit_depth" else 0 for gene in NORMED.genes]
    batch = NORMED.decode(genotype)
    layer = NORMED.decode([*genotype[:-1], 1])
    assert TINY.decode(TINY.encode(layer)) == layer
    with pytest.raises(DocumentError, match=r"space 'tiny' does not contain .* vit1h1r-bn"):
        TINY.encode(batch)
    with pytest.raises(DocumentError, match=r"stage1\.vit1\.norm must be one of \['batch'\]"):
        normed("batch").encode(layer)


# --- text ----------------------------------------------------------------------------------------


def test_parse_knows_extremes_and_indices() -> None:
    space = SPACES["cifar32"]
    assert space.parse("max") == space.largest()
    assert space.parse("min") == space.smallest()
    last = [gene.cardinality - 1 for gene in space.genes]
    assert space.parse(",".join(map(str, last))) == space.canonical(last)
    with pytest.raises(GenotypeError, match="integers joined by commas"):
        space.parse("biggest")
    with pytest.raises(GenotypeError, match="genes"):
        space.parse("1,2")


# --- files ---------------------------------------------------------------------------------------


def test_own_file_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TINY_YAML)
    assert load_space(str(path)) == TINY


def test_unknown_name() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown space 'cifar23': must be one of cifar32, imagenet224"
    ):
        load_space("cifar23")


def test_own_file_over_a_built_in_space_changes_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "pets.yaml"
    path.write_text("base: cifar32\nname: pets\nhead: {classes: 37}\n")
    below, pets = load_space("cifar32"), load_space(str(path))
    assert pets == replace(below, name="pets", head=replace(below.head, classes=37))
    assert pets.digest != below.digest


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="does not exist"):
        load_space(str(tmp_path / "absent.yaml"))


def test_digest_follows_the_meaning() -> None:
    same = parse_document(Space, tiny(), source="again")
    other = tiny()
    other["stem"]["width"] = [8, 24]
    assert same.digest == TINY.digest
    assert parse_document(Space, other, source="other").digest != TINY.digest


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    *parents, last = path.split(".")

    def change(data: Any) -> None:
        for key in parents:
            data = data[int(key)] if key.isdigit() else data[key]
        if value is None:
            del data[last]
        else:
            data[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("stagez", 1), r"top level: unknown key 'stagez'"),
        (_set("stem.widht", [8]), r"stem: unknown key 'widht'"),
        (_set("stem", None), "stem: this key is missing"),
        (_set("stages.0.conv.kernel", None), "kernel: this key is missing"),
        (_set("name", 3), "name: invalid value 3"),
        (_set("stem.stride", "2"), "stem.stride: invalid value '2' .expected int, got str"),
        (_set("stem.stride", 1.0), "expected int, got float"),
        (_set("stem.stride", True), "expected int, got bool"),
        (_set("stem.stride", 4), "stride must be 1 or 2, but got 4"),
        (_set("stem.width", [8, 12]), "width must be a multiple of 8, but got 12"),
        (_set("stem.width", []), r"width must list different values in ascending order, but got \[\]"),
        (_set("stem.width", [16, 8]), "ascending order"),
        (_set("stem.width", [8, 8]), "ascending order"),
        (_set("stages", []), "stages must not be empty"),
        (_set("stages.0.conv_depth", [-1, 0]), "conv_depth must be at least 0, but got -1"),
        (_set("stages.0.conv.kernel", [4]), "kernel must be odd, but got 4"),
        (_set("stages.0.downsampling.kind", ["pool"]), "unknown down-sampling kind 'pool'"),
        (_set("stages.0.downsampling.kind", ["mbconv", "mbconv"]), "kind must list different kinds"),
        (_set("stages.0.vit", None), "vit must be given if and only if vit_depth exceeds 0"),
        (_set("stages.0.vit_depth", [0]), "vit must be given if and only if"),
        (_set("stages.0.vit.head_dim", 12), "head_dim must be a multiple of 8"),
        (
            _set("stages.0.vit.norm", ["group"]),
            "unknown norm of ViT blocks 'group': must be one of batch, layer",
        ),
        (_set("stages.0.vit.norm", []), r"norm must list different norms, but got \[\]"),
        (_set("stages.0.vit.norm", ["layer", "layer"]), "norm must list different norms"),
        (_set("stages.0.vit.norm", [1]), "norm: invalid value"),
        (_set("head.classes", 1), "classes must be at least 2"),
    ],
)
def test_bad_files_say_what_is_wrong(
    change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    data = tiny()
    change(data)
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(DocumentError, match=message) as caught:
        load_space(str(path))
    assert "bad.yaml" in str(caught.value)


@pytest.mark.parametrize("text", ["- 1", "", "a: [", "\x00"], ids=["list", "empty", "broken", "binary"])
def test_files_that_hold_no_mapping(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(DocumentError, match=r"must be a mapping|is not valid YAML"):
        load_space(str(path))
