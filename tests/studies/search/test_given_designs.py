from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search_space.errors import H4HError
from search_space.genotype import Genotype, to_text
from search_space.mobilenet_v2 import MOBILENET_V2
from search_space.space import load_space
from studies.design_space.design_space import DesignSpace
from studies.search.given_designs import WarmStart, parse_subnets, warm_start
from studies.storage.store import create_store
from studies.study.evaluation import Evaluation
from studies.study.study import Study


def test_names_and_genotypes_stand_in_one_list(tiny: DesignSpace) -> None:
    rng = np.random.default_rng(0)
    first, second = tiny.sample(rng), tiny.sample(rng)
    text = f"max,{to_text(first)},{to_text(second)},min,max"
    assert parse_subnets(text, tiny) == (tiny.largest(), first, second, tiny.smallest())
    assert parse_subnets(f" {to_text(first)} ", tiny) == (first,)


def test_mobilenetv2_is_named_where_the_space_has_it(cifar32: DesignSpace) -> None:
    space = DesignSpace(load_space("imagenet224"))
    (genotype,) = parse_subnets("mobilenetv2", space)
    assert space.decode(genotype).subnet == MOBILENET_V2
    with pytest.raises(H4HError, match="mobilenetv2: space 'cifar32'"):
        parse_subnets("mobilenetv2", cifar32)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "max, min, mobilenetv2"),
        ("max,", "max, min, mobilenetv2"),
        ("MAX", "max, min, mobilenetv2"),
        ("0,0,max", "got only 2 integers"),
        ("0,1", "got only 2 integers"),
        ("0,-1" + ",0" * 8, "must be 0 to"),
    ],
)
def test_bad_names_and_genotypes_are_refused(tiny: DesignSpace, text: str, named: str) -> None:
    assert len(tiny.genes) == 10
    with pytest.raises(H4HError) as error:
        parse_subnets(text, tiny)
    assert named in str(error.value)


@pytest.fixture
def earlier(
    tmp_path: Path, study: Study, tiny: DesignSpace, evaluation: Callable[..., Evaluation]
) -> Callable[[Sequence[Genotype]], Path]:
    """Stores a study `first` over `tiny`: its front is the genotypes given, in order."""

    def make(genotypes: Sequence[Genotype]) -> Path:
        # An even line from (acc 90, lat 7) down.
        rows = [
            replace(evaluation(index, 90.0 - 4 * index, 7.0 - 0.5 * index), genotype=genotype)
            for index, genotype in enumerate(genotypes)
        ]
        rows.append(replace(evaluation(len(rows), 1.0, 7.5), genotype=tiny.largest()))
        path = tmp_path / "earlier.db"
        with create_store(path) as store:
            store.add(replace(study, space_definition=tiny.to_dict()))
            store.append(study.name, rows)
        return path

    return make


def some(space: DesignSpace, count: int) -> list[Genotype]:
    """Different networks but the extremes."""
    rng = np.random.default_rng(0)
    found: dict[Genotype, None] = {}
    while len(found) < count:
        found[space.sample(rng)] = None
        found.pop(space.smallest(), None)
        found.pop(space.largest(), None)
    return list(found)


def test_warm_start_takes_the_front_thinned_to_what_is_wanted(
    tiny: DesignSpace, earlier: Callable[[Sequence[Genotype]], Path], tmp_path: Path
) -> None:
    front = some(tiny, 6)
    path = earlier(front)
    assert warm_start(["first"], path, tiny, count=9) == WarmStart("first", tuple(front))
    for source in ("first", f"{path}:first"):
        few = warm_start([source], path, tiny, count=3).subnets
        assert len(few) == 3
        assert [one for one in front if one in few] == list(few)
    assert warm_start([f"{path}:first"], tmp_path / "new.db", tiny, count=9).subnets == tuple(front)
    assert warm_start(["first"], path, tiny, without=front[:2], count=9).subnets == tuple(front[2:])
    assert warm_start(["first"], path, tiny, count=0).subnets == ()


def test_fronts_of_several_studies_share_the_places_equally(
    tiny: DesignSpace, study: Study, evaluation: Callable[..., Evaluation], tmp_path: Path
) -> None:
    genotypes = some(tiny, 14)
    path = tmp_path / "earlier.db"
    fronts = {"large": genotypes[:10], "small": [genotypes[9], *genotypes[10:12]], "last": genotypes[12:]}
    with create_store(path) as store:
        for name, members in fronts.items():
            store.add(replace(study, name=name, space_definition=tiny.to_dict()))
            rows = [
                replace(evaluation(index, 90.0 - 4 * index, 7.0 - 0.5 * index), genotype=genotype)
                for index, genotype in enumerate(members)
            ]
            store.append(name, rows)
    taken = warm_start(["large", "small", "last"], path, tiny, count=9)
    assert taken.studies == "large, small, last"
    # 9 places for 3 studies; the second one has its 3 members or 2 new ones, the third one has only 2.
    shared = 3 if genotypes[9] not in taken.subnets[:3] else 2
    assert len(set(taken.subnets)) == len(taken.subnets) == 3 + shared + 2
    assert set(taken.subnets[:3]) < set(fronts["large"])
    assert set(taken.subnets[3:-2]) <= set(fronts["small"])
    assert taken.subnets[-2:] == tuple(fronts["last"])
    # What the first ones leave free goes to the last one.
    backwards = warm_start(["last", "small", "large"], path, tiny, count=9).subnets
    assert len(backwards) == 9
    assert backwards[:5] == (*fronts["last"], *fronts["small"])


def test_all_measured_networks_are_taken_in_order_without_a_limit(
    tiny: DesignSpace, study: Study, evaluation: Callable[..., Evaluation], tmp_path: Path
) -> None:
    genotypes = some(tiny, 8)
    rows = [
        # From the worst to the best, so that only the last one is on the front.
        replace(evaluation(index, 50.0 + index, 7.0 - 0.5 * index), genotype=genotype)
        for index, genotype in enumerate(genotypes)
    ]
    rows[2] = replace(rows[2], values=(None, 9.0), is_feasible=False)
    rows[4] = replace(rows[4], stopped_after=128)
    rows[5] = replace(rows[5], is_feasible=False)
    path = tmp_path / "earlier.db"
    with create_store(path) as store:
        store.add(replace(study, space_definition=tiny.to_dict()))
        store.append(study.name, rows)
    kept = tuple(genotypes[index] for index in (0, 1, 3, 5, 6, 7))
    assert warm_start(["first"], path, tiny, count=2) == WarmStart("first", (genotypes[7],))
    every = warm_start(["first"], path, tiny, count=2, takes_all=True)
    assert every == WarmStart("first (all)", kept)
    without = warm_start(["first"], path, tiny, without=kept[:2], count=2, takes_all=True)
    assert without.subnets == kept[2:]


def test_only_members_of_the_space_are_taken(
    tiny: DesignSpace, earlier: Callable[[Sequence[Genotype]], Path], cifar32: DesignSpace
) -> None:
    front = some(tiny, 6)
    path = earlier(front)
    narrow = DesignSpace(replace(tiny.networks, resolution=(28, 32)))
    shared = [one for one in front if tiny.decode(one).subnet.resolution in narrow.networks.resolution]
    assert 0 < len(shared) < len(front)
    taken = warm_start(["first"], path, narrow, count=9).subnets
    assert [narrow.decode(one).subnet for one in taken] == [tiny.decode(one).subnet for one in shared]
    with pytest.raises(H4HError, match="no network of its front is in space 'cifar32'"):
        warm_start(["first"], path, cifar32, count=9)


def test_source_without_networks_is_refused(
    tiny: DesignSpace, study: Study, evaluation: Callable[..., Evaluation], tmp_path: Path
) -> None:
    path = tmp_path / "s.db"
    with create_store(path) as store:
        store.add(replace(study, space_definition=tiny.to_dict()))
        store.append(study.name, [replace(evaluation(0, None, 9.0), genotype=tiny.largest())])
    with pytest.raises(H4HError, match="no feasible network"):
        warm_start(["first"], path, tiny, count=5)
    with pytest.raises(H4HError, match="did you mean 'first'"):
        warm_start(["frist"], path, tiny, count=5)
    with pytest.raises(H4HError, match=r"unknown study 'none\.db:first'"):
        warm_start(["none.db:first"], path, tiny, count=5)
    with pytest.raises(H4HError, match=r"FILE:STUDY.*does not exist"):
        warm_start(["first"], tmp_path / "none.db", tiny, count=5)
