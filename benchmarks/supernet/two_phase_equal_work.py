"""Primary comparison of the ablation of two-phase training: accuracy at equal CPU time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.supernet.two_phase_report import ReportTable, RunResult, estimate, grouped, starred
from benchmarks.supernet.two_phase_settings import BASELINE, SHORTER
from search_space.families import BLOCK_FAMILIES


def balanced_accuracy(run: RunResult) -> float | None:
    """The primary measure: mean top-1 of random subnets, in which each family counts alike.

    None if the setting does not train all families.
    """
    families = [run.accuracy.get(family.value) for family in BLOCK_FAMILIES]
    means = [float(np.mean(values)) for values in families if values]
    return float(np.mean(means)) if len(means) == len(families) else None


def at_equal_work(run: RunResult, joint: Sequence[RunResult]) -> float | None:
    """Accuracy of joint training at the CPU time of `run`, between its trainings of the same seed.

    Args:
        run: The run of another setting.
        joint: Trainings of `joint` of different lengths.

    Returns:
        The primary measure, linear between the two next lengths; None if `run` took less time than the
        shortest of them or more than the longest.
    """
    curve = sorted((each.cpu_seconds, balanced_accuracy(each)) for each in joint)
    times = [time for time, _ in curve]
    if not times or not times[0] <= run.cpu_seconds <= times[-1]:
        return None
    return float(np.interp(run.cpu_seconds, times, [value for _, value in curve if value is not None]))


def equal_work_table(results: Sequence[RunResult]) -> ReportTable:
    """The primary measure of each setting beside that of joint training at equal CPU time."""
    by_setting = grouped(results)
    rows = []
    for setting, runs in by_setting.items():
        own = {seed: value for seed, run in runs.items() if (value := balanced_accuracy(run)) is not None}
        if not own:
            continue
        differences = []
        for seed, value in own.items():
            lengths = [by_setting.get(name, {}).get(seed) for name in (BASELINE, *SHORTER)]
            joint = at_equal_work(runs[seed], [each for each in lengths if each is not None])
            if joint is not None and setting != BASELINE and setting not in SHORTER:
                differences.append(value - joint)
        time = estimate([runs[seed].cpu_seconds / 60 for seed in own])
        cells = (estimate(list(own.values())).text(1), time.text(1))
        compared = starred(estimate(differences)) if differences else ""
        rows.append((setting, *cells, compared, str(len(differences)) if differences else ""))
    return ReportTable(
        "Primary measure, at equal work",
        "Mean top-1 in % of random subnets, in which each family counts alike, and CPU minutes of the "
        "training: means over seeds with 95 % confidence intervals. The difference is that to `joint` at "
        "the same CPU time, interpolated seed by seed between its three lengths; * where its interval "
        "excludes 0. It is empty where a training was shorter or longer than all three.",
        ("setting", "all families", "CPU minutes", "against joint at equal time", "seeds compared"),
        tuple(rows),
    )
