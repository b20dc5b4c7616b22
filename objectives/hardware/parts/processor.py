"""Members of Arm's Ethos-U family: names for the compiler Vela, ports, sizes, and known closed forms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Processor:
    """One member of the family.

    Attributes:
        title: Name for messages.
        compiler_name: Name of the accelerator for the compiler.
        section_prefix: Beginning of the names of its system configurations, e.g. ``Ethos_U55_High_End``.
        port_bytes: Width of a port in bytes: no memory delivers more over it in a cycle.
        sram_ports: Number of ports that a memory of activations may use.
        macs: Multiply-accumulates per cycle of its configurations that run on one core.
        disabled: Features of the compiler's scheduler that hide what a single op costs.
        has_closed_form: Whether `npu_passes` holds its costs.
    """

    title: str
    compiler_name: str
    section_prefix: str
    port_bytes: int
    sram_ports: int
    macs: tuple[int, ...]
    disabled: tuple[str, ...]
    has_closed_form: bool

    @property
    def sram_bytes(self) -> int:
        """Most bytes of activations per cycle."""
        return self.port_bytes * self.sram_ports


ETHOS_U55 = "ethos-u55"
PROCESSORS = {
    ETHOS_U55: Processor("Ethos-U55", "EthosU55", "Ethos_U55", 8, 1, (32, 64, 128, 256), (), True),
    # Its array, buffer and output stage are those of the Ethos-U55 with 256; the ports are twice as wide.
    "ethos-u65": Processor("Ethos-U65", "EthosU65", "Ethos_U65", 16, 1, (256,), (), True),
    # It may run a sum as part of the layer before it (Grouping), which then has the time of both.
    "ethos-u85": Processor(
        "Ethos-U85", "EthosU85", "Ethos_U85", 16, 2, (128, 256, 512, 1024, 2048), ("Grouping",), False
    ),
}
"""Processors by their name in chip files."""
