"""Networks times chips: canonical forms, counts and the way back."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware.chip import Chip
from objectives.objective import Design
from search_space.errors import DocumentError
from search_space.genotype import Genotype, GenotypeError
from search_space.space import Space, load_space
from studies.design_space.chip_choices import ChipChoices, parse_hardware
from studies.design_space.design_space import DesignSpace, read_design_space

CIFAR = load_space("cifar32")
JOINT = DesignSpace(CIFAR, parse_hardware("macros=0,2,8 units=1,4"))
ANY = st.tuples(*(st.integers(0, gene.cardinality - 1) for gene in JOINT.genes))


@pytest.fixture
def joint(tiny: Space) -> DesignSpace:
    return DesignSpace(tiny, parse_hardware("macros=0,2,8 units=1,4"))


@given(first=ANY, second=ANY)
def test_equal_designs_have_equal_canonical_genotypes(first: Genotype, second: Genotype) -> None:
    for genotype in (first, second):
        canonical = JOINT.canonical(genotype)
        assert JOINT.canonical(canonical) == canonical
        assert JOINT.decode(canonical) == JOINT.decode(genotype)
        assert JOINT.network(canonical) == CIFAR.canonical(JOINT.network(genotype))
        assert canonical[-1] == (0 if genotype[-2] == 0 else genotype[-1])
        # The network of the one on the chip of the other: chips do not depend on networks.
        moved = JOINT.canonical((*first[:-2], *genotype[-2:]))
        assert JOINT.chip(moved) == JOINT.chip(genotype)
        assert JOINT.decode(moved).subnet == JOINT.decode(first).subnet
    is_same = JOINT.canonical(first) == JOINT.canonical(second)
    assert is_same == (JOINT.decode(first) == JOINT.decode(second))


@given(genotype=ANY)
def test_many_at_once_as_one_by_one(genotype: Genotype) -> None:
    rows = np.array([genotype, JOINT.smallest(), JOINT.largest()])
    assert JOINT.active_rows(rows).tolist() == [list(JOINT.active(row)) for row in rows.tolist()]


@given(genotype=ANY)
def test_a_placed_network_is_the_design(genotype: Genotype) -> None:
    canonical = JOINT.canonical(genotype)
    assert JOINT.placed(JOINT.network(canonical), JOINT.chip(canonical)) == canonical
    design = JOINT.decode(canonical)
    assert JOINT.encode(design) == canonical
    # What a chip leaves open is as much as can be chosen.
    assert JOINT.encode(Design(design.subnet, Chip())) == JOINT.placed(JOINT.network(canonical), Chip(8, 4))


def test_all_designs_are_counted_and_reached_by_single_changes(joint: DesignSpace) -> None:
    cardinalities = [range(gene.cardinality) for gene in joint.genes]
    everything = {joint.canonical(genotype) for genotype in product(*cardinalities)}
    assert len(everything) == joint.cardinality == 108 * 5
    reached, border = {joint.smallest()}, {joint.smallest()}
    while border:
        border = {near for origin in border for near in joint.neighbours(origin)} - reached
        reached |= border
    assert reached == everything


def test_extremes(joint: DesignSpace, tiny: Space) -> None:
    assert joint.smallest() == (*tiny.smallest(), 0, 0)
    assert joint.largest() == (*tiny.largest(), 2, 1)
    assert joint.parse("max") == joint.largest()
    assert [joint.chip(one) for one in joint.corners] == 2 * [Chip(0), Chip(8, 1), Chip(8, 4)]
    assert DesignSpace(tiny).corners == (tiny.smallest(), tiny.largest())


def test_a_choice_of_one_kind(tiny: Space) -> None:
    macros = DesignSpace(tiny, parse_hardware("macros=0,4"))
    assert [gene.name for gene in macros.genes[len(tiny.genes) :]] == ["hardware.macros"]
    assert macros.chip(macros.largest()) == Chip(4)
    units = DesignSpace(tiny, parse_hardware("units=1,4"))
    assert units.chip(units.smallest()) == Chip(None, 1)
    assert units.cardinality == macros.cardinality == 216


def test_a_fixed_chip_is_a_choice_of_one(tiny: Space) -> None:
    """Everything is as the networks alone have it, bit for bit: databases of one chip are read by that."""
    fixed = DesignSpace(tiny)
    assert fixed.chips.chips == fixed.chips.corners == (Chip(),)
    assert (fixed.genes, fixed.cardinality, fixed.digest) == (tiny.genes, tiny.cardinality, tiny.digest)
    assert list(fixed.to_dict().items()) == list(tiny.to_dict().items())
    assert (fixed.smallest(), fixed.largest()) == (tiny.smallest(), tiny.largest())
    assert fixed.on_fixed_chip is fixed
    for seed in range(20):
        genotype = fixed.sample(np.random.default_rng(seed))
        assert genotype == tiny.sample(np.random.default_rng(seed))
        assert fixed.decode(genotype) == Design(tiny.decode(genotype), Chip())
        assert fixed.network(genotype) == fixed.encode(fixed.decode(genotype)) == genotype
        assert list(fixed.neighbours(genotype)) == list(tiny.neighbours(genotype))
        assert fixed.active(genotype) == tiny.active(genotype)
    rows = np.array([genotype] * 2)
    assert fixed.active_rows(rows).tolist() == tiny.active_rows(rows).tolist()
    assert {chip: rows.tolist() for chip, rows in fixed.rows_by_chip(rows).items()} == {Chip(): [0, 1]}


def test_neighbours_of_a_design(joint: DesignSpace, tiny: Space) -> None:
    network = tiny.smallest()
    around = list(joint.neighbours((*network, 1, 1)))
    networks = list(tiny.neighbours(network))
    assert around[: len(networks)] == [(*one, 1, 1) for one in networks]
    assert around[len(networks) :] == [(*network, 0, 0), (*network, 2, 1), (*network, 1, 0)]


def test_rows_by_chip(joint: DesignSpace, tiny: Space) -> None:
    hardware = [(0, 1), (1, 0), (0, 0), (2, 1), (1, 0)]  # without macros, any units are the same chip
    rows = np.array([(*tiny.smallest(), *genes) for genes in hardware])
    found = {chip: places.tolist() for chip, places in joint.rows_by_chip(rows).items()}
    assert found == {Chip(0): [0, 2], Chip(2, 1): [1, 4], Chip(8, 4): [3]}


def test_definition_is_kept_with_its_choices(joint: DesignSpace, tiny: Space) -> None:
    definition = joint.to_dict()
    assert read_design_space(definition, source="x") == joint
    assert list(definition.items()) == [
        *tiny.to_dict().items(),
        ("hardware", {"macros": [0, 2, 8], "units": [1, 4]}),
    ]
    assert read_design_space(tiny.to_dict(), source="x") == DesignSpace(tiny, ChipChoices())
    assert joint.networks.digest == tiny.digest != joint.digest
    with pytest.raises(DocumentError, match="here: hardware"):
        read_design_space({**definition, "hardware": {"macros": [1, 1]}}, source="here")


def test_what_is_no_design(joint: DesignSpace, tiny: Space) -> None:
    with pytest.raises(GenotypeError, match="has 12 genes, but got 10"):
        joint.chip(tiny.smallest())
    with pytest.raises(
        GenotypeError, match=r"hardware\.macros must be 0 to 2 \(options 0, 2, 8\), but got 3"
    ):
        joint.chip((*tiny.smallest(), 3, 0))
    with pytest.raises(GenotypeError, match=r"macros must be one of \[0, 2, 8\], but got 4"):
        joint.placed(tiny.smallest(), Chip(4, 1))


def test_siblings_differ_in_the_mapping_alone(tiny: Space) -> None:
    space = DesignSpace(tiny, parse_hardware("macros=0,8 mapping=latency,energy"))
    network = tiny.smallest()
    fast, frugal = (space.placed(network, Chip(8, mapping=name)) for name in ("latency", "energy"))
    assert list(space.siblings(fast)) == [frugal]
    assert list(space.siblings(frugal)) == [fast]
    # Without macros every mapping is the same design.
    assert list(space.siblings(space.placed(network, Chip(0)))) == []
    assert list(DesignSpace(tiny).siblings(network)) == []
