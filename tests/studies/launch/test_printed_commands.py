"""Commands that `studies.run` prints, run as they stand from another folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from studies import run
from studies.storage.store import open_store
from tests.studies.conftest import TINY

OWN = """
class Depth:
    name, unit, direction, version = "depth", "blocks", "max", "1"

    def __call__(self, subnets):
        return [subnet.conv_blocks + subnet.vit_blocks for subnet in subnets]
"""
QUICK = ("--space", "space.yaml", "--population", "8", "--generations", "1", "--sampler", "nsga2")


def test_paths_and_own_code_are_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own, elsewhere = tmp_path / "my study", tmp_path / "elsewhere"
    own.mkdir()
    elsewhere.mkdir()
    (own / "space.yaml").write_text(TINY)
    (own / "mydepth.py").write_text(OWN)
    monkeypatch.chdir(own)
    monkeypatch.syspath_prepend(own)
    run.main([*QUICK, "--objectives", "macs,params", "--study", "old", "--db", "old.db"])
    capsys.readouterr()
    words = ["--objectives", "macs,mydepth:Depth", "--study", "new", "--warm-start", "old.db:old"]
    run.main([*QUICK, *words, "--log-json", "log.jsonl", "--tensorboard", "tb"])
    printed = capsys.readouterr().out
    command = next(line for line in printed.splitlines() if "continue the search" in line)
    assert f"--warm-start '{own}/old.db:old'" in command
    (own / "old.db").unlink()  # What a warm start took is stored with the study.
    ended = subprocess.run(
        command.partition("continue the search")[2], shell=True, cwd=elsewhere, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    with open_store(Path("studies.db")) as store:
        assert store.count("new") == 16
    assert not [*elsewhere.iterdir()]
    assert len(Path("log.jsonl").read_text().splitlines()) == 2
