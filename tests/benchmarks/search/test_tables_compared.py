from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks.search import botorch_search, table_methods, tables_compared
from benchmarks.search.judging_tables import JudgingTable, _judging, _macro, _noisy
from benchmarks.search.surrogate_variants import VARIANTS, spread_networks
from benchmarks.search.table_methods import BOTORCH, DEFAULT, start
from benchmarks.search.tables_compared import Record, main, searched, verdicts
from objectives.tabled.accuracy_table import AccuracyTable, read_table
from search_space.errors import UnknownNameError
from studies.study.hypervolume import hypervolume
from tests.command import Command

DATA = os.environ.get("H4H_TEST_DATA")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> JudgingTable:
    """64 networks: accuracy grows with every gene, and so does the cost."""
    path = tmp_path_factory.mktemp("table") / "small.csv"
    rows = [
        f"{a},{b},{c},{50 + 3 * a + 2 * b + c},{1000 + 100 * (a + b * b + 2 * c)}"
        for a in range(4)
        for b in range(4)
        for c in range(4)
    ]
    path.write_text("\n".join(["a[gene],b[gene],c[gene],acc,macs", *rows]))
    return _judging("small", read_table(path, None))


def test_share_is_1_for_all_networks_and_by_hand_for_one(bench: JudgingTable) -> None:
    networks = [tuple(row) for row in bench.table.genotypes.tolist()]
    for box in ("linear", "log"):
        assert bench.share(networks, box) == pytest.approx(1)
        assert bench.share(networks[:5], box) < 1
    # The cheapest network dominates a strip as high as the margin: 10 % of the range, over 1.1 of either.
    low, high = bench.corners("linear")
    assert low.tolist() == [-68, 1000]
    assert high == pytest.approx([-50 + 1.8, 2800 + 180])
    whole = hypervolume(bench.losses, low, high)
    assert bench.share([(0, 0, 0)], "linear") * whole == pytest.approx(1.8 / 19.8)


@pytest.mark.parametrize("method", [*(name for name in DEFAULT if name != "optuna-tpe"), *VARIANTS])
def test_a_method_finds_the_front_once_it_has_evaluated_everything(bench: JudgingTable, method: str) -> None:
    record = searched(method, bench, 0, (16, 64))
    assert record.regrets["linear"][0] > record.regrets["linear"][1] == pytest.approx(0)
    again = searched(method, bench, 0, (16, 64))
    assert again.regrets == record.regrets
    if method != "surrogate-spread":  # Its first generation does not depend on the seed.
        assert searched(method, bench, 1, (16, 64)).regrets != record.regrets


def test_a_method_that_takes_long_is_absent_from_large_budgets(
    bench: JudgingTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(table_methods.MOST, "random", 16)
    assert len(searched("random", bench, 0, (8, 16, 32)).regrets["log"]) == 2


def runs(method: str, *regrets: float) -> list[Record]:
    return [
        Record(method, seed, {"linear": (regret,), "log": (regret,)}, 0.0)
        for seed, regret in enumerate(regrets)
    ]


def test_verdicts_by_hand() -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 1e-3, 20)
    worst = runs("random", *(0.5 + noise))

    def verdict(ours: np.ndarray, other: np.ndarray) -> str:
        (cell,) = verdicts([*runs("mine", *ours), *runs("other", *other), *worst], "mine", [48], "log")
        assert cell["best_other"] == "other"
        return str(cell["verdict"])

    assert verdict(0.01 + noise, 0.02 + noise) == "first"
    # The same values in another order: no difference to be told, and a gap of 0.
    assert verdict(0.01 + noise, 0.01 + noise[::-1] - 1e-9) == "tied"
    # Always worse by 0.001: the test can tell, although the gap is small.
    assert verdict(0.011 + noise, 0.01 + noise) == "behind"
    # A gap of 0.05 from one seed in twenty: not to be told apart, but too large for a tie.
    outlier = 0.01 + noise.copy()
    outlier[0] = 1.01
    assert verdict(outlier, 0.01 + noise[::-1]) == "behind"


def test_the_interval_of_a_mean_narrows_by_the_root_of_the_seeds() -> None:
    rng = np.random.default_rng(1)
    low, high = tables_compared.mean_interval(rng.normal(3.0, 1.0, 400))
    # 2 x 1.96 / sqrt(400) wide, around the mean of the sample.
    assert high - low == pytest.approx(0.196, rel=0.1)
    assert low < 3.0 < high
    assert tables_compared.mean_interval(np.full(5, 2.0)) == (2.0, 2.0)


def test_finished_searches_are_kept(
    bench: JudgingTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {
        "seeds": 2,
        "evaluations": (8,),
        "cache": tmp_path / "kept.db",
        "console": Console(quiet=True),
    }
    first = tables_compared.records(bench, ["nsga2"], **settings)
    monkeypatch.setattr(tables_compared, "searched", None)
    assert tables_compared.records(bench, ["nsga2"], **settings) == first


def test_digest_of_models_concerns_the_surrogate_alone() -> None:
    assert tables_compared.code_digest("nsga2") == tables_compared.code_digest("local")
    assert tables_compared.code_digest("nsga2") != tables_compared.code_digest("surrogate")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tables", "nasbench"), "unknown table 'nasbench'"),
        (("--methods", "surrogate,best"), "unknown method 'best'"),
        (("--tables", "own", "--methods", "random", "--judge", "random"), "and another one"),
        (("--tables", "own", "--evaluations", "0"), "--evaluations must be positive integers"),
        (("--tables", "own", "--seeds", "0"), "--seeds must be at least 1"),
        (("--tables", "macro"), "must name the folder that holds nas-bench-macro"),
    ],
)
def test_bad_options(
    command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.delenv("H4H_TEST_DATA", raising=False)
    ended = command(main, *arguments)
    assert ended.code == 2
    assert message in ended.err


def test_batches_of_a_variant_follow_a_first_generation_of_24(bench: JudgingTable) -> None:
    search = start("surrogate-batch-12", bench, 0)
    sizes: list[int] = []
    proposed = next(search)
    while len(sizes) < 3:
        sizes.append(len(proposed))
        proposed = search.send((proposed, bench.values(proposed)))
    assert sizes == [24, 12, 12]


def test_a_spread_first_generation_takes_the_farthest_network_by_cost(bench: JudgingTable) -> None:
    networks = spread_networks(bench, 24)
    assert networks[:2] == (bench.space.smallest(), bench.space.largest())
    # Costs are 1000 to 2800: the third network has the cost nearest to the geometric mean, 1673.
    third = bench.table.values["macs"][bench.table.rows(np.array(networks[2:3]))]
    assert third.tolist() == [1700]
    search = start("surrogate-spread", bench, 5)
    assert set(next(search)) == set(networks)


def test_methods_of_botorch_name_the_command_that_installs_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botorch_search, "find_spec", lambda _: None)
    ended = command(main, "--tables", "own", "--methods", f"surrogate,{next(iter(BOTORCH))}")
    assert ended.code == 2
    assert "uv run --with botorch==" in ended.err


def test_unknown_method(bench: JudgingTable) -> None:
    with pytest.raises(UnknownNameError, match="unknown method"):
        start("best", bench, 0)


def test_result_as_json(
    bench: JudgingTable, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tables_compared, "load_table", lambda *_, scale: bench)
    given = ["--tables", "own", "--methods", "random,nsga2", "--judge", "nsga2", "--seeds", "3"]
    given += ["--evaluations", "8,16", "--cache", str(tmp_path / "kept.db")]
    result = json.loads(command(main, *given, "--json").out)["tables"]["own"]
    assert result["networks"] == 64
    assert [row["method"] for row in result["regrets"]] == ["random", "nsga2"]
    assert [cell["evaluations"] for cell in result["verdicts"]["log"]] == [8, 16]
    assert "nsga2 is" in command(main, *given).out


@pytest.mark.skipif(DATA is None, reason="H4H_TEST_DATA names no folder of data sets")
def test_tables_of_nas_bench_macro() -> None:
    macro = _macro(Path(str(DATA)) / "nas-bench-macro" / "nas-bench-macro_cifar10.json")
    assert len(macro.genotypes) == 3969
    noisy: AccuracyTable = _noisy(macro)
    assert len({tuple(row) for row in noisy.genotypes.tolist()}) == 3969
    assert all(declared.is_expensive for declared in noisy.declarations.values())
    assert not any(gene.is_ordered for gene in noisy.space.genes)
    # The rule, without its noise.
    layers = (macro.genotypes > 0).sum(axis=1)
    exact = 0.02 * macro.values["macs"] / 1e6 + 0.3 * macro.values["params"] / 1e6 + 0.15 * layers
    factors = np.log(noisy.values["lat"] / exact)
    assert abs(factors.mean()) < 0.005
    assert factors.std() == pytest.approx(0.05, rel=0.05)
    assert replace(noisy, values=macro.values).digest == macro.digest
