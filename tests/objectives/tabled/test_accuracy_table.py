"""Accuracy tables: what is read, and what is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from objectives.objective import Objective
from objectives.tabled import table_records
from objectives.tabled.accuracy_table import AccuracyTable, read_table
from objectives.tabled.table_columns import TableError
from objectives.tabled.tabled_objective import FINGERPRINT, TabledObjective
from search_space.space import Space, load_space
from tests.studies.conftest import TINY

OWN = """# three networks
depth[gene],op[gene],acc,acc_se,lat,top5[% max]
4,skip,80,0.5,2,95
1,conv,60,0.25,1,85
2,skip,70,1,1.5,90
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Space:
    """A space of 108 networks."""
    path = tmp_path_factory.mktemp("space") / "tiny.yaml"
    path.write_text(TINY)
    return load_space(str(path))


def read(folder: Path, text: str, space: Space | None = None) -> AccuracyTable:
    path = folder / "table.csv"
    path.write_text(text)
    return read_table(path, space)


def test_genes_define_the_space(tmp_path: Path) -> None:
    table = read(tmp_path, OWN)
    depth, op = table.space.genes
    assert (depth.name, depth.options, depth.is_ordered) == ("depth", (1, 2, 4), True)
    assert (op.name, op.options, op.is_ordered) == ("op", ("skip", "conv"), False)
    assert table.genotypes.tolist() == [[2, 0], [0, 1], [1, 0]]
    assert table.values["acc"].tolist() == [80, 60, 70]
    assert table.errors["acc"].tolist() == [0.5, 0.25, 1]
    assert table.rows(np.array([[1, 0], [2, 0]])).tolist() == [2, 0]
    assert {name: declared.direction for name, declared in table.declarations.items()} == {
        "acc": "max",
        "lat": "min",
        "top5": "max",
    }
    assert table.summary() == (
        "accuracy table table.csv: 3 networks, acc with a standard error of 0.5 % (median)"
    )


def test_json_lines_say_the_same(tmp_path: Path) -> None:
    header, *rows = OWN.splitlines()[1:]
    lines = []
    for row in rows:
        depth, op, *numbers = row.split(",")
        cells = [int(depth), op, *map(float, numbers)]
        lines.append(json.dumps(dict(zip(header.split(","), cells, strict=True))))
    from_json, from_csv = read(tmp_path, "\n".join(lines)), read(tmp_path, OWN)
    assert from_json.space == from_csv.space
    assert from_json.genotypes.tolist() == from_csv.genotypes.tolist()
    assert {name: column.tolist() for name, column in from_json.values.items()} == {
        name: column.tolist() for name, column in from_csv.values.items()
    }


def test_order_of_a_gene_may_be_given(tmp_path: Path) -> None:
    table = read(
        tmp_path, OWN.replace("depth[gene]", "depth[gene nominal]").replace("op[gene]", "op[gene ordered]")
    )
    assert [gene.is_ordered for gene in table.space.genes] == [False, True]


@pytest.mark.parametrize("form", ["commas", "digits", "list"])
def test_genotypes_of_a_known_space(tmp_path: Path, tiny: Space, form: str) -> None:
    networks = [tiny.smallest(), tiny.largest()]
    if form == "list":
        lines = [json.dumps({"genotype": list(genes), "acc": 50}) for genes in networks]
    else:
        separator = "," if form == "commas" else ""
        lines = [f'"{separator.join(map(str, genes))}",50' for genes in networks]
    text = "\n".join(lines if form == "list" else ["genotype,acc", *lines])
    assert read(tmp_path, text, tiny).genotypes.tolist() == [list(genes) for genes in networks]


def test_equal_rows_count_once_also_if_they_differ_in_unused_genes(tmp_path: Path, tiny: Space) -> None:
    origin = list(tiny.smallest())
    unused = tiny.active(origin).index(False)
    same = [*origin[:unused], 1, *origin[unused + 1 :]]
    rows = [f'"{",".join(map(str, genes))}",50' for genes in (origin, same, tiny.largest())]
    assert len(read(tmp_path, "\n".join(["genotype,acc", *rows]), tiny).genotypes) == 2
    other = rows[1].replace(",50", ",51")
    with pytest.raises(TableError, match=r"lines 2 and 3 are one network with two values of acc: 50 and 51"):
        read(tmp_path, "\n".join(["genotype,acc", rows[0], other, rows[2]]), tiny)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# nothing", "is empty"),
        ("depth[gene],acc\n", "has no rows"),
        ("depth[gene],acc\n1,50\n", "needs at least 2 networks, but the table has 1"),
        ("depth[gene],acc\n1,50\n1,50\n", "all rows are one"),
        ("depth[gene],acc\n1,50\n1,51\n", "lines 2 and 3 are one network with two values of acc: 50 and 51"),
        (
            "depth[gene],acc\n1,50\n2,nan\n",
            "line 3: acc must be a finite number from 0 to 100, but got 'nan'",
        ),
        ("depth[gene],acc\n1,50\n2,\n", "line 3: acc must be a finite number from 0 to 100, but got ''"),
        ("depth[gene],acc\n1,50\n2,101\n", "line 3: acc must be a finite number from 0 to 100"),
        ("depth[gene],lat\n1,1\n2,-1.1e30\n", "line 3: lat must be at most 1e+30 in size, but got '-1.1e30'"),
        ("depth[gene],lat\n1,1e999\n2,1\n", "line 2: lat must be a finite number, but got '1e999'"),
        ("depth[gene],lat\n1,1\n2,-1e999\n", "line 3: lat must be a finite number, but got '-1e999'"),
        ("depth[gene],acc\n1,1e999\n2,1\n", "line 2: acc must be a finite number from 0 to 100, but got"),
        ("depth[gene],acc,acc_se\n1,50,0\n2,60,1e999\n", "line 3: acc_se must be a finite number of at"),
        ("depth[gene],acc\n1,50\n1e999,60\n", "gene 'depth' has integers and names (1, '1e999')"),
        (
            '{"depth[gene]": 1, "acc": 1e999}\n',
            "line 1: acc must be a finite number from 0 to 100, but got inf",
        ),
        ('{"depth[gene]": 1, "lat": -1e999}\n', "line 1: lat must be a finite number, but got -inf"),
        ('{"depth[gene]": 1, "lat": NaN}\n', "line 1: lat must be a finite number, but got nan"),
        (
            '{"depth[gene]": 1, "acc": true}\n',
            "line 1: acc must be a finite number from 0 to 100, but got True",
        ),
        (
            '{"depth[gene]": 1e999, "acc": 50}\n',
            "line 1: gene 'depth' must be an integer or a name, but got inf",
        ),
        ("depth[gene],lat\n1,inf\n2,1\n", "line 2: lat must be a finite number, but got 'inf'"),
        ("depth[gene],acc,acc_se\n1,50,0\n2,60,-1\n", "line 3: acc_se must be a finite number of at least 0"),
        ("depth[gene],acc\n1,50\n2\n", "line 3 must have 2 cells as the header, but has 1"),
        ("depth[gene],acc\n,50\n2,60\n", "line 2: gene 'depth' must be an integer or a name, but got ''"),
        ("depth[gene],acc\n1,50\ntwo,60\n", "gene 'depth' has integers and names (1, 'two')"),
        ("depth[gene],acc\n1,50\n01,60\n", "gene 'depth' writes one integer in two ways"),
        ("acc,lat\n50,1\n", "needs a column 'genotype', or one column for each gene"),
        ("genotype,depth[gene],acc\n1,1,50\n", "but has both"),
        ("depth[gene]\n1\n2\n", "needs a column of values besides the genes"),
        ("depth[gene],acc,acc\n1,50,50\n", "column 'acc' occurs twice"),
        ("depth[gene],speed\n1,50\n", "column 'speed' needs one unit"),
        ("depth[gene],lat[s]\n1,50\n", "column 'lat' must be in ms with direction min"),
        ("depth[gene],acc[min]\n1,50\n", "column 'acc' must be in % with direction max"),
        ("depth[gene rare],acc\n1,50\n", "a gene may be nominal or ordered"),
        ("depth[gene,acc\n1,50\n", "the title of a column must be a name"),
        ("depth[gene],a b[%]\n1,50\n", "the name of an objective must be letters, digits and underscores"),
        ('{"depth[gene]": 1, "acc": 50}\n{"acc": 50}\n', "line 2 lacks 'depth[gene]'"),
        ('{"depth[gene]": 1, "acc": 50}\n{"depth[gene]": 1, "acc": 5, "b": 1}\n', "line 2 has 'b'"),
        ('{"depth[gene]": 1, "acc": 50}\n[1]\n', "line 2 must be a JSON object"),
        ('{"depth[gene]": 1, "acc": 50}\n{"depth\n', "line 2 is not a JSON object"),
        ('{"depth[gene]": [1], "acc": 50}\n', "line 1: gene 'depth' must be an integer or a name"),
        ('{"depth[gene]": true, "acc": 50}\n', "line 1: gene 'depth' must be an integer or a name"),
        ('{"depth[gene]": 1, "acc": null}\n', "line 1: acc must be a finite number"),
        ('depth[gene],acc\n"1,50\n2,60\n', "is not CSV"),
    ],
)
def test_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TableError) as refused:
        read(tmp_path, text)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ('"0,0"', "genotype must be"),
        ('"0,0,0,9,0,0,0,0,0,0"', "genotype must be"),
        ("many", "genotype must be"),
        ("", "genotype must be"),
    ],
)
def test_genotypes_outside_the_space_are_refused(
    tmp_path: Path, tiny: Space, cell: str, message: str
) -> None:
    with pytest.raises(TableError, match=f"line 2: {message} .* indices of space 'tiny'"):
        read(tmp_path, f"genotype,acc\n{cell},50\n", tiny)


def test_kind_of_table_and_space_must_agree(tmp_path: Path, tiny: Space) -> None:
    with pytest.raises(TableError, match="give --space-from-table"):
        read(tmp_path, OWN, tiny)
    with pytest.raises(TableError, match="leave the option out"):
        read(tmp_path, "genotype,acc\n0,50\n")


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="does not exist"):
        read_table(tmp_path / "absent.csv", None)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TableError, match="is not a text file in UTF-8"):
        read_table(tmp_path / "binary.csv", None)


def test_objective_of_a_table(tmp_path: Path) -> None:
    table = read(tmp_path, OWN)
    accuracy, latency = TabledObjective(table, "acc"), TabledObjective(table, "lat")
    assert isinstance(accuracy, Objective)
    assert (accuracy.is_expensive, latency.is_expensive) == (True, False)
    assert latency.range == (1, 2)
    networks = [table.space.decode(genes) for genes in ((1, 0), (2, 0))]
    assert accuracy(networks).tolist() == [70, 80]
    assert accuracy([]).tolist() == []
    with pytest.raises(TableError, match="holds no network 0,0; it holds 3"):
        accuracy([table.space.decode((0, 0))])
    assert accuracy.fingerprint() == {FINGERPRINT: table.digest}
    assert read(tmp_path, OWN.replace("80", "81")).digest != table.digest


def test_a_measured_cost_is_expensive(tmp_path: Path) -> None:
    table = read(tmp_path, OWN.replace("lat,", "lat[measured],"))
    assert TabledObjective(table, "lat").is_expensive


def test_our_own_networks_are_such_a_table() -> None:
    path = Path(__file__).parents[3] / "benchmarks" / "search" / "accuracies_cifar32.csv"
    table = read_table(path, load_space("cifar32"))
    assert len(table.genotypes) == 1248
    assert float(table.values["acc"].max()) == 86.9


def test_rows_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_records, "ROWS", 2)
    rows = [f"{depth},{50 + depth}" for depth in range(5)]
    table = read(tmp_path, "\n".join(["depth[gene],acc", *rows]))
    assert table.genotypes[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert table.values["acc"].tolist() == [50, 51, 52, 53, 54]
    with pytest.raises(TableError, match="line 6: acc must be"):
        read(tmp_path, "\n".join(["depth[gene],acc", *rows[:4], "4,x"]))
    lines = [json.dumps({"depth[gene]": depth, "acc": 50 + depth}) for depth in range(5)]
    assert read(tmp_path, "\n".join(lines)).values["acc"].tolist() == [50, 51, 52, 53, 54]
    with pytest.raises(TableError, match="line 5 lacks 'acc'"):
        read(tmp_path, "\n".join([*lines[:4], '{"depth[gene]": 9}']))


def test_a_table_that_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    # A FIFO would do, but a missing check would then hang the test.
    with pytest.raises(TableError, match="is not a regular file"):
        read_table(tmp_path, None)
