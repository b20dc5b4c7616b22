"""Command that prints a search space."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from search_space.complexity import macs
from search_space.space import load_space


def describe(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "search_space.describe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_json() -> None:
    done = describe("--space", "cifar32", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    space = load_space("cifar32")
    assert record["networks"] == space.cardinality
    assert record["largest"]["macs"] == macs(space.decode(space.largest()))
    assert record["smallest"]["genotype"] == list(space.smallest())
    assert len(record["genes"]) == len(space.genes)
    assert sum(record["families"].values()) == 1000


def test_table_shows_genes_size_and_families() -> None:
    done = describe()
    assert done.returncode == 0
    for text in ("stage2.conv1.kernel", "distinct networks", "smallest", "cnn-then-vit"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--space", "cifar23"), "did you mean 'cifar32'?"),
        (("--space", "absent.yaml"), "absent.yaml: does not exist"),
        (("--seed", "-1"), "--seed must be at least 0"),
        (("--seed", "x"), "invalid int value"),
        (("--colour",), "unrecognized arguments"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: tuple[str, ...], message: str) -> None:
    done = describe(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
