"""The objectives of a plan, made ready to measure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from objectives.hardware import CostModel
from objectives.hardware.chip import Chip
from objectives.objective import Objective
from objectives.registry import ObjectiveContext, create_objectives
from objectives.workers.shared_objective import Spread, spread
from search_space.command.byte_count import parse_bytes
from search_space.genotype import Genotype, to_text
from search_space.space import Space
from studies.design_space.exact_costs import ExactQuantities
from studies.design_space.joint_space import corners, networks_of
from studies.launch.plan import Plan
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import Sampler, SamplerContext
from studies.search.evaluator import measure
from studies.search.racing import FINGERPRINT as RACING
from studies.storage.store import Store
from studies.study.fingerprint import fingerprint
from studies.study.pareto_front import bounds
from studies.study.settings import CARRIED, DEFAULTS, PREDICTING
from studies.study.study import Goal, Study


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
        from supernet.images.evaluation_pack import built_in_pack, load_pack
        from supernet.network.number_formats import resolve_device

        assert plan.checkpoint is not None
        options = plan.options
        device = resolve_device(options.device)
        counts = {"val_images": options.val_images, "calibration_images": options.calibration_images}
        if options.data is None:
            pack = load_pack(built_in_pack())
        else:
            from supernet.images.data_sets import evaluation_images

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


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
