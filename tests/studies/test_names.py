"""Names of studies with characters that mean something elsewhere."""

from __future__ import annotations

from pathlib import Path

from studies.compare import main as compare
from studies.run import main as run
from studies.show import main as show
from tests.command import Command


def test_square_brackets_in_a_name_are_text(tmp_path: Path, command: Command) -> None:
    database = str(tmp_path / "studies.db")
    for name in ("[/red]", "[bold]:smile:"):
        words = ("--objectives", "macs,params", "--population", "4", "--generations", "1", "--study", name)
        assert command(run, *words, "--db", database).code == 0
    listed = command(show, "--db", database)
    assert listed.code == 0
    assert "[/red] " in listed.out
    assert "[bold]:smile: " in listed.out
    compared = command(compare, "--db", database, "[/red]", "[bold]:smile:")
    assert (compared.code, compared.err) == (0, "")
    assert "[/red]" in compared.out
