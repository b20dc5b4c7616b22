"""Fixtures for the documentation: a folder with the files that pages name, and a runner for commands."""

from __future__ import annotations

import json
import multiprocessing
import runpy
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.search import accuracy_table
from search_space.command.command_line import Parser
from search_space.space import load_space
from studies import run
from studies.report_page import figures
from studies.samplers import virtual_search
from studies.storage.store import create_store, open_store
from supernet.accuracy.class_figures import ClassFigures
from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.image_input import CIFAR10_CLASSES
from supernet.images import evaluation_pack
from supernet.images.data_sets import open_data
from supernet.images.evaluation_pack import EvaluationPack
from supernet.images.labelled_images import loaded, normalised
from supernet.network.extraction import extract, save_extracted
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import save_checkpoint
from supernet.network.teacher_network import TeacherNetwork, save_teacher, whitening_kernels
from supernet.training.recipe import load_recipe
from supernet.training.soft_labels import SoftLabelHeader, augmentation, pixel_digest, save_soft_labels
from tests import warm_workers
from tests.docs.pages import PAGES, page
from tests.docs.rules import IN_ORDER
from tests.objectives.tflite_network.files import LAYERS, write
from tests.studies.conftest import TINY
from tests.studies.reports import evaluated, genotypes, make_study, try_few_ends
from tests.supernet.gradient_conflict.test_figures import write_log
from tests.supernet.image_files import (
    pass_as_trained_on,
    write_cifar10,
    write_cifar100,
    write_fashion_mnist,
    write_folder,
)
from tests.supernet.torch_models.trained_models import mobile

USUAL = ("acc", "lat", "energy")
PACK_IMAGES = 128
"""Images kept of the evaluation pack, so that scoring a subnet takes a fraction of a second."""

Call = Callable[[str, Sequence[str]], str]
"""Runs a module, or a .py file, with arguments as `python` would, and returns its output."""


@pytest.fixture(scope="module")
def patches() -> Iterator[pytest.MonkeyPatch]:
    """Makes commands quick while the tests of a module run.

    They get a small evaluation pack and few assumed numbers, predict few candidates, write one kind of file
    for plots, and their workers start at once.
    """
    load = evaluation_pack.load_pack

    def few_images(folder: Any) -> EvaluationPack:
        pack = load(folder)
        return replace(pack, search=pack.search[:PACK_IMAGES], calibration=pack.calibration[:64])

    with pytest.MonkeyPatch.context() as patch:
        for module in list(sys.modules.values()):  # Those imported before have the function by its name.
            if getattr(module, "__dict__", {}).get("load_pack") is load:
                patch.setattr(module, "load_pack", few_images)
        try_few_ends(patch)
        patch.setattr(figures, "FORMATS", (".svg",))
        patch.setattr(multiprocessing, "get_context", lambda _: warm_workers.started())
        patch.setattr(virtual_search, "CANDIDATES", 3000)
        patch.setattr(accuracy_table, "MEMBERS", 1)
        patch.setattr(accuracy_table, "EPOCHS", 20)
        pass_as_trained_on(patch)
        yield patch


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, patches: pytest.MonkeyPatch) -> Path:
    """A folder with every file, study and checkpoint that a command of the pages names."""
    folder = tmp_path_factory.mktemp("prepared")
    _write_images(folder, patches)
    _write_documents(folder)
    _write_tables(folder)
    _write_weights(folder)
    _write_studies(folder)
    write(folder / "today.tflite", LAYERS["residual"])
    shutil.copy(Path(str(resources.files("ethosu") / "config_files" / "Arm" / "vela.ini")), folder)
    for name in ("figures", "benchmarks/hardware"):
        (folder / name).mkdir(parents=True)
    return folder


def _write_images(folder: Path, patches: pytest.MonkeyPatch) -> None:
    write_cifar10(folder / "cifar10", patches)
    shutil.copytree(folder / "cifar10" / "bin", folder / "data")
    shutil.rmtree(folder / "cifar10")
    # Complete data sets, of which `supernet.data` downloads nothing.
    downloads = folder / "downloads"
    shutil.copytree(folder / "data", downloads)
    write_cifar100(downloads, patches)
    write_fashion_mnist(downloads)
    for split in ("train", "val"):
        write_folder(downloads / split, classes=("n01440764",), images=1)
    torch.save(({"n01440764": ("tench",)}, ["n01440764"]), downloads / "meta.bin")
    for name, split_images in (("pets", 3), ("tiny", 8)):
        classes = [f"class{number:02}" for number in range(37 if name == "pets" else 10)]
        for seed, split in enumerate(("train", "val")):
            write_folder(
                folder / name / split, classes=classes, images=split_images, size=(36, 32), seed=seed
            )


def _write_documents(folder: Path) -> None:
    (folder / "tiny.yaml").write_text(TINY)
    for name in PAGES:
        for block in page(name).blocks:
            is_own = block.kind == "yaml" or (block.kind == "python" and block.file and "/" not in block.file)
            if is_own and name not in IN_ORDER:
                (folder / block.file).write_text(block.content)


def _write_tables(folder: Path) -> None:
    """A benchmark's file in small, the table that a page makes of it, and our own table."""
    results = {
        "".join(map(str, code)): {
            "test_acc": [80 + sum(code), 81 + sum(code)],
            "mean_acc": 80.5 + sum(code),
            "std": 0.5,
            "params": 1000 + sum(code),
            "flops": 10_000 * (1 + sum(code)),
        }
        for code in product((0, 1), repeat=8)
    }
    (folder / "nas-bench-macro_cifar10.json").write_text(json.dumps(results))
    loader = runpy.run_path(str(folder / "nas_bench_macro.py"))
    loader["convert"](folder / "nas-bench-macro_cifar10.json", folder / "macro.csv")
    own = Path("benchmarks") / "search" / "accuracies_cifar32.csv"
    (folder / own).parent.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / own, folder / own)


def _write_weights(folder: Path) -> None:
    for name in ("cifar32", "pets", "mine", "tiny"):
        (folder / "runs" / name).mkdir(parents=True)
    for name in ("cifar32", "mine"):
        shutil.copy(built_in_checkpoint("cifar32"), folder / "runs" / name / "checkpoint.safetensors")
    torch.manual_seed(0)
    own = Supernet(load_space(str(folder / "pets.yaml")))
    save_checkpoint(folder / "runs" / "pets" / "checkpoint.safetensors", own)
    tiny = Supernet(load_space(str(folder / "tiny.yaml")))
    save_checkpoint(folder / "runs" / "tiny" / "checkpoint.safetensors", tiny)
    network = extract(tiny, tiny.space.decode(tiny.space.smallest()))
    for name in ("net", "pet"):
        (folder / "runs" / name).mkdir()
        save_extracted(folder / "runs" / name / "network.safetensors", network, space=tiny.space)
    for name in ("brought", "brought-trained"):
        (folder / "runs" / name).mkdir()
        shutil.copy(folder / "tiny.yaml", folder / "runs" / name / "space.yaml")
        save_checkpoint(folder / "runs" / name / "checkpoint.safetensors", tiny)
    model = mobile(width_mult=1.0, inverted_residual_setting=[[1, 16, 1, 1], [3, 24, 2, 2]])
    torch.save(model.state_dict(), folder / "w.pth")
    Image.new("RGB", (40, 30)).save(folder / "photo.jpg")
    _write_teacher(folder)
    write_log(folder / "runs" / "measured", {1: 0.5, 2: 0.25, 3: 0.125})


def _write_teacher(folder: Path) -> None:
    space = load_space("cifar32")
    data = open_data(folder / "data", None, space)
    split = data.split()
    recorded = data.recorded(split)
    images = data.train.subset(split.train)
    pixels = normalised(loaded(images).pixels[:64], torch.float32)
    teacher = TeacherNetwork(data.classes, whitening_kernels(pixels))
    save_teacher(folder / "runs" / "teacher" / "teacher.safetensors", teacher, {"data": recorded})
    # One view: labels that say nothing.
    header = SoftLabelHeader(
        "0" * 64, recorded, pixel_digest(images), augmentation(load_recipe("long")), 0, 1, data.classes
    )
    even = torch.full((1, len(images), data.classes), 1 / data.classes)
    save_soft_labels(folder / "labels.safetensors", header, even.half(), None)


def _write_studies(folder: Path) -> None:
    space = load_space("cifar32")
    names = {
        "studies.db": ("first", "second", "s0", "s1", "s2", "r0", "r1", "r2", "cifar32-acc-lat-energy-s0"),
        "other.db": ("first", "second"),
    }
    for file, studies in names.items():
        with create_store(folder / file) as store:
            for seed, name in enumerate(studies):
                study = make_study(space, name, USUAL)
                store.add(replace(study, settings={**study.settings, "seed": seed}))
                store.append(name, evaluated(space, USUAL, genotypes(space, 6, seed)))
    _write_validated(folder)
    # A measured study, so that `studies.validate` finds its weights and images.
    given = ["--db", str(folder / "studies.db"), "--study", "validated", "--workers", "1"]
    run.main([*given, "--population", "4", "--generations", "1", "--val-images", "8"])


def _write_validated(folder: Path) -> None:
    """Figures by class of the study `first`, as `studies.validate --json` prints them."""
    with open_store(folder / "studies.db") as store:
        rows = store.evaluations("first")
    figures = ClassFigures(np.eye(10, dtype=np.int64)).to_json(CIFAR10_CLASSES)
    subnets = [{"id": row.index, "genotype": list(row.genotype), "by_class": figures} for row in rows]
    (folder / "validated.json").write_text(
        json.dumps({"study": "first", "split": "test", "subnets": subnets})
    )


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of `prepared`, as the current folder."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


class ParsedError(BaseException):
    """Raised to end a command once its options are parsed."""


@pytest.fixture
def parse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes commands end once their options are parsed."""
    parse = Parser.parse_args

    def parse_and_end(self: Parser, *given: Any, **named: Any) -> Any:
        parse(self, *given, **named)
        raise ParsedError

    monkeypatch.setattr(Parser, "parse_args", parse_and_end)


@pytest.fixture
def call(
    patches: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Runs modules in this process, because importing torch takes longer than most commands."""

    def run(module: str, arguments: Sequence[str]) -> str:
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        code: object = 0
        try:
            with warnings.catch_warnings():
                # Another module may have imported it; it runs anew here, as with `python -m`.
                warnings.simplefilter("ignore", RuntimeWarning)
                if module.endswith(".py"):
                    runpy.run_path(module, run_name="__main__")
                else:
                    runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            code = ended.code
        except ParsedError:
            pass
        captured = capsys.readouterr()
        assert code in (None, 0), (
            f"python -m {module} {' '.join(arguments)} ends with {code}:\n{captured.err}"
        )
        return captured.out

    return run
