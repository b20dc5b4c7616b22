"""Objects of a plan: objectives that are ready to measure, their known values, and the sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from objectives.hardware import MAPPINGS
from objectives.objective import Declaration, Objective
from objectives.own_objective import OwnChipObjective, OwnObjective
from objectives.registry import ObjectiveContext, create_objectives, declarations
from objectives.tabled.tabled_objective import TabledObjective
from objectives.workers.cluster_state import ClusterState
from objectives.workers.shared_objective import Cluster, SharedObjective, shared
from search_space.command.byte_count import parse_bytes
from search_space.genotype import Genotype
from search_space.table_space import is_table_space
from studies.design_space.design_space import DesignSpace
from studies.design_space.exact_costs import ExactQuantities
from studies.design_space.table_costs import TableQuantities
from studies.launch.plan import Plan
from studies.samplers.own_sampler import OwnSampler
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import Sampler, SamplerContext
from studies.storage.known_values import measured_values
from studies.storage.named_study import located
from studies.storage.store import Store, open_store
from studies.study.quantity_units import BLOCK_COUNTS
from studies.study.settings import PREDICTING
from studies.study.software import PROCESSOR, is_version, versions_in
from studies.study.study import Study

Notify = Callable[[str], None]
"""Receives one line for the user."""


@dataclass(frozen=True)
class Objectives:
    """The objectives of a plan, ready to measure.

    Attributes:
        goals: Objectives that the study optimises, in order.
        limited: Objectives that only a constraint needs.
    """

    goals: tuple[Objective, ...]
    limited: tuple[Objective, ...]

    def cluster_state(self) -> ClusterState | None:
        """State of the Dask cluster that measures one of them; None without a cluster."""
        for objective in (*self.goals, *self.limited):
            if isinstance(objective, SharedObjective | OwnObjective):
                state = objective.cluster_state()
                if state is not None:
                    return state
        return None

    def close(self) -> None:
        """Ends the processes that measure them, if there are any."""
        for objective in (*self.goals, *self.limited):
            if isinstance(objective, SharedObjective | OwnObjective):
                objective.close()


def make_objectives(plan: Plan, notify: Notify) -> Objectives:
    """The objectives of `plan`. Accuracy takes seconds to load.

    Args:
        plan: Checked settings.
        notify: Receives the images in use, and warnings about slow measurements.

    Raises:
        H4HError: The checkpoint is damaged or belongs to another space, there are too few images, or workers
            cannot be reached.
    """
    names = [*plan.names, *plan.limited]
    chips = plan.chips
    context = ObjectiveContext(
        chips.greatest.soc,
        lambda: _accuracy(plan, notify),
        mapping=chips.given.mapping or MAPPINGS[0],
        npu_model=plan.settings.npu_model,
        spill=plan.settings.spill,
        chips=chips.soc,
        greatest=chips.choices.greatest,
    )
    built_in = [name for name in names if name not in plan.own and name not in plan.tabled]
    by_name: dict[str, Objective] = {}
    if plan.table is not None:
        by_name |= {name: TabledObjective(plan.table, name) for name in names if name in plan.tabled}
    if built_in:
        by_name |= zip(built_in, create_objectives(built_in, context), strict=True)
    for name in names:
        if name in plan.own:
            own = plan.own[name]
            if isinstance(own, OwnChipObjective):
                own.make_on(context.on_hardware)
            elif own.is_expensive:
                own.measure_with(workers=plan.settings.workers or 1, cluster=_cluster(plan, notify))
            by_name[name] = own
    return Objectives(
        tuple(by_name[name] for name in plan.names), tuple(by_name[name] for name in plan.limited)
    )


def _accuracy(plan: Plan, notify: Notify) -> Objective:
    """The accuracy of subnets with the weights and images that `plan` names."""
    assert plan.checkpoint is not None
    notify(f"loading the supernet {plan.checkpoint.name} ...")
    # torch takes seconds to import, so bad input is refused first, and `macs` never loads it.
    import torch

    from objectives.accuracy_objective import Accuracy, most_processes
    from objectives.workers.probe import probe_subnet
    from supernet.images.evaluation_pack import built_in_pack, load_pack
    from supernet.network.number_formats import emulation_warning, resolve_device

    settings = plan.settings
    device = resolve_device(settings.device)
    if warning := emulation_warning(settings.precision, device):
        notify(warning)
    counts = {"val_images": settings.val_images, "calibration_images": settings.calibration_images}
    if settings.data is None:
        pack = load_pack(built_in_pack())
    else:
        from supernet.images.data_sets import evaluation_images

        pack = evaluation_images(
            Path(settings.data), settings.dataset, space=plan.networks, checkpoint=plan.checkpoint, **counts
        )
        notify(
            f"{pack.record['data_set']}: {len(pack.search)} images score a subnet, "
            f"{len(pack.calibration)} calibrate it (of {pack.record['split_counts']}; split seed "
            f"{pack.record['split_seed']})"
        )
    workers, memory = settings.workers, parse_bytes(settings.memory, option="--memory")
    if workers is None:
        # torch's own number of threads: the cores that this process may use, or OMP_NUM_THREADS.
        workers = torch.get_num_threads()
        if device.type != "cpu" or settings.dask is not None or settings.racing:
            workers = 1
        elif workers > 1:
            workers = min(workers, most_processes(plan.networks, settings.precision, memory))
    accuracy = Accuracy(
        checkpoint=plan.checkpoint,
        space=plan.networks,
        pack=pack,
        device=device,
        precision=settings.precision,
        memory=memory / workers,
        **counts,
    )
    if accuracy.notice:
        notify(accuracy.notice)
    cluster = _cluster(plan, notify)
    probe = [] if cluster is None else [probe_subnet(plan.networks)]
    return shared(accuracy, workers=workers, cluster=cluster, probe=probe, memory=accuracy.most_memory)


def _cluster(plan: Plan, notify: Notify) -> Cluster | None:
    """The Dask cluster that measures; None without one."""
    address = plan.settings.dask
    return None if address is None else Cluster(address, plan.settings.dask_tls, notify)


def make_sampler(plan: Plan, study: Study) -> Sampler:
    """The sampler of `plan`, at its start."""
    context = SamplerContext(
        space=plan.space,
        study=study,
        population=plan.search.population,
        seed=plan.search.seed,
        first=plan.search.first,
        preferences=tuple(preference.point(study) for preference in plan.search.preferences),
        exact=exact_quantities(plan) if plan.search.sampler == PREDICTING else None,
        network_only=network_only(plan),
    )
    if plan.search.own_sampler is not None:
        return OwnSampler(plan.search.own_sampler, context)
    return create_sampler(plan.search.sampler, context)


def exact_quantities(plan: Plan) -> ExactQuantities | TableQuantities:
    """Quantities of networks that `plan` needs and that tables give without a measurement.

    Raises:
        SpaceTablesError: The cost tables cannot be stored.
    """
    needed = {*plan.names, *(constraint.quantity for constraint in plan.constraints)} - set(plan.own)
    if plan.table is not None and is_table_space(plan.networks):
        return TableQuantities(plan.table, needed)
    costs = {chip: plan.chips.costs(chip) for chip in plan.chips.choices.chips}
    computed = ExactQuantities(plan.space, costs, needed - set(plan.tabled))
    return computed if plan.table is None else TableQuantities(plan.table, needed, computed)


def network_only(plan: Plan) -> frozenset[str]:
    """Names of quantities whose value holds for a network on every chip."""
    declared: dict[str, Declaration | OwnObjective] = {**declarations(), **plan.own, **plan.tabled}
    names = {name for name, objective in declared.items() if "chip" not in objective.depends_on}
    families = {limit.quantity for limit in plan.constraints if limit.family is not None}
    return frozenset({*BLOCK_COUNTS, *families, *names})


def known_values(plan: Plan, store: Store, objectives: Objectives) -> dict[str, dict[Genotype, float]]:
    """Stored values of expensive objectives, by name and network.

    They come from all studies of the database, and of the databases of a warm start. Only values count that
    were measured in the same way, with the same weights and images. Values that depend on the chip are left
    out, since another study may have measured them on another chip.
    """
    values = _stored_values(store, plan.space, objectives)
    others = dict.fromkeys(located(source, plan.database)[0] for source in plan.settings.warm_start)
    for path in others:
        if path.resolve() == plan.database.resolve() or not path.exists():
            continue
        with open_store(path) as other:
            more = _stored_values(other, plan.space, objectives)
        values = {name: more[name] | known for name, known in values.items()}
    return values


def _stored_values(
    store: Store, space: DesignSpace, objectives: Objectives
) -> dict[str, dict[Genotype, float]]:
    reusable = [
        objective
        for objective in (*objectives.goals, *objectives.limited)
        if objective.is_expensive and "chip" not in objective.depends_on
    ]
    return {each.name: _values_of(each, store, space) for each in reusable}


def _values_of(objective: Objective, store: Store, space: DesignSpace) -> dict[Genotype, float]:
    parts = objective.fingerprint()
    deciding = {key: value for key, value in parts.items() if not is_version(key)}
    software = versions_in(parts) | processor_of([objective])
    return measured_values(store, objective.name, space.networks.digest, deciding, software)


def processor_of(objectives: Sequence[Objective]) -> dict[str, str]:
    """The kind of processor, by its key in a study's software, if values of an objective depend on it."""
    kinds = sorted({kind for each in objectives if (kind := getattr(each, PROCESSOR, None)) is not None})
    return {PROCESSOR: ", ".join(kinds)} if kinds else {}
