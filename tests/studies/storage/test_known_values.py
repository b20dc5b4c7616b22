from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from studies.storage.known_values import measured_values
from studies.storage.store import create_store
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study

Make = Callable[..., Evaluation]


def test_what_any_study_measured_in_the_same_way_is_found(
    tmp_path: Path, study: Study, evaluation: Make
) -> None:
    deciding = {"checkpoint": "c1", "images": "i1", "oracle": "2"}
    space = {"space": "digest", "seed": "0"}
    studies = {
        "as goal": replace(study, fingerprint={**space, **deciding}),
        # Another objective has a part of the same name, so the accuracy's stands under its own.
        "under its own name": replace(
            study, fingerprint={**space, **deciding, "checkpoint": "lat's", "acc.checkpoint": "c1"}
        ),
        "as limit": replace(
            study,
            goals=(Goal("lat", "ms", "min"),),
            constraints=("acc>=50%",),
            ideal=(0.0,),
            reference=(1.0,),
            fingerprint={**space, **deciding},
        ),
        "other checkpoint": replace(study, fingerprint={**space, **deciding, "checkpoint": "c2"}),
        "other space": replace(study, fingerprint={**deciding, "space": "other"}),
        "without accuracy": replace(study, fingerprint=space),
    }
    with create_store(tmp_path / "studies.db") as store:
        for place, (name, one) in enumerate(studies.items()):
            store.add(replace(one, name=name))
            row = evaluation(place, 60.0 + place, 1.0)
            # The second was found infeasible before its accuracy was measured.
            unmeasured = replace(row, index=90 + place, genotype=(90, place), values=(None, 9.0))
            if name == "as limit":
                row = replace(row, values=(1.0,), limited=(60.0 + place,))
                unmeasured = replace(unmeasured, values=(9.0,), limited=(None,))
            bound = replace(row, index=80 + place, genotype=(80, place), stopped_after=256)
            store.append(name, [row, unmeasured, bound])
        assert measured_values(store, "acc", "digest", deciding, {}) == {
            (0, 0): 60.0,
            (1, 0): 61.0,
            (2, 0): 62.0,
        }
        assert measured_values(store, "acc", "digest", {**deciding, "oracle": "3"}, {}) == {}


def test_only_values_of_the_same_software_are_known(tmp_path: Path, study: Study, evaluation: Make) -> None:
    deciding = {"checkpoint": "c1"}
    parts = {"space": "digest", **deciding, "version of numpy": "2.4.5", "acc.torch": "2.14.0"}
    old = {"torch": "2.14.0", "processor": "AVX512"}
    new = {"torch": "2.15.0", "processor": "AVX512"}
    with create_store(tmp_path / "studies.db") as store:
        store.add(replace(study, fingerprint=parts), old)
        store.append("first", [evaluation(0, 60.0, 1.0)])
        store.use("first", new)
        store.append("first", [evaluation(1, 61.0, 1.0), evaluation(2, 62.0, 1.0)])
        store.use("first", old)
        store.append("first", [evaluation(3, 63.0, 1.0)])
        assert store.software("first") == [(old, 2), (new, 2)]

        def known(**software: str) -> list[float]:
            return list(measured_values(store, "acc", "digest", deciding, software).values())

        assert known(**old) == [60.0, 63.0]
        assert known(**new) == [61.0, 62.0]
        assert known(**{**new, "processor": "AVX2"}) == []
        assert known() == [60.0, 61.0, 62.0, 63.0]
