"""FIFOs, devices and folders in place of files: one line at once, for every option that names a file."""

from __future__ import annotations

import importlib
import itertools
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from PIL import Image

from search_space.errors import H4HError
from search_space.files.figure_file import check_figure_path
from search_space.files.regular_file import file_problem, output_problem
from search_space.files.whole_file import whole_file
from studies.report import check_outputs

READ = """
studies.run --db {} --objectives macs,params
studies.run --db new.db --objectives macs,params --space {}.yaml
studies.run --db new.db --objectives macs,lat --hardware {}.yaml
studies.run --db new.db --objectives acc,macs --checkpoint {}
studies.run --db new.db --objectives acc,macs --checkpoint {}.safetensors
studies.run --db new.db --objectives acc,macs --accuracy-table {}
studies.run --db new.db --objectives macs,params --warm-start {}:mine
studies.run --db new.db --objectives acc,macs --dask tls://127.0.0.1:1 --dask-tls {} {} {}
studies.run --db new.db --objectives macs,params --log-json {}
studies.show --db {}
studies.show --db {} --study mine
studies.compare one two --db {}
studies.report one --db {} --out new.html
studies.export one --db {} --format csv --out new.csv
studies.pick one --db {}
studies.rename one two --db {}
studies.merge one two --db {} --into new
studies.validate --study one --db {}
studies.measure --db {} --study one --out new.csv
studies.measure --space {}.yaml --out new.csv
studies.deploy one --id 0 --db {} --out new
studies.verify {}
studies.backup {} new.db
studies.migrate {}
studies.worker tcp://127.0.0.1:1 --tls {} {} {}
objectives.profile --tflite {}
objectives.profile --subnet random:0 --hardware {}.yaml
objectives.describe --from-vela-ini {} --system-config a --memory-mode b --out new.yaml
objectives.describe --hardware {}.yaml
search_space.describe --space {}.yaml
supernet.train --out new --recipe {}.yaml
supernet.train --out new --space {}.yaml
supernet.evaluate --checkpoint {}
supernet.evaluate --checkpoint {}.safetensors
supernet.predict {} --subnet max
supernet.predict {} --checkpoint {}.safetensors
supernet.finetune --out new --checkpoint {} --subnet random:0
supernet.label --teacher {} --out new.safetensors
supernet.conflict --checkpoint {}
supernet.conflict --runs {} --plot new.png
"""


@contextmanager
def limited(seconds: int = 60) -> Iterator[None]:
    """An error in place of a wait for a FIFO."""

    def fail(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("a command waits for a FIFO")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize("command", READ.strip().splitlines())
def test_a_fifo_is_refused_at_once(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for ending in ("", ".yaml", ".safetensors"):
        os.mkfifo(tmp_path / f"fifo{ending}")
    for split, label in itertools.product(("train", "test"), ("cat", "dog")):
        (folder := tmp_path / "data" / split / label).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (32, 32), (number, 0, 0)).save(folder / f"{number}.png")
    before = set(tmp_path.iterdir())
    module, *words = shlex.split(command.replace("{}", "fifo"))
    main = importlib.import_module(module).main
    monkeypatch.setattr("sys.argv", [module, *words])
    with pytest.raises(H4HError, match=r"fifo[^ ]* is not a regular file but a FIFO"), limited():
        main()
    assert set(tmp_path.iterdir()) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_nothing_but_a_file_is_replaced_by_an_output(tmp_path: Path) -> None:
    fifo, figure, page = (tmp_path / f"fifo{ending}" for ending in ("", ".png", ".html"))
    os.mkfifo(fifo)
    os.mkfifo(figure)
    os.mkfifo(page)
    with pytest.raises(FileExistsError, match="is not a regular file but a FIFO"), whole_file(fifo):
        pass
    with pytest.raises(H4HError, match=r"--plot .*fifo\.png is not a regular file but a FIFO"):
        check_figure_path(figure)
    with pytest.raises(H4HError, match=r"--out .*html is not a regular file but a FIFO"):
        check_outputs(page, None)
    assert fifo.is_fifo()
    assert figure.is_fifo()
    assert not list(tmp_path.glob(".*"))


def test_each_kind_of_path_has_its_own_words(tmp_path: Path) -> None:
    file, folder, broken, circle = (tmp_path / name for name in ("file", "folder", "broken", "circle"))
    file.touch()
    folder.mkdir()
    broken.symlink_to(tmp_path / "none")
    circle.symlink_to(circle)
    (tmp_path / "link").symlink_to(file)
    assert file_problem(file) is None
    assert file_problem(tmp_path / "link") is None
    assert file_problem(folder) == "is not a regular file but a folder"
    assert file_problem(Path(os.devnull)) == "is not a regular file but a device"
    assert file_problem(tmp_path / "none") == "does not exist"
    assert file_problem(broken) == "is a link to a file that does not exist"
    assert (file_problem(circle) or "").startswith("cannot be read (")
    assert (file_problem(file / "below") or "").startswith("cannot be read (")
    assert (file_problem(tmp_path / ("n" * 300)) or "").startswith("cannot be read (")
    assert output_problem(file) is None
    assert output_problem(tmp_path / "none") is None
    assert output_problem(folder) == "is not a regular file but a folder"
