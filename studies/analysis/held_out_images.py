"""Images on which a study's front is scored again: the test split, or search images that it did not use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from studies.analysis.validation_plan import ValidationError, ValidationPlan

if TYPE_CHECKING:  # Importing torch takes seconds, and most errors can be reported without it.
    from supernet.images.evaluation_pack import EvaluationPack
    from supernet.images.labelled_images import Images, LabelledImages


def check_checkpoint(plan: ValidationPlan) -> None:
    """Raises `H4HError` unless the checkpoint exists and is that of the study."""
    from supernet.checkpoints.header import read_header
    from supernet.checkpoints.tensor_file import file_digest

    read_header(plan.checkpoint)  # Its errors name what is wrong with a file that is no checkpoint.
    got, expected = file_digest(plan.checkpoint), plan.part("checkpoint")
    if got != expected:
        raise ValidationError(
            f"checkpoint {plan.checkpoint} is not the one of study {plan.study.name!r} (SHA-256 {got[:12]}, "
            f"not {expected[:12]}): give the file of the study with --checkpoint"
        )


def scored_images(plan: ValidationPlan) -> tuple[LabelledImages, Images]:
    """Calibration images, and images that the search did not use.

    They are the study's calibration images and the test split. To confirm a front they are the calibration
    images of an extracted network, and search images behind those of the study.

    Raises:
        ValidationError: The calibration or search images are not those of the study, or too few are left.
        DatasetError: The data set is absent or damaged.
    """
    test = test_images(plan) if plan.confirm is None else None
    pack, counts = _study_pack(plan), _counts(plan)
    if test is not None:
        return pack.calibration[: counts["calibration_images"]], test
    return _unused_images(plan, pack if plan.is_pack else None, counts["val_images"])


def test_images(plan: ValidationPlan) -> Images:
    """The test split.

    Raises:
        DatasetError: The data set is absent or damaged.
    """
    from supernet.images.data_sets import open_data

    return open_data(plan.data, plan.dataset, plan.space, like=plan.checkpoint).read_test()


def search_images(plan: ValidationPlan) -> EvaluationPack:
    """The images on which the study calibrated and scored its networks.

    Raises:
        ValidationError: They are not those of the study.
        DatasetError: The data set is absent or damaged.
    """
    pack, counts = _study_pack(plan), _counts(plan)
    return replace(
        pack,
        search=pack.search[: counts["val_images"]],
        calibration=pack.calibration[: counts["calibration_images"]],
    )


def _counts(plan: ValidationPlan) -> dict[str, int]:
    return {name: int(plan.part(name)) for name in ("val_images", "calibration_images")}


def _study_pack(plan: ValidationPlan) -> EvaluationPack:
    """Search and calibration images as the study read them, before it took some of a pack."""
    from supernet.images.data_sets import evaluation_images
    from supernet.images.evaluation_pack import built_in_pack, load_pack

    if plan.is_pack:
        pack = load_pack(built_in_pack())
    else:
        pack = evaluation_images(
            plan.data, plan.dataset, space=plan.space, checkpoint=plan.checkpoint, **_counts(plan)
        )
    expected = plan.part("images")
    if pack.digest != expected:
        raise ValidationError(
            f"search and calibration images are not those of study {plan.study.name!r} (SHA-256 "
            f"{pack.digest[:12]}, not {expected[:12]}): give the unchanged data set of the study with --data"
        )
    return pack


def _unused_images(
    plan: ValidationPlan, pack: EvaluationPack | None, used: int
) -> tuple[LabelledImages, LabelledImages]:
    """Calibration images of an extracted network, and search images behind the first `used`."""
    from supernet.checkpoints.header import read_header
    from supernet.images.cifar10 import CALIBRATION_IMAGES
    from supernet.images.data_sets import open_data
    from supernet.images.labelled_images import loaded

    assert plan.confirm is not None, "without --confirm the test split is scored"
    if pack is not None:
        _check_left(plan, len(pack.search) - used, used)
        return pack.calibration[:CALIBRATION_IMAGES], pack.search[used : used + plan.confirm]
    data = open_data(plan.data, plan.dataset, plan.space, like=plan.checkpoint)
    split = data.split_like(read_header(plan.checkpoint).get("data"))
    _check_left(plan, len(split.search) - used, used)
    search = data.train.subset(split.search[used : used + plan.confirm])
    return loaded(data.train.subset(split.train[:CALIBRATION_IMAGES])), loaded(search)


def _check_left(plan: ValidationPlan, left: int, used: int) -> None:
    if not 1 <= (plan.confirm or 0) <= left:
        most = f"1 to {left}" if left > 0 else "left out"
        raise ValidationError(
            f"--confirm must be {most}, as study {plan.study.name!r} used {used} of {used + left} search "
            f"images, but got {plan.confirm}"
            + ("" if left > 0 else "; search with fewer --val-images to keep some")
        )
