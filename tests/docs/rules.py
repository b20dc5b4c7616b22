"""How the commands of the documentation are run by the tests: what is added, replaced, or left out.

Every command in a code block or in inline code of README.md, CONTRIBUTING.md and docs/*.md is run, in a
folder that `conftest.py` prepares: tiny data sets, a checkpoint, studies with the names that the pages use.

A new command fails its test until a rule covers it:

1. Its module must stand in `LIMITS`, with the options that are appended so that it ends in a second or two;
   none if it does anyway. A later option wins over an earlier one; what a page gives is never taken away.
2. A word in capitals (FILE, STUDY, ...) needs a value in `PLACEHOLDERS`. A file, folder or study that the
   page calls by a name of its own (`first`, `pets`) has to be made in `conftest.py`.
3. Where no option makes it short, it goes to `PARSED_ONLY` with the reason: then its options are parsed and
   nothing is run. Keep that list short.
4. If it takes more than some seconds, name it in `SLOW`.

A line of a code block is a command if it begins with one of `pages.PROGRAMS`; a new program goes there. What
an option or a module is called is checked wherever it stands in inline code (`test_links.py`).
"""

from __future__ import annotations

LIMITS: dict[str, tuple[str, ...]] = {
    "search_space.describe": (),
    "objectives.describe": (),
    "objectives.profile": (),
    "supernet.data": ("--data", "downloads"),
    "supernet.train": ("--epochs", "1", "--batch", "16", "--workers", "1"),
    "supernet.evaluate": ("--random", "1"),
    "supernet.finetune": ("--epochs", "1", "--batch", "16", "--workers", "1"),
    "supernet.teacher": ("--epochs", "1", "--batch", "16", "--workers", "1"),
    "supernet.label": ("--views", "1", "--workers", "1"),
    "supernet.conflict": ("--batches", "2", "--images", "8", "--subnets", "2"),
    "studies.run": ("--population", "4", "--generations", "1", "--val-images", "8"),
    "studies.show": (),
    "studies.pick": (),
    "studies.export": (),
    "studies.compare": (),
    "studies.report": (),
    "studies.validate": (),
    "benchmarks.hardware.calibration": ("--subnets", "2"),
    "benchmarks.hardware.cost_model_speed": ("--space", "tiny.yaml", "--subnets", "50"),
    "benchmarks.hardware.npu_model_error": ("--networks", "1"),
    "benchmarks.hardware.npu_shapes": ("--ops", "2"),
    "benchmarks.supernet.oracle_speed": ("--quick",),
    "benchmarks.supernet.precision_loss": ("--subnets", "4"),
    "benchmarks.search.report_cost": ("--evaluations", "40"),
    "benchmarks.search.sampler_cost": ("--sampler", "nsga2,random", "--evaluations", "60"),
    "benchmarks.search.methods_compared": (
        *("--methods", "nsga2,random", "--seeds", "1", "--evaluations", "24"),
        *("--cache", "search.db"),
    ),
    "benchmarks.hardware.sensitivity": ("--subnets", "4", "--space", "tiny.yaml"),
    "benchmarks.search.study_cost": ("--evaluations", "60", "--times", "2", "--generations", "1"),
    "benchmarks.supernet.training_speed": ("--quick", "--batch", "2", "--space", "tiny.yaml"),
    "photos.py": (),
    "pytest": ("tests/search_space/command/test_byte_count.py", "-p", "no:cacheprovider"),
    "ruff": (),
    "mypy": ("search_space/errors.py", "--cache-dir", "/dev/null"),
    "torchrun": (
        *("--space", "tiny.yaml", "--data", "tiny", "--out", "runs/several"),
        *("--epochs", "1", "--batch", "16", "--workers", "1"),
    ),
}
"""By module of `python -m`, or program: what is appended."""

PARSED_ONLY = {
    "benchmarks.search.racing_savings": "the shortest run scores 1,024 images for each of 36 subnets",
    "benchmarks.search.surrogate_savings": "the shortest run makes 2,000 evaluations with NSGA-II first",
    "benchmarks.supernet.ranking_quality": "the shortest run trains 12 subnets",
    "benchmarks.supernet.two_phase": "the shortest run trains 12 supernets; test_two_phase.py does it",
    "benchmarks.supernet.cpu_kernels": "no option shortens it; tests/supernet/network/test_plain_network.py runs them",
}
"""Why the options of these modules are parsed, and nothing is run."""

PLACEHOLDERS = {
    "STUDY": "first",
    "NAME": "first",
    "--space NAME": "cifar32",
    "--hardware NAME": "u55-256-cim8",
    "--study NAME": "validated",
    "--warm-start OTHER": "studies.db:first",
    "--data DIR": "data",
    "--plots DIR": "figures",
    "FILE": "runs/cifar32/checkpoint.safetensors",
    "F": "runs/cifar32/checkpoint.safetensors",
    "--workers N": "2",
    "--macros N": "4",
    "--units M": "2",
    "--subnet GENOTYPE": "min",
    "RUN...": "runs/measured",
}
"""What stands for a word in capitals, alone or behind the option that it belongs to."""

REPLACED = {
    "--nproc-per-node 8": "--nproc-per-node 1",
    "--val-images 256": "--val-images 8",
    "--calibration-images 256": "--calibration-images 64",
    "--min-acc 68%": "--min-acc 1%",
    "check .": "check search_space",
    "--check .": "--check search_space",
}
"""Values that do not suit a test, with the word before each, and what is taken instead."""

OWN_DATABASE = ("--db", "run.db")
"""Appended to `studies.run` where commands run alone, so that none goes on with a study of another page."""

IN_ORDER = ("docs/tutorial.md",)
"""Pages whose commands build on each other: `test_tutorial.py` runs them from top to bottom in one folder."""

OF_ANOTHER_FOLDER = {
    "docs/search-spaces.md": {"data": "pets"},
}
"""Pages whose DIR is another folder, since their commands are about other images."""

LEFT_OUT = {
    "pip install uv": "needs the network",
    "uv run": "says how commands begin",
    "uv run COMMAND": "says how commands begin",
}
"""Commands, or first parts of them, that are not run, and why."""

SLOW = (
    "benchmarks.",
    "torchrun",
    "mypy",
    "supernet.finetune",
    "supernet.teacher",
    "supernet.train",
    "studies.report",
    "studies.validate",
    "--dask",
    "--workers",
)
"""Commands that hold one of these take more than some seconds."""
