from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.search.value_cache import KeptValues
from search_space.errors import H4HError


def test_values_stay_and_belong_to_their_circumstances(tmp_path: Path) -> None:
    file = tmp_path / "new" / "kept.db"
    first = KeptValues(file, {"images": 256, "weights": "a"})
    first.write({"x": 1.5, "y": {"seed": 0, "volumes": [0.25]}})
    first.write({"x": 2.5})
    other = KeptValues(file, {"images": 512, "weights": "a"})
    other.write({"x": 7})
    again = KeptValues(file, {"weights": "a", "images": 256})
    assert again.read() == {"x": 2.5, "y": {"seed": 0, "volumes": [0.25]}}
    assert other.read() == {"x": 7}
    assert [one.name for one in file.parent.iterdir()] == ["kept.db"]


def test_file_that_cannot_be_used_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    damaged = tmp_path / "kept.db"
    damaged.write_text("{" * 1000)
    for file in (damaged, tmp_path, damaged / "below"):
        with pytest.raises(H4HError, match=r"cannot be used.*delete it") as error:
            KeptValues(file, {})
        assert str(file) in str(error.value)
    assert damaged.read_text() == "{" * 1000
