from __future__ import annotations

import pytest

from search_space.errors import H4HError
from studies.study.value_window import parse_window

NAMES = ("acc", "lat")
BOX = ((100.0, 0.0), (0.0, 10.0))


def test_a_window_replaces_the_bounds_of_its_objectives() -> None:
    window = parse_window("acc=75%,90% lat=50us,5ms", NAMES)
    assert window.applied(*BOX, NAMES, ("max", "min")) == ((90.0, 0.05), (75.0, 5.0))
    one = parse_window("lat=1ms,2ms", NAMES)
    assert one.applied(*BOX, NAMES, ("max", "min")) == ((100.0, 1.0), (0.0, 2.0))


def test_equal_windows_have_equal_texts_that_are_read_back() -> None:
    text = str(parse_window("lat = 500us , 5ms;  acc=75%,90.0%", NAMES))
    assert text == "acc=75%,90% lat=0.5ms,5ms"
    assert str(parse_window(text, NAMES)) == text


def test_an_objective_of_the_user_has_its_own_unit() -> None:
    assert parse_window("wear=1um,2um", ("wear",), {"wear": "um"}).ranges == {"wear": (1.0, 2.0)}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("acc=75,90", "one of %"),
        ("lat=1ms,1mJ", "ns, us, ms, s"),
        ("energy=1mJ,2mJ", "must be one of acc, lat"),
        ("lat=1ms,2ms lat=1ms,3ms", "named twice"),
        ("lat=2ms,1ms", "must be less than the second"),
        ("lat=1ms,1ms", "must be less than the second"),
        ("lat=-1ms,1ms", "must not be negative"),
        ("lat=1ms", "'acc=75%,90% lat=0.05ms,5ms'"),
        ("", "but got ''"),
        ("lat=1ms,1e999ms", "finite"),
    ],
)
def test_refuses_and_names_what_is_allowed(text: str, named: str) -> None:
    with pytest.raises(H4HError) as error:
        parse_window(text, NAMES)
    assert named in str(error.value)
