"""Rules for running the commands of the documentation: options added, values replaced, commands left out.

Every command in a code block or in inline code of README.md, CONTRIBUTING.md and docs/**/*.md is run, in a
folder that `conftest.py` prepares: tiny data sets, a checkpoint, studies with the names that the pages use.

A new command fails its test until a rule covers it:

1. Add its module to `LIMITS`, with options that make it end in a second or two. They
   take the place of those of the page.
2. Give each word in capitals (FILE, STUDY, ...) a value in `PLACEHOLDERS`. Create files, folders and studies
   that the page calls by a name of its own (`first`, `pets`) in `conftest.py`.
3. Where no option makes it short, add it to `PARSED_ONLY` with the reason. Then its options are parsed and
   nothing runs. Keep that list short.
4. If it takes more than some seconds, name it in `SLOW`.

A line of a code block is a command if it begins with one of `pages.PROGRAMS`. `test_links.py` checks names of
options and modules wherever they stand in inline code.
"""

from __future__ import annotations

SMALL_COMPARISON = (
    *("--db", "paper.db", "--space", "tiny.yaml", "--checkpoint", "runs/tiny/checkpoint.safetensors"),
    *("--data", "tiny", "--chips", "u55-256-cim8", "--seeds", "1", "--evaluations", "6", "--workers", "1"),
)
"""Options that shorten the comparison with the paper."""

LIMITS: dict[str, tuple[str, ...]] = {
    "search_space.describe": (),
    "objectives.describe": (),
    "objectives.profile": (),
    "supernet.inspect": (),
    "supernet.data": ("--data", "downloads"),
    "supernet.train": ("--epochs", "1", "--batch", "16", "--workers", "1"),
    "supernet.evaluate": ("--random", "1"),
    "supernet.finetune": ("--epochs", "1", "--batch", "16", "--workers", "1"),
    "supernet.teacher": ("--epochs", "1", "--batch", "16", "--workers", "1"),
    "supernet.label": ("--views", "1", "--workers", "1"),
    "supernet.predict": (),
    # The shape of the weights that conftest.py makes.
    "supernet.bring": (
        *("--side", "32", "--out", "runs/new"),
        *("--option", "inverted_residual_setting=[[1, 16, 1, 1], [3, 24, 2, 2]]"),
    ),
    "supernet.conflict": ("--batches", "2", "--images", "8", "--subnets", "2"),
    "studies.run": ("--population", "4", "--generations", "1", "--val-images", "4"),
    "studies.show": (),
    "studies.pick": (),
    "studies.export": (),
    "studies.compare": (),
    "studies.report": (),
    "studies.validate": (),
    "studies.verify": (),
    "studies.backup": (),
    "studies.merge": (),
    "studies.rename": (),
    "studies.migrate": (),
    "studies.measure": ("--out", "todo.csv", "--ops", "3"),
    "benchmarks.paper": (*SMALL_COMPARISON, "--out", "paper.md"),
    "benchmarks.hardware.calibration": SMALL_COMPARISON,
    "benchmarks.hardware.cost_model_speed": ("--space", "tiny.yaml", "--subnets", "50", "--fronts", "2"),
    "benchmarks.hardware.macro_check": (),
    "benchmarks.hardware.memory_fit": ("--networks", "4", "--compiled", "2"),
    "benchmarks.hardware.npu_generations": ("--networks", "1"),
    "benchmarks.hardware.npu_memory": ("--networks", "2"),
    "benchmarks.hardware.npu_model_error": ("--networks", "1"),
    "benchmarks.hardware.npu_model_error --files": ("--networks", "0"),
    "benchmarks.hardware.npu_shapes": ("--ops", "2"),
    "benchmarks.supernet.oracle_speed": ("--quick",),
    "benchmarks.supernet.torch_models": ("--models", "resnet18"),
    "benchmarks.supernet.precision_loss": ("--subnets", "4"),
    "benchmarks.search.cost_estimates": (
        *("--space", "tiny.yaml", "--capacity", "0.5", "--networks", "24", "--learned", "12"),
    ),
    "benchmarks.search.report_cost": ("--evaluations", "40"),
    "benchmarks.search.sampler_cost": ("--sampler", "nsga2,random", "--evaluations", "60"),
    "benchmarks.search.mappings_compared": ("--seeds", "2", "--networks", "1"),
    "benchmarks.search.methods_compared": (
        *("--methods", "nsga2,random", "--seeds", "1", "--evaluations", "24"),
        *("--cache", "search.db"),
    ),
    "benchmarks.search.tables_compared": (
        *("--tables", "own", "--methods", "surrogate,random", "--seeds", "1", "--evaluations", "24"),
        *("--cache", "search.db"),
    ),
    "benchmarks.hardware.sensitivity": ("--subnets", "4", "--space", "tiny.yaml"),
    "benchmarks.search.study_cost": ("--evaluations", "60", "--times", "2", "--generations", "1"),
    "benchmarks.supernet.training_speed": ("--quick", "--batch", "2", "--space", "tiny.yaml"),
    "photos.py": (),
    "shapes.py": (),
    "nas_bench_macro.py": (),
    "pytest": ("tests/search_space/command/test_byte_count.py", "-p", "no:cacheprovider"),
    "ruff": (),
    "mypy": ("search_space/errors.py", "--cache-dir", "/dev/null"),
    "torchrun": (
        *("--space", "tiny.yaml", "--data", "tiny", "--out", "runs/several"),
        *("--epochs", "1", "--batch", "16", "--workers", "1"),
    ),
}
"""Options appended to a command, by program or module of `python -m`, with its first option or without."""

PARSED_ONLY = {
    "studies.deploy": "the first ONNX file of a process takes 15 s; test_deploy.py does it",
    "benchmarks.hardware.deployed_files": "the shortest run takes 15 s; test_deployed_file.py does the same",
    "benchmarks.search.racing_savings": "the shortest run scores 1,024 images for each of 36 subnets",
    "benchmarks.search.surrogate_savings": "the shortest run makes 2,000 evaluations with NSGA-II first",
    "benchmarks.search.tight_limits": "the shortest run fits the stand-in, which takes 20 s",
    "benchmarks.supernet.ranking_quality": "the shortest run trains 12 subnets",
    "benchmarks.supernet.two_phase": "the shortest run trains 12 supernets; test_two_phase.py does it",
    "studies.worker": "it runs until its scheduler ends; test_dask_cluster.py runs it",
    "benchmarks.supernet.cpu_kernels": "no option shortens it; test_plain_network.py runs the kernels",
}
"""Modules whose options are only parsed, with the reason."""

PLACEHOLDERS = {
    "STUDY": "first",
    "OLD": "first",
    "NEW": "renamed",
    "NAME": "first",
    "--space NAME": "cifar32",
    "--hardware NAME": "u55-256-cim8",
    "--study NAME": "validated",
    "--warm-start OTHER": "studies.db:first",
    "--warm-start STUDY": "studies.db:first",
    "--data DIR": "data",
    "--plots DIR": "figures",
    "--tflite DIR": "probes",
    "--tflite FILE": "today.tflite",
    "--beside FILE": "today.tflite",
    "--files FILE": "today.tflite",
    "--from-vela-ini FILE": "vela.ini",
    "--system-config NAME": "Ethos_U55_High_End_Embedded",
    "--memory-mode NAME": "Shared_Sram",
    "FILE": "runs/cifar32/checkpoint.safetensors",
    "F": "runs/cifar32/checkpoint.safetensors",
    "--workers N": "2",
    "--macros N": "4",
    "--units M": "2",
    "--subnet GENOTYPE": "min",
    "RUN...": "runs/measured",
}
"""Values of words in capitals, alone or after their option."""

SEARCHED_CHIPS = "--search-hardware macros=0,1,2,4,8 units=1,2,4"
"""Choices of a page whose 13 chips take a table of costs each."""

REPLACED = {
    "--nproc-per-node 8": "--nproc-per-node 1",
    "--val-images 256": "--val-images 8",
    "--calibration-images 256": "--calibration-images 64",
    "--min-acc 68%": "--min-acc 1%",
    "--min-acc 60%": "--min-acc 0%",
    "--confirm 2000": "--confirm 20",
    "--confirm 3000": "--confirm 20",
    "--workers 4": "--workers 2",
    SEARCHED_CHIPS: "--search-hardware macros=0,8 units=1,2",
    "check .": "check search_space",
    "--check .": "--check search_space",
}
"""Values of a page, with the word before each, and the values that tests use instead."""

OWN_DATABASE = ("--db", "run.db")
"""Appended to `studies.run` where commands run alone, so that none resumes a study of another page."""

IN_ORDER = ("docs/tutorial.md", "docs/tutorial-photographs.md")
"""Pages whose commands build on each other; `test_tutorial.py` runs them in order, in one folder."""

OF_ANOTHER_FOLDER = {
    "docs/how-to/define-a-search-space.md": {"data": "pets"},
}
"""Pages whose DIR stands for another folder, because their commands use other images."""

LEFT_OUT = {
    "pip install uv": "needs the network",
    "uv run": "says how commands begin",
    "uv run python -m tests.docs.option_tables": "writes to the pages; test_reference.py compares them",
    "python -m tests.without_posix": "runs the suite; test_without_posix.py tests what it takes away",
    "uv run python -m tests.without_posix": "runs the suite; test_without_posix.py tests what it takes away",
    "uv run python -m tests.mutation --sample 600 --seed 1": "hours; test_mutation_run.py runs a tiny one",
    "uv run python -m tests.mutation --listed": "takes minutes; .ci/run does it",
    "pip install .": "needs the network",
    "uv pip install --torch-backend cpu .": "needs the network",
    "pip install ai-edge-litert": "needs the network",
    "pip install onnx onnxruntime onnxscript": "needs the network",
    "python -m studies.run --dask tls://10.0.0.1:8786 --dask-tls ca.pem cert.pem key.pem": (
        "needs certificates; test_dask_cluster.py makes some"
    ),
}
"""Commands, or parts joined by `&&`, that tests do not run, with the reason."""

SLOW = (
    "benchmarks.",
    "torchrun",
    "mypy",
    "supernet.finetune",
    "supernet.bring",
    "supernet.teacher",
    "supernet.train",
    "studies.report",
    "studies.validate",
    "--dask",
    "--workers",
)
"""Parts of commands that take more than some seconds."""
