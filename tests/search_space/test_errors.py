from __future__ import annotations

import pytest

from search_space.errors import UnknownNameError


@pytest.mark.parametrize(
    ("got", "known", "hint"),
    [
        ("CNN", ["cnn", "vit"], "; did you mean 'cnn'?"),
        ("mobilenet", ["MobileNet", "resnet"], "; did you mean 'MobileNet'?"),
        ("cnm", ["cnn", "vit"], "; did you mean 'cnn'?"),
        ("", ["cnn", "vit"], ""),
        ("transformer", ["cnn", "vit"], ""),
    ],
)
def test_the_closest_name_is_suggested_in_any_case(got: str, known: list[str], hint: str) -> None:
    message = str(UnknownNameError("family", got, known))
    assert message == f"unknown family {got!r}: must be one of {', '.join(known)}{hint}"
