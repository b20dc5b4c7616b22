from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.search.racing_savings import Remembered, compared
from objectives.objective import ImageObjective
from objectives.size_objectives import PARAMS
from search_space.errors import H4HError
from search_space.space import Space, load_space
from studies import StudySettings
from tests.studies.quality import ImageQuality

SETTINGS = StudySettings(objectives=("acc", "params"), population=8, generations=4)


class Oracle(ImageQuality):
    def fingerprint(self) -> dict[str, str]:
        return {"val_images": "1000", "calibration_images": "250"}


@pytest.fixture(scope="module")
def space() -> Space:
    return load_space("cifar32")


def test_what_is_remembered_is_measured_once_and_served_in_slices(space: Space) -> None:
    oracle = Oracle()
    remembered = Remembered(oracle)
    assert isinstance(remembered, ImageObjective)
    subnets = [space.decode(space.smallest()), space.decode(space.largest())]
    whole = Oracle().right(subnets)
    stopped = remembered.right(subnets, lambda place, seen: place == 1 and len(seen) == 300)
    assert [len(one) for one in stopped] == [1000, 300]
    assert [one.tolist() for one in remembered.right(subnets)] == [one.tolist() for one in whole]
    assert remembered(subnets).tolist() == Oracle()(subnets).tolist()
    assert oracle.measured == subnets


def test_what_is_cached_is_not_measured_again(space: Space, tmp_path: Path) -> None:
    cache = tmp_path / "right.npz"
    subnets = [space.decode(space.smallest()), space.decode(space.largest())]
    first = Remembered(Oracle(), cache)
    whole = [one.tolist() for one in [*first.right(subnets[:1]), *first.right(subnets)[1:]]]
    oracle = Oracle()
    again = Remembered(oracle, cache)
    assert [one.tolist() for one in again.right(subnets)] == whole
    assert oracle.measured == []


def test_a_cache_of_another_oracle_is_refused(space: Space, tmp_path: Path) -> None:
    cache = tmp_path / "right.npz"
    Remembered(Oracle(), cache).right([space.decode(space.smallest())])
    with pytest.raises(H4HError, match=r"right\.npz holds what another oracle has scored"):
        Remembered(ImageQuality(), cache)
    for content in (b"", b"no archive", cache.read_bytes()[:200]):
        cache.write_bytes(content)
        with pytest.raises(H4HError, match=r"right\.npz is no file that this benchmark wrote"):
            Remembered(Oracle(), cache)


def test_figures_of_a_seed() -> None:
    oracle = Oracle()
    accuracy, costs = Remembered(oracle), (PARAMS,)
    figures = compared(SETTINGS, accuracy, costs, is_searched=True)
    assert figures["subnets"] == 32
    assert 0.25 < figures["image_share"] < 1
    assert figures["work_share"] == pytest.approx(0.8 * figures["image_share"] + 0.2)
    assert 0 < figures["stopped"] < 1
    assert figures["wrongly_stopped"] <= figures["above_bound"] <= figures["stopped"]
    assert -1 < figures["hypervolume_change"] <= 0
    assert 0.25 < figures["search_image_share"] < 1
    # The racing search asks for other subnets, but each of them was measured once.
    assert 32 <= len(oracle.measured) == len(set(oracle.measured)) < 64
    again = compared(SETTINGS, accuracy, costs, is_searched=False)
    assert again == {key: value for key, value in figures.items() if not key.startswith("search")}
