"""`supernet.inspect`: report, splits, bad input."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from search_space.command.printed_command import local_command
from supernet import inspect
from tests.command import Call, Command
from tests.supernet.image_files import write_folder


@pytest.fixture
def call(command: Command) -> Call:
    return partial(command, inspect.main)


def test_bare_class_folders_become_splits_that_are_inspected(tmp_path: Path, call: Call) -> None:
    write_folder(tmp_path, images=10)
    code, text, _ = call("--data", str(tmp_path), "--split", "0.2", "--group-by", r"^00(\d)")
    assert code == 0
    first, second, *_ = text.splitlines()
    assert first == "made train/ with 16 and val/ with 4 images, 10 groups kept together"
    assert second.startswith(
        f"{tmp_path / 'train'}: 16 images of 2 classes, 2 of them for the search; 4 test"
    )
    assert call("--data", str(tmp_path)).out == "\n".join([second, *_, ""])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), f"holds no data set: if its folders are classes, run `{local_command('supernet.inspect', ())}"),
        (("--split", "1"), "--split must be above 0 and below 1, but got 1"),
        (("--split", "nan"), "--split must be above 0 and below 1, but got nan"),
        (("--group-by", "x"), "--group-by needs --split"),
        (("--split", "0.1", "--group-by", "("), "must be a regular expression, but got '('"),
        (("--split", "0.1", "--group-by", "zzz"), "--group-by 'zzz' matches no name"),
        (("--flip", "0"), "--flip needs --sheet"),
        (("--split", "0.2", "--sheet", "x.jpg"), "--sheet must end in .png, .svg or .pdf, but got 'x.jpg'"),
        (
            ("--split", "0.2", "--sheet", "x.png", "--flip", "2"),
            "flip must be at least 0 and at most 1",
        ),
        (("--split", "0.2", "--sheet", "x.png", "--recipe", "x"), "unknown recipe 'x'"),
        (("--split", "0.2", "--sheet", "no/x.png"), "the folder no does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path, call: Call
) -> None:
    write_folder(tmp_path, images=4)
    code, _, error = call("--data", str(tmp_path), *arguments)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat", "dog"]


def test_contact_sheet_is_drawn(tmp_path: Path, call: Call) -> None:
    write_folder(tmp_path / "train", images=2)
    sheet = tmp_path / "sheet.png"
    code, text, _ = call("--data", str(tmp_path), "--sheet", str(sheet), "--fit", "squash")
    assert code == 0
    assert text.splitlines()[-1] == f"sheet: {sheet} shows 4 pictures of 2 classes at 32x32 pixels"
    with Image.open(sheet) as image:
        # 2 pictures of 96 pixels and a gap on either side of the middle.
        assert image.size[0] > 4 * 100
        assert image.size[1] > 2 * 100


def test_needs_no_torch(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", images=2)
    code = (
        "import sys; from supernet.inspect import main\n"
        "sys.argv[1:] = ['--data', sys.argv[1]]; main(); print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "False"
