"""Answers on the test images: which network is right on which image, each network scored once.

They are kept beside the database of the searches, a bit for each image, compressed.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.paper.protocol import PRECISION
from benchmarks.search.value_cache import KeptValues
from objectives.workers.local_team import LocalTeam
from objectives.workers.shared_objective import even_parts
from search_space.arrays import Booleans, Floats
from search_space.errors import H4HError
from search_space.genotype import Genotype, to_text
from search_space.space import Space
from studies.launch.plan_objects import Notify
from supernet.checkpoints.header import check_trained_on_pack
from supernet.images.folder_layouts import DEFAULT_DATA, DatasetError, recognised

if TYPE_CHECKING:  # torch takes seconds to import
    from benchmarks.paper.answers import Answers

BATCH = 20
"""Networks per process between two writes, from which an interrupted run resumes."""


class TestImagesError(H4HError):
    """Test images that are missing."""

    __test__ = False


def answers_file(database: Path) -> Path:
    """File of the answers that belong to a database."""
    return database.with_name(f"{database.stem}-test.db")


def check_test_images(data: Path | None, checkpoint: Path) -> Path:
    """The folder of the test images, checked without torch.

    Args:
        data: What the user gave as --data.
        checkpoint: The supernet.

    Raises:
        H4HError: They are missing, or the supernet was trained on other images.
    """
    if data is None:
        check_trained_on_pack(checkpoint)
    try:
        recognised(data or DEFAULT_DATA)
    except DatasetError as error:
        if data is not None:
            raise
        raise TestImagesError(
            f"--data is missing: the repository holds search images only, and {DEFAULT_DATA}/ holds no test "
            f"images; run `python -m supernet.data cifar10`, or name the folder of CIFAR-10 with --data"
        ) from error
    return data or DEFAULT_DATA


class HeldOut:
    """Scores networks on the test images; a context manager.

    Args:
        space: The networks.
        checkpoint: The supernet.
        data: What the user gave as --data; None takes the calibration images from the repository.
        database: Database of the searches, beside which the answers are kept.
        workers: Processes; does not change answers.
        device: Device of the computation.
        notify: Is told how many networks are scored.

    Attributes:
        file: File of the answers.

    Raises:
        H4HError: Images, weights or the file of answers cannot be used.
    """

    def __init__(
        self,
        *,
        space: Space,
        checkpoint: Path,
        data: Path | None,
        database: Path,
        workers: int,
        device: str,
        notify: Notify,
    ) -> None:
        from benchmarks.paper.answers import load_answers

        self._space = space
        self.file = answers_file(database)
        self._objective: Answers = load_answers(space, checkpoint, data, device)
        self._kept = KeptValues(
            self.file,
            {**self._objective.fingerprint(), "space": space.digest, "precision": PRECISION},
        )
        self._known = {name: unpacked(text) for name, text in self._kept.read().items()}
        self._workers = workers
        self._team = LocalTeam(self._objective, workers) if workers > 1 else None
        self._notify = notify

    @property
    def images(self) -> int:
        """Number of test images."""
        return self._objective.images

    def __enter__(self) -> HeldOut:
        return self

    def __exit__(self, *_: object) -> None:
        if self._team is not None:
            self._team.close()

    def score(self, networks: Iterable[Genotype]) -> None:
        """Scores those networks that are not scored yet.

        Raises:
            H4HError: The answers cannot be stored, or a class score is not finite.
        """
        # Networks that begin alike together: what they have in common is computed once.
        new = sorted({one for one in networks if to_text(one) not in self._known})
        size = BATCH * self._workers
        for start in range(0, len(new), size):
            batch = new[start : start + size]
            self._notify(f"test images: {start} of {len(new)} new networks scored")
            subnets = [self._space.decode(one) for one in batch]
            if self._team is None:
                rows: Sequence[Floats] = [self._objective(subnets)]
            else:
                rows = self._team.measure(even_parts(subnets, self._workers))
            found = dict(zip(map(to_text, batch), np.concatenate(rows) > 0, strict=True))
            self._kept.write({name: packed(answers) for name, answers in found.items()})
            self._known |= found

    def answers(self, networks: Sequence[Genotype]) -> Booleans:
        """Whether each scored network is right on each test image, (n, images)."""
        return np.array([self._known[to_text(one)] for one in networks], dtype=np.bool_)


def packed(answers: Booleans) -> str:
    """Answers (images,) as compressed text."""
    bits = np.packbits(answers).tobytes()
    return f"{len(answers)}:{base64.b64encode(zlib.compress(bits, 9)).decode()}"


def unpacked(text: str) -> Booleans:
    """The answers that `packed` packed."""
    count, _, content = text.partition(":")
    bits = np.frombuffer(zlib.decompress(base64.b64decode(content)), np.uint8)
    return np.unpackbits(bits, count=int(count)).astype(np.bool_)
