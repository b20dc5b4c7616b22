from __future__ import annotations

from pathlib import Path

import pytest

from objectives.profile import main
from search_space.space import load_space

SPACE = load_space("cifar32")


@pytest.mark.parametrize(
    ("name", "begin"), [("chart.png", b"\x89PNG"), ("chart.svg", b"<?xml"), ("chart.pdf", b"%PDF")]
)
def test_every_format(tmp_path: Path, name: str, begin: bytes) -> None:
    main(["--subnet", "min", "--json", "--plot", str(tmp_path / name)])
    assert (tmp_path / name).read_bytes().startswith(begin)
    assert [path.name for path in tmp_path.iterdir()] == [name]
