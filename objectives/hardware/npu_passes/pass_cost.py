"""Cycles and bytes of a pass, as the compiler estimates them.

A pass takes the longest of four times: the NPU's own, that of its transfers to and from the activation
memory, that of its weights, and that of its constants. Source of the equations: Ethos-U Vela 5.2.0,
Apache-2.0, file `ethos_u55_performance.cpp`; docs/explanation/npu-model.md states them.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from objectives.hardware.npu_passes.layer_pass import Engine, Map, Pass, Shape
from objectives.hardware.npu_passes.machine import (
    BRICK,
    MULTIPLY_WIDE,
    PLAIN,
    SUBKERNEL,
    TABLE,
    WEIGHT_BURST,
    Machine,
)
from objectives.hardware.npu_passes.output_block import Block, find_block

_SCALE_BYTES = 10
_SCALE_BURST = 256
_TABLE_BYTES = 256
"""Bytes of a lookup table, loaded at one a cycle."""
_ISSUE = 4
"""Blocks whose commands the NPU keeps at once."""
_IDLE_CYCLES = 2
"""Cycles between two steps of a single micro-block; three on the smallest configuration."""
_IDLE_CYCLES_SMALLEST = 3
_SMALLEST_BLOCK = 4
"""Elements of the micro-block of the smallest configuration."""


class PassCost(NamedTuple):
    """Cost of a pass.

    Attributes:
        mac_cycles: Time of the MAC array alone.
        output_cycles: Time of the output stage alone.
        npu_cycles: Time of the NPU with memories that never make it wait.
        sram_bytes: Bytes of activations that it needs, repeated reads included.
        sram_traffic: The same with bursts that are not full.
        weight_reads: How often it reads all its weights.
        constant_traffic: Bytes of constants that it reads from the weight memory, besides weights.
    """

    mac_cycles: float
    output_cycles: float
    npu_cycles: float
    sram_bytes: float
    sram_traffic: float
    weight_reads: int
    constant_traffic: float


def pass_cost(work: Pass, machine: Machine) -> PassCost:
    """Cost of `work`, without its weights' transfer.

    Raises:
        BlockError: No output block of the pass fits the NPU's buffer.
    """
    if work.engine is Engine.TRANSPOSE:
        return _transpose(work, machine)
    if work.columns:
        return _product(work, machine)
    if work.engine is Engine.ELEMENTWISE:
        block = elementwise_block(work, machine)
        cycles = _elementwise_cycles(work, block, machine)
        mac, output = 0.0, cycles
    else:
        block = mac_block(work, machine)
        mac, output, cycles = _mac_cycles(work, block, machine)
        # A table that is not fused is loaded first.
        cycles += _TABLE_BYTES if work.uses_table and work.engine is Engine.POOLING else 0
    needed, traffic, constants, reads = _transfers(work, block, machine)
    return PassCost(mac, output, cycles, needed, traffic, reads, constants)


def mac_block(work: Pass, machine: Machine) -> Block:
    """Output block of a pass that uses the MAC array."""
    return find_block(
        work.engine,
        work.source.shape,
        work.target.shape,
        machine,
        bits=work.source.bits,
        window=work.window,
        stride=work.stride,
        upscaling=work.upscaling,
        table=work.uses_table,
    )


def slice_cycles(work: Pass, channels: int, machine: Machine) -> float:
    """Cycles of a slice of output channels of a pass that uses the MAC array, with the block of the whole."""
    rows, columns, _ = work.target.shape
    part = work._replace(target=work.target._replace(shape=(rows, columns, channels)))
    return _mac_cycles(part, mac_block(work, machine), machine)[2]


def elementwise_block(work: Pass, machine: Machine) -> Block:
    """Output block of an elementwise pass."""
    operands = [work.source] if work.second is None else [work.source, work.second]
    largest = max(operands, key=lambda operand: operand.elements)
    return find_block(
        Engine.ELEMENTWISE,
        largest.shape,
        work.target.shape,
        machine,
        bits=work.source.bits,
        scalar=any(operand.elements == 1 for operand in operands),
        table=work.uses_table,
    )


def _output_rate(work: Pass, machine: Machine) -> float:
    """Cycles per element of the output stage; a table alone does not slow it down."""
    rate = machine.output[work.output]
    is_fused = work.uses_table and work.engine is not Engine.POOLING
    return max(rate, machine.output[TABLE]) if is_fused else rate


def _mac_cycles(work: Pass, block: Block, machine: Machine) -> tuple[float, float, float]:
    """Cycles of the MAC array, of the output stage, and of the pass."""
    unit = _unit(work, machine)
    target = _least(work.target.shape, block.target)
    units = _per(target, unit)
    in_block = units[0] * units[1] * units[2]
    all_units = _per(work.target.shape, unit)
    blocks = all_units[0] * all_units[1] * all_units[2] / in_block
    block_elements = target[0] * target[1] * target[2]
    output = float(ceil(_output_rate(work, machine) * block_elements))
    if work.has_weights:
        output = max(output, _SCALE_BYTES * target[2] * machine.weight_latency / _SCALE_BURST)
    mac = _mac_cycles_per_block(work, block, units, machine)
    arrives, leaves = _first_input(work, block, machine), _last_output(work, block, machine)
    waits = abs(leaves - arrives) if blocks > 1 else 0
    issue = (waits + mac + output) / _ISSUE
    paced_mac, paced_output = max(mac, issue), max(output, issue)
    if paced_mac > paced_output:
        total = int(int(paced_mac * blocks) + paced_output)
    else:
        total = int(paced_output * blocks + paced_mac)
    return mac * blocks, output * blocks, float(total + leaves + arrives)


def _mac_cycles_per_block(work: Pass, block: Block, units: Shape, machine: Machine) -> int:
    source = _least(work.source.shape, block.source)
    area, depth = units[0] * units[1], units[2]
    slowest = machine.decoder_cycles * machine.block[2] // 8
    step = machine.step_cycles
    smallest = machine.block[0] * machine.block[1] * machine.block[2] <= _SMALLEST_BLOCK
    idle = _IDLE_CYCLES_SMALLEST if smallest else _IDLE_CYCLES
    total = 0
    for width in _parts(work.window[1]):
        for height in _parts(work.window[0]):
            elements = width * height
            if work.engine is Engine.POOLING:
                steps = 1
                cycles = max(step, elements) * area * depth
                cycles = cycles if smallest else cycles * work.source.bits // 2
            elif work.engine is Engine.DEPTHWISE:
                steps = _ceil(elements, machine.window_elements)
                cycles = max(slowest, step * area * work.source.bits // 8) * steps * depth
            elif work.engine is Engine.CONVOLUTION and block.is_part_kernel:
                steps = _ceil(elements, machine.window_elements)
                cycles = max(slowest, step * area) * steps * depth * _ceil(source[2], machine.shallow)
            else:
                steps = elements
                cycles = max(slowest, step * area) * steps * depth
            pause = 0
            if area == 1:
                pause = idle * steps if depth == 1 else idle * (steps - 1) * depth
            if work.engine is Engine.CONVOLUTION and block.is_part_kernel:
                pause *= _ceil(source[2], machine.shallow)
            total += cycles + pause
    if work.engine in (Engine.CONVOLUTION, Engine.REDUCTION):
        total *= _ceil(work.source.shape[2], source[2])
    return total


def _unit(work: Pass, machine: Machine) -> Shape:
    """Micro-block; it lies flat over a map of one row."""
    height, _, depth = machine.block
    rows, columns, _ = work.target.shape
    if (
        height == 2
        and work.engine is Engine.CONVOLUTION
        and rows == 1
        and columns % 2 == 0
        and work.window[0] == 1
    ):
        return (1, 4, depth)
    return machine.block


def _elementwise_cycles(work: Pass, block: Block, machine: Machine) -> float:
    elements = work.target.stored_elements
    rate = _output_rate(work, machine)
    size = block.target[0] * block.target[1] * block.target[2]
    waits = max(_last_output(work, block, machine), _first_input(work, block, machine))
    issue = (waits / size + rate) / _ISSUE
    return float(max(ceil(issue * elements), ceil(rate * elements)))


def _first_input(work: Pass, block: Block, machine: Machine) -> int:
    """Cycles until the slowest operand's first block is in the buffer."""
    slowest = 0
    for operand in (work.source, work.second):
        if operand is None:
            continue
        shape = _least(operand.shape, block.source)
        elements = shape[0] * shape[1] * shape[2]
        latency, bandwidth = _memory(operand, machine)
        moved = _traffic(operand, block.source, elements, machine, reads=True, bits=work.source.bits)
        slowest = max(slowest, int(latency) + int(moved / bandwidth))
    return slowest


def _last_output(work: Pass, block: Block, machine: Machine) -> int:
    """Cycles for an output block to leave the buffer."""
    shape = _least(work.target.shape, block.target)
    moved = _traffic(work.target, block.target, shape[0] * shape[1] * shape[2], machine, reads=False)
    return int(machine.sram_latency) + int(moved / machine.sram)


def _transfers(work: Pass, block: Block, machine: Machine) -> tuple[float, float, float, int]:
    """Needed bytes of activations, their traffic, the traffic of constants, and reads of all weights."""
    operands: list[tuple[Map, int]] = []
    weight_reads = 0
    if work.engine is Engine.ELEMENTWISE:
        # A first operand that is one wide number hides the second from the estimate.
        if work.source.elements > 1:
            rounded = work.source._replace(shape=work.target.shape).stored_elements
            operands.append((work.source, rounded))
            if work.second is not None and work.second.elements > 1:
                operands.append((work.second, rounded))
    else:
        source = _least(work.source.shape, block.source)
        target = _least(work.target.shape, block.target)
        rows, columns, depths = _per(work.target.shape, target)
        if work.engine in (Engine.DEPTHWISE, Engine.POOLING):
            depths = 1
        channels = Map((1, 1, work.source.shape[2]), bricks=work.source.bricks).stored_elements
        parts = _ceil(work.window[0], SUBKERNEL) * _ceil(work.window[1], SUBKERNEL)
        operands.append((work.source, source[0] * source[1] * channels * parts * rows * columns * depths))
        weight_reads = rows * columns if work.has_weights else 0
    needed = traffic = constants = 0.0
    for operand, elements in operands:
        moved = _traffic(operand, block.source, elements, machine, reads=True)
        if operand.is_constant:
            constants += moved
        else:
            needed += elements * operand.bits / 8
            traffic += moved
    written = work.target.stored_elements
    needed += written * work.target.bits / 8
    traffic += _traffic(work.target, block.target, written, machine, reads=False)
    return needed, traffic, constants, weight_reads


def _product(work: Pass, machine: Machine) -> PassCost:
    """A product of activations: for each column an elementwise product and a sum over channels."""
    batches, rows, depth = work.source.shape
    fitted = _divided((batches, rows, depth))
    multiply = find_block(Engine.ELEMENTWISE, fitted, fitted, machine)
    summed = _divided((batches, rows, 1))
    reduce = find_block(Engine.REDUCTION, fitted, summed, machine, bits=32)

    wide = Map(work.source.shape, 32, bricks=work.target.bricks)
    plain = Pass(Engine.ELEMENTWISE, work.source, wide, work.source, output=MULTIPLY_WIDE)
    multiplied = _elementwise_cycles(plain, multiply, machine)
    target = Map((batches, rows, 1), bricks=work.target.bricks)
    adding = Pass(Engine.REDUCTION, work.source, target, output=PLAIN)
    mac, output, added = _mac_cycles(adding, reduce, machine)

    once = work.source.elements * work.columns
    assert work.second is not None
    written = work.target.stored_elements
    traffic = (
        _traffic(work.source, reduce.source, once, machine, reads=True)
        + _traffic(work.second, reduce.source, work.second.elements, machine, reads=True)
        + 2 * once
        + _traffic(work.target, reduce.target, written, machine, reads=False)
    )
    needed = 3.0 * once + work.second.elements + written
    return PassCost(
        mac * work.columns,
        (output + multiplied) * work.columns,
        (multiplied + added) * work.columns,
        needed,
        float(traffic),
        0,
        0.0,
    )


def _divided(shape: Shape) -> Shape:
    """A map cut so that two or three blocks cover it: a block need not wait for the one before."""
    sides = list(shape)
    axis, limit = (0, 32) if sides[0] > 32 else (1, 64)
    if sides[axis] <= limit:
        for parts in (3, 2):
            if sides[axis] >= 4 * parts:
                sides[axis] = _ceil(sides[axis], parts)
                break
    return (sides[0], sides[1], sides[2])


def _transpose(work: Pass, machine: Machine) -> PassCost:
    depth = min(_ceil(work.source.shape[2], 8) * 8, machine.lanes)
    block = (1, min(work.source.shape[1], LARGEST_COPY), depth)
    elements = work.source.elements
    read = _traffic(work.source, block, elements, machine, reads=True)
    write = _traffic(work.target, block, elements, machine, reads=False)
    cycles = max(int(read / machine.sram), int(write / machine.sram)) + machine.sram_latency
    return PassCost(0.0, 0.0, float(cycles), 2.0 * elements, float(read + write), 0, 0.0)


LARGEST_COPY = 64
"""Largest width of a block of a transpose."""


def _traffic(
    data: Map, block: Shape, elements: int, machine: Machine, *, reads: bool, bits: int | None = None
) -> int:
    """Bytes on the port for `elements` of a map that is moved block by block: short bursts waste the rest."""
    bits = data.bits if bits is None else bits
    _, width, channels = data.shape
    _, block_width, block_depth = block
    if data.bricks:
        whole_rows = width * bits * BRICK // 8 == block_depth
        burst = bits * block_width * (block_depth if whole_rows else BRICK)
    else:
        whole_rows = channels * bits // 8 == block_depth and (reads or block_depth <= BRICK)
        if whole_rows:
            burst = bits * block_width * block_depth
        elif reads:
            burst = bits * block_depth
        else:
            burst = min(64 * 8, BRICK * bits, block_depth * bits)
    longest = WEIGHT_BURST if data.is_constant else machine.sram_burst
    return (elements * bits // 8) * longest // min(longest, max(burst // 8, 1))


def _memory(operand: Map, machine: Machine) -> tuple[float, float]:
    if operand.is_constant:
        return machine.weight_latency, machine.weights
    return machine.sram_latency, machine.sram


def _parts(side: int) -> list[int]:
    return [min(SUBKERNEL, side - start) for start in range(0, side, SUBKERNEL)]


def _least(a: Shape, b: Shape) -> Shape:
    return (min(a[0], b[0]), min(a[1], b[1]), min(a[2], b[2]))


def _per(a: Shape, b: Shape) -> Shape:
    return (_ceil(a[0], b[0]), _ceil(a[1], b[1]), _ceil(a[2], b[2]))


def _ceil(a: int, b: int) -> int:
    return -(-a // b)
