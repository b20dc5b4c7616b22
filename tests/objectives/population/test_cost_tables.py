"""Cost tables equal the cost model exactly, network by network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objectives.hardware import CostModel, load_soc
from objectives.hardware.cost_model import PJ_PER_MJ
from objectives.hardware.mapping.mapper import CapacityError
from objectives.population.cost_tables import SpaceTables, SpaceTablesError
from objectives.population.piece_costs import PieceCosts
from objectives.workload import ops_of, read_again, workload
from search_space.arrays import Floats, Genotypes
from search_space.files.cache_folder import CacheError
from search_space.genotype import GenotypeError
from search_space.space import Space, load_space
from search_space.subnet import Subnet

CIFAR = load_space("cifar32")

# Steps of stride 1 that may keep the width, so that they have a residual, and stages that may be empty.
CHAINED = """
name: chained
resolution: [16, 20]
stem: {stride: 1, width: [8, 16]}
stages:
  - stride: 1
    width: [8, 16]
    downsampling: {kind: [mbconv, patch_merging], kernel: [3], expansion: [1, 2]}
    conv_depth: [0]
    vit_depth: [0]
  - stride: 1
    width: [8, 16, 24]
    downsampling: {kind: [patch_merging, mbconv], kernel: [3, 5], expansion: [2]}
    conv_depth: [0, 2]
    conv: {kernel: [3], expansion: [1, 2]}
    vit_depth: [0]
  - stride: 2
    width: [16, 24]
    downsampling: {kind: [mbconv], kernel: [3], expansion: [2, 3]}
    conv_depth: [0]
    vit_depth: [0, 1]
    vit: {heads: [1, 2], head_dim: 8, mlp_ratio: [1], norm: [layer, batch]}
head: {width: 32, classes: 4}
"""


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Space:
    file = tmp_path_factory.mktemp("spaces") / "chained.yaml"
    file.write_text(CHAINED)
    return load_space(str(file))


def population(space: Space, count: int) -> Genotypes:
    """Random genotypes, not canonical; half of them with every third depth at its least."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, [gene.cardinality for gene in space.genes], (count, len(space.genes)))
    depths = [index for index, gene in enumerate(space.genes) if gene.name.endswith("_depth")]
    rows[: count // 2, depths] *= rng.random((count // 2, len(depths))) < 0.3
    return rows


def one_by_one(model: CostModel, subnets: Sequence[Subnet]) -> tuple[Floats, Floats]:
    """Latency and energy (n,) of the mapping that the mapper finds for each network."""
    mappings = []
    for subnet in subnets:
        steps = workload(subnet)
        mappings.append(model.mapper.find(ops_of(steps), read_again(steps)))
    latency_ms = np.array([mapping.cycles for mapping in mappings]) / model.soc.cycles_per_ms
    return latency_ms, np.array([mapping.energy_pj for mapping in mappings]) / PJ_PER_MJ


def assert_equal_to_the_cost_model(space: Space, hardware: str, mapping: str, count: int) -> None:
    model = CostModel(load_soc(hardware), mapping)
    rows = population(space, count)
    expected = one_by_one(model, [space.decode(row.tolist()) for row in rows])
    # Other tests of this run may have made the tables of a built-in space.
    tables = SpaceTables.cached(space, model)
    latency, energy = tables.totals(rows)
    assert latency.tolist() == expected[0].tolist()
    assert energy.tolist() == expected[1].tolist()
    for index in range(0, count, 5):  # alone, a network may have no open map where others have one
        one = tables.totals(rows[index : index + 1])
        assert one[0].tolist() == [latency[index]]
        assert one[1].tolist() == [energy[index]]


@pytest.mark.parametrize(
    ("hardware", "mapping"),
    [
        ("u55-256-cim8", "latency"),
        ("u55-256-cim8", "energy"),
        ("u55-256-cim8-no-heads", "latency"),
        ("u55-256-cim8", "edp"),
        ("u55-256-cim8", "npu"),
        ("u55-256-cim8", "cim"),
        ("u55-128", "latency"),
        ("u55-256-cim1", "energy"),
        ("u55-256-tiles8", "latency"),
        ("u55-256-flash", "energy"),
        ("u55-256-flash-cim8", "latency"),
        ("u55-256-flash-cim8", "energy"),
        ("u55-256-background", "latency"),
        ("u55-256-background-cim8", "latency"),
    ],
)
def test_chains_of_steps(chained: Space, hardware: str, mapping: str) -> None:
    assert_equal_to_the_cost_model(chained, hardware, mapping, 20 if mapping == "edp" else 120)


@pytest.mark.parametrize("mapping", ["latency", "energy", "edp"])
def test_chains_of_steps_above_the_capacity(chained: Space, mapping: str) -> None:
    soc = load_soc("u55-256-cim8")
    assert soc.cim is not None
    capacity = replace(soc.cim.capacity, value=0.5, low=0.5)
    model = CostModel(replace(soc, cim=replace(soc.cim, capacity=capacity)), mapping)
    tables = SpaceTables.cached(chained, model)
    rows = population(chained, 4 if mapping == "edp" else 12)
    assert tables.suffice(rows).mean() < 0.5
    expected = one_by_one(model, [chained.decode(row.tolist()) for row in rows])
    for _ in range(2):  # with new segments, then with known ones
        latency, energy = tables.totals(rows)
        assert latency.tolist() == expected[0].tolist()
        assert energy.tolist() == expected[1].tolist()


@pytest.mark.parametrize(
    ("hardware", "mapping"),
    [("u55-256-cim8", "latency"), ("u55-256-cim8x4", "energy"), ("u55-256-cim1", "latency")],
)
def test_the_built_in_space(hardware: str, mapping: str) -> None:
    # The single macro holds only part of the weights of most networks.
    assert_equal_to_the_cost_model(CIFAR, hardware, mapping, 60)


def test_the_space_of_the_paper() -> None:
    assert_equal_to_the_cost_model(load_space("imagenet224"), "u55-128", "latency", 20)


def test_forced_onto_macros_that_are_too_small() -> None:
    soc = load_soc("u55-256-cim1")
    rows = population(CIFAR, 20)
    with pytest.raises(CapacityError, match="mapping 'cim' needs"):
        SpaceTables(CIFAR, CostModel(soc, "cim")).totals(rows)


def test_no_networks_and_no_genotypes(chained: Space) -> None:
    tables = SpaceTables(chained, CostModel(load_soc("u55-256-cim8")))
    latency, energy = tables.totals(np.zeros((0, len(chained.genes)), dtype=np.int64))
    assert latency.shape == energy.shape == (0,)
    with pytest.raises(GenotypeError, match=r"gene resolution must be 0 to 1 .*, but got 7"):
        tables.totals(np.full((1, len(chained.genes)), 7))


def test_from_the_cache_without_costing_anything(
    chained: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = CostModel(load_soc("u55-256-cim8"))
    rows = population(chained, 50)
    made = SpaceTables.cached(chained, model, tmp_path).totals(rows)
    monkeypatch.setattr(PieceCosts, "of_each", None)
    found = SpaceTables.cached(chained, model, tmp_path).totals(rows)
    assert np.array_equal(made, found)
    with pytest.raises(TypeError):  # another mapping is another table
        SpaceTables.cached(chained, CostModel(load_soc("u55-256-cim8"), "energy"), tmp_path)


def emptied(_: bytes) -> bytes:
    return b""


def cut_in_two(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def without_its_end(whole: bytes) -> bytes:
    return whole[:-1]


def no_table(_: bytes) -> bytes:
    return b"no table"


def with_a_renamed_member(whole: bytes) -> bytes:
    """The index of the zip archive names another member; the checksums of the members stay right."""
    at = whole.rindex(b".genes")
    return whole[:at] + b".gener" + whole[at + 6 :]


def with_another_first_bit(whole: bytes) -> bytes:
    return bytes([whole[0] ^ 1]) + whole[1:]


DAMAGES = (emptied, cut_in_two, without_its_end, no_table, with_a_renamed_member, with_another_first_bit)


def test_damaged_files_are_made_anew(chained: Space, tmp_path: Path) -> None:
    model = CostModel(load_soc("u55-256-cim8"))
    rows = population(chained, 10)
    made = SpaceTables.cached(chained, model, tmp_path).totals(rows)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    whole = file.read_bytes()
    PieceCosts.load(file)
    for damage in DAMAGES:
        file.write_bytes(damage(whole))
        with pytest.raises(ValueError, match="differs from its digest"):
            PieceCosts.load(file)
    assert np.array_equal(SpaceTables.cached(chained, model, tmp_path).totals(rows), made)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("make", ["mkfifo", "mkdir"])
def test_something_else_in_place_of_a_table_is_named_at_once(
    make: str, chained: Space, tmp_path: Path
) -> None:
    model = CostModel(load_soc("u55-128"))
    SpaceTables.cached(chained, model, tmp_path)
    (file,) = tmp_path.iterdir()
    file.unlink()
    getattr(os, make)(file)
    with pytest.raises(SpaceTablesError, match=r"\(is not a regular file but a .*\): remove .* H4H_CACHE"):
        SpaceTables.cached(chained, model, tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.posix
def test_tables_of_another_user_are_not_read(chained: Space, tmp_path: Path) -> None:
    model = CostModel(load_soc("u55-128"))
    SpaceTables.cached(chained, model, tmp_path)
    (file,) = tmp_path.iterdir()
    for place in (file, tmp_path):
        os.chown(place, 65534, 65534)
        with pytest.raises(CacheError, match=f"^{place} in the cache belongs to user 65534"):
            SpaceTables.cached(chained, model, tmp_path)
        os.chown(place, 0, 0)
    SpaceTables.cached(chained, model, tmp_path)


def test_a_cache_that_cannot_be_written(chained: Space, tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("")
    with pytest.raises(SpaceTablesError, match="set H4H_CACHE to another folder"):
        SpaceTables.cached(chained, CostModel(load_soc("u55-128")), folder)


def test_tables_suffice_where_weights_fit_and_the_mapping_minimises_a_sum() -> None:
    rows = population(CIFAR, 50)
    assert SpaceTables.cached(CIFAR, CostModel(load_soc("u55-256-cim8"))).suffice(rows).all()
    assert not SpaceTables.cached(CIFAR, CostModel(load_soc("u55-256-cim8"), "edp")).suffice(rows).any()
