"""Figure files: allowed formats, and writing whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from search_space.errors import H4HError
from search_space.files.figure_file import check_figure_path, save_figure


@pytest.mark.parametrize(("name", "begin"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")])
def test_formats(tmp_path: Path, name: str, begin: bytes) -> None:
    check_figure_path(tmp_path / name)
    save_figure(Figure(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begin)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(H4HError, match=r"--plot must end in \.png, \.svg or \.pdf, but got 'a\.jpg'"):
        check_figure_path(Path("a.jpg"))
    with pytest.raises(H4HError, match=r"--out .*: the folder .*none does not exist"):
        check_figure_path(tmp_path / "none" / "a.png", option="--out")
    (tmp_path / "a.png").mkdir()
    with pytest.raises(
        H4HError, match=r"--plot .*a\.png: cannot be written \(is not a regular file but a folder\)"
    ):
        save_figure(Figure(), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
