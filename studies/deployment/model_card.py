"""Model card of a deployed network, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from objectives.hardware.cost_model import COST_SCOPE
from search_space.genotype import to_text
from studies.analysis.held_out_scores import wilson
from studies.deployment.deploy_network import Deployment
from studies.deployment.file_checks import Agreement
from studies.deployment.measured_compression import CHIP_FILE
from studies.study.study import Study
from supernet.checkpoints.image_input import CROP, PAD, SQUASH

FITTED = {
    CROP: "resize its short side to {0.resize} pixels and cut out the central {0.size}",
    PAD: "resize its long side to {0.size} pixels and add black margins on both sides",
    SQUASH: "resize both sides to {0.size} pixels",
}
"""Instructions for each way to make a picture square."""


def model_card(study: Study, found: Deployment) -> str:
    """The card of a network of `study`."""
    return "\n".join(_lines(study, found)) + "\n"


def check_lines(found: Deployment) -> Iterator[str]:
    """One line for each check of a file, and for each file that is missing."""
    if found.tflite_check is not None:
        yield f"network.tflite in LiteRT: {_agreement(found.tflite_check, 'the int8 oracle')}"
    if found.onnx_check is not None:
        yield f"network.onnx in onnxruntime: {_agreement(found.onnx_check, 'the float network')}"
    if found.compiled is not None:
        compiled = found.compiled
        yield (
            f"network_vela.tflite by Vela, NPU alone: {compiled.cycles / 1e3:,.1f} kcycles, cost model "
            f"{compiled.modelled_cycles / 1e3:,.1f} ({compiled.error:+.1%}); SRAM "
            f"{compiled.report.sram_bytes / 1024:.1f} KiB, cost model {compiled.modelled_sram / 1024:.1f}; "
            f"weights encoded to {compiled.compression:.3f} of their size, padding included"
        )
    if found.compression is not None:
        measured = found.compression
        yield (
            f"{CHIP_FILE}: trained weights compress to {measured.measured:.3f} of their size, the chip "
            f"assumes {measured.assumed:g}; with the measured number latency {measured.latency_ms:.4g} ms "
            f"(assumed {found.latency_ms:.4g}), energy {measured.energy_mj:.4g} mJ ({found.energy_mj:.4g})"
        )
    for name, right in found.test_right.items():
        accuracy, (low, high) = 100 * right / found.test_images, wilson(right, found.test_images)
        yield (
            f"test split, {found.test_images:,} images, {name}: accuracy {accuracy:.2f} % ({low:.2f} to "
            f"{high:.2f})"
        )
    yield from found.notes


def _agreement(found: Agreement, what: str) -> str:
    low, high = found.interval
    return (
        f"same class as {what} on {found.same_class:.1f} % of {found.images} search images; accuracy "
        f"{found.accuracy:.1f} % ({low:.1f} to {high:.1f}), {what} {found.expected:.1f} %"
    )


def _lines(study: Study, found: Deployment) -> Iterator[str]:
    subnet, mapping = found.subnet, found.mapping
    side, grid = subnet.resolution, found.integers.image()
    yield f"# Network {found.evaluation.index} of study {study.name}"
    yield ""
    yield f"`{to_text(tuple(mapping['network']))}` of search space {study.space}: {subnet}"
    yield ""
    yield "| property | value |"
    yield "|---|---|"
    for goal, value in zip(study.goals, found.evaluation.values, strict=True):
        yield f"| {goal.name} in the study | {value:.6g} {goal.unit} |"
    yield f"| latency on {mapping['hardware']} | {found.latency_ms:.4g} ms |"
    yield f"| energy of an inference | {found.energy_mj:.4g} mJ |"
    yield f"| macros in use | {mapping['macros']} |"
    yield f"| chip digest | `{mapping['hardware_digest']}` |"
    yield f"| classes | {len(found.class_names)}, see `labels.txt` |"
    yield ""
    yield COST_SCOPE
    yield ""
    yield "## Checks"
    yield ""
    for line in check_lines(found):
        yield f"* {line}"
    yield ""
    yield "Search images chose this network, so its accuracy on them is too high on average."
    yield ""
    yield "## Input"
    yield ""
    yield (
        f"The network takes one image of {side} x {side} pixels, channels red, green, blue. It does not "
        f"resize: the camera or the CPU does, by bilinear interpolation with antialiasing, as in training."
    )
    yield ""
    images = found.image_input
    yield f"* Make a picture square: {FITTED[images.fit].format(images)}. Then resize it to {side} pixels."
    means, deviations = (
        ", ".join(f"{value:.8f}" for value in values) for values in (images.mean, images.deviation)
    )
    yield (
        f"* Normalise each byte: `x = (byte / 255 - mean) / deviation`; mean {means}; deviation {deviations}."
    )
    yield "* `network.onnx` takes `x`, float32, as (n, 3, height, width)."
    yield (
        f"* `network.tflite` takes `round(x / {grid.scale:.9g}) + {grid.zero_point}`, clipped to -128 to "
        f"127, int8, as (1, height, width, 3)."
    )
    yield ""
    mirrored = "none" if images.flip == 0 else f"{images.flip:.0%}"
    yield f"Training mirrored {mirrored} of the images left to right. Class weights: {images.class_weights}."
    yield ""
    yield "## Origin"
    yield ""
    yield "| part of the study's fingerprint | value |"
    yield "|---|---|"
    for name, text in study.fingerprint.items():
        yield f"| {name} | `{text}` |"
