"""Deployment of one network: its files, their checks, and the folder that holds them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from objectives.deployment.deployed_subnet import DeployedSubnet, deployed
from objectives.deployment.litert import RuntimeMissingError, litert_scores
from objectives.deployment.network_graph import network_graph
from objectives.deployment.onnx_file import onnx_model, onnx_scores
from objectives.deployment.step_differences import step_differences
from objectives.hardware.soc import SoC
from objectives.hardware.vela_compiler.tflite import Graph
from objectives.hardware.vela_compiler.vela import VelaError
from objectives.hardware_objectives import mapped_totals
from objectives.workload import ops_of, read_again, workload
from search_space.arrays import Integers
from search_space.subnet import Subnet
from studies.analysis.assumed_numbers import cost_model
from studies.analysis.held_out_images import check_checkpoint, search_images, test_images
from studies.analysis.validation_plan import ValidationPlan
from studies.deployment.compiled_network import CompiledNetwork, compiled_network
from studies.deployment.file_checks import (
    Agreement,
    DeploymentError,
    agreement,
    check_onnx,
    check_steps,
    check_tflite,
)
from studies.deployment.mapping_file import MappingFile, mapping_file
from studies.deployment.measured_compression import (
    CHIP_FILE,
    MeasuredCompression,
    measured_compression,
)
from studies.study.evaluation import Evaluation
from supernet.accuracy.load_and_extract import extract
from supernet.accuracy.one_subnet import PreparedImages, prepare, stream
from supernet.checkpoints.image_input import ImageInput, supernet_image_input
from supernet.images.labelled_images import Images, resized
from supernet.network.extraction import folded
from supernet.network.plain_network import PlainNetwork
from supernet.network.supernet_file import load_checkpoint

CHECKED_IMAGES = 500
"""Number of search images on which files are checked, or all if there are fewer."""

STEPPED_IMAGES = 4
"""Number of images for which every step of the .tflite file is compared."""

Notify = Callable[[str], None]
"""Receives one line for the user."""


@dataclass(frozen=True)
class Deployment:
    """Everything about one deployed network.

    Attributes:
        subnet: The network.
        evaluation: Its evaluation in the study.
        integers: The network in 8-bit integers.
        tflite: Content of the .tflite file.
        tflite_check: The file in LiteRT beside the int8 oracle; None if LiteRT is not installed.
        onnx: Content of the .onnx file; None if its packages are not installed.
        onnx_check: The file in onnxruntime beside the float network; None without one of them.
        compiled: The file compiled for the NPU; None if the chip has none that the compiler knows.
        compression: How far its weights compress, and what that costs; None if the cost model has no such
            number.
        mapping: Mapping onto the chip.
        latency_ms: Latency on the study's chip.
        energy_mj: Energy of an inference on it.
        test_right: Number of test images classified right, by number format; empty if they were not scored.
        test_images: Number of test images.
        class_names: Names of the classes in order.
        image_input: How a picture becomes the input of the network.
        notes: What is missing, and why.
    """

    subnet: Subnet
    evaluation: Evaluation
    integers: DeployedSubnet
    tflite: bytes
    tflite_check: Agreement | None
    onnx: bytes | None
    onnx_check: Agreement | None
    compiled: CompiledNetwork | None
    compression: MeasuredCompression | None
    mapping: MappingFile
    latency_ms: float
    energy_mj: float
    test_right: Mapping[str, int]
    test_images: int
    class_names: tuple[str, ...]
    image_input: ImageInput
    notes: tuple[str, ...]


def deployment(
    plan: ValidationPlan, evaluation: Evaluation, notify: Notify, *, scores_test: bool = False
) -> Deployment:
    """Makes and checks the files of one network of a study; writes nothing.

    Args:
        plan: The study, its weights and its images.
        evaluation: The network.
        notify: Receives a line for each step.
        scores_test: Whether the network classifies the test split as well, in float32 and in integers.

    Raises:
        DeploymentError: A file differs from the network.
        H4HError: The chip or the images are not those of the study, or the compiler refuses the network.
    """
    study = plan.study
    genotype = study.network(evaluation.genotype)
    subnet = plan.space.decode(genotype)
    costs = cost_model(study, study.chip(evaluation.genotype) if study.hardware_choices else None)
    steps = workload(subnet)
    cost = costs.network(ops_of(steps), read_again(steps))
    latency_ms, energy_mj = mapped_totals(costs, steps, cost)
    check_checkpoint(plan)
    pack = search_images(plan)
    test = test_images(plan) if scores_test else None
    supernet = load_checkpoint(plan.checkpoint, plan.space).eval()
    cpu = torch.device("cpu")
    calibration = prepare(pack.calibration, precision="fp32", device=cpu, scale=supernet.pixel_scale)
    checked = prepare(pack.search[:CHECKED_IMAGES], precision="fp32", device=cpu, scale=supernet.pixel_scale)
    notes: list[str] = []
    notify("network.tflite: weights and grids from the calibration images")
    integers = deployed(supernet, subnet, calibration)
    graph, scores = network_graph(subnet, integers)
    tflite = graph.model([scores])
    tflite_check = _checked_tflite(graph, tflite, integers, checked, notes)
    notify("network.onnx: float network")
    network = folded(extract(supernet, subnet, pack.calibration))
    onnx, onnx_check = _checked_onnx(network, checked, notes)
    test_right: dict[str, int] = {}
    if test is not None:
        notify(f"test split: {len(test):,} images")
        test_right = _test_right(network, integers, test)
    compiled = _compiled(tflite, subnet, costs.soc, notes)
    compression = None
    if compiled is not None:
        compression = measured_compression(
            costs,
            steps,
            compiled.report.encoded_weights,
            hardware=str(study.settings["hardware"]),
            label=f"network {evaluation.index} of study {study.name}",
        )
    return Deployment(
        subnet=subnet,
        evaluation=evaluation,
        integers=integers,
        tflite=tflite,
        tflite_check=tflite_check,
        onnx=onnx,
        onnx_check=onnx_check,
        compiled=compiled,
        compression=compression,
        mapping=mapping_file(genotype, steps, cost, costs),
        latency_ms=latency_ms,
        energy_mj=energy_mj,
        test_right=test_right,
        test_images=0 if test is None else len(test),
        class_names=pack.class_names,
        image_input=supernet_image_input(plan.checkpoint),
        notes=tuple(notes),
    )


def _checked_tflite(
    graph: Graph, content: bytes, integers: DeployedSubnet, images: PreparedImages, notes: list[str]
) -> Agreement | None:
    try:
        first = images.batches[0][0][:STEPPED_IMAGES]
        check_steps(step_differences(graph, content, integers, first))
        scores = np.concatenate(
            [litert_scores(content, integers.stored_image(batch).numpy()) for batch, _ in images.batches]
        )
    except RuntimeMissingError as error:
        notes.append(f"network.tflite was not run: {error}")
        return None
    expected = torch.cat([integers.oracle_logits(batch) for batch, _ in images.batches])
    found = agreement(scores, expected.double().numpy(), _labels(images))
    check_tflite(found)
    return found


@torch.inference_mode()
def _checked_onnx(
    network: PlainNetwork, images: PreparedImages, notes: list[str]
) -> tuple[bytes | None, Agreement | None]:
    content = None
    try:
        with torch.inference_mode(mode=False):
            content = onnx_model(network)
        inputs = [resized(batch, network.subnet.resolution) for batch, _ in images.batches]
        scores = np.concatenate([onnx_scores(content, batch.contiguous()) for batch in inputs])
    except RuntimeMissingError as error:
        notes.append(f"network.onnx was not {'written' if content is None else 'run'}: {error}")
        return content, None
    expected = torch.cat([network(batch) for batch in inputs])
    found = agreement(scores, expected.double().numpy(), _labels(images))
    check_onnx(found)
    return content, found


@torch.inference_mode()
def _test_right(network: PlainNetwork, integers: DeployedSubnet, test: Images) -> dict[str, int]:
    """Number of test images that the network classifies right, by number format."""
    right = {"float32": 0, "int8": 0}
    for batch, labels in stream(
        test, precision="fp32", device=torch.device("cpu"), scale=network.pixel_scale
    ):
        scores = {
            "float32": network(resized(batch, network.subnet.resolution)),
            "int8": integers.logits(batch),
        }
        for name, found in scores.items():
            right[name] += int((found.argmax(1) == labels).sum())
    return right


def _labels(images: PreparedImages) -> Integers:
    labels: Integers = torch.cat([labels for _, labels in images.batches]).numpy()
    return labels


def _compiled(content: bytes, subnet: Subnet, soc: SoC, notes: list[str]) -> CompiledNetwork | None:
    if soc.has_npu:
        try:
            return compiled_network(content, subnet, soc)
        except VelaError as error:
            notes.append(f"network_vela.tflite was not written: {error}")
    else:
        notes.append(f"network_vela.tflite was not written: {soc.name} has no NPU")
    return None


def write(found: Deployment, out: Path, card: str) -> None:
    """Writes the folder of a deployment, whole or not at all.

    Args:
        found: The deployment.
        out: The folder, which must not exist.
        card: Text of the model card.

    Raises:
        DeploymentError: The folder exists or cannot be created.
    """
    if out.exists():
        raise DeploymentError(f"--out {out} exists: name another folder, or remove it")
    files: dict[str, bytes | str] = {
        "network.tflite": found.tflite,
        "mapping.json": json.dumps(found.mapping, indent=2, allow_nan=False) + "\n",
        "labels.txt": "".join(f"{name}\n" for name in found.class_names),
        "model_card.md": card,
    }
    if found.onnx is not None:
        files["network.onnx"] = found.onnx
    if found.compiled is not None:
        files["network_vela.tflite"] = found.compiled.report.model
    if found.compression is not None:
        files[CHIP_FILE] = found.compression.chip
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise DeploymentError(f"--out {out} cannot be created ({error.strerror})") from error
    try:
        for name, content in files.items():
            (temporary / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        temporary.chmod(0o755)
        temporary.rename(out)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise DeploymentError(f"--out {out} cannot be written ({error.strerror})") from error
