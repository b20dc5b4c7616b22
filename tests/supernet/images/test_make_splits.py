"""Splits made from bare class folders: shares, groups, and nothing half-written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supernet.images.class_folders import class_folders
from supernet.images.folder_layouts import DatasetError
from supernet.images.make_splits import choose, make_splits
from tests.supernet.image_files import write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path, images=10, size=(4, 4))
    return tmp_path


def test_shares_of_each_class_and_files_as_they_were(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in (folder / "cat").iterdir()}
    made = make_splits(folder, 0.2)
    assert (made.train, made.test, made.groups) == (16, 4, None)
    assert class_folders(folder / "train").counts == (8, 8)
    assert class_folders(folder / "val").counts == (2, 2)
    files = [*(folder / "train" / "cat").iterdir(), *(folder / "val" / "cat").iterdir()]
    assert {path.name: path.read_bytes() for path in files} == before
    assert len(list((folder / "cat").iterdir())) == 10
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_same_files_give_the_same_split(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    write_folder(other, images=10, size=(4, 4))
    for place in (folder, other):
        make_splits(place, 0.3)
    names = [
        sorted(path.relative_to(place) for path in (place / "val").rglob("*.png"))
        for place in (folder, other)
    ]
    assert names[0] == names[1]
    assert len(names[0]) == 6


def test_groups_stay_together_across_classes(tmp_path: Path) -> None:
    write_folder(tmp_path, images=40, size=(4, 4))
    for path in tmp_path.rglob("*.png"):
        path.rename(path.with_name(f"p{int(path.stem) % 8}_{path.name}"))
    made = make_splits(tmp_path, 0.25, re.compile(r"^(p\d)_"))
    assert (made.train, made.test, made.groups, made.alone) == (60, 20, 8, 0)
    people = [{path.name[:2] for path in (tmp_path / split).rglob("*.png")} for split in ("train", "val")]
    assert not people[0] & people[1]
    assert len(people[1]) == 2


def test_files_without_a_group_stand_alone(tmp_path: Path) -> None:
    write_folder(tmp_path, images=10, size=(4, 4))
    made = make_splits(tmp_path, 0.5, re.compile("00[0-4]"))
    assert (made.groups, made.alone) == (5, 10)


@given(
    counts=st.lists(st.integers(1, 30), min_size=2, max_size=5),
    groups=st.integers(1, 12),
    share=st.floats(0.05, 0.6),
)
def test_no_group_is_cut_and_each_class_keeps_a_training_picture(
    counts: list[int], groups: int, share: float
) -> None:
    labels = tuple(label for label, count in enumerate(counts) for _ in range(count))
    members = [str(index * 7 % groups) for index in range(len(labels))]
    is_test = choose(labels, members, share)
    for group in set(members):
        assert len({bool(is_test[index]) for index, other in enumerate(members) if other == group}) == 1
    assert {label for label, chosen in zip(labels, is_test, strict=True) if not chosen} == set(labels)


def test_each_class_of_two_pictures_has_one_for_the_test() -> None:
    labels = (0,) * 100 + (1, 1) + (2,)
    is_test = choose(labels, [str(index) for index in range(len(labels))], 0.1)
    assert [int(is_test[:100].sum()), int(is_test[100:102].sum()), int(is_test[102])] == [10, 1, 0]


def test_wrong_input_writes_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(
        DatasetError, match=r"--group-by 'q\+' matches no name of a picture, such as 000\.png"
    ):
        make_splits(folder, 0.2, re.compile("q+"))
    with pytest.raises(DatasetError, match="no picture can be spared"):
        make_splits(folder, 0.2, re.compile(""))
    assert sorted(folder.rglob("*")) == before
    (folder / "Val").mkdir()
    with pytest.raises(DatasetError, match=r"but .*Val exists already"):
        make_splits(folder, 0.2)


def test_failure_in_the_middle_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from supernet.images import make_splits as module

    before = sorted(folder.rglob("*"))

    def link(source: str, target: Path) -> None:
        if target.name == "005.png":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_link", link)
    with pytest.raises(DatasetError, match="No space left on device"):
        make_splits(folder, 0.2)
    assert sorted(folder.rglob("*")) == before
