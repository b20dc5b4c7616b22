from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from studies.launch.result_text import predicting, raised
from studies.launch.run_command_line import RunOptions, parse_options
from studies.presentation.next_commands import study_command


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parsed(command: str) -> RunOptions:
    """The options of a printed command."""
    return parse_options(shlex.split(command[command.index("--objectives") :]))


def test_commands_are_quoted() -> None:
    words = ["--objectives", "lat,macs", "--constraint", "lat<=2ms", "--seed", "3", "--study", "mine"]
    settings, database = parse_options(words).settings, Path("a b.db")
    start = "python -m studies.run --objectives lat,macs --study mine --db 'a b.db' --constraint 'lat<=2ms'"
    assert study_command(settings, database) == f"{start} --seed 3 --generations 12"
    more = study_command(raised(settings, "generations"), database)
    assert more == f"{start} --seed 3 --generations 24"


def test_a_search_for_accuracy_by_nsga2_points_to_the_surrogate() -> None:
    settings = parse_options(
        ["--study", "mine", "--seed", "3", "--generations", "5", "--sampler", "nsga2"]
    ).settings
    again = parsed(study_command(predicting(settings), Path("studies.db"))).settings
    assert again == replace(settings, sampler="surrogate", study="mine-surrogate")
    assert settings.sampler == "nsga2"


def test_a_printed_command_holds_every_setting() -> None:
    words = ["--objectives", "lat,macs", "--sampler", "rnsga2", "--prefer", "lat=1ms", "--prefer", "macs=3M"]
    words += ["--seed-subnets", "max,min", "--evaluations", "90", "--minutes", "2.5", "--patience", "4"]
    words += ["--racing", "--val-images", "100", "--data", "my images", "--precision", "int8"]
    words += ["--search-hardware", "macros=1,2", "--constraint", "lat<=2ms", "--constraint", "macs<=1M"]
    words += ["--study", "mine", "--db", "mine.db", "--log-json", "log.jsonl", "--tensorboard", "runs"]
    options = parse_options(words)
    assert parsed(study_command(options.settings, options.database, options.logs)) == options
    more = parsed(study_command(raised(options.settings, "patience"), options.database)).settings
    assert more == replace(options.settings, patience=8)
    # Minutes are those of one run, so the same number continues.
    assert raised(options.settings, "minutes") == options.settings
