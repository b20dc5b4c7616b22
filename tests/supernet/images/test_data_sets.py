"""Each data set in its own form, the images of a search, and what may be wrong with them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from search_space.errors import H4HError, H4HWarning
from search_space.space import Space
from supernet.checkpoints.header import read_header
from supernet.checkpoints.image_input import ImageInput
from supernet.images.data_sets import ImageData, evaluation_images, open_data
from supernet.images.evaluation_pack import EvaluationPack, digest
from supernet.images.folder_layouts import DatasetError
from supernet.images.labelled_images import Images, LabelledImages, loaded
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import save_checkpoint
from tests.supernet.image_files import (
    write_cifar10,
    write_cifar100,
    write_fashion_mnist,
    write_folder,
)


def of(space: Space, classes: int) -> Space:
    """`space` with another number of classes."""
    return replace(space, head=replace(space.head, classes=classes))


def equal(one: Images, other: Images) -> bool:
    first, second = loaded(one), loaded(other)
    return torch.equal(first.pixels, second.pixels) and torch.equal(first.labels, second.labels)


# --- forms ---------------------------------------------------------------------------------------


def test_cifar10_is_the_same_in_both_of_its_forms(
    small_space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar10(tmp_path, monkeypatch)
    binary, pickled = (open_data(tmp_path / form, None, of(small_space, 10)) for form in ("bin", "py"))
    assert equal(binary.train, pickled.train)
    assert equal(binary.read_test(), pickled.read_test())
    assert (len(binary.train), len(binary.read_test())) == (100, 20)
    fixed = binary.split()
    assert fixed.search.tolist() == list(range(70, 100))
    assert binary.recorded(fixed) == pickled.recorded(fixed)
    assert len(binary.split(0).search) == 10  # By seed if that is asked for.

    batch = tmp_path / "py" / "cifar-10-batches-py" / "data_batch_3"
    batch.write_bytes(b"x" + batch.read_bytes())
    with pytest.raises(DatasetError, match=r"cifar-10-batches-py is incomplete or damaged"):
        open_data(tmp_path / "py", None, of(small_space, 10))


def test_cifar100(small_space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, labels = write_cifar100(tmp_path, monkeypatch)
    data = open_data(tmp_path, None, of(small_space, 100))
    assert (data.name, data.classes, len(data.read_test())) == ("cifar100", 100, 100)
    images = loaded(data.train)
    assert images.pixels.flatten(1).tolist() == pixels.tolist()
    assert images.labels.tolist() == labels
    assert len(data.split().search) == 100
    (tmp_path / "cifar-100-python" / "train").unlink()
    with pytest.raises(
        DatasetError, match=r"damaged: delete it and run `.*python -m supernet\.data cifar100"
    ):
        open_data(tmp_path, None, of(small_space, 100))


def test_fashion_mnist_gets_three_equal_channels(small_space: Space, tmp_path: Path) -> None:
    pixels = write_fashion_mnist(tmp_path)
    data = open_data(tmp_path, None, of(small_space, 10))
    images = loaded(data.train)
    assert images.pixels.shape == (100, 3, 28, 28)
    for channel in range(3):
        assert images.pixels[:, channel].tolist() == pixels.tolist()
    assert images.labels.tolist() == [index % 10 for index in range(100)]
    assert len(data.read_test()) == 20


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@pytest.mark.parametrize("keep", [0, 6, -1])
def test_damaged_fashion_mnist(small_space: Space, tmp_path: Path, name: str, keep: int) -> None:
    write_fashion_mnist(tmp_path)
    file = tmp_path / "FashionMNIST" / "raw" / name
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DatasetError, match=r"Fashion-MNIST in .* is incomplete or damaged"):
        open_data(tmp_path, None, of(small_space, 10))


def test_folder_with_either_test_folder(small_space: Space, tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    data = open_data(tmp_path, None, of(small_space, 2))
    with pytest.raises(
        DatasetError, match=r"holds no test images: put those of each class into .*/val/CLASS"
    ):
        data.read_test()
    for number, name in enumerate(("test", "val"), start=3):
        write_folder(tmp_path / name, images=number)
        assert len(data.read_test()) == 2 * number


@pytest.mark.parametrize("name", ["val", "validation", "valid", "dev", "test", "testing", "Val"])
def test_usual_names_of_test_folders(small_space: Space, tmp_path: Path, name: str) -> None:
    write_folder(tmp_path / "Training")
    write_folder(tmp_path / name, images=3)
    data = open_data(tmp_path, None, of(small_space, 2))
    assert (len(data.train), len(data.read_test())) == (20, 6)


def test_classes_of_test_images_go_by_name(small_space: Space, tmp_path: Path) -> None:
    write_folder(tmp_path / "train", classes=["cat", "dog", "emu"])
    write_folder(tmp_path / "val", classes=["cat", "emu"], images=2)
    data = open_data(tmp_path, None, of(small_space, 3))
    with pytest.warns(H4HWarning, match=r"val holds no pictures of 1 classes \(dog\)"):
        assert data.read_test().labels.tolist() == [0, 0, 2, 2]
    write_folder(tmp_path / "val" / "extra", classes=["cow"], images=1)
    (tmp_path / "val" / "extra" / "cow").rename(tmp_path / "val" / "cow")
    with pytest.raises(DatasetError, match=r"holds classes that .*train has not \(cow\)"):
        data.read_test()


def test_checkpoint_decides_how_images_are_prepared(small_space: Space, tmp_path: Path) -> None:
    space, path = of(small_space, 2), tmp_path / "net.safetensors"
    write_folder(tmp_path / "data" / "train")
    data = open_data(tmp_path / "data", None, space, fit="pad")
    assert data.image_input == ImageInput(16, 16, ("cat", "dog"), "pad")
    save_checkpoint(path, Supernet(space), data.recorded(data.split()), data.image_input)
    again = open_data(tmp_path / "data", None, space, like=path)
    assert again.fit == "pad"
    assert equal(loaded(again.train), loaded(data.train))
    assert not equal(loaded(again.train), loaded(open_data(tmp_path / "data", None, space).train))
    (tmp_path / "data" / "train" / "dog").rename(tmp_path / "data" / "train" / "eel")
    with pytest.raises(DatasetError, match=r"trained on other classes than .*has dog, eel"):
        open_data(tmp_path / "data", None, space, like=path)


def test_unreadable_images_are_left_out_on_request(small_space: Space, tmp_path: Path) -> None:
    space, path = of(small_space, 2), tmp_path / "net.safetensors"
    write_folder(tmp_path / "data" / "train")
    whole = open_data(tmp_path / "data", None, space)
    (tmp_path / "data" / "train" / "cat" / "003.png").write_bytes(b"broken")
    (tmp_path / "data" / "train" / "dog" / "zz.jpg").symlink_to("/nonexistent.jpg")
    with pytest.raises(DatasetError, match=r"^2 of 21 images.*--skip-unreadable 2"):
        open_data(tmp_path / "data", None, space, skip_unreadable=1)
    data = open_data(tmp_path / "data", None, space, skip_unreadable=2)
    kept = [index for index in range(20) if index != 3]
    assert equal(loaded(data.train), loaded(whole.train.subset(torch.tensor(kept))))
    split = data.split()
    save_checkpoint(path, Supernet(space), data.recorded(split), data.image_input)
    again = open_data(tmp_path / "data", None, space, like=path)
    assert again.split_like(read_header(path)["data"]) is not None
    assert equal(loaded(again.train), loaded(data.train))


def test_squares_need_no_other_fit(small_space: Space, tmp_path: Path) -> None:
    write_fashion_mnist(tmp_path)
    with pytest.raises(DatasetError, match="fit must be crop for fashion-mnist"):
        open_data(tmp_path, None, of(small_space, 10), fit="pad")


def test_number_of_classes_must_be_the_space_s(small_space: Space, tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    (tmp_path / "train" / "cat" / "bad.png").touch()  # told before anything is decoded
    with pytest.raises(H4HError, match=r"'small' has 4 classes, but the images have 2: .*classes: 2"):
        open_data(tmp_path, None, small_space)


# --- a search's images ---------------------------------------------------------------------------


@pytest.fixture
def space(small_space: Space) -> Space:
    return of(small_space, 2)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_folder(tmp_path / "data" / "train", images=50)
    return tmp_path / "data"


@pytest.fixture
def checkpoint(space: Space, tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, Supernet(space))
    return path


def trained_on(checkpoint: Path, space: Space, data: ImageData, seed: int | None = None) -> None:
    save_checkpoint(checkpoint, Supernet(space), data.recorded(data.split(seed)))


def images_of(directory: Path, space: Space, checkpoint: Path, **counts: Any) -> EvaluationPack:
    return evaluation_images(directory, None, space=space, checkpoint=checkpoint, **counts)


@pytest.mark.parametrize("seed", [None, 7])
def test_search_holds_out_what_training_held_out(
    directory: Path, space: Space, checkpoint: Path, seed: int | None
) -> None:
    data = open_data(directory, None, space)
    trained_on(checkpoint, space, data, seed)
    split = data.split(seed)
    pack = images_of(directory, space, checkpoint, calibration_images=20)
    assert equal(pack.search, data.train.subset(split.search))
    assert equal(pack.calibration, data.train.subset(split.train[:20]))
    assert pack.record == data.recorded(split)
    assert pack.record["split_seed"] == str(seed or 0)
    assert pack.digest == digest(pack.search, pack.calibration)
    assert not set(split.search.tolist()) & set(split.train.tolist())
    assert pack.classes == 2


def test_test_images_are_not_looked_at(directory: Path, space: Space, checkpoint: Path) -> None:
    (directory / "val").write_text("not even a folder")
    images_of(directory, space, checkpoint)


def test_defaults_take_what_is_there(directory: Path, space: Space, checkpoint: Path) -> None:
    pack = images_of(directory, space, checkpoint)
    assert (len(pack.search), len(pack.calibration)) == (10, 90)
    few = images_of(directory, space, checkpoint, val_images=4, calibration_images=5)
    assert equal(few.search, pack.search[:4])
    assert equal(few.calibration, pack.calibration[:5])


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"val_images": 11}, "--val-images must be 1 to 10, but got 11"),
        ({"calibration_images": 91}, "--calibration-images must be 1 to 90, but got 91"),
    ],
)
def test_more_images_than_there_are(
    directory: Path, space: Space, checkpoint: Path, counts: dict[str, int], message: str
) -> None:
    with pytest.raises(H4HError, match=message):
        images_of(directory, space, checkpoint, **counts)


def test_images_that_changed_since_training_are_refused(
    directory: Path, space: Space, checkpoint: Path
) -> None:
    trained_on(checkpoint, space, open_data(directory, None, space))
    shutil.copy(directory / "train" / "cat" / "000.png", directory / "train" / "cat" / "new.png")
    with pytest.raises(
        DatasetError, match=r"trained on other images \(folder, 90 for training, 10 .*\) than --data holds"
    ):
        images_of(directory, space, checkpoint)


def test_labels_beyond_one_byte_are_told_apart() -> None:
    pixels = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    one, other = (digest(LabelledImages(pixels, torch.tensor([label]))) for label in (300, 556))
    assert one != other
