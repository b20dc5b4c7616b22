from __future__ import annotations

from search_space.files.setting_differences import differing


def test_other_values_and_names_of_one_side_in_order() -> None:
    left = {"a": "1", "b": "2", "c": "3"}
    assert differing(left, {"d": "4", "c": "3", "b": "5"}) == ["a", "b", "d"]
    assert differing(left, dict(reversed(left.items()))) == []
