"""Files that are no TensorFlow Lite network in int8 of fixed shapes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware.vela_compiler.tflite import Graph
from objectives.hardware.vela_compiler.tflite_file import OperatorRecord, TensorRecord, serialised
from objectives.tflite_network.model_file import TfliteError, read_model
from objectives.tflite_network.network import read_network
from tests.objectives.tflite_network.files import LAYERS, write

CONV_2D, CUSTOM, UNKNOWN = 3, 32, 999


def refused(path: Path) -> str:
    with pytest.raises(TfliteError) as error:
        read_network(path)
    assert str(path) in str(error.value)
    return str(error.value)


def one_operator(code: int, **shapes: tuple[int, ...]) -> bytes:
    tensors = [TensorRecord(shape, 0.05, 0, None) for shape in shapes.values()]
    operator = OperatorRecord(code, (0,), 1, 0, None, {})
    return serialised(tensors, [operator], [0], [1])


def test_what_the_writer_wrote_is_read(tmp_path: Path) -> None:
    model = read_model(write(tmp_path / "x.tflite", LAYERS["window 5x3"]))
    assert [operator.name for operator in model.operators] == ["CONV_2D"] * 3
    assert model.operators[1].options["StrideH"] == 1
    assert model.tensors[model.operators[1].inputs[1]].shape == (24, 5, 3, 32)
    assert model.tensors[model.inputs[0]].shape == (1, 16, 12, 16)
    assert model.tensors[model.outputs[0]].scale == pytest.approx((0.05, 0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x7fELF" + bytes(40), "is no TensorFlow Lite model"),
        (b"\x08\0\0\0TFL3", "is damaged"),
        (b"\xff\xff\xff\x7fTFL3" + bytes(20), "is damaged"),
        (one_operator(UNKNOWN, x=(1, 8), y=(1, 8)), "unknown code 999"),
        (one_operator(CUSTOM, x=(1, 8), y=(1, 8)), "has an op for none of its operators"),
        (one_operator(0, x=(1, -1, 8, 8), y=(1, 8, 8, 8)), r"dynamic shape [1, -1, 8, 8]"),
        (serialised([], [], [], []), "has no operators"),
    ],
)
def test_bad_content_is_one_message(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    assert message in refused(path)


def test_no_regular_file(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "missing.tflite")
    assert "is not a regular file" in refused(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "is not a regular file" in refused(pipe)


def test_float_model(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tflite", LAYERS["residual"])
    content = bytearray(path.read_bytes())
    from ethosu.vela.tflite.Model import Model

    graph = Model.GetRootAs(content).Subgraphs(0)
    for index in range(graph.TensorsLength()):
        table = graph.Tensors(index)._tab
        content[table.Pos + table.Offset(6)] = 0  # the field of the type: FLOAT32
    path.write_bytes(content)
    assert "computes with float32 only" in refused(path)


def test_signatures_of_shapes_are_fixed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The compiler prints a line for each that is not, which would spoil JSON."""
    graph = Graph()
    x = graph.conv2d(graph.input(1, 8, 8, 16), 16)
    path = tmp_path / "x.tflite"
    path.write_bytes(graph.model([x]))
    assert read_model(path).content == path.read_bytes()
    assert capfd.readouterr().out == ""


@given(place=st.integers(0, 2**16), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(
    place: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(one_operator(CONV_2D, x=(1, 8, 8, 16), y=(1, 8, 8, 16)))
    content[place % len(content)] = value
    path = tmp_path_factory.mktemp("flip") / "x.tflite"
    path.write_bytes(content)
    try:
        network = read_network(path)
    except TfliteError:
        return
    assert all(step.op.output_bytes > 0 for step in network.steps)


def test_axes_are_integers(tmp_path: Path) -> None:
    model = read_model(write(tmp_path / "x.tflite", LAYERS["mean"]))
    axes = model.tensors[model.operators[1].inputs[1]]
    assert axes.integers() == [1, 2]
    assert np.frombuffer(axes.data, np.int32).tolist() == [1, 2]
