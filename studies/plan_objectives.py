"""The objectives of a plan, made ready to measure."""

from __future__ import annotations

from dataclasses import dataclass

from objectives.objective import Objective
from objectives.registry import ObjectiveContext, create_objectives
from objectives.workers.spread import Spread, spread
from search_space.byte_count import parse_bytes
from studies.plan import Plan


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
        from supernet.precision import emulation_warning, resolve_device

        assert plan.checkpoint is not None
        options = plan.options
        device = resolve_device(options.device)
        if warning := emulation_warning(options.precision, device):
            print(warning, flush=True)
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
