"""Whole subnets compiled by Arm's compiler: cycles of each step of the workload."""

from __future__ import annotations

from collections.abc import Hashable

from objectives.deployment.network_graph import PlausibleValues, network_graph
from objectives.hardware.parts.npu import Npu
from objectives.hardware.vela_compiler.vela import Compiled, compiled, compiler_options, system_configuration
from search_space.subnet import Subnet


def network_cycles(subnet: Subnet, npu: Npu) -> dict[Hashable, int]:
    """Cycles of each step of `subnet` by its name in the workload."""
    return compiled_network(subnet, npu).cycles


def compiled_network(subnet: Subnet, npu: Npu, options: str | None = None) -> Compiled:
    """The compiler's report of `subnet`; owners of layers are the names of the workload's steps.

    Args:
        subnet: The network.
        npu: The device.
        options: Options of the compiler; by default those under which it costs single ops.
    """
    graph, output = network_graph(subnet, PlausibleValues())
    return compiled(graph, [output], system_configuration(npu), options or compiler_options(npu))


def model_of(subnet: Subnet) -> bytes:
    """Content of a TensorFlow Lite file of `subnet`."""
    graph, scores = network_graph(subnet, PlausibleValues())
    return graph.model([scores])
