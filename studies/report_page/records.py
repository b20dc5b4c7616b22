"""Typed records of a report: the contract between `report_data.py`, the page's scripts and `figures.py`.

The page holds one `ReportRecord` as JSON in its element `#data`. In JSON tuples are arrays, None is null, and
keys that are rows become texts. A row is a place in the columns of `RowsRecord`, counted from 0 in the order
of evaluation. Whatever is None, empty or missing was left out, and `notes` says why.
"""

from __future__ import annotations

from typing import Any, TypedDict


class ReportRecord(TypedDict):
    """Everything that a report shows.

    Attributes:
        studies: The studies, in the order of the command line.
        stages: Every distinct stage of all networks; `RowsRecord.stages` refers to it.
        outlines: Every distinct outline of all networks; `RowsRecord.outline` refers to it.
        views: Scatter plots of two objectives.
        solid: Objectives (z, x, y) of the plot in three dimensions; None where no study has three.
        hypervolume_of: Objectives of the hypervolume curves; empty where the studies have none in common.
        pairs: Comparison of every two studies; empty for one study.
        notes: Sentences about everything that was left out.
        lanes: Names of the rows of a Gantt chart; `MappingRecord.bars` refers to it.
        parts: Parts of the energy of an op, each with its colour.
        scope: What latency and energy stand for.
    """

    studies: list[StudyRecord]
    stages: list[StageRecord]
    outlines: list[OutlineRecord]
    views: list[ViewRecord]
    solid: tuple[str, ...] | None
    hypervolume_of: tuple[str, ...]
    pairs: list[PairRecord]
    notes: list[str]
    lanes: list[str]
    parts: dict[str, str]
    scope: str


class StudyRecord(TypedDict):
    """One study.

    Attributes:
        name: Name on the command line.
        space: Name of the search space.
        goals: Its objectives.
        constraints: Its constraints, as the user wrote them.
        created_at: Time of creation, UTC.
        settings: Its settings by name.
        fingerprint: Everything that decides its results, by name.
        command: Command that repeats it.
        blocks: Blocks of the members of the front.
        rows: All evaluations.
        front: Rows of the members of the front.
        certainty: Columns of the list of the front about the noise of accuracies, by title; empty where the
            number of images is not known.
        knee: Row of the knee of the front; None for an empty front.
        genes: Genes of the space; empty where the space cannot be read.
        importance: Importance of the genes; None without any information.
        mappings: Mappings of members of the front by row.
        sensitivity: Sensitivity to assumed numbers.
        hardware: The chip.
        beside: Networks of files on its chip, to draw beside the front.
        classes: Accuracy by class; None without a file of `studies.validate`.
        next: Commands to continue with a member of the front, by row and purpose.
        hypervolume: Hypervolume of the front, 0 to 1.
        hypervolume_curve: Pairs of evaluations and hypervolume.
    """

    name: str
    space: str
    goals: list[GoalRecord]
    constraints: list[str]
    created_at: str
    settings: dict[str, Any]
    fingerprint: dict[str, str]
    command: str
    blocks: BlocksRecord
    rows: RowsRecord
    front: list[int]
    certainty: dict[str, list[str]]
    knee: int | None
    genes: list[GeneRecord]
    importance: ImportanceRecord | None
    mappings: dict[int, MappingRecord]
    sensitivity: SensitivityRecord | None
    hardware: HardwareRecord | None
    beside: list[BesideRecord]
    classes: ClassesRecord | None
    next: dict[int, dict[str, str]]
    hypervolume: float
    hypervolume_curve: list[tuple[int, float]]


class RowsRecord(TypedDict):
    """All evaluations of a study as columns of equal length.

    Attributes:
        id: Id of each subnet.
        values: Column of each objective, in the order of the goals; None where it was not measured.
        feasible: 1 where all constraints hold, else 0.
        macs: Multiply-accumulates.
        params: Parameters.
        conv: MBConv blocks.
        vit: ViT blocks.
        family: Family of blocks.
        chip: Columns of the searched chip choices by name; empty where all subnets run on one chip.
        genotype: Gene indices joined by commas.
        stages: Indices into `ReportRecord.stages`; None where the genotype is not in the space.
        outline: Index into `ReportRecord.outlines`; None where the genotype is not in the space.
    """

    id: list[int]
    values: list[list[float | None]]
    feasible: list[int]
    macs: list[int]
    params: list[int]
    conv: list[int]
    vit: list[int]
    family: list[str]
    chip: dict[str, list[int | None]]
    genotype: list[str]
    stages: list[list[int] | None]
    outline: list[int | None]


class GoalRecord(TypedDict):
    """One objective: name, unit, and ``"max"`` or ``"min"``."""

    name: str
    unit: str
    direction: str


class GeneRecord(TypedDict):
    """One gene: name and options."""

    name: str
    options: tuple[int | str, ...]


class SpreadRecord(TypedDict):
    """A count over the members of a front."""

    mean: float
    min: int
    max: int


class BlocksRecord(TypedDict):
    """Blocks of the members of a front.

    Attributes:
        conv: MBConv blocks; None for an empty front.
        vit: ViT blocks; None for an empty front.
        vit_per_10_conv: ViT blocks per 10 MBConv blocks over the whole front; None without MBConv blocks.
        families: Share of the members in each family.
    """

    conv: SpreadRecord | None
    vit: SpreadRecord | None
    vit_per_10_conv: float | None
    families: dict[str, float]


class ImportanceRecord(TypedDict):
    """The most important genes, in descending order of their largest share.

    Attributes:
        genes: Their names.
        columns: Their positions in the genotype.
        shares: For each objective the share of its entropy that each gene explains, 0 to 1.
        evaluations: Number of evaluations that were used.
    """

    genes: list[str]
    columns: list[int]
    shares: dict[str, list[float]]
    evaluations: int


class HardwareRecord(TypedDict):
    """The chip: name and description."""

    name: str
    description: str


class BesideRecord(TypedDict):
    """A network of a file in one mapping; `values` are in the order of the goals, None where unknown."""

    name: str
    mapping: str
    values: list[float | None]


class ClassRowRecord(TypedDict):
    """One network by class.

    Attributes:
        recall: Share of each class that is classified correctly, in %; None without images.
        balanced: Mean recall in %.
        never: Names of the classes that are never predicted.
        confusion: Number of images by true and predicted class; None where there are too many classes.
    """

    recall: list[float | None]
    balanced: float
    never: list[str]
    confusion: list[list[int]] | None


class ClassesRecord(TypedDict):
    """Accuracy by class on images that the search did not use.

    Attributes:
        split: Name of the split of these images.
        names: Names of the classes.
        images: Number of images of each class.
        majority: Accuracy of always predicting the most frequent class, in %.
        rows: Networks that were scored, by row.
    """

    split: str
    names: list[str]
    images: list[int]
    majority: float
    rows: dict[int, ClassRowRecord]


class SensitivityRecord(TypedDict):
    """Sensitivity of latency and energy to assumed numbers of the SoC file.

    Attributes:
        members: Rows of the members of the front over which the changes are averaged.
        shifts: The numbers, each at the low and at the high end of its range.
    """

    members: list[int]
    shifts: list[ShiftRecord]


class ShiftRecord(TypedDict):
    """One assumed number at one end of its range.

    Attributes:
        name: Dotted name in the SoC file.
        end: ``low`` or ``high``.
        value: The number at this end.
        nominal: The number that the study used.
        unit: Unit of both.
        latency: Mean relative change of the latency; 0.1 is 10 % slower.
        energy: Mean relative change of the energy.
    """

    name: str
    end: str
    value: float
    nominal: float
    unit: str
    latency: float
    energy: float


class ViewRecord(TypedDict):
    """A scatter plot of two objectives.

    Attributes:
        x: Horizontal objective; None for the order of evaluation.
        y: Vertical objective.
        lines: For each study the rows of its front over these two objectives alone, ascending in x.
    """

    x: str | None
    y: str
    lines: list[list[int]]


class GainRecord(TypedDict):
    """A gain over the range that two fronts have in common: mean, maximum, ends of the range, intervals."""

    mean: float
    max: float
    range: tuple[float, float]
    mean_interval: tuple[float, float] | None
    max_interval: tuple[float, float] | None


class PairRecord(TypedDict):
    """Study `b` compared with study `a`; the attributes are those of `studies.analysis.comparison.Pair`."""

    a: str
    b: str
    objectives: tuple[str, ...]
    evaluations: int
    scale: str
    hypervolume_a: float
    hypervolume_b: float
    igd_plus_a: float | None
    igd_plus_b: float | None
    coverage_ab: float | None
    coverage_ba: float | None
    acc_at_equal_lat: GainRecord | None
    acc_at_equal_energy: GainRecord | None
    lat_at_equal_acc: GainRecord | None
    energy_at_equal_acc: GainRecord | None
    notes: tuple[str, ...]


BlockRecord = list[int | str]
"""``["conv", kernel, expansion, stride]``, ``["merge", kernel]`` or ``["vit", heads, mlp_ratio]``.

With batch norm a transformer block ends in ``"batch"``."""


class StageRecord(TypedDict):
    """One stage: channels, stride, and the blocks from the input to the output."""

    width: int
    stride: int
    blocks: list[BlockRecord]


class OutlineRecord(TypedDict):
    """Parts of a network around its stages.

    Attributes:
        resolution: Side of the input image in pixels.
        stem: Channels and stride of the stem.
        sides: Side of the map after the stem and after each stage.
        head: Channels of the head.
    """

    resolution: int
    stem: list[int]
    sides: list[int]
    head: int


class MappingRecord(TypedDict):
    """Mapping of one subnet onto its chip: times in microseconds from the start, energies in nJ.

    Attributes:
        latency_ms: Latency of the network.
        energy_mj: Energy of the network.
        macros: Macros in use.
        cim_weight_bytes: Weights that reside in the macros.
        sram_bytes: Peak activation memory.
        ops: All ops.
        bars: Busy times, each (index into `ReportRecord.lanes`, index of the op, start, length).
        energy: Energy of each op, a column for each of `ReportRecord.parts`.
        utilisation: For each device the share of its multipliers that each op keeps busy, in %.
        rooflines: Rooflines of the devices that compute products.
        frames: Frames per second and power.
    """

    latency_ms: float
    energy_mj: float
    macros: int
    cim_weight_bytes: int
    sram_bytes: int
    ops: OpsRecord
    bars: list[tuple[int, int, float, float]]
    energy: dict[str, list[float]]
    utilisation: dict[str, list[float]]
    rooflines: list[RooflineRecord]
    frames: FramesRecord


class RooflineRecord(TypedDict):
    """Roof and ops of one device; the last four are columns, one entry for each op with products there.

    Attributes:
        device: Name of the device.
        memory: Name of the memory or link that feeds it.
        peak: Multiply-accumulates per cycle with all multipliers busy.
        bandwidth: Bytes per cycle of the memory.
        op: Index of the op.
        macs: Multiply-accumulates of its share.
        bytes: Bytes over the memory's port.
        cycles: Time of the share.
    """

    device: str
    memory: str
    peak: float
    bandwidth: float
    op: list[int]
    macs: list[float]
    bytes: list[float]
    cycles: list[float]


class FramesRecord(TypedDict):
    """Frames per second and average power of a network in its mapping.

    Attributes:
        sequential_fps: Frames per second, one after the other.
        pipelined_fps: Most frames per second with NPU and macros pipelined over frames.
        in_flight: Frames in progress at once that the pipeline needs.
        bottleneck: Resource that limits the pipeline.
        busy_mw: Average power while one inference follows another.
        sleep_mw: Power between frames.
        at_rate: Average power in mW by the name of each limit of the study at a frame rate, ``power@30fps``.
    """

    sequential_fps: float
    pipelined_fps: float
    in_flight: int
    bottleneck: str
    busy_mw: float
    sleep_mw: float
    at_rate: dict[str, float]


class OpsRecord(TypedDict):
    """All ops of a network as columns of equal length.

    Attributes:
        name: Place in the network.
        kind: Kind of op.
        shape: Shape as text.
        schema: Device: ``npu``, ``cim`` or ``split``.
        split: NPU share | CIM share; empty unless split.
        bound: What decides the time: ``compute``, ``memory`` or ``transfer``.
        start: Start in microseconds.
        length: Length in microseconds.
    """

    name: list[str]
    kind: list[str]
    shape: list[str]
    schema: list[str]
    split: list[str]
    bound: list[str]
    start: list[float]
    length: list[float]
