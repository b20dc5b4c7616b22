from __future__ import annotations

import pytest

from search_space.errors import H4HError
from studies.search.preferred_values import parse_preference
from studies.study.study import Study

NAMES = ("acc", "lat")


def test_values_are_in_the_units_of_the_objectives_and_in_their_order(study: Study) -> None:
    assert parse_preference("lat=500us, acc=85%", NAMES).point(study) == (85.0, 0.5)


def test_what_is_left_out_is_preferred_at_its_best(study: Study) -> None:
    assert parse_preference("lat=2ms", NAMES).point(study) == (100.0, 2.0)
    assert parse_preference("acc=85%", NAMES).point(study) == (85.0, 0.0)


def test_equal_preferences_have_equal_texts_that_are_read_back() -> None:
    text = str(parse_preference("lat=500us,acc=85%", NAMES))
    assert text == str(parse_preference("acc=85.0%,lat=0.5ms", NAMES)) == "acc=85%,lat=0.5ms"
    assert str(parse_preference(text, NAMES)) == text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("acc=85", "one of %"),
        ("lat=1mJ", "ns, us, ms, s"),
        ("energy=1mJ", "must be one of acc, lat"),
        ("lat=1ms,lat=2ms", "named twice"),
        ("lat<=1ms", "'acc=85%,lat=0.5ms'"),
        ("lat=1ms,", "but got ''"),
        ("", "but got ''"),
        ("lat=1e999ms", "finite"),
    ],
)
def test_refuses_and_names_what_is_allowed(text: str, named: str) -> None:
    with pytest.raises(H4HError) as error:
        parse_preference(text, NAMES)
    assert named in str(error.value)
