from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from studies.study.software import changes, fewest_changes, versions_in

SOFTWARE = st.dictionaries(st.sampled_from(["numpy", "torch", "processor"]), st.sampled_from("123"))


@given(SOFTWARE, SOFTWARE)
def test_a_change_is_a_name_of_both_with_two_values(stored: dict[str, str], current: dict[str, str]) -> None:
    expected = {name for name in stored.keys() & current.keys() if stored[name] != current[name]}
    assert {line.split()[0] for line in changes(stored, current)} == expected
    assert len(changes(current, stored)) == len(expected)


def test_the_most_similar_software_counts() -> None:
    now = {"numpy": "2", "torch": "2", "processor": "AVX2"}
    first = {"numpy": "1", "torch": "1", "processor": "AVX512"}
    second = {"numpy": "2", "torch": "1"}
    assert fewest_changes([first, second], now) == ["torch 1 -> 2"]
    assert fewest_changes([first, second, now], now) == []
    assert fewest_changes([], now) == []


def test_versions_of_a_fingerprint_keep_their_library_only() -> None:
    parts = {"version of numpy": "1", "torch": "2", "oracle": "3", "version of h4h-nas": "4", "a torch": "5"}
    assert versions_in(parts) == {"numpy": "1", "torch": "2", "h4h-nas": "4"}
