"""TensorFlow Lite models, read back by the classes of the file format."""

from __future__ import annotations

import numpy as np
from ethosu.vela.tflite.Model import Model

from objectives.hardware.vela_compiler.tflite import Graph


def test_layers_and_shapes_stand_in_the_file() -> None:
    graph = Graph()
    graph.owner = "a"
    x = graph.conv2d(graph.input(1, 9, 8, 3), 16, kernel=3, stride=2)
    graph.owner = "b"
    x = graph.linear(graph.reshape(x, 20, 16), 5)
    main = Model.GetRootAs(graph.model([x])).Subgraphs(0)
    assert graph.owners == ["a", "b", "b"]
    assert main.OperatorsLength() == 3
    assert list(main.InputsAsNumpy()) == [0]
    assert list(main.OutputsAsNumpy()) == [x.index]
    assert list(main.Tensors(x.index).ShapeAsNumpy()) == [20, 5]


def test_data_that_is_only_moved_keeps_its_scale() -> None:
    graph = Graph()
    x = graph.add(graph.input(1, 6, 4, 8), graph.input(1, 6, 4, 8))
    moved = graph.transpose(graph.reshape(x, 1, 6, 2, 16), 0, 2, 1, 3)
    main = Model.GetRootAs(graph.model([moved])).Subgraphs(0)
    before, after = (main.Tensors(node.index).Quantization().Scale(0) for node in (x, moved))
    assert moved.shape == (1, 2, 6, 16)
    assert before == after == np.float32(0.07)


def test_weights_do_not_depend_on_what_was_built_before() -> None:
    def model() -> bytes:
        graph = Graph()
        return graph.model([graph.conv2d(graph.input(1, 4, 4, 8), 8)])

    first = model()
    Graph().conv2d(Graph().input(1, 4, 4, 16), 24)
    assert model() == first
