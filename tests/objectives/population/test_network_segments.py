"""Segments by genes against segments cut from the ops of each network."""

from __future__ import annotations

import numpy as np
import pytest

from objectives.hardware import load_soc
from objectives.hardware.mapping.capacity_mapping import SegmentCatalogue
from objectives.hardware.mapping.segment_solver import op_contexts, split_points
from objectives.population.network_segments import NetworkSegments
from objectives.workload import ops_of, read_again, workload
from search_space.genotype import GenotypeError
from search_space.space import load_space


@pytest.mark.parametrize("hardware", ["u55-256-cim8", "u55-256-tiles8", "u55-256"])
@pytest.mark.parametrize("name", ["cifar32", "imagenet224"])
def test_as_cut_from_each_network(name: str, hardware: str) -> None:
    space, soc = load_space(name), load_soc(hardware)
    rows = np.random.default_rng(0).integers(
        0, [gene.cardinality for gene in space.genes], (30, len(space.genes))
    )
    catalogue = SegmentCatalogue()
    segments = NetworkSegments(space, soc, catalogue)
    numbers = segments(rows)
    for row, own in zip(rows, numbers, strict=True):
        steps = workload(space.decode(row.tolist()))
        ops = ops_of(steps)
        expected = [
            tuple(op_contexts(ops[start:stop], stays))
            for start, stop, stays in split_points(ops, frozenset(read_again(steps)), soc)
        ]
        assert [catalogue.segments[number] for number in own if number] == expected
    count = len(catalogue.segments)
    assert np.array_equal(segments(rows[:3])[:, : numbers.shape[1]], numbers[:3])  # known ones keep theirs
    assert len(catalogue.segments) == count
    assert segments(rows[:0]).shape[0] == 0
    with pytest.raises(GenotypeError, match="gene resolution"):
        segments(np.full((1, len(space.genes)), 99))
