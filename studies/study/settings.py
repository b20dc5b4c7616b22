"""Settings of a study: one typed, frozen dataclass for the command line, the store and Python.

**A new setting is one field of `StudySettings`.** Its `setting(...)` gives default, help, unit and check.
Five things follow from the field: the option of `studies.run` with its help, the check of a value, the entry
in the stored study, the words of commands under ``next:``, and the line in the docstring of the class.

The value is then used in `studies.launch.plan` or `studies.launch.plan_objects`. A setting that decides the
result of a study also belongs in its fingerprint: `SearchPlan.fingerprint`, or the fingerprint of an
objective.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from objectives.hardware import MAPPINGS
from objectives.hardware.npu_model import NPU_MODELS, known_npu_models
from objectives.registry import built_in_objectives, known_objectives
from search_space.command.byte_count import parse_bytes
from search_space.errors import H4HError
from studies.design_space.chip_choices import parse_hardware
from studies.study.constraint import limited_quantity
from studies.study.cost_scale import LINEAR, SCALES
from studies.study.setting_field import (
    SettingError,
    attribute_lines,
    normalise,
    option_of,
    plain,
    setting,
    setting_of,
)
from studies.study.study import Study
from studies.study.study_name import check_study_name
from studies.study.warm_start_sources import check_sources, stored_sources
from supernet.accuracy.memory_budget import DEFAULT_MEMORY
from supernet.images.folder_layouts import LAYOUTS

DEFAULT_SPACE = "cifar32"
AUTO = "auto"
"""The mapping that follows from the objectives, or the sampler that follows from them and the stop rules."""
DEFAULT_GENERATIONS = 12
PREFERRING = "rnsga2"
"""The sampler that searches near preferred values."""
PREDICTING = "surrogate"
"""The sampler that searches predicted networks, and so needs exact costs of many."""
STOP_RULES = ("generations", "evaluations", "minutes", "patience")
"""Settings that limit a search. They never change what is evaluated."""
MOST_OBJECTIVES = 6
MOST_MINUTES = 10**7

WHAT = "what is searched"
HOW = "how it is searched"
WHEN = "when it stops (the first rule that holds)"
ACCURACY = "how accuracy is measured"
WHERE = "where it is stored"


def _check_minutes(minutes: float) -> None:
    if not 0 < minutes <= MOST_MINUTES:
        raise SettingError(
            f"--minutes must be more than 0 and at most {MOST_MINUTES}, which are 19 years, but got {minutes}"
        )


def _check_memory(text: str) -> None:
    parse_bytes(text, option="--memory")


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Settings of a study. The constructor checks each value.

    Example:
        >>> from studies import StudySettings
        >>> settings = StudySettings(objectives=("acc", "lat"), hardware="u55-256-cim8", generations=12)
        >>> settings.population, settings.sampler
        (24, 'auto')
        >>> StudySettings(population=1)
        Traceback (most recent call last):
            ...
        studies.study.setting_field.SettingError: --population must be at least 2, but got 1

    Raises:
        H4HError: A value has the wrong type, is out of range, or does not go together with another one. The
            message names a setting by its option: ``--val-images`` is `val_images`.
    """

    objectives: tuple[str, ...] = setting(
        ("acc", "lat", "energy"),
        f"objectives, in the order to show: {','.join(built_in_objectives())}, one of an installed package "
        f"(see --list), or your own as module:Class",
        group=WHAT,
        metavar="A,B,...",
        separator=",",
    )
    space: str | None = setting(
        None,
        f"name (see --list) or YAML file of the search space (default: the space of --checkpoint, else "
        f"{DEFAULT_SPACE})",
        group=WHAT,
    )
    accuracy_table: str | Path | None = setting(  # noqa: RUF009
        None,
        "file of networks and their values, CSV or JSON lines; its columns replace measurements, and only "
        "its networks are searched",
        group=WHAT,
        metavar="FILE",
    )
    space_from_table: bool = setting(
        False, "take the search space from the columns of --accuracy-table that are genes", group=WHAT
    )
    hardware: str = setting(
        "u55-256-cim8", "name or YAML file of the chip that lat, energy and area refer to", group=WHAT
    )
    macros: int | None = setting(
        None,
        "number of CIM macros; overrides the SoC file",
        group=WHAT,
        metavar="N",
        unit="macros",
    )
    units: int | None = setting(
        None,
        "number of compute units in each macro; overrides the SoC file",
        group=WHAT,
        metavar="M",
        unit="compute units",
    )
    search_hardware: str | None = setting(
        None,
        "search the chip together with the network: 'macros=0,1,2,4,8 units=1,2,4 mapping=latency,energy', "
        "or some of the three",
        group=WHAT,
        metavar="CHOICES",
        check=parse_hardware,
    )
    constraints: tuple[str, ...] = setting(
        (),
        "limit with its unit, such as 'lat<=2ms', 'power<=20mW@30fps' or 'vit_blocks>=1'; 'macs<=60%' or "
        "'lat<=0.5x' for a share of the largest network; 'family=cnn' for one family of networks; "
        "'sram<=chip' for the SRAM of the chip; may be repeated",
        group=WHAT,
        metavar="LIMIT",
        option="constraint",
        check=limited_quantity,
        is_stored=False,
    )
    spill: bool = setting(
        False,
        "cost networks whose activations exceed the SRAM of the chip, by their traffic to the weight store; "
        "default: they are infeasible",
        group=WHAT,
    )
    npu_model: str = setting(NPU_MODELS[0], "source of NPU cycles", group=WHAT, choices=known_npu_models())
    mapping: str = setting(
        AUTO,
        "cost that the mapping minimises, or force one device (npu, cim); auto minimises the one of latency "
        "and energy that is searched, and with both searches the mapping together with the network",
        group=WHAT,
        choices=(AUTO, *MAPPINGS),
    )
    scale: str | None = setting(
        None,
        "scale of costs in the hypervolume, which search, patience and reports go by (default: log, or that "
        "of the study to resume)",
        group=WHAT,
        choices=SCALES,
    )
    between: str | None = setting(
        None,
        "least and greatest value of interest of some objectives, such as 'acc=75%,90% lat=0.05ms,5ms'; "
        "values outside count as if they lay at the edge",
        group=WHAT,
        metavar="RANGES",
    )
    sampler: str = setting(
        AUTO,
        f"search algorithm, one of an installed package (see --list), or your own as module:Class; {AUTO} "
        f"takes surrogate for up to 500 evaluations of an expensive objective, else nsga2",
        group=HOW,
    )
    prefer: tuple[str, ...] = setting(
        (),
        f"values to search near with --sampler {PREFERRING}, such as acc=85%,lat=0.5ms; objectives left out "
        f"are preferred at their best; may be repeated",
        group=HOW,
        metavar="VALUES",
    )
    population: int = setting(
        24,
        "number of subnets per generation, at least 2",
        group=HOW,
        metavar="N",
        unit="subnets",
        least=2,
        most=10**6,
    )
    seed: int = setting(
        0,
        "random seed of the study; the same seed gives the same study",
        group=HOW,
        metavar="S",
        least=0,
        most=2**63 - 1,
    )
    seed_subnets: str | None = setting(
        None,
        "subnets of the first generation besides the smallest and the largest: mobilenetv2, genotypes",
        group=HOW,
        metavar="A,B,...",
    )
    warm_start: tuple[str, ...] = setting(
        (),
        "study whose front joins the first generation, as far as its networks are in the space; FILE:STUDY "
        "for a study in another database; may be repeated",
        group=HOW,
        metavar="STUDY",
    )
    warm_start_all: bool = setting(
        False,
        "let every measured network of each --warm-start join, not only its front; the first generation is "
        "as large as that takes",
        group=HOW,
        option="all",
    )
    generations: int | None = setting(
        None,
        f"number of generations, stored ones included (default: {DEFAULT_GENERATIONS}, unless another rule "
        f"is given)",
        group=WHEN,
        metavar="N",
        unit="generations",
        least=1,
    )
    evaluations: int | None = setting(
        None, "number of subnets, stored ones included", group=WHEN, metavar="N", unit="subnets", least=1
    )
    minutes: float | None = setting(
        None, "minutes that this run may take", group=WHEN, metavar="T", unit="min", check=_check_minutes
    )
    patience: int | None = setting(
        None,
        "number of generations in a row without a gain in hypervolume",
        group=WHEN,
        metavar="N",
        unit="generations",
        least=1,
    )
    checkpoint: str | Path | None = setting(  # noqa: RUF009
        None, "trained supernet (default: the shipped one)", group=ACCURACY, metavar="FILE"
    )
    data: str | Path | None = setting(  # noqa: RUF009
        None,
        "folder of CIFAR-10, CIFAR-100, Fashion-MNIST, or of train/CLASS/*.jpg and val/CLASS/*.jpg (default: "
        "images of CIFAR-10 that are in the repository)",
        group=ACCURACY,
        metavar="DIR",
    )
    dataset: str | None = setting(
        None,
        "data set to use where --data holds several (default: recognised)",
        group=ACCURACY,
        choices=tuple(LAYOUTS),
    )
    val_images: int | None = setting(
        None,
        "number of held-out training images that score a subnet (default: 2000, or all there are)",
        group=ACCURACY,
        metavar="N",
        unit="images",
        least=1,
    )
    calibration_images: int | None = setting(
        None,
        "number of training images for batch-norm statistics (default: 512, or all there are)",
        group=ACCURACY,
        metavar="N",
        unit="images",
        least=1,
    )
    device: str = setting("cpu", "device that measures accuracy: auto, cpu or cuda", group=ACCURACY)
    precision: str = setting(
        "fp32",
        "number format of weights and activations; int8 is what the hardware computes in",
        group=ACCURACY,
        choices=("fp32", "bf16", "int8"),
    )
    memory: str = setting(
        DEFAULT_MEMORY,
        "memory limit for accuracy evaluation; does not change results",
        group=ACCURACY,
        metavar="SIZE",
        unit="bytes",
        check=_check_memory,
    )
    racing: bool = setting(
        False, "stop scoring a subnet once it can no longer reach the Pareto front", group=ACCURACY
    )
    workers: int | None = setting(
        None,
        "number of processes that measure, one core each (default: one per core); does not change results",
        group=ACCURACY,
        metavar="N",
        unit="processes",
        least=1,
        most=1024,
    )
    dask: str | None = setting(
        None,
        "address of a Dask scheduler whose workers measure instead; does not change results",
        group=ACCURACY,
        metavar="ADDRESS",
    )
    dask_tls: tuple[str, ...] = setting(
        (),
        "certificates for a scheduler at tls://...: files of the CA, of the client's certificate and of its "
        "key",
        group=ACCURACY,
        metavar="CA CERT KEY",
        count=3,
    )
    study: str | None = setting(
        None,
        "name of the study (default: SPACE-OBJECTIVES-sSEED)",
        group=WHERE,
        metavar="NAME",
        check=check_study_name,
        is_stored=False,
    )

    def __post_init__(self) -> None:
        normalise(self)
        _check_objectives(self.objectives)
        if self.dask is not None and self.workers is not None:
            raise SettingError("--workers are processes of this machine: leave it out with --dask")
        if self.dask_tls and not (self.dask or "").startswith("tls://"):
            raise SettingError(
                f"--dask-tls needs --dask with an address such as tls://10.0.0.1:8786, but got --dask "
                f"{self.dask}"
            )
        if self.prefer and self.sampler != PREFERRING:
            raise SettingError(
                f"--prefer needs --sampler {PREFERRING}, but got --sampler {self.sampler}, which searches "
                f"the whole front"
            )
        check_sources(self.warm_start, takes_all=self.warm_start_all)
        if self.space_from_table and self.accuracy_table is None:
            raise SettingError("--space-from-table needs --accuracy-table, the file with the genes")
        if self.space_from_table and (self.space is not None or self.checkpoint is not None):
            given = "--space" if self.space is not None else "--checkpoint"
            raise SettingError(f"--space-from-table takes the space from the table: leave out {given}")
        if self.accuracy_table is not None and self.racing:
            raise SettingError(
                "--racing saves images, but with --accuracy-table no image is scored: leave out --racing"
            )
        if self.dataset is not None and self.data is None:
            raise SettingError(f"--dataset {self.dataset} needs --data, the folder that holds it")

    @classmethod
    def from_study(cls, study: Study) -> StudySettings:
        """The settings of a stored study.

        Settings that are unknown to the database of an earlier version have their defaults.

        Raises:
            H4HError: A stored value is no longer allowed.
        """
        known = {item.name for item in fields(cls) if setting_of(item).is_stored}
        stored = {name: value for name, value in study.settings.items() if name in known}
        # A study from before the setting has not the default of a new study.
        stored["scale"] = LINEAR if stored.get("scale", LINEAR) == LINEAR else None
        stored["warm_start"] = stored_sources(study.settings)
        return cls(
            **{
                "objectives": study.objectives,
                **stored,
                "constraints": study.constraints,
                "study": study.name,
            }
        )

    def stored(self) -> dict[str, Any]:
        """The settings in stored form: plain values by name, in a fixed order."""
        return {
            item.name: plain(item, getattr(self, item.name))
            for item in fields(self)
            if setting_of(item).is_stored
        }

    def stop_rules(self) -> dict[str, Any]:
        """The rules that stop the search, by name: those given, else `DEFAULT_GENERATIONS`."""
        given = {name: getattr(self, name) for name in STOP_RULES}
        rules = {name: value for name, value in given.items() if value is not None}
        return rules or {"generations": DEFAULT_GENERATIONS}

    def words(self) -> list[str]:
        """The settings as words of a command line; defaults are left out."""
        words: list[str] = []
        for item in fields(self):
            value = getattr(self, item.name)
            if value == item.default:
                continue
            if value is True:
                words.append(option_of(item))
            elif setting_of(item).separator is not None:
                words += [option_of(item), plain(item, value)]
            elif setting_of(item).count is not None:
                words += [option_of(item), *value]
            else:
                for element in value if isinstance(value, tuple) else [value]:
                    words += [
                        option_of(item),
                        str(element).removesuffix(".0") if isinstance(element, float) else str(element),
                    ]
        return words


def _check_objectives(names: Sequence[str]) -> None:
    """Checks number and form of the names. Whether they exist is checked when the objectives are created."""
    if not names or "" in names:
        raise SettingError(
            f"--objectives must be names joined by commas, any of {', '.join(known_objectives())}, but got "
            f"{','.join(names)!r}"
        )
    if len(names) > MOST_OBJECTIVES:
        raise SettingError(
            f"--objectives must be at most {MOST_OBJECTIVES}, as the hypervolume of more takes too long, but "
            f"got {len(names)}: make some of them constraints"
        )
    for position, name in enumerate(names):
        if name in names[:position]:
            raise H4HError(f"objective {name!r} is named twice")


StudySettings.__doc__ = f"{StudySettings.__doc__}\n{attribute_lines(StudySettings)}\n"
DEFAULTS: Mapping[str, Any] = StudySettings().stored()
"""Stored settings of a study without any option."""
