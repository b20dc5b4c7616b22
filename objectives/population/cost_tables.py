"""Latency and energy of whole populations, equal to those of the cost model.

The pieces of a search space are costed once (`piece_costs.py`, cached on disk) and added up for all networks
of a population at once (`cost_lookup.py`). All numbers are multiples of 1/1024 cycle or pJ, so the totals are
exactly those of `CostModel.totals`.

Two kinds of networks need more than sums: those whose weights exceed the capacity of the macros in the best
mapping without that limit, and all networks under the mapping `edp`, because a product of energy and latency
is not a sum over pieces. Both are mapped on fronts of their segments (`segment_totals.py`), each front found
once. `SpaceTables.estimates` come close without them. They ignore the capacity, or take the better of the
fastest and the most frugal mapping.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from objectives.hardware.cost_model import PJ_PER_MJ, CostModel
from objectives.hardware.mapping.mapper import Mapper
from objectives.hardware_objectives import network_totals
from objectives.population.cost_lookup import PopulationCosts
from objectives.population.piece_costs import PieceCosts
from objectives.population.segment_totals import CapacityTotals, ProductTotals
from objectives.population.size_tables import SPILT, SizeTables
from search_space.arrays import Booleans, Floats, Genotypes
from search_space.errors import H4HError
from search_space.files.cache_folder import VARIABLE, cache_folder
from search_space.space import Space

SUMS = ("latency", "energy")
"""Mappings that may use any split and minimise a sum over pieces."""

VERSION = "3"
"""Version of the cached files; changes whenever their content may change."""


class SpaceTablesError(H4HError):
    """The cached tables cannot be written."""


@dataclass(frozen=True)
class Lookup:
    """Tables under one mapping that minimises a sum.

    Attributes:
        pieces: Costs of all pieces of the space.
        costs: Costs of populations from them.
    """

    pieces: PieceCosts
    costs: PopulationCosts

    @classmethod
    def of(cls, space: Space, mapper: Mapper, pieces: PieceCosts) -> Self:
        """Tables of populations from those of `pieces`."""
        return cls(pieces, PopulationCosts(space, mapper, pieces))


class SpaceTables:
    """Latency and energy of populations of one search space on one SoC.

    Args:
        space: The search space of the genotypes.
        model: SoC, mapping and model of the NPU.
        lookups: Tables of each of `tabulated_mappings`; computed by default.
    """

    def __init__(self, space: Space, model: CostModel, lookups: Sequence[Lookup] | None = None) -> None:
        self.space = space
        self.model = model
        if lookups is None:
            mappers = _mappers(model)
            each = PieceCosts.of_each(space, mappers)
            lookups = [Lookup.of(space, mapper, pieces) for mapper, pieces in zip(mappers, each, strict=True)]
        self._lookups = lookups
        self._sizes = None if model.spill is None else SizeTables(space, model.spill.sram_bytes)

    @classmethod
    def cached(cls, space: Space, model: CostModel, folder: Path | None = None) -> Self:
        """Tables of one cost model from the cache; see `cached_each`."""
        (tables,) = cls.cached_each(space, [model], folder)
        return tables

    @classmethod
    def cached_each(cls, space: Space, models: Sequence[CostModel], folder: Path | None = None) -> list[Self]:
        """Tables from the cache; missing or damaged tables are computed and written.

        Tables of one chip for low latency and for low energy are computed together, which is quicker.

        Args:
            space: The search space of the genotypes.
            models: SoC, mapping and model of the NPU of each.
            folder: Folder of the tables; default: `space_tables` in the cache folder.

        Raises:
            SpaceTablesError: The folder cannot be written.
            CacheError: A table, or their folder, belongs to another user.
        """
        folder = cache_folder() / "space_tables" if folder is None else folder
        mappers_by_model = [
            {_file_name(space, model, one): one for one in _mappers(model)} for model in models
        ]
        lookups: dict[str, Lookup] = {}
        missing: dict[tuple[str, ...], dict[str, Mapper]] = {}
        for model, mappers in zip(models, mappers_by_model, strict=True):
            for name, mapper in mappers.items():
                try:
                    pieces = PieceCosts.load(folder / name)
                except (OSError, ValueError):
                    missing.setdefault(_shared_splits(model, mapper), {})[name] = mapper
                else:
                    lookups[name] = Lookup.of(space, mapper, pieces)
        for absent in missing.values():
            each = PieceCosts.of_each(space, list(absent.values()))
            for (name, mapper), pieces in zip(absent.items(), each, strict=True):
                _save(pieces, folder / name)
                lookups[name] = Lookup.of(space, mapper, pieces)
        return [
            cls(space, model, [lookups[name] for name in mappers])
            for model, mappers in zip(models, mappers_by_model, strict=True)
        ]

    def suffice(self, genotypes: Genotypes) -> Booleans:
        """Whether sums over pieces alone cost each network (n,); fronts of segments are slower."""
        return self._looked_up(genotypes)[2]

    def estimates(self, genotypes: Genotypes) -> tuple[Floats, Floats]:
        """Latency in ms (n,) and energy in mJ (n,) from the tables alone, ignoring the macros' capacity.

        Equal to `totals` for networks for which the tables `suffice`. Under the mapping `edp` these are the
        totals of the fastest or of the most frugal mapping, whichever has the smaller product.

        Raises:
            GenotypeError: A row is not a genotype of the space.
        """
        return self._looked_up(genotypes)[:2]

    def totals(self, genotypes: Genotypes) -> tuple[Floats, Floats]:
        """Latency in ms (n,) and energy in mJ (n,) of genotypes (n, genes), canonical or not.

        Raises:
            GenotypeError: A row is not a genotype of the space.
            CapacityError: A network is forced onto macros that cannot hold its weights.
        """
        latency_ms, energy_mj, fits = self._looked_up(genotypes)
        for totals in (self._by_segments, self._one_by_one):
            is_left = ~fits
            if not is_left.any():
                break
            latency_ms[is_left], energy_mj[is_left], fits[is_left] = totals(genotypes[is_left])
        return latency_ms, energy_mj

    def _by_segments(self, genotypes: Genotypes) -> tuple[Floats, Floats, Booleans]:
        """Latency in ms, energy in mJ, and whether these are the network's own, each (n,)."""
        if self._segment_totals is None:
            none = np.zeros(len(genotypes))
            return none, none, none > 0
        cycles, energy_pj, fits = self._segment_totals(genotypes)
        return *self._in_units(genotypes, cycles, energy_pj), fits

    def _one_by_one(self, genotypes: Genotypes) -> tuple[Floats, Floats, Booleans]:
        """The same by the cost model."""
        subnets = [self.space.decode(genotype.tolist()) for genotype in genotypes]
        return *network_totals(self.model, subnets), np.ones(len(genotypes), dtype=bool)

    @cached_property
    def _segment_totals(self) -> CapacityTotals | ProductTotals | None:
        """Totals by fronts of segments; None where every network is forced onto one device."""
        mapper = self.model.mapper
        if mapper.name == "edp":
            return ProductTotals(self.space, mapper)
        if mapper.name not in SUMS:
            return None
        (lookup,) = self._lookups
        return CapacityTotals(self.space, mapper, lookup.pieces)

    def _in_units(self, genotypes: Genotypes, cycles: Floats, energy_pj: Floats) -> tuple[Floats, Floats]:
        """Latency in ms and energy in mJ, spilt activations included."""
        latency_ms, energy_mj = cycles / self.model.soc.cycles_per_ms, energy_pj / PJ_PER_MJ
        if self._sizes is None or self.model.spill is None:
            return latency_ms, energy_mj
        return self.model.spill.added(latency_ms, energy_mj, self._sizes(genotypes)[SPILT])

    def _looked_up(self, genotypes: Genotypes) -> tuple[Floats, Floats, Booleans]:
        """Latency in ms, energy in mJ, and whether these are the network's own, each (n,)."""
        first, *others = (lookup.costs(genotypes) for lookup in self._lookups)
        cycles, energy_pj, fits = first
        for other_cycles, other_pj, _ in others:
            is_better = other_cycles * other_pj < cycles * energy_pj
            cycles, energy_pj = (
                np.where(is_better, other_cycles, cycles),
                np.where(is_better, other_pj, energy_pj),
            )
        if others:
            fits = np.zeros(len(genotypes), dtype=bool)
        return *self._in_units(genotypes, cycles, energy_pj), fits


def tabulated_mappings(mapping: str) -> tuple[str, ...]:
    """Mappings that minimise a sum over pieces and whose totals are, or estimate, those of `mapping`."""
    return SUMS if mapping == "edp" else (mapping,)


def _mappers(model: CostModel) -> list[Mapper]:
    mapper = model.mapper
    names = tabulated_mappings(mapper.name)
    return (
        [mapper] if names == (mapper.name,) else [Mapper(model.soc, name, model.npu_model) for name in names]
    )


def _file_name(space: Space, model: CostModel, mapper: Mapper) -> str:
    key = {"space": space.digest, "version": VERSION, **model.fingerprint(), "mapping": mapper.name}
    return f"{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()}.tables"


def _shared_splits(model: CostModel, mapper: Mapper) -> tuple[str, ...]:
    """Equal for mappings that choose among the same splits at the same costs."""
    parts = {**model.fingerprint(), "mapping": "" if mapper.name in SUMS else mapper.name}
    return tuple(parts.values())


def _save(pieces: PieceCosts, file: Path) -> None:
    try:
        pieces.save(file)
    except OSError as error:
        raise SpaceTablesError(
            f"the table of costs {file} cannot be written ({error.strerror or error}): remove what is there, "
            f"or set {VARIABLE} to another folder"
        ) from error
