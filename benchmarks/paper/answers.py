"""Right and wrong answers of subnets on the test images of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.paper.protocol import PRECISION
from objectives.accuracy_objective import Accuracy
from search_space.arrays import Floats
from search_space.space import Space
from search_space.subnet import Subnet
from supernet.images.data_sets import evaluation_images, open_data
from supernet.images.evaluation_pack import EvaluationPack, built_in_pack, digest, load_pack
from supernet.images.folder_layouts import DEFAULT_DATA
from supernet.images.labelled_images import loaded
from supernet.network.number_formats import resolve_device


class Answers(Accuracy):
    """Whether subnets are right on each image; workers of this machine can hold it."""

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """1 for a right answer and 0 for a wrong one, (subnets, images)."""
        return np.array(self.right(subnets), dtype=np.float64).reshape(len(subnets), self.images)


def load_answers(space: Space, checkpoint: Path, data: Path | None, device: str) -> Answers:
    """The test images with the calibration images of the searches.

    Args:
        space: The networks.
        checkpoint: The supernet.
        data: Folder of the data set; None takes test images from the default folder and calibration images
            from the repository, as a search does.
        device: Device of the computation.

    Raises:
        H4HError: Images or weights are missing, damaged or do not belong together.
    """
    test = loaded(open_data(data or DEFAULT_DATA, None, space).read_test())
    if data is None:
        searched = load_pack(built_in_pack())
    else:
        searched = evaluation_images(data, None, space=space, checkpoint=checkpoint)
    pack = EvaluationPack(
        test,
        searched.calibration,
        digest(test, searched.calibration),
        searched.class_names,
        {**searched.record, "scored": "test split"},
    )
    return Answers(
        checkpoint=checkpoint,
        space=space,
        pack=pack,
        val_images=len(test),
        precision=PRECISION,
        device=resolve_device(device),
    )
