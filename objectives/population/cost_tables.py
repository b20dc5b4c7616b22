"""Latency and energy of whole populations, from the costs of every choice of a search space.

The pieces are costed once (`piece_costs.py`, kept on disk) and added up for all networks of a population at
once (`population_costs.py`). All numbers are multiples of 1/1024 cycle or pJ, so the totals are exactly
those of `CostModel.totals`.

What no table can say is left to the `CostModel`, network by network: networks whose weights exceed the
macros' capacity in the mapping that is best without that limit, and the mapping `edp`, whose product of
energy and latency is no sum over pieces.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np

from objectives.hardware.cost_model import PJ_PER_MJ, CostModel
from objectives.hardware_objectives import network_totals
from objectives.population.cost_lookup import PopulationCosts
from objectives.population.piece_costs import PieceCosts
from search_space.arrays import Booleans, Floats, Genotypes
from search_space.errors import H4HError
from search_space.files.cache_folder import VARIABLE, cache_folder
from search_space.space import Space

VERSION = "1"
"""Changes whenever a file in the cache may hold something else than before."""

_CHUNK = 1 << 12
"""Networks that are costed at a time, so that they stay in the processor's cache."""


class SpaceTablesError(H4HError):
    """Tables that cannot be kept."""


class SpaceTables:
    """Costs populations of one space on one SoC.

    Args:
        space: What the genotypes mean.
        model: SoC, mapping and model of the NPU.
        pieces: Costs of all pieces; default: computed now.
    """

    def __init__(self, space: Space, model: CostModel, pieces: PieceCosts | None = None) -> None:
        self.space = space
        self.model = model
        self._population: PopulationCosts | None = None
        if is_tabulated(model):
            pieces = pieces if pieces is not None else PieceCosts.of(space, model.mapper)
            self._population = PopulationCosts(space, model, pieces)

    @classmethod
    def cached(cls, space: Space, model: CostModel, folder: Path | None = None) -> Self:
        """Tables from the cache; where they are missing or damaged they are computed and written.

        Args:
            space: What the genotypes mean.
            model: SoC, mapping and model of the NPU.
            folder: Where tables are kept; default: `space_tables` in the cache folder.

        Raises:
            SpaceTablesError: The folder cannot be written.
        """
        if not is_tabulated(model):
            return cls(space, model)
        key = {"space": space.digest, "version": VERSION, **model.fingerprint()}
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        file = (cache_folder() / "space_tables" if folder is None else folder) / f"{name}.npz"
        try:
            return cls(space, model, PieceCosts.load(file))
        except (OSError, ValueError, KeyError, BadZipFile):
            pieces = PieceCosts.of(space, model.mapper)
        try:
            pieces.save(file)
        except OSError as error:
            raise SpaceTablesError(
                f"the table of costs {file} cannot be written: {error}; set {VARIABLE} to another folder"
            ) from error
        return cls(space, model, pieces)

    def suffice(self, genotypes: Genotypes) -> Booleans:
        """Whether the tables alone cost each network (n,); others take the cost model much longer."""
        if self._population is None:
            return np.zeros(len(genotypes), dtype=bool)
        return self._population(genotypes)[2]

    def estimates(self, genotypes: Genotypes) -> tuple[Floats, Floats]:
        """Latency in ms (n,) and energy in mJ (n,), from the tables alone: as if the macros held all weights.

        Equal to `totals` for networks that the tables `suffice` for; the mapping must be one of tables.

        Raises:
            GenotypeError: A row is no genotype of the space.
        """
        assert self._population is not None, "a mapping of which there are no tables"
        latency_ms, energy_mj = np.empty(len(genotypes)), np.empty(len(genotypes))
        for start in range(0, len(genotypes), _CHUNK):
            rows = slice(start, start + _CHUNK)
            cycles, energy_pj, _ = self._population(genotypes[rows])
            latency_ms[rows] = cycles / self.model.soc.cycles_per_ms
            energy_mj[rows] = energy_pj / PJ_PER_MJ
        return latency_ms, energy_mj

    def totals(self, genotypes: Genotypes) -> tuple[Floats, Floats]:
        """Latency in ms (n,) and energy in mJ (n,) of genotypes (n, genes), canonical or not.

        Raises:
            GenotypeError: A row is no genotype of the space.
            CapacityError: A network is forced onto macros that cannot hold its weights.
        """
        latency_ms, energy_mj = np.empty(len(genotypes)), np.empty(len(genotypes))
        left = np.ones(len(genotypes), dtype=bool)
        if self._population is not None:
            for start in range(0, len(genotypes), _CHUNK):
                rows = slice(start, start + _CHUNK)
                cycles, energy_pj, fits = self._population(genotypes[rows])
                latency_ms[rows] = cycles / self.model.soc.cycles_per_ms
                energy_mj[rows] = energy_pj / PJ_PER_MJ
                left[rows] = ~fits
        if left.any():
            subnets = [self.space.decode(genotype.tolist()) for genotype in genotypes[left]]
            latency_ms[left], energy_mj[left] = network_totals(self.model, subnets)
        return latency_ms, energy_mj


def is_tabulated(model: CostModel) -> bool:
    """Whether the mapping minimises a sum over pieces."""
    return model.mapper.name != "edp"
