"""Searches a space for the networks that trade the objectives best against each other.

    python -m studies.run --objectives acc,lat,energy

A study lives in one SQLite file. The same command again goes on where it stopped, after Ctrl-C, a crash
or a power cut; with larger limits it goes on from where it had ended.
"""

from __future__ import annotations

import signal
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from objectives.area import Area
from objectives.hardware import MAPPINGS, CostModel, load_soc
from objectives.hardware.chip import Chip
from objectives.hardware.npu_model import NPU_MODELS
from objectives.objective import Objective
from objectives.registry import ObjectiveContext, check_objectives, create_objectives, known_objectives
from objectives.workers.spread import Spread, spread
from search_space.byte_count import parse_bytes
from search_space.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.genotype import Genotype, to_text
from search_space.space import Space, is_built_in, load_space
from search_space.wide_table import print_wide
from studies.chips import DECIDED, Chips, check_chips
from studies.command_text import CHIP_OPTIONS, command_text, profile_command
from studies.constraint import Constraint, parse_constraint
from studies.database_option import add_database
from studies.display import Display, create_display
from studies.evaluation import Evaluation, Evaluator, measure
from studies.exact_quantities import ExactQuantities
from studies.fingerprint import check_same, fingerprint
from studies.front import bounds
from studies.generation_report import GenerationReport, summary
from studies.hardware_options import parse_hardware
from studies.joint_space import JointSpace, chip_of, corners, network_genes, networks_of
from studies.progress_log import ProgressLog, check_log
from studies.racing import FINGERPRINT as RACING
from studies.racing import Race, check_racing
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import Sampler, SamplerContext
from studies.search import EXHAUSTED, Progress, search
from studies.search_options import (
    CARRIED,
    PREDICTING,
    SEARCH_DEFAULTS,
    STOP_DEFAULTS,
    SearchPlan,
    add_search_options,
    add_stop_options,
    check_search,
)
from studies.store import Store, check_writable, create_store, open_store
from studies.study import Goal, Study
from studies.study_lock import study_lock
from studies.table import front_table
from supernet.checkpoint_header import check_space, check_trained_on_pack, stored_space
from supernet.checkpoints import built_in_checkpoint
from supernet.layouts import add_data, recognised
from supernet.memory_budget import DEFAULT_MEMORY

DEFAULTS: dict[str, Any] = {
    "objectives": "acc,lat,energy",
    "space": None,
    "hardware": "u55-256-cim8",
    "macros": None,
    "units": None,
    "search_hardware": None,
    "npu_model": "analytic",
    "mapping": "latency",
    **SEARCH_DEFAULTS,
    **STOP_DEFAULTS,
    "checkpoint": None,
    "data": None,
    "dataset": None,
    "val_images": None,
    "calibration_images": None,
    "device": "cpu",
    "precision": "fp32",
    "memory": DEFAULT_MEMORY,
    "racing": False,
    "workers": None,
    "dask": None,
}
DEFAULT_SPACE = "cifar32"
SHOWN_ROWS = 20
MOST_OBJECTIVES = 6


class ArgumentError(H4HError):
    """An option with a value that is not allowed."""


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.run",
        description="Searches a space for Pareto-optimal networks. The same command again goes on.",
        epilog="example: python -m studies.run --objectives acc,lat,energy --constraint 'lat<=2ms'",
    )
    add = result.add_argument_group("what is searched").add_argument
    add(
        "--objectives", metavar="A,B,...", help=f"any of {','.join(known_objectives())}, in the order to show"
    )
    add(
        "--space",
        help=f"name or YAML file of the search space (default: that of --checkpoint, else {DEFAULT_SPACE})",
    )
    add("--hardware", help="name or YAML file of the SoC that lat, energy and area are of")
    add("--npu-model", help=f"what gives NPU cycles: {' or '.join(NPU_MODELS)}")
    add("--macros", type=int, metavar="N", help="as many CIM macros instead of the SoC's own")
    add("--units", type=int, metavar="M", help="as many compute units in each macro")
    add(
        "--search-hardware",
        metavar="CHOICES",
        help="search the chip together with the network: 'macros=0,1,2,4,8 units=1,2,4', or one of the two",
    )
    add(
        "--constraint",
        action="append",
        default=[],
        metavar="LIMIT",
        help="a limit with its unit, such as 'lat<=2ms', 'params<=1M', 'vit_blocks>=1'; may be repeated",
    )
    add("--mapping", choices=MAPPINGS, help="what the mapping of a subnet minimises, or its only device")
    add_search_options(result.add_argument_group("how it is searched"))
    add_stop_options(result.add_argument_group("when it stops (the first rule that holds)"))
    add = result.add_argument_group("how accuracy is measured").add_argument
    add("--checkpoint", type=Path, metavar="FILE", help="trained supernet (default: the one shipped)")
    add_data(add)
    add(
        "--val-images",
        type=int,
        metavar="N",
        help="images, held out of the training images, that score a subnet (default: 2000, or all there are)",
    )
    add(
        "--calibration-images",
        type=int,
        metavar="N",
        help="training images for its batch-norm statistics (default: 512, or all there are)",
    )
    add("--device", help="auto, cpu or cuda")
    add(
        "--precision",
        choices=("fp32", "bf16", "int8"),
        help="number format of weights and activations; int8 is what the hardware computes in",
    )
    add("--memory", metavar="SIZE", help="most that measuring acc may take; changes no value")
    add(
        "--racing",
        action="store_true",
        help="score images in slices, and stop a subnet early that has no hope to reach the front",
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes that measure, with a core each (default: one per core); changes no value",
    )
    add("--dask", metavar="ADDRESS", help="measure on the Dask cluster with this scheduler; changes no value")
    add = result.add_argument_group("where it is kept").add_argument
    add_database(add)
    add("--study", metavar="NAME", help="name of the study (default: SPACE-OBJECTIVES-sSEED)")
    add("--log-json", type=Path, metavar="FILE", help="append progress to this file, a JSON object per line")
    result.set_defaults(**DEFAULTS)
    for action in result._actions:
        if DEFAULTS.get(action.dest) not in (None, [], False):
            action.help = f"{action.help} (default: %(default)s)"
    return result


@dataclass(frozen=True)
class Plan:
    """A checked command line: everything that can be known without torch.

    Attributes:
        options: The options as given.
        names: Names of the objectives, in order.
        space: What is searched; a `JointSpace` where chips are, too.
        space_name: What --space calls it; None for a space that only the checkpoint holds.
        chips: The SoC, or those that networks may choose from.
        constraints: The limits.
        checkpoint: File of the supernet; None if no accuracy is wanted.
        search: How is searched.
        study: Name of the study.
        stored: The study as stored already, if it is, with its number of evaluations.
    """

    options: Namespace
    names: tuple[str, ...]
    space: Space
    space_name: str | None
    chips: Chips
    constraints: tuple[Constraint, ...]
    checkpoint: Path | None
    search: SearchPlan
    study: str
    stored: tuple[Study, int] | None

    @property
    def limited(self) -> tuple[str, ...]:
        """Objectives that only a constraint needs."""
        quantities = dict.fromkeys(constraint.quantity for constraint in self.constraints)
        return tuple(name for name in quantities if name in known_objectives() and name not in self.names)

    @property
    def networks(self) -> Space:
        """The networks of `space`, whatever chip they run on."""
        return networks_of(self.space)


def check(options: Namespace) -> Plan:
    """Checks a command line as far as possible without torch; writes nothing.

    Raises:
        H4HError: Something in it is wrong.
    """
    for name, least in (
        ("val_images", 1),
        ("calibration_images", 1),
        ("workers", 1),
    ):
        value = getattr(options, name)
        if value is not None and value < least:
            raise ArgumentError(f"--{name.replace('_', '-')} must be at least {least}, but got {value}")
    parse_bytes(options.memory, option="--memory")
    if options.dask is not None and options.workers is not None:
        raise ArgumentError("--workers are processes of this machine: leave it away with --dask")
    names = objective_names(options.objectives)
    constraints = tuple(map(parse_constraint, options.constraint))
    if options.racing:
        check_racing(names, constraints)
        if options.search_hardware is not None:
            raise ArgumentError(
                "--racing scores each network against one front, but with --search-hardware what it is worth "
                "depends on its chip: leave out one of them"
            )
        if options.dask is not None or (options.workers or 1) > 1:
            raise ArgumentError("--racing scores in this process: leave out --dask, and --workers above 1")
    if options.checkpoint is not None and not options.checkpoint.is_file():
        raise ArgumentError(f"--checkpoint {options.checkpoint} does not exist")
    space, space_name = _space(options.space, options.checkpoint)
    quantities = {*names, *(constraint.quantity for constraint in constraints)}
    chips = _chips(options, quantities)
    if chips.options is not None:
        space = JointSpace.of(space, chips.options)
    study = options.study if options.study is not None else f"{space.name}-{'-'.join(names)}-s{options.seed}"
    if not study.strip() or not study.isprintable():
        raise ArgumentError(f"--study must be a printable name that is not empty, but got {study!r}")

    needs_accuracy = "acc" in quantities
    checkpoint = (options.checkpoint or built_in_checkpoint(space.name)) if needs_accuracy else None
    if options.data is not None:
        recognised(options.data, options.dataset)
    elif options.dataset is not None:
        raise ArgumentError(f"--dataset {options.dataset} needs --data, the folder that it lies in")
    elif checkpoint is not None:
        check_trained_on_pack(checkpoint)
    stored = None
    check_writable(options.db)
    if options.log_json is not None:
        check_log(options.log_json)
    if options.db.exists():
        with open_store(options.db) as store:
            found = store.find(study)
            stored = None if found is None else (found, store.count(study))
    search_plan = check_search(
        options, objectives=names, space=space, stored=None if stored is None else stored[0]
    )
    return Plan(options, names, space, space_name, chips, constraints, checkpoint, search_plan, study, stored)


def objective_names(text: str) -> tuple[str, ...]:
    """Names of the objectives in `text`, in order.

    Raises:
        H4HError: None, an unknown one, one twice, or too many.
    """
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise ArgumentError(
            f"--objectives must be names joined by commas, any of {', '.join(known_objectives())}, "
            f"but got {text!r}"
        )
    check_objectives(names)
    if len(names) > MOST_OBJECTIVES:
        raise ArgumentError(
            f"--objectives must be at most {MOST_OBJECTIVES}, as the hypervolume of more takes too long, but "
            f"got {len(names)}: make some of them constraints"
        )
    return names


def _space(given: str | None, checkpoint: Path | None) -> tuple[Space, str | None]:
    """The space to search and what --space calls it, if it has a name there.

    Raises:
        H4HError: There is no such space, or the checkpoint is damaged or of another one.
    """
    stored = None if checkpoint is None else stored_space(checkpoint)
    if given is not None or stored is None:
        name = given or DEFAULT_SPACE
        space = load_space(name)
        if checkpoint is not None and stored is not None:
            check_space(checkpoint, stored, space)
        return space, name
    return stored, stored.name if is_built_in(stored) else None


def _chips(options: Namespace, quantities: Collection[str]) -> Chips:
    """The chips that the command line asks for.

    Args:
        options: As parsed.
        quantities: What is optimised or limited.

    Raises:
        H4HError: There can be no such chip, or none of `quantities` depends on which one is taken.
    """
    text = options.search_hardware
    searched = None if text is None else parse_hardware(text)
    chips = Chips(load_soc(options.hardware), Chip(options.macros, options.units), searched)
    check_chips(chips, mapping=options.mapping, npu_model=options.npu_model)
    if searched is not None and not set(quantities) & set(DECIDED):
        raise ArgumentError(
            f"--search-hardware needs an objective or a constraint that depends on the chip, any of "
            f"{', '.join(DECIDED)}, but got --objectives {options.objectives}"
        )
    if "area" in quantities:
        Area(chips.greatest)  # refuses a file without areas
    return chips


@dataclass(frozen=True)
class Objectives:
    """The objectives of a plan, ready to measure.

    Attributes:
        goals: What the study optimises, in order.
        limited: What only a constraint needs.
    """

    goals: tuple[Objective, ...]
    limited: tuple[Objective, ...]

    def close(self) -> None:
        """Ends the processes that measure them, if there are any."""
        for objective in (*self.goals, *self.limited):
            if isinstance(objective, Spread):
                objective.close()


def make_objectives(plan: Plan) -> Objectives:
    """Makes what `plan` measures; takes seconds where accuracy is among it.

    Raises:
        H4HError: The checkpoint is damaged or of another space; or the images are, or are too few.
    """

    def accuracy() -> Objective:
        # torch takes seconds to import; only here, so that bad input fails fast and `macs` needs none.
        import torch

        from objectives.accuracy import Accuracy, most_processes
        from supernet.evaluation_pack import built_in_pack, load_pack
        from supernet.precision import resolve_device

        assert plan.checkpoint is not None
        options = plan.options
        device = resolve_device(options.device)
        counts = {"val_images": options.val_images, "calibration_images": options.calibration_images}
        if options.data is None:
            pack = load_pack(built_in_pack())
        else:
            from supernet.datasets import evaluation_images

            pack = evaluation_images(
                options.data, options.dataset, space=plan.networks, checkpoint=plan.checkpoint, **counts
            )
            print(
                f"{pack.record['data_set']}: {len(pack.search)} images score a subnet, "
                f"{len(pack.calibration)} calibrate it (of {pack.record['split_counts']}; split seed "
                f"{pack.record['split_seed']})",
                flush=True,
            )
        workers, memory = options.workers, parse_bytes(options.memory, option="--memory")
        if workers is None:
            # torch's own number of threads: the cores that this process may use, or OMP_NUM_THREADS.
            workers = torch.get_num_threads()
            if device.type != "cpu" or options.dask is not None or options.racing:
                workers = 1
            elif workers > 1:
                workers = min(workers, most_processes(plan.networks, options.precision, memory))
        made = Accuracy(
            checkpoint=plan.checkpoint,
            space=plan.networks,
            pack=pack,
            device=device,
            precision=options.precision,
            memory=memory / workers,
            **counts,
        )
        if made.notice:
            print(made.notice, flush=True)
        return spread(made, workers=workers, dask=options.dask)

    chips = plan.chips
    context = ObjectiveContext(
        chips.greatest,
        accuracy,
        mapping=plan.options.mapping,
        npu_model=plan.options.npu_model,
        chips=None if chips.options is None else chips.soc,
        greatest=chips.greatest_chip,
    )
    made = create_objectives([*plan.names, *plan.limited], context)
    return Objectives(made[: len(plan.names)], made[len(plan.names) :])


def make_fingerprint(plan: Plan, objectives: Objectives) -> dict[str, str]:
    """What decides the result of `plan`."""
    return fingerprint(
        space=plan.space,
        objectives=objectives.goals,
        constraints=plan.constraints,
        limited=objectives.limited,
        sampler=plan.search.sampler,
        population=plan.search.population,
        seed=plan.search.seed,
        search=plan.search.fingerprint(),
        racing=RACING if plan.options.racing else None,
    )


def make_study(plan: Plan, objectives: Objectives) -> Study:
    """The study that `plan` describes, not yet stored.

    Raises:
        EvaluationError: An objective gives no finite value for the smallest or the largest subnet on one of
            the chips.
    """
    goals = objectives.goals
    extremes = corners(plan.space)
    columns = [
        # A percentage has bounds of its own, which spares two evaluations of the accuracy.
        [np.nan] * len(extremes) if goal.unit == "%" else measure(goal, plan.space, extremes)
        for goal in goals
    ]
    directions = [goal.direction for goal in goals]
    ideal, reference = bounds(np.array(columns).T, directions, [goal.unit for goal in goals])
    return Study(
        name=plan.study,
        space=plan.space.name,
        space_definition=plan.space.to_dict(),
        goals=tuple(Goal(goal.name, goal.unit, goal.direction) for goal in goals),
        constraints=tuple(map(str, plan.constraints)),
        settings={
            **{name: _plain(getattr(plan.options, name)) for name in DEFAULTS},
            CARRIED: list(map(to_text, plan.search.carried)),
        },
        fingerprint=make_fingerprint(plan, objectives),
        ideal=tuple(map(float, ideal)),
        reference=tuple(map(float, reference)),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def run(plan: Plan, objectives: Objectives, console: Console) -> None:
    """Runs the study of `plan` and prints its progress and its front.

    Raises:
        H4HError: The study was made with other settings, or cannot go on.
    """
    race = Race(plan.networks, objectives.goals) if plan.options.racing else None
    if plan.stored is None:
        study = make_study(plan, objectives)
    else:
        study = plan.stored[0]
        check_same(study.name, study.fingerprint, make_fingerprint(plan, objectives))
        print(f"going on from {plan.stored[1]} evaluations", flush=True)
    sampler = make_sampler(plan, study)
    population, rules = plan.search.population, plan.search.rules
    with create_store(plan.options.db) as store:
        known = known_values(store, plan.space, objectives)
        evaluator = Evaluator(
            plan.space, objectives.goals, plan.constraints, limited=objectives.limited, known=known, race=race
        )
        if plan.stored is None:
            store.add(study)
        last: Progress | None = None
        with ExitStack() as shown:
            displays: list[Display] = [create_display(console, rules=rules, population=population)]
            if plan.options.log_json is not None:
                displays.append(ProgressLog(plan.options.log_json, study.name))
            for display in displays:
                shown.enter_context(display)
            for last in search(
                study=study,
                sampler=sampler,
                evaluator=evaluator,
                store=store,
                population=population,
                rules=rules,
            ):
                for display in displays:
                    display.show(last)
        evaluations = store.evaluations(study.name)
        reports = store.reports(study.name)
    assert last is not None, "a search shows its end"
    if race is not None:
        stopped = sum(one.is_bound for one in evaluations)
        print(
            f"racing stopped {stopped} of {len(evaluations)} subnets early: {race.share(evaluations):.0%} of "
            f"the images scored them"
        )
    print_result(plan, study, evaluations, last, reports)


def make_sampler(plan: Plan, study: Study) -> Sampler:
    """The sampler of `plan`, at its start."""
    return create_sampler(
        plan.search.sampler,
        SamplerContext(
            space=plan.space,
            study=study,
            population=plan.search.population,
            seed=plan.search.seed,
            first=plan.search.first,
            preferences=tuple(one.point(study) for one in plan.search.preferences),
            exact=exact_quantities(plan) if plan.search.sampler == PREDICTING else None,
        ),
    )


def exact_quantities(plan: Plan) -> ExactQuantities:
    """What `plan` wants of networks, as far as that is known without measuring them.

    Raises:
        SpaceTablesError: The tables of costs cannot be kept.
    """
    options, chips = plan.options, plan.chips
    searched = (Chip(),) if chips.options is None else chips.options.chips
    costs = {
        chip: CostModel(chips.soc(chip), options.mapping, npu_model=options.npu_model) for chip in searched
    }
    wanted = {*plan.names, *(constraint.quantity for constraint in plan.constraints)}
    return ExactQuantities(plan.space, costs, wanted)


def known_values(store: Store, space: Space, objectives: Objectives) -> dict[str, dict[Genotype, float]]:
    """Values of the expensive objectives that studies of the database hold already, by name and network."""
    expensive = [one for one in (*objectives.goals, *objectives.limited) if one.is_expensive]
    digest = networks_of(space).digest
    return {one.name: store.measured(one.name, digest, one.fingerprint()) for one in expensive}


def print_header(plan: Plan) -> None:
    """What is about to run, in one or two lines, before anything slow."""
    options = plan.options
    searched = plan.chips.options
    over = "" if searched is None else f" on {len(searched.chips)} chips ({searched})"
    print(
        f"study {plan.study!r} in {options.db}: {', '.join(plan.names)} over space {plan.space.name}{over}, "
        f"{options.sampler}, {options.population} subnets per generation, until {plan.search.rules}",
        flush=True,
    )
    if plan.search.warm is not None:
        warm = plan.search.warm
        print(f"warm start: {len(warm.subnets)} subnets of study {warm.study!r}", flush=True)
    if plan.checkpoint is not None:
        print(f"loading the supernet {plan.checkpoint.name} ...", flush=True)


def print_result(
    plan: Plan,
    study: Study,
    evaluations: Sequence[Evaluation],
    last: Progress,
    reports: Sequence[GenerationReport] = (),
) -> None:
    """What ended the search, the front as a table, and what to type next."""
    front = study.front(evaluations)
    infeasible = sum(not evaluation.is_feasible for evaluation in evaluations)
    print(end_line(plan, last))
    if last.cache_hits:
        print(
            f"cache hits: the accuracy of {last.cache_hits} of {len(evaluations)} subnets was in the database"
        )
    for line in summary(reports):
        print(line)
    print()
    if front:
        print(
            f"Pareto front: {len(front)} of {len(evaluations)} subnets, "
            f"hypervolume {study.hypervolume(front):.4f}"
        )
        print_wide(front_table(study, front[:SHOWN_ROWS], study.contributions(front)[:SHOWN_ROWS]))
    if infeasible:
        print(f"{infeasible} of {len(evaluations)} subnets break {' or '.join(study.constraints)}")
    if not front:
        print("no subnet holds all constraints: relax one of them, or go on with more generations")
    if len(front) > SHOWN_ROWS:
        print(f"... {len(front) - SHOWN_ROWS} more: {show_command(plan)}")
    print()
    print("next:")
    if last.stopped_by != EXHAUSTED:
        print(f"  search on       {run_command_line(plan, raised=last.stopped_by)}")
    if plan.search.sampler == SEARCH_DEFAULTS["sampler"] and "acc" in plan.names:
        print(f"  in fewer steps  {run_command_line(predicting(plan))}")
    print(f"  see it again    {show_command(plan)}", flush=True)
    if front and plan.space_name is not None:
        network = network_genes(plan.space, front[0].genotype)
        command = profile_command(plan.space_name, network, chip_options(plan, front[0]))
        print(f"  look at id {front[0].index:<4} {command}", flush=True)


def predicting(plan: Plan) -> Plan:
    """`plan` as another study, with a surrogate for what is slow to measure."""
    options = Namespace(**vars(plan.options) | {"sampler": PREDICTING})
    return replace(plan, options=options, study=f"{plan.study}-{PREDICTING}")


def end_line(plan: Plan, last: Progress) -> str:
    """Which rule stopped the search, as a user gave it."""
    if last.stopped_by == EXHAUSTED:
        what = "networks" if plan.chips.options is None else "pairs of network and chip"
        return (
            f"stopped: all {plan.space.cardinality} {what} of space {plan.space.name!r} are evaluated, "
            f"nothing is left to search"
        )
    assert last.stopped_by is not None, "a search says what stopped it"
    limit = plan.search.rules.given()[last.stopped_by]
    return f"stopped by --{last.stopped_by} {limit:g}"


def print_interrupted(plan: Plan) -> None:
    """What is kept after Ctrl-C, and how to go on."""
    kept = 0
    if plan.options.db.exists():
        with open_store(plan.options.db) as store:
            kept = store.count(plan.study)
    print(f"\nstopped: {kept} evaluations are kept in {plan.options.db}; to go on:")
    print(f"  {run_command_line(plan)}", flush=True)


def run_command_line(plan: Plan, *, raised: str | None = None) -> str:
    """The command that runs the study of `plan`; options at their default are left out.

    Args:
        plan: A checked command line.
        raised: The stop rule to be twice as large, so that the study goes on.
    """
    limits = plan.search.rules.given()
    if raised in limits and raised != "minutes":  # Minutes count anew in each run.
        limits[raised] *= 2
    return study_command(plan.options, plan.study, limits)


def study_command(options: Namespace, study: str, limits: Mapping[str, float]) -> str:
    """The command that runs the study called `study` up to `limits`, stop rules by name."""
    words = ["--objectives", options.objectives, "--study", study, "--db", str(options.db)]
    for name, default in DEFAULTS.items():
        value = getattr(options, name)
        if name != "objectives" and name not in STOP_DEFAULTS and value != default:
            for one in value if isinstance(value, list) else [value]:
                words += [f"--{name.replace('_', '-')}", *([] if one is True else [str(one)])]
    for name, limit in limits.items():
        words += [f"--{name}", f"{limit:.17g}"]
    for constraint in options.constraint:
        words += ["--constraint", constraint]
    if options.log_json is not None:
        words += ["--log-json", str(options.log_json)]
    return command_text("studies.run", words)


def show_command(plan: Plan) -> str:
    """The command that shows the study of `plan`."""
    return command_text("studies.show", ["--db", str(plan.options.db), "--study", plan.study])


def chip_options(plan: Plan, evaluation: Evaluation) -> dict[str, object]:
    """The chip of one subnet as options, by name."""
    chip = chip_of(plan.space, evaluation.genotype).over(plan.chips.given)
    own = {name: getattr(plan.options, name) for name in ("hardware", *CHIP_OPTIONS)}
    return own | {"macros": chip.macros, "units": chip.units}


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the study that the command line asks for.

    Raises:
        H4HError: Something in the command line, or in a file it names, is wrong.
        KeyboardInterrupt: Ctrl-C; what is kept has been printed.
    """
    plan = check(parser().parse_args(arguments))
    try:
        print_header(plan)
        with study_lock(plan.options.db, plan.study), closing(make_objectives(plan)) as objectives:
            run(plan, objectives, Console(highlight=False))
    except KeyboardInterrupt:
        print_interrupted(plan)
        raise


if __name__ == "__main__":
    # A script's shell has what it starts in the background ignore SIGINT. Whoever sends that signal to a
    # study means it, and a study ends well by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command(main)
