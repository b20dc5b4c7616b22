"""Latency and energy of whole populations, equal to those of the cost model.

The pieces of a search space are costed once (`piece_costs.py`, cached on disk) and added up for all networks
of a population at once (`cost_lookup.py`). All numbers are multiples of 1/1024 cycle or pJ, so the totals are
exactly those of `CostModel.totals`.

The `CostModel` itself costs two kinds of networks one by one: those whose weights exceed the capacity of the
macros in the best mapping without that limit, and all networks under the mapping `edp`, because a product of
energy and latency is not a sum over pieces.
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
from objectives.population.size_tables import SPILT, SizeTables
from search_space.arrays import Booleans, Floats, Genotypes
from search_space.errors import H4HError
from search_space.files.cache_folder import VARIABLE, cache_folder
from search_space.space import Space

VERSION = "2"
"""Version of the cached files; changes whenever their content may change."""

_CHUNK = 1 << 12
"""Networks per look-up; small enough for the processor's cache."""


class SpaceTablesError(H4HError):
    """The cached tables cannot be written."""


class SpaceTables:
    """Latency and energy of populations of one search space on one SoC.

    Args:
        space: The search space of the genotypes.
        model: SoC, mapping and model of the NPU.
        pieces: Costs of all pieces; computed by default.
    """

    def __init__(self, space: Space, model: CostModel, pieces: PieceCosts | None = None) -> None:
        self.space = space
        self.model = model
        self._population: PopulationCosts | None = None
        self._sizes = None if model.spill is None else SizeTables(space, model.spill.sram_bytes)
        if is_tabulated(model):
            pieces = pieces if pieces is not None else PieceCosts.of(space, model.mapper)
            self._population = PopulationCosts(space, model, pieces)

    @classmethod
    def cached(cls, space: Space, model: CostModel, folder: Path | None = None) -> Self:
        """Tables from the cache; missing or damaged tables are computed and written.

        Args:
            space: The search space of the genotypes.
            model: SoC, mapping and model of the NPU.
            folder: Folder of the tables; default: `space_tables` in the cache folder.

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
        """Whether the tables alone can cost each network (n,); the cost model is much slower."""
        if self._population is None:
            return np.zeros(len(genotypes), dtype=bool)
        return self._population(genotypes)[2]

    def estimates(self, genotypes: Genotypes) -> tuple[Floats, Floats]:
        """Latency in ms (n,) and energy in mJ (n,) from the tables alone, ignoring the macros' capacity.

        Equal to `totals` for networks for which the tables `suffice`; the mapping must be tabulated.

        Raises:
            GenotypeError: A row is not a genotype of the space.
        """
        assert self._population is not None, "the mapping is not tabulated"
        latency_ms, energy_mj = np.empty(len(genotypes)), np.empty(len(genotypes))
        for start in range(0, len(genotypes), _CHUNK):
            rows = slice(start, start + _CHUNK)
            cycles, energy_pj, _ = self._population(genotypes[rows])
            latency_ms[rows] = cycles / self.model.soc.cycles_per_ms
            energy_mj[rows] = energy_pj / PJ_PER_MJ
        return self._with_spill(latency_ms, energy_mj, genotypes)

    def _with_spill(
        self, latency_ms: Floats, energy_mj: Floats, genotypes: Genotypes
    ) -> tuple[Floats, Floats]:
        """Latencies and energies (n,) with the cost of activations beyond the SRAM."""
        if self._sizes is None or self.model.spill is None:
            return latency_ms, energy_mj
        return self.model.spill.added(latency_ms, energy_mj, self._sizes(genotypes)[SPILT])

    def totals(self, genotypes: Genotypes) -> tuple[Floats, Floats]:
        """Latency in ms (n,) and energy in mJ (n,) of genotypes (n, genes), canonical or not.

        Raises:
            GenotypeError: A row is not a genotype of the space.
            CapacityError: A network is forced onto macros that cannot hold its weights.
        """
        latency_ms, energy_mj = np.empty(len(genotypes)), np.empty(len(genotypes))
        is_left = np.ones(len(genotypes), dtype=bool)
        if self._population is not None:
            for start in range(0, len(genotypes), _CHUNK):
                rows = slice(start, start + _CHUNK)
                cycles, energy_pj, fits = self._population(genotypes[rows])
                latency_ms[rows] = cycles / self.model.soc.cycles_per_ms
                energy_mj[rows] = energy_pj / PJ_PER_MJ
                is_left[rows] = ~fits
            latency_ms, energy_mj = self._with_spill(latency_ms, energy_mj, genotypes)
        if is_left.any():
            subnets = [self.space.decode(genotype.tolist()) for genotype in genotypes[is_left]]
            latency_ms[is_left], energy_mj[is_left] = network_totals(self.model, subnets)
        return latency_ms, energy_mj


def is_tabulated(model: CostModel) -> bool:
    """Whether the mapping minimises a sum over pieces."""
    return model.mapper.name != "edp"
