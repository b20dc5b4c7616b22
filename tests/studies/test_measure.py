from __future__ import annotations

import csv
from pathlib import Path

import pytest

from objectives.hardware import CostModel, load_soc
from objectives.hardware.op import Op
from search_space.errors import H4HError
from search_space.space import load_space
from studies import measure, run, show
from studies.analysis.unmeasured_ops import coverage

SPACE = load_space("cifar32")
NETWORKS = [SPACE.decode(SPACE.smallest()), SPACE.decode(SPACE.largest())]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def filled(rows: list[dict[str, str]], path: str) -> None:
    """The list with a time of 1000 cycles in every row."""
    with Path(path).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows([row | {"cycles": "1000"} for row in rows])


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_shares_are_those_of_the_latency() -> None:
    model = CostModel(load_soc("u55-256"))
    covered = coverage([model] * 2, NETWORKS)
    assert covered.measured == 0
    # Without macros and hand-overs the NPU is busy all the time.
    assert sum(each.share for each in covered.unmeasured) == pytest.approx(1)
    shares = [each.share for each in covered.unmeasured]
    assert shares == sorted(shares, reverse=True)
    assert covered.with_first(len(shares)) == pytest.approx(1)
    both = [each for each in covered.unmeasured if each.networks == 2]
    assert Op("linear", 1, 1, 256, 10) in [each.op for each in both]


def test_a_list_that_is_filled_in_covers_what_it_promised(capsys: pytest.CaptureFixture[str]) -> None:
    run.main(["--objectives", "params,lat", "--hardware", "u55-256", "--study", "s", "--generations", "2"])
    capsys.readouterr()
    measure.main(["--study", "s", "--out", "todo.csv", "--ops", "5", "--tflite", "models"])
    out = capsys.readouterr().out
    assert "0.0% of the latency is measured" in out
    rows = rows_of("todo.csv")
    assert len(rows) == len(list(Path("models").iterdir())) == 5
    assert all((Path("models") / row["file"]).read_bytes()[4:8] == b"TFL3" for row in rows)
    filled(rows, "npu.csv")
    Path("mine.yaml").write_text(
        "base: u55-256\nname: mine\ndescription: own\nnpu: {model: table, table: npu.csv}\n"
    )
    run.main(["--objectives", "params,lat", "--hardware", "mine.yaml", "--study", "t", "--generations", "2"])
    capsys.readouterr()
    show.main(["--study", "t"])
    assert "% by measured ops on the NPU (" in capsys.readouterr().out
    measure.main(["--study", "t", "--out", "rest.csv"])
    listed = [tuple(row.values())[:9] for row in rows_of("rest.csv")]
    assert not {tuple(row.values())[:9] for row in rows} & set(listed)
    # Another table is another chip.
    filled(rows[:4], "npu.csv")
    with pytest.raises(H4HError, match="hardware"):
        run.main(
            ["--objectives", "params,lat", "--hardware", "mine.yaml", "--study", "t", "--generations", "3"]
        )
    show.main(["--study", "t"])
    assert "is unknown: study 't' was made with another" in capsys.readouterr().out


def test_a_list_of_the_macros_covers_what_it_promised(capsys: pytest.CaptureFixture[str]) -> None:
    chip = ["--hardware", "u55-256-cim8", "--mapping", "latency"]
    run.main(["--objectives", "params,lat", *chip, "--study", "s", "--generations", "2"])
    measure.main(["--study", "s", "--device", "cim", "--out", "todo.csv", "--ops", "4"])
    assert "fill in the column cycles (or rename it to us) and, where known, pJ" in capsys.readouterr().out
    rows = rows_of("todo.csv")
    assert len(rows) == 4
    assert {(row["units"], row["pJ"]) for row in rows} == {(str(load_soc("u55-256-cim8").units), "")}
    assert all(1 <= int(row["macros"]) <= 8 for row in rows)
    filled(rows, "cim.csv")
    Path("mine.yaml").write_text("base: u55-256-cim8\nname: mine\ndescription: own\ncim: {table: cim.csv}\n")
    chip[1] = "mine.yaml"
    run.main(["--objectives", "params,lat", *chip, "--study", "t", "--generations", "2"])
    capsys.readouterr()
    show.main(["--study", "t"])
    assert "% by measured ops on the macros (" in capsys.readouterr().out
    measure.main(["--study", "t", "--device", "cim", "--out", "rest.csv"])
    listed = [tuple(row.values())[:11] for row in rows_of("rest.csv")]
    assert not {tuple(row.values())[:11] for row in rows} & set(listed)


def test_random_networks_of_a_space(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "RANDOM_NETWORKS", 5)
    measure.main(["--space", "cifar32", "--hardware", "u55-128", "--out", "todo.csv", "--ops", "7"])
    assert "5 random networks of cifar32 on u55-128" in capsys.readouterr().out
    assert len(rows_of("todo.csv")) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", "nothing", "--out", "a.csv"], "studies.db"),
        (["--space", "nothing", "--out", "a.csv"], "unknown space 'nothing'"),
        (["--space", "cifar32", "--hardware", "nothing", "--out", "a.csv"], "unknown hardware 'nothing'"),
        (["--space", "cifar32", "--ops", "0", "--out", "a.csv"], "--ops must be at least 1, but got 0"),
        (["--space", "cifar32", "--out", "nowhere/a.csv"], "cannot write"),
        (["--space", "cifar32", "--device", "cim", "--tflite", "m", "--out", "a.csv"], "leave it out with"),
        (
            ["--space", "cifar32", "--device", "cim", "--hardware", "u55-256", "--out", "a.csv"],
            "no op runs on the macros, so there is nothing to measure",
        ),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "RANDOM_NETWORKS", 2)
    with pytest.raises(H4HError) as error:
        measure.main(arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not Path("a.csv").exists()
