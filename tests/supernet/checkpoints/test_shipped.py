"""The shipped weights are what their card says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from search_space.errors import H4HError
from search_space.space import load_space
from supernet.accuracy import one_subnet
from supernet.checkpoints import built_in_checkpoint, known_checkpoints
from supernet.checkpoints.tensor_file import file_digest
from supernet.images.evaluation_pack import built_in_pack, load_pack
from supernet.network.supernet_file import load_checkpoint


@pytest.mark.parametrize("name", known_checkpoints())
def test_each_is_small_of_its_space_and_has_a_card(name: str) -> None:
    path = built_in_checkpoint(name)
    assert path.stat().st_size <= 12e6
    assert load_checkpoint(path, load_space(name)).space.name == name
    card = path.with_suffix(".md").read_text()
    assert file_digest(path) in card
    assert "python -m supernet.train" in card


def test_absent_one_says_how_to_train_it() -> None:
    with pytest.raises(H4HError, match=r"shipped: cifar32\): train one with `python -m supernet.train"):
        built_in_checkpoint("imagenet224")


@pytest.mark.slow
def test_accuracy_on_the_search_split_is_that_of_the_card() -> None:
    path = built_in_checkpoint("cifar32")
    supernet, pack = load_checkpoint(path).eval(), load_pack(built_in_pack())
    cpu = torch.device("cpu")
    calibration = one_subnet.prepare(pack.calibration, precision="fp32", device=cpu)
    search = one_subnet.prepare(pack.search, precision="fp32", device=cpu)
    for name, genotype in (("largest", supernet.space.largest()), ("smallest", supernet.space.smallest())):
        subnet = supernet.space.decode(genotype)
        statistics = one_subnet.record_statistics(supernet, subnet, calibration)
        # Kernels of other machines round otherwise, which moves a few of the 5,000 images.
        assert one_subnet.top1(supernet, subnet, search, statistics) == pytest.approx(
            _stated(path.with_suffix(".md"), name), abs=0.3
        )


def _stated(card: Path, name: str) -> float:
    """Search accuracy of one row of the card's table: its last column but one."""
    row = next(line for line in card.read_text().splitlines() if line.startswith(f"| {name} |"))
    return float(row.strip("| ").split("|")[-2])
