"""A folder or file in the current folder that has the name of one of the packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def ended(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python in `folder`, with the project on its path as an installed one is: behind the folder."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("command", "package"),
    [
        ("studies.run", "objectives"),
        ("studies.show", "supernet"),
        ("studies.pick", "search_space"),
        ("supernet.train", "search_space"),
        ("objectives.profile", "supernet"),
    ],
)
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_command_says_which_folder_hides_which(
    command: str, package: str, is_folder: bool, tmp_path: Path
) -> None:
    hiding = tmp_path / package if is_folder else tmp_path / f"{package}.py"
    if is_folder:
        hiding.mkdir()
        (hiding / "__init__.py").write_text("raise RuntimeError('not to be run')\n")
    else:
        hiding.write_text("raise RuntimeError('not to be run')\n")
    result = ended(tmp_path, "-m", command, "--help")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: {hiding} hides the package {package!r} of H4H-NAS in {ROOT}: rename it, or run from another "
        f"folder\n"
    )
    if command.startswith("studies"):
        imported = ended(tmp_path, "-c", "import h4h; h4h.StudySettings")
        assert imported.returncode == 1
        assert imported.stderr.splitlines()[-1].startswith(f"ImportError: {hiding} hides the package")


@pytest.mark.parametrize("names", [("objectives", "supernet", "search_space", "studies"), ()])
def test_folders_that_are_no_packages_hide_nothing(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").touch()
    result = ended(tmp_path, "-m", "studies.show", "--help")
    assert (result.returncode, result.stderr) == (0, "")


def test_another_checkout_in_the_current_folder_is_used_whole(tmp_path: Path) -> None:
    for name in ("search_space", "supernet", "objectives", "studies"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors")
        )
    for name in ("h4h_packages.py", "h4h_start.py"):
        shutil.copy(ROOT / name, tmp_path)
    result = ended(tmp_path, "-m", "studies.show", "--help")
    assert (result.returncode, result.stderr) == (0, "")
