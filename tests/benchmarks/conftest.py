"""A small run of the comparison with the paper, shared by the tests of its two commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.paper import __main__ as paper
from benchmarks.paper import campaign, protocol
from benchmarks.paper.remapping import AssumedNumber, assumed_numbers
from search_space.space import load_space
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import save_checkpoint
from tests.supernet.image_files import write_folder

SMALL = """
name: small
resolution: [16, 20]
stem: {stride: 2, width: [8, 16]}
stages:
  - stride: 2
    width: [16, 24]
    downsampling: {kind: [mbconv], kernel: [3], expansion: [1, 2]}
    conv_depth: [0, 1, 2]
    conv: {kernel: [3], expansion: [2]}
    vit_depth: [0, 1]
    vit: {heads: [1, 2], head_dim: 8, mlp_ratio: [1]}
head: {width: 16, classes: 3}
"""
CLASSES = ("cat", "dog", "emu")
TEST_IMAGES = 300
EVALUATIONS = 30
VARIED = ("cim.idle_leakage", "noc.hop_energy", "memory.sram_leakage")
"""Assumed numbers of the default chip."""


def small_options(folder: Path) -> list[str]:
    """Options of a small run in `folder`."""
    return [
        *("--db", str(folder / "results.db"), "--space", str(folder / "small.yaml")),
        *("--checkpoint", str(folder / "net.safetensors"), "--data", str(folder / "images")),
        *("--chips", "u55-256-cim8,u55-256-cim8x4", "--seeds", "1,2"),
        *("--evaluations", str(EVALUATIONS), "--workers", "1"),
    ]


@pytest.fixture(scope="session", autouse=True)
def few_assumed_numbers() -> Iterator[None]:
    """Runs vary `VARIED`; `test_remapping.py` varies all. For each number, all fronts are mapped again."""

    def few(*given: Any, names: Sequence[str] = (), **named: Any) -> list[AssumedNumber]:
        return assumed_numbers(*given, names=names or VARIED, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(campaign, "assumed_numbers", few)
        yield


@pytest.fixture(scope="session")
def small_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a space, untrained weights and images of three classes.

    The weights of this seed give fronts of several networks, hybrids among them.
    """
    folder = tmp_path_factory.mktemp("paper")
    (folder / "small.yaml").write_text(SMALL)
    for seed, split in enumerate(("train", "val")):
        write_folder(folder / "images" / split, classes=CLASSES, images=100, size=(24, 20), seed=seed)
    torch.manual_seed(10)
    save_checkpoint(folder / "net.safetensors", Supernet(load_space(str(folder / "small.yaml"))))
    return folder


@pytest.fixture(scope="session")
def small_run(small_inputs: Path) -> Path:
    """The folder after a small run of the whole protocol, with fewer resamples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["paper", *small_options(small_inputs), *page_of(small_inputs)])
        patch.setattr(paper, "parse_run", fewer_resamples(campaign.parse_run))
        paper.main()
    return small_inputs


def page_of(folder: Path) -> list[str]:
    """The option that names the page."""
    return ["--out", str(folder / "results.md")]


def fewer_resamples(parse_run: Callable[..., protocol.Run]) -> Callable[..., protocol.Run]:
    """`parse_run` with 200 resamples."""

    def parse(*given: object) -> protocol.Run:
        run = parse_run(*given)
        return protocol.Run(run.chips, run.seeds, run.evaluations, resamples=200)

    return parse
