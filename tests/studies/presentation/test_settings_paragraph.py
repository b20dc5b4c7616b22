from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from search_space.space import Space
from studies.presentation.settings_paragraph import settings_paragraph
from studies.study.evaluation import Evaluation
from studies.study.merged_study import MERGED_FROM
from studies.study.study import Study


def test_a_paragraph_says_what_the_study_recorded(
    study: Study, evaluation: Callable[..., Evaluation], tiny: Space
) -> None:
    parts = {
        "hardware": "u55-256-cim8",
        "cost_model": "8",
        "mapping": "latency",
        "sampler": "nsga2",
        "population": "4",
        "seed": "3",
        "checkpoint": "c9ff479c" * 8,
        "precision": "int8",
        "val_images": "2000",
        "calibration_images": "512",
        "version of numpy": "2.4.6",
        "version of h4h-nas": "0.1.0",
        "torch": "2.15.0",
    }
    told = replace(
        study,
        space_definition=tiny.to_dict(),
        fingerprint=parts,
        settings={"warm_start": ["old"], "scale": "log"},
    )
    rows = [evaluation(0, 90.0, 6.0), evaluation(1, 80.0, 9.0)]
    front = told.hypervolume(rows)
    assert settings_paragraph(told, rows) == (
        "We searched the space tiny (108 designs) for high acc (in %) and low lat (in ms), within the limits "
        "lat<=8ms. Costs are those of the chip u55-256-cim8 by version 8 of the cost model, each network "
        "mapped for latency. The sampler nsga2 proposed 4 networks per generation with seed 3, its first "
        "generation taken from old: 2 evaluations. The front has 1 of them and a hypervolume of "
        f"{front:.4f} between acc 100 to 0 % and lat 0 to 10 ms, costs on a log scale. Accuracy is top-1 of "
        "subnets of the supernet c9ff479cc9ff in int8, on 2000 held-out training images, with batch norm "
        "calibrated on 512 others. Made with H4H-NAS 0.1.0, NumPy 2.4.6 and torch 2.15.0."
    )


def test_what_was_not_recorded_is_left_out(
    study: Study, evaluation: Callable[..., Evaluation], tiny: Space
) -> None:
    bare = replace(study, space_definition=tiny.to_dict(), fingerprint={}, settings={}, constraints=())
    text = settings_paragraph(bare, [replace(evaluation(0, 90.0, 6.0), limited=())])
    assert "The study has 1 evaluations. The front has 1 of them" in text
    for absent in ("chip", "sampler", "Accuracy", "Made with", "limits"):
        assert absent not in text
    merged = replace(bare, settings={MERGED_FROM: ["a (seed 0, sms)", "b (seed 1, sms)"]})
    assert "The study joins a (seed 0, sms) and b (seed 1, sms): 0 evaluations." in settings_paragraph(
        merged, []
    )
