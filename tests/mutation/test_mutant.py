"""Mutants of small texts, against those listed by hand."""

from __future__ import annotations

import pytest
from cosmic_ray.mutating import mutate_code

from tests.mutation.mutant import Mutant, mutant_at, positions
from tests.mutation.operators import OWN, operators

SOURCE = """\
from __future__ import annotations


def cost(cycles: int | None, *, most: int = 3) -> float | None:
    if cycles is None:
        return None
    return max(cycles, most) * 0.5


class Counter:
    def add(self, count: int) -> None:
        self.total += count
        self.report()
        if self.total > 40:
            self.total += count
"""


def mutants(source: str) -> list[tuple[str, str, str, int]]:
    """All mutants: definition, line before, line after, occurrence."""
    made = [mutant_at(position, source) for position in positions("file.py", source)]
    return [(one.definition, one.before, one.after, one.occurrence) for one in made if one is not None]


def test_all_mutants_of_a_text() -> None:
    product, update = "return max(cycles, most) * 0.5", "self.total += count"
    head = "def cost(cycles: int | None, *, most: int = 3) -> float | None:"
    # The bars in the annotations decide nothing.
    assert sorted(mutants(SOURCE)) == sorted(
        [
            ("cost", "if cycles is None:", "if cycles is not None:", 0),
            ("cost", "if cycles is None:", "if not cycles is None:", 0),
            ("cost", head, head.replace("3", "4"), 0),
            ("cost", head, head.replace("3", "2"), 0),
            ("cost", product, product.replace("*", "+"), 0),
            ("cost", product, product.replace("*", "//"), 0),
            ("cost", product, product.replace("max", "min"), 0),
            ("cost", product, product.replace("0.5", "1.0"), 0),
            ("Counter.add", update, "pass", 0),
            ("Counter.add", "self.report()", "pass", 0),
            ("Counter.add", "if self.total > 40:", "if self.total >= 40:", 0),
            ("Counter.add", "if self.total > 40:", "if self.total <= 40:", 0),
            ("Counter.add", "if self.total > 40:", "if not self.total > 40:", 0),
            ("Counter.add", "if self.total > 40:", "if self.total > 80:", 0),
            ("Counter.add", update, "pass", 1),
        ]
    )


def test_name_survives_edits_elsewhere_and_ends_with_its_line() -> None:
    mutant = Mutant("file.py", "Counter.add", "self.total += count", "pass", 1)
    expected = SOURCE.replace("            self.total += count\n", "            pass\n")
    assert mutant.apply(SOURCE) == expected
    longer = SOURCE.replace("class Counter:", "TOTAL = 7\n\n\nclass Counter:")
    assert mutant.apply(longer) == expected.replace("class Counter:", "TOTAL = 7\n\n\nclass Counter:")
    assert (
        mutant.apply(SOURCE.replace("            self.total += count", "            self.total = 1")) is None
    )
    assert mutant.apply(SOURCE.replace("def add", "def append")) is None


def test_statement_of_several_lines_is_one_change() -> None:
    source = "def f():\n    g(\n        1,\n        x,\n    )\n    return 2\n"
    assert ("f", "g(\n    1,\n    x,\n)", "pass", 0) in mutants(source)
    (removed,) = (Mutant("file.py", *one) for one in mutants(source) if one[2] == "pass")
    assert removed.apply(source) == "def f():\n    pass\n    return 2\n"


@pytest.mark.parametrize(
    "source",
    [
        "if TYPE_CHECKING:\n    import torch\n",
        "def f(a: 'int' = None, *, b) -> int | str:\n    return a\n",
        "pairs = zip(a, b, strict=True)\n",
        "def f():\n    return not a\n",
    ],
)
def test_what_decides_nothing_is_not_mutated(source: str) -> None:
    # The last one: `not not a` would be the same as removing `not`.
    found = mutants(source)
    assert [after for _, _, after, _ in found] == (["return  a"] if "not a" in source else [])


@pytest.mark.parametrize("kind", OWN)
def test_own_operators_do_what_their_examples_say(kind: type) -> None:
    for example in kind.examples():  # type: ignore[attr-defined]
        mutated = mutate_code(example.pre_mutation_code, operators()[kind.__name__], example.occurrence)
        assert mutated == example.post_mutation_code
