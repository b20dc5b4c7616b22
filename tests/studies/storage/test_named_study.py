from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from search_space.errors import H4HError, UnknownNameError
from studies.storage.named_study import read_study
from studies.storage.store import create_store
from studies.study.study import Study


def test_name_of_the_database_at_hand_goes_first(study: Study, tmp_path: Path) -> None:
    own, other = tmp_path / "own.db", tmp_path / "other.db"
    with create_store(own) as store:
        for name in ("b", "a:b", f"{other}:b"):
            store.add(replace(study, name=name))
    with create_store(other) as store:
        store.add(replace(study, name="b", space="other"))
        store.add(replace(study, name="c", space="other"))
    for text, space in (("b", "tiny"), ("a:b", "tiny"), (f"{other}:b", "tiny"), (f"{other}:c", "other")):
        assert read_study(text, own)[0].space == space
    assert read_study(f"{other}:b", tmp_path / "none.db")[0].space == "other"


def test_what_is_not_there_is_named(study: Study, tmp_path: Path) -> None:
    own = tmp_path / "own.db"
    with create_store(own) as store:
        store.add(study)
    with pytest.raises(UnknownNameError, match="did you mean 'first'"):
        read_study("frist", own)
    with pytest.raises(UnknownNameError, match="did you mean 'first'"):
        read_study(f"{own}:frist", tmp_path / "none.db")
    with pytest.raises(H4HError, match=r"none\.db does not exist"):
        read_study("first", tmp_path / "none.db")
