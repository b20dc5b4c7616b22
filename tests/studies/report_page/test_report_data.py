"""Data of a report: against counts by hand and against the study itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mashumaro.codecs.basic import BasicDecoder

from studies.analysis.contenders import Contender
from studies.analysis.hypervolume_curve import hypervolume_curve, hypervolume_curves
from studies.launch.run_command_line import parser
from studies.report import read
from studies.report_page.records import ReportRecord
from studies.report_page.report_data import (
    gene_importance,
    pair_front,
    repeat_command,
    report_record,
    views,
)
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study
from tests.studies.reports import HOSTILE

pytestmark = pytest.mark.usefixtures("few_ends")

Make = Callable[..., Evaluation]


def contender(study: Study, *rows: Evaluation) -> Contender:
    return Contender(study.name, study, rows)


@pytest.fixture(scope="session")
def records(report_database: Path) -> Callable[..., ReportRecord]:
    """Records of reports of studies by name; each is made once."""
    known: dict[tuple[str, ...], ReportRecord] = {}

    def record(*names: str) -> ReportRecord:
        if names not in known:
            known[names] = report_record(read(names, report_database))
        return known[names]

    return record


def test_front_of_two_objectives_ascends(study: Study, evaluation: Make) -> None:
    rows = [evaluation(0, 70, 5), evaluation(1, 60, 1), evaluation(2, 50, 2), evaluation(3, 90, 9)]
    # The last breaks the constraint; the third is dominated by the second.
    assert pair_front(contender(study, *rows), "lat", "acc") == [1, 0]
    assert pair_front(contender(study, *rows), "energy", "acc") == []


def test_a_single_objective_is_drawn_against_the_order(study: Study, evaluation: Make) -> None:
    single = replace(study, goals=(Goal("lat", "ms", "min"),), ideal=(0.0,), reference=(1.0,))
    row = replace(evaluation(0, 1, 1), values=(1.0,))
    assert views([contender(single, row)]) == [{"x": None, "y": "lat", "lines": [[]]}]


def test_views_of_studies_with_different_objectives(study: Study, evaluation: Make) -> None:
    other = replace(study, goals=(Goal("acc", "%", "max"), Goal("macs", "MACs", "min")))
    found = views([contender(study, evaluation(0, 1, 1)), contender(other, evaluation(0, 1, 1))])
    assert [(view["x"], view["y"], view["lines"]) for view in found] == [
        ("lat", "acc", [[0], []]),
        ("macs", "acc", [[], [0]]),
    ]


def test_hypervolume_ends_with_that_of_the_study_and_never_falls(study: Study, evaluation: Make) -> None:
    rows = [evaluation(index, 50 + 7 * (index * 37 % 7), 1 + index % 5) for index in range(200)]
    one = contender(study, *rows)
    curve = hypervolume_curve(one)
    assert [curve[0][0], curve[-1]] == [1, (200, one.hypervolume())]
    assert len(curve) == 60
    assert (np.diff([value for _, value in curve]) >= 0).all()


def test_hypervolumes_of_several_studies_are_in_one_box(study: Study, evaluation: Make) -> None:
    wide = replace(study, reference=(0.0, 20.0))
    row = evaluation(0, 50, 5)
    curves, names = hypervolume_curves([contender(study, row), contender(wide, row)])
    # 50 of 100 points, and 15 of 20 ms, in the box around both.
    assert [count for ((count, _),) in curves] == [1, 1]
    assert [value for ((_, value),) in curves] == pytest.approx([0.375, 0.375])
    assert names == ("acc", "lat")
    other = replace(study, goals=(Goal("macs", "MACs", "min"),), ideal=(0.0,), reference=(10.0,))
    curves, names = hypervolume_curves([contender(study, row), contender(other, replace(row, values=(5.0,)))])
    assert names == ()
    assert [value for ((_, value),) in curves] == pytest.approx([0.25, 0.5])


def test_usual_study(records: Callable[..., ReportRecord], report_database: Path) -> None:
    record = records("a")
    json.dumps(record, allow_nan=False)
    (found,) = record["studies"]
    study, evaluations = (got := read(["a"], report_database)[0].contender).study, got.evaluations
    assert [found["rows"]["id"][row] for row in found["front"]] == [one.index for one in got.front]
    assert set(found["mappings"]) == set(found["front"])
    assert found["hypervolume"] == study.hypervolume(evaluations)
    for row, mapping in found["mappings"].items():
        assert (mapping["latency_ms"], mapping["energy_mj"]) == pytest.approx(
            evaluations[row].values[1:], rel=1e-12
        )
    stages = [record["stages"][place] for place in found["rows"]["stages"][1] or ()]
    kinds = [block[0] for stage in stages for block in stage["blocks"]]
    assert (kinds.count("conv"), kinds.count("vit")) == (
        evaluations[1].conv_blocks,
        evaluations[1].vit_blocks,
    )
    assert record["solid"] == ("acc", "lat", "energy")
    assert record["notes"] == []
    assert found["sensitivity"] is not None
    assert found["sensitivity"]["shifts"]
    assert found["importance"] is not None
    assert found["importance"]["evaluations"] == 40


@pytest.mark.parametrize("names", [("a", HOSTILE), ("infeasible",), ("foreign",), ("old",), ("one",)])
def test_records_hold_what_the_contract_says(
    records: Callable[..., ReportRecord], names: tuple[str, ...]
) -> None:
    # The decoder refuses a missing key or a wrong type, and leaves out a key that the contract lacks.
    written = json.loads(json.dumps(records(*names)))
    read_back = BasicDecoder(ReportRecord).decode(written)
    assert json.loads(json.dumps(read_back)) == written


def test_the_contract_refuses_a_record_without_a_key(records: Callable[..., ReportRecord]) -> None:
    written = json.loads(json.dumps(records("one")))
    del written["studies"][0]["rows"]["family"]
    with pytest.raises(KeyError, match="family"):
        BasicDecoder(ReportRecord).decode(written)


def test_two_studies_are_compared(records: Callable[..., ReportRecord]) -> None:
    record = records("a", HOSTILE)
    assert [(pair["a"], pair["b"]) for pair in record["pairs"]] == [("a", HOSTILE)]
    assert record["hypervolume_of"] == ("acc", "lat", "energy")
    assert [len(view["lines"]) for view in record["views"]] == [2, 2]


@pytest.mark.parametrize("count", range(1, 7))
def test_any_number_of_objectives(records: Callable[..., ReportRecord], count: int) -> None:
    record = records(f"objectives{count}")
    json.dumps(record, allow_nan=False)
    assert len(record["views"]) == max(count - 1, 1)
    assert (record["solid"] is None) == (count < 3)
    assert record["studies"][0]["knee"] in record["studies"][0]["front"]


def test_what_is_left_out_is_said(records: Callable[..., ReportRecord]) -> None:
    few = records("objectives2")["notes"]
    assert any("three dimensions" in note for note in few)
    assert any("blocks against accuracy" in note for note in few)
    foreign = records("foreign")
    assert foreign["studies"][0]["rows"]["stages"] == [None] * 5
    assert any("5 of 5 genotypes are not in" in note for note in foreign["notes"])
    old = records("old")
    assert old["studies"][0]["mappings"] == {}
    assert any("another cost_model" in note for note in old["notes"])
    disjoint = records("objectives1", "one")
    assert any("no objective in common" in note for note in disjoint["notes"])
    assert disjoint["hypervolume_of"] == ()


def test_no_feasible_subnet(records: Callable[..., ReportRecord]) -> None:
    record = records("infeasible")
    (found,) = record["studies"]
    assert (found["front"], found["knee"], found["hypervolume"]) == ([], None, 0.0)
    assert "infeasible: no subnet satisfies acc>=99%; the front is empty" in record["notes"]


def test_one_point(records: Callable[..., ReportRecord]) -> None:
    (found,) = records("one")["studies"]
    assert (found["front"], found["importance"]) == ([0], None)
    assert found["hypervolume_curve"] == [(1, found["hypervolume"])]


def test_importance_sees_only_genes_in_use(report_database: Path) -> None:
    one = read(["a"], report_database)[0].contender
    found = gene_importance(one.study, one.evaluations)
    assert found is not None
    names = [found["genes"].index(name) for name in found["genes"]]
    most = [max(shares[place] for shares in found["shares"].values()) for place in names]
    assert most == sorted(most, reverse=True)
    assert gene_importance(replace(one.study, space_definition={}), one.evaluations) is None


def test_command_repeats_the_study_as_far_as_it_has_gone(report_database: Path) -> None:
    command = repeat_command(read([HOSTILE], report_database)[0])
    words = shlex.split(command)
    options = parser().parse_args(words[words.index("studies.run") + 1 :])
    assert (options.study, options.db, options.objectives) == (HOSTILE, report_database, "acc,lat,energy")
    # It was begun with two generations of ten.
    assert (options.population, options.generations, options.evaluations) == (10, None, 25)
