from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.study.evaluation import Evaluation
from studies.study.merged_study import MERGED_FROM, MergeError, Run, check_resumable, merge
from studies.study.software import versions_in
from studies.study.study import Goal, Study

SHARED = {
    "space": "5pace",
    "objectives": "acc,lat",
    "constraints": "lat<=8ms",
    "checkpoint": "we1ghts",
    "hardware": "u55-256",
    "population": "4",
    "version of numpy": "2.4.5",
}


def seeded(study: Study, seed: int, rows: list[Evaluation], **parts: str) -> Run:
    fingerprint = {**SHARED, "seed": str(seed), "sampler": "nsga2", **parts}
    software = versions_in(fingerprint)
    return Run(f"run{seed}", replace(study, name=f"run{seed}", fingerprint=fingerprint), ((software, rows),))


def test_evaluations_stand_as_if_the_runs_had_gone_on_side_by_side(
    study: Study, evaluation: Callable[..., Evaluation]
) -> None:
    def row(index: int, gene: int, acc: float, lat: float) -> Evaluation:
        return replace(evaluation(index, acc, lat), genotype=(gene, 0))

    first = seeded(study, 0, [row(0, 10, 80.0, 5.0), row(1, 11, 70.0, 2.0), row(2, 12, 60.0, 9.0)])
    # The second one has network 11 as well, earlier, and network 10 later.
    second = seeded(study, 7, [row(0, 11, 70.0, 2.0), row(1, 20, 85.0, 6.0), row(2, 10, 80.0, 5.0)])
    merged = merge("both", [first, second])
    assert [one.genotype[0] for one in merged.evaluations] == [10, 11, 20, 12]
    assert [one.index for one in merged.evaluations] == [0, 1, 2, 3]
    assert merged.repeated == 2
    assert merged.notes == ()
    assert [one.genotype[0] for one in merged.study.front(merged.evaluations)] == [20, 10, 11]
    assert merged.study.fingerprint == {
        **SHARED,
        "seed": "0,7",
        "sampler": "merged",
        MERGED_FROM: "run0 (seed 0, nsga2), run7 (seed 7, nsga2)",
    }
    with pytest.raises(
        MergeError, match=r"merged from run0 \(seed 0, nsga2\), run7 .*--warm-start both --all"
    ):
        check_resumable(merged.study)
    check_resumable(study)
    # A merged study keeps its sources when it is merged again.
    third = seeded(study, 9, [row(0, 30, 10.0, 1.0)], sampler="random")
    again = merge("three", [Run("both", merged.study, merged.measured), third])
    assert again.study.settings[MERGED_FROM] == [
        "run0 (seed 0, nsga2)",
        "run7 (seed 7, nsga2)",
        "run9 (seed 9, random)",
    ]
    assert len(again.evaluations) == 5


def test_values_that_differ_are_named_and_the_earliest_exact_one_is_kept(
    study: Study, evaluation: Callable[..., Evaluation]
) -> None:
    bound = replace(evaluation(0, 90.0, 3.0), genotype=(1, 0), stopped_after=256)
    exact = replace(evaluation(1, 80.0, 3.0), genotype=(1, 0))
    later = replace(evaluation(2, 80.05, 3.0), genotype=(1, 0))
    merged = merge("both", [seeded(study, 0, [bound]), seeded(study, 1, [exact]), seeded(study, 2, [later])])
    assert merged.evaluations == [replace(exact, index=0)]
    assert merged.notes == (
        "acc of 1 network differs between studies, by up to 0.05; the value that was measured first is kept",
    )


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"space": "0ther"}, "space 5pace -> 0ther"),
        ({"objectives": "acc,energy"}, "objectives acc,lat -> acc,energy"),
        ({"constraints": "none"}, "constraints lat<=8ms -> none"),
        ({"checkpoint": "0ther"}, "checkpoint we1ghts -> 0ther"),
        ({"hardware": "u65-256"}, "hardware u55-256 -> u65-256"),
        ({"racing": "1"}, "racing absent -> 1"),
    ],
)
def test_studies_whose_values_are_not_comparable_are_refused(
    study: Study, evaluation: Callable[..., Evaluation], parts: dict[str, str], named: str
) -> None:
    rows = [evaluation(0, 80.0, 5.0)]
    with pytest.raises(MergeError, match="'run0' and 'run1' cannot become one") as error:
        merge("both", [seeded(study, 0, rows), seeded(study, 1, rows, **parts)])
    assert named in str(error.value)


def test_what_only_decides_the_search_may_differ(study: Study, evaluation: Callable[..., Evaluation]) -> None:
    rows = [evaluation(0, 80.0, 5.0)]
    search = {"sampler": "surrogate", "population": "8", "version of moocore": "1", "warm start": "x"}
    search |= {"first generation": "d1gest", "sampler_code": "c0de", "preferences": "acc=80%"}
    merged = merge("both", [seeded(study, 0, rows), seeded(study, 1, rows, **search)])
    assert "population" not in merged.study.fingerprint
    numpy = merge("both", [seeded(study, 0, rows), seeded(study, 1, rows, **{"version of numpy": "2.4.6"})])
    assert numpy.notes == ("evaluations were made with numpy 2.4.5 and 2.4.6",)


def test_each_row_keeps_its_software(study: Study, evaluation: Callable[..., Evaluation]) -> None:
    def row(index: int, gene: int) -> Evaluation:
        return replace(evaluation(index, 80.0, 5.0), genotype=(gene, 0))

    old, new = {"numpy": "2.4.5"}, {"numpy": "2.4.6", "processor": "AVX2"}
    first = replace(seeded(study, 0, []), measured=((old, [row(0, 1)]), (new, [row(1, 2)])))
    second = replace(seeded(study, 1, []), measured=((new, [row(0, 1), row(1, 3)]),))
    merged = merge("both", [first, second])
    assert [
        (software, [(one.index, one.genotype[0]) for one in rows]) for software, rows in merged.measured
    ] == [(old, [(0, 1)]), (new, [(1, 2), (2, 3)])]


def test_too_few_studies_and_empty_ones_are_refused(
    study: Study, evaluation: Callable[..., Evaluation]
) -> None:
    run = seeded(study, 0, [evaluation(0, 80.0, 5.0)])
    for runs, message in (
        ([], "two studies or more, but got none"),
        ([run], "two studies or more, but got run0"),
        ([run, run], "'run0' is named twice"),
        ([run, seeded(study, 1, [])], "'run1' has no evaluations yet"),
    ):
        with pytest.raises(MergeError, match=message):
            merge("both", runs)
    other = replace(study, reference=(0.0, 11.0))
    with pytest.raises(MergeError, match="bounds of the hypervolume"):
        merge("both", [run, seeded(other, 1, [evaluation(0, 80.0, 5.0)])])


points = st.lists(
    st.tuples(st.integers(0, 12), st.floats(0, 100), st.floats(0, 8)),
    min_size=1,
    max_size=8,
    unique_by=lambda t: t[0],
)


@given(points, points)
def test_the_front_is_that_of_all_evaluations(
    one: list[tuple[int, float, float]], other: list[tuple[int, float, float]]
) -> None:
    study = Study(
        name="first",
        space="tiny",
        space_definition={"name": "tiny"},
        goals=(Goal("acc", "%", "max"), Goal("lat", "ms", "min")),
        constraints=(),
        settings={},
        fingerprint={},
        ideal=(100.0, 0.0),
        reference=(0.0, 10.0),
        created_at="2026-01-01T00:00:00+00:00",
    )
    values = {gene: (acc, lat) for gene, acc, lat in [*other, *one]}

    def rows(genes: list[int]) -> list[Evaluation]:
        return [
            Evaluation(
                index=index,
                genotype=(gene,),
                values=values[gene],
                limited=(),
                is_feasible=True,
                macs=1,
                params=1,
                conv_blocks=1,
                vit_blocks=0,
                family="cnn",
            )
            for index, gene in enumerate(genes)
        ]

    runs = [seeded(study, seed, rows([gene for gene, *_ in part])) for seed, part in enumerate((one, other))]
    merged = merge("both", runs)
    assert {row.genotype: row.values for row in merged.evaluations} == {
        (gene,): value for gene, value in values.items()
    }
    best = {
        gene
        for gene, (acc, lat) in values.items()
        if not any(a >= acc and b <= lat and (a, b) != (acc, lat) for a, b in values.values())
    }
    assert {row.genotype[0] for row in merged.study.front(merged.evaluations)} == best
    assert merged.study.hypervolume(merged.evaluations) >= max(
        run.study.hypervolume(run.evaluations) for run in runs
    )
