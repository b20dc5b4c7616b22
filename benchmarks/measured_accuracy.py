"""Accuracies of genotypes by the shipped supernet, each measured once and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
from rich.progress import track

from objectives.objective import FloatArray
from search_space.cache_folder import VARIABLE, cache_folder
from search_space.errors import H4HError
from search_space.genotype import Genotype
from search_space.space import Space
from search_space.whole_file import whole_file
from supernet.checkpoints import built_in_checkpoint

BATCH = 20
"""Subnets between two writes of the file, so that a measurement that is stopped goes on there."""


def measured_accuracy(space: Space, genotypes: Sequence[Genotype]) -> FloatArray:
    """Accuracies in % (n,) of n genotypes.

    Raises:
        H4HError: No checkpoint is shipped for `space`, or the cache folder cannot be used.
    """
    checkpoint = built_in_checkpoint(space.name)
    from objectives.accuracy import Accuracy  # torch takes seconds to import
    from supernet.evaluation_pack import built_in_pack, load_pack

    oracle = Accuracy(checkpoint=checkpoint, space=space, pack=load_pack(built_in_pack()))
    decides = json.dumps({**oracle.fingerprint(), "space": space.digest}, sort_keys=True)
    file = cache_folder() / f"accuracy-{hashlib.sha256(decides.encode()).hexdigest()[:16]}.json"
    names = [",".join(map(str, space.canonical(genotype))) for genotype in genotypes]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        known: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
        new = {name: genes for name, genes in zip(names, genotypes, strict=True) if name not in known}
        pairs = list(new.items())
        for start in track(
            range(0, len(pairs), BATCH), description="accuracy", disable=not pairs, transient=True
        ):
            batch = pairs[start : start + BATCH]
            values = oracle([space.decode(genes) for _, genes in batch])
            known.update(zip((name for name, _ in batch), map(float, values), strict=True))
            with whole_file(file) as temporary:
                temporary.write_text(json.dumps(known))
    except (OSError, ValueError) as error:
        raise H4HError(
            f"the accuracies kept in {file} cannot be used: {error}; delete it, or set {VARIABLE} to a "
            f"folder that can be written"
        ) from error
    return np.array([known[name] for name in names], dtype=np.float64)
