"""The search split: a tenth of each class, by seed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from supernet.images import search_share as module
from supernet.images.folder_layouts import DatasetError
from supernet.images.search_split import Split, cut, recorded_seed

LABELS = torch.arange(1000) % 7


@given(
    counts=st.lists(st.integers(0, 60), min_size=1, max_size=6).filter(lambda counts: max(counts) >= 2),
    seed=st.integers(0, 99),
)
def test_every_image_is_in_one_part_and_a_tenth_of_each_class_or_one_image_is_held_out(
    counts: list[int], seed: int
) -> None:
    labels = torch.tensor([label for label, count in enumerate(counts) for _ in range(count)])
    split = cut(labels, seed)
    assert sorted(torch.cat([split.train, split.search]).tolist()) == list(range(len(labels)))
    held_out = torch.bincount(labels[split.search], minlength=len(counts)).tolist()
    assert held_out == [max((count + 5) // 10, int(count >= 2)) for count in counts]


def test_seed_decides_the_cut() -> None:
    assert torch.equal(cut(LABELS, 3).search, cut(LABELS, 3).search)
    assert set(cut(LABELS, 3).search.tolist()) != set(cut(LABELS, 4).search.tolist())


def test_first_images_of_either_part_are_of_all_classes() -> None:
    # Images of folders come class by class, but the first 100 of a part must not be of two classes only.
    split = cut(torch.arange(10_000) // 1000, 0)
    labels = torch.arange(10_000) // 1000
    for part in (split.search, split.train):
        assert len(set(labels[part[:100]].tolist())) == 10


def test_large_sets_hold_out_no_more_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 50)
    assert len(cut(torch.arange(2000) % 10, 0).search) == 50


def test_too_few_images() -> None:
    with pytest.raises(DatasetError, match="2 training images, and no class has at least 2"):
        cut(torch.tensor([0, 1]), 0)


def test_a_rare_class_has_images_in_both_parts() -> None:
    labels = torch.tensor([0] * 200 + [1] * 4)
    split = cut(labels, 0)
    assert torch.bincount(labels[split.search]).tolist() == [20, 1]
    assert torch.bincount(labels[split.train]).tolist() == [180, 3]


def test_record_follows_images_and_cut_and_keeps_the_seed() -> None:
    split = cut(LABELS, 3)
    record = split.record("folder", "names")
    assert record == split.record("folder", "names")
    assert record["split_counts"] == "902 for training, 98 for search"
    assert record["split"] != split.record("folder", "other names")["split"]
    assert record["split"] != cut(LABELS, 4).record("folder", "names")["split"]
    assert recorded_seed(record) == 3
    assert recorded_seed(Split(None, split.train, split.search).record("cifar10", "x")) is None
    assert recorded_seed(None) is None
