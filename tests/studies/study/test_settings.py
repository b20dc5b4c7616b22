from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from search_space.errors import H4HError
from studies.launch.run_command_line import parse_options, parser
from studies.presentation.next_commands import study_command
from studies.storage.store import open_store
from studies.study.setting_field import kinds, option_of, setting_of
from studies.study.settings import DEFAULTS, StudySettings
from studies.study.study import Study

EARLIER = Path(__file__).parents[1] / "earlier" / "version-0.1.0.db"


def test_the_command_line_without_options_is_the_default() -> None:
    assert parse_options([]).settings == StudySettings()


def test_every_setting_has_an_option_with_help_and_the_docstring_names_it() -> None:
    text = parser().format_help()
    for item in fields(StudySettings):
        assert f"{option_of(item)} " in text
        assert f"        {item.name}" in (StudySettings.__doc__ or "")
        assert setting_of(item).help[0].islower() or setting_of(item).help[0].isdigit()
        if kinds(StudySettings)[item.name] in (int, float) and item.name != "seed":
            assert setting_of(item).unit


def test_help_tells_defaults_and_choices() -> None:
    text = " ".join(parser().format_help().split())
    assert "(default: acc,lat,energy)" in text
    assert "(default: 24)" in text
    assert "{auto,latency,energy,edp,npu,cim}" in text
    assert "one of nsga2, rnsga2" in text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"warm_start": ("a", "b", "a")}, "--warm-start names study 'a' twice"),
        ({"warm_start_all": True}, "--all needs --warm-start"),
        ({"population": 1}, "--population must be at least 2, but got 1"),
        ({"population": 2.5}, "--population must be a whole number, but got 2.5"),
        ({"population": True}, "--population must be a whole number, but got True"),
        ({"population": None}, "--population must be a whole number, but got None"),
        ({"val_images": 0}, "--val-images must be at least 1, but got 0"),
        ({"population": 10**9}, "--population must be at most 1000000, but got 1000000000"),
        ({"generations": 10**18}, "--generations must be at most 1000000000"),
        ({"workers": 10**9}, "--workers must be at most 1024"),
        ({"val_images": 10**18}, "--val-images must be at most 1000000000"),
        (
            {"minutes": float("nan")},
            "--minutes must be more than 0 and at most 10000000, which are 19 years, but got nan",
        ),
        ({"minutes": "soon"}, "--minutes must be a number, but got 'soon'"),
        ({"racing": 1}, "--racing must be True or False, but got 1"),
        ({"mapping": "speed"}, "unknown --mapping 'speed': must be one of auto, latency"),
        ({"npu_model": "velo"}, "did you mean 'vela'"),
        ({"memory": "much"}, "--memory must be a positive number and one of"),
        ({"constraints": ("lat=2ms",)}, "<= or >="),
        ({"constraints": (2,)}, "--constraint must be a tuple of texts"),
        ({"search_hardware": "macros"}, "--search-hardware must be choices"),
        ({"objectives": ()}, "--objectives must be names joined by commas"),
        ({"objectives": ("lat", "lat")}, "'lat' is named twice"),
        ({"objectives": tuple("abcdefg")}, "--objectives must be at most 6"),
        ({"study": " "}, "--study must be a printable name that is not empty"),
        ({"study": 3}, "--study must be a text, but got 3"),
        ({"checkpoint": 3}, "--checkpoint must be the path of a file or folder, but got 3"),
        ({"dask": "tcp://10.0.0.1:1", "workers": 2}, "leave it out with --dask"),
        ({"prefer": ("lat=1ms",)}, "--prefer needs --sampler rnsga2"),
        ({"dataset": "folder"}, "--dataset folder needs --data"),
    ],
)
def test_a_wrong_value_is_told_when_the_settings_are_made(values: Mapping[str, Any], message: str) -> None:
    with pytest.raises(H4HError) as error:
        StudySettings(**values)
    assert message in str(error.value)


def test_values_are_taken_as_people_write_them() -> None:
    settings = StudySettings(
        objectives="macs, lat",  # type: ignore[arg-type]
        constraints=["lat<=2ms"],  # type: ignore[arg-type]
        minutes=5,
        checkpoint="net.safetensors",
        space=Path("mine.yaml"),  # type: ignore[arg-type]
    )
    assert settings.objectives == ("macs", "lat")
    assert settings.constraints == ("lat<=2ms",)
    assert settings.checkpoint == Path("net.safetensors")
    assert settings.space == "mine.yaml"
    assert settings.stored()["minutes"] == 5.0


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        StudySettings().seed = 1  # type: ignore[misc]


@pytest.fixture
def earlier() -> list[Study]:
    """Studies that version 0.1.0 stored."""
    with open_store(EARLIER) as store:
        return store.studies()


def test_settings_of_an_earlier_database_are_read_and_stored_as_they_were(earlier: list[Study]) -> None:
    assert len(earlier) == 5
    for study in earlier:
        settings = StudySettings.from_study(study)
        stored = settings.stored()
        earlier_names = [name for name in study.settings if name in stored]
        assert [name for name in stored if name in study.settings] == earlier_names
        assert settings.scale == "linear", "the only scale of that version"
        assert stored == {
            **DEFAULTS,
            "scale": "linear",
            **{name: study.settings[name] for name in earlier_names},
            # Several studies may be named since.
            "warm_start": [study.settings["warm_start"]] if study.settings["warm_start"] else [],
        }
        assert (settings.study, settings.constraints) == (study.name, study.constraints)


def test_stored_settings_keep_the_keys_of_earlier_databases() -> None:
    with closing(sqlite3.connect(EARLIER)) as connection:
        (text,) = connection.execute("SELECT settings FROM study ORDER BY id LIMIT 1").fetchone()
    earlier_names = list(json.loads(text))
    assert earlier_names[-1] == "warm_start_subnets"
    assert [name for name in DEFAULTS if name in earlier_names] == earlier_names[:-1]


def test_settings_that_are_missing_or_unknown_in_a_database_do_no_harm(earlier: list[Study]) -> None:
    stored = {name: value for name, value in earlier[0].settings.items() if name != "memory"}
    study = replace(earlier[0], settings={**stored, "gone": 1})
    assert StudySettings.from_study(study) == StudySettings.from_study(earlier[0])


texts = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=5)
all_settings = st.builds(
    StudySettings,
    objectives=st.lists(texts, min_size=1, max_size=6, unique=True).map(tuple),
    space=st.none() | texts,
    macros=st.none() | st.integers(0, 10**6),
    constraints=st.sampled_from([(), ("lat<=2ms",), ("lat<=2ms", "macs>=1M")]),
    mapping=st.sampled_from(["latency", "cim"]),
    scale=st.sampled_from([None, "linear"]),
    seed=st.integers(0, 2**63 - 1),
    minutes=st.none() | st.floats(1e-300, 1e7),
    evaluations=st.none() | st.integers(1, 10**9),
    checkpoint=st.none() | texts,
    racing=st.booleans(),
    study=texts,
)


@hypothesis_settings(max_examples=30)
@given(all_settings)
def test_words_of_a_command_line_give_the_same_settings(settings: StudySettings) -> None:
    assert parse_options(settings.words()).settings == settings
    command = shlex.split(study_command(settings, Path("s.db")))
    again = parse_options(command[command.index("--objectives") :]).settings
    assert again.stop_rules() == settings.stop_rules()


@hypothesis_settings(max_examples=30)
@given(all_settings)
def test_stored_settings_are_json_and_come_back(settings: StudySettings) -> None:
    study = Study(
        name=settings.study or "",
        space="",
        space_definition={},
        goals=(),
        constraints=settings.constraints,
        settings=json.loads(json.dumps(settings.stored(), allow_nan=False)),
        fingerprint={},
        ideal=(),
        reference=(),
        created_at="",
    )
    assert StudySettings.from_study(study) == settings
