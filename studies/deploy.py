"""Deploy a network of a study: int8 TensorFlow Lite, ONNX, Vela's file, mapping and model card, all checked.

    python -m studies.deploy STUDY --id N --out DIR

Files are made from the weights, images and chip of the study. Each runs before it is written: the .tflite
file in LiteRT against the int8 oracle, the .onnx file in onnxruntime against the float network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from search_space.command.command_line import Parser, check_least, run_command
from search_space.command.printed_command import local_command
from search_space.errors import H4HError
from search_space.files.writable_folder import folder_problem
from studies.analysis.validation_plan import plan_validation
from studies.storage.named_study import add_database, add_study, located
from supernet.images.folder_layouts import add_data


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.deploy",
        description="Write the files of one network of a study for its chip, after checking each of them.",
    )
    add = result.add_argument
    add_study(result, "study with the network")
    add_database(add)
    add("--id", type=int, required=True, metavar="N", help="id of the network, as studies.show prints it")
    add("--out", type=Path, required=True, metavar="DIR", help="folder to create")
    add_data(add, otherwise="the study's; only if given, the test split is scored")
    add(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="supernet of the study, if it was moved (default: where it was)",
    )
    add("--json", action="store_true", help="print JSON instead of text")
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes, checks and writes the files.

    Raises:
        H4HError: The study, its weights, images or chip are missing or changed, or a check fails.
    """
    options = parser().parse_args(arguments)
    check_least(options, id=0)
    if options.out.exists():
        raise H4HError(f"--out {options.out} exists: name another folder, or remove it")
    if problem := folder_problem(options.out):
        raise H4HError(f"--out {options.out}: {problem}; name another folder")
    database, name = located(options.study, options.db)
    plan = plan_validation(
        database,
        name,
        checkpoint=options.checkpoint,
        data=options.data,
        dataset=options.dataset,
        is_complete=True,
    )
    chosen = next((one for one, _ in plan.chosen if one.index == options.id), None)
    if chosen is None:
        command = local_command("studies.show", ["--db", str(database.absolute()), "--study", name])
        raise H4HError(
            f"study {name!r} has no network {options.id} with a measured accuracy: see the ids with "
            f"`{command}`"
        )
    # Importing torch takes seconds, and most errors can be reported without it.
    from studies.deployment.deploy_network import deployment, write
    from studies.deployment.model_card import check_lines, model_card

    say = partial(print, flush=True) if not options.json else _ignore
    found = deployment(plan, chosen, say, scores_test=options.data is not None)
    write(found, options.out, model_card(plan.study, found))
    files = sorted(path.name for path in options.out.iterdir())
    if options.json:
        record = {"study": name, "id": options.id, "out": str(options.out), "files": files}
        print(json.dumps(record | {"checks": list(check_lines(found))}, allow_nan=False))
        return
    for line in check_lines(found):
        print(line)
    print(f"{options.out}: {', '.join(files)}")


def _ignore(_line: str) -> None:
    pass


if __name__ == "__main__":
    run_command(main)
