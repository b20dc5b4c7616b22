"""BoTorch's qLogNEHVI and qLogNParEGO over a table, as rivals of `benchmarks.search.tables_compared`.

BoTorch (Balandat et al. 2020) belongs to no environment of the project:

    uv run --with botorch==0.18.1 python -m benchmarks.search.tables_compared \
        --methods surrogate,botorch-qlognehvi

Both rivals get what `surrogate` gets: its first generation, its exact costs, and the box of the study.
Accuracy and costs without an exact value have a `SingleTaskGP` each, with BoTorch's defaults. The acquisition
function is evaluated on every network that is left (`optimize_acqf_discrete`), one network after the other
until a batch is full. qLogNEHVI is that of Ament et al. 2023, qLogNParEGO that of Daulton et al. 2020 with a
weighting of its own for each network of a batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.search.judging_tables import JudgingTable
from search_space.arrays import Floats
from search_space.errors import H4HError
from search_space.genotype import Gene, Genotype
from studies.samplers.random import create as create_random
from studies.samplers.sampler import SamplerContext

if TYPE_CHECKING:
    from torch import Tensor

VERSION = "0.18.1"
NEHVI, PAREGO = "qlognehvi", "qlognparego"
SAMPLES = 64
"""Samples of the acquisition function."""
AT_ONCE = 1024
"""Networks whose acquisition values are computed together; a limit of memory only."""


def botorch(
    bench: JudgingTable, seed: int, acquisition: str, at_once: int
) -> Generator[list[Genotype], tuple[list[Genotype], Floats], None]:
    """A search by one of BoTorch's acquisition functions, in batches of `at_once`.

    Raises:
        H4HError: BoTorch is not installed.
    """
    require_botorch()
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    features = torch.from_numpy(_features(bench.space.genes, bench.table.genotypes))
    # The last column is the row in the table, by which exact costs are looked up.
    places = torch.arange(len(features), dtype=torch.float64)[:, None]
    inputs = torch.cat([features, places], dim=1)
    context = SamplerContext(space=bench.space, study=bench.study, population=at_once, seed=seed)
    proposed: list[Genotype] = create_random(context).ask(at_once)
    evaluated: list[int] = []
    while proposed:
        networks, _ = yield proposed
        evaluated += bench.table.rows(np.array(networks)).tolist()
        left = np.setdiff1d(np.arange(len(features)), evaluated)
        if not len(left):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = _batch(bench, inputs, evaluated, left.tolist(), acquisition, at_once)
        proposed = [tuple(bench.table.genotypes[row].tolist()) for row in rows]


def require_botorch() -> None:
    """Raises `H4HError` if BoTorch is not installed."""
    if find_spec("botorch") is None:
        raise H4HError(
            f"BoTorch is not installed: begin the command with 'uv run --with botorch=={VERSION}', or leave "
            f"its methods out of --methods"
        )


def _features(genes: Sequence[Gene], genotypes: Any) -> Floats:
    """Genotypes in the unit cube: ordered genes by their place, others one column for each option."""
    columns = []
    for index, gene in enumerate(genes):
        options = genotypes[:, [index]]
        if gene.is_ordered:
            columns.append(options / max(gene.cardinality - 1, 1))
        else:
            columns.append(options == np.arange(gene.cardinality))
    return np.concatenate(columns, axis=1).astype(np.float64)


def _batch(
    bench: JudgingTable,
    inputs: Tensor,
    evaluated: Sequence[int],
    left: Sequence[int],
    acquisition: str,
    at_once: int,
) -> list[int]:
    """Rows of the networks to evaluate next."""
    import torch
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.acquisition.multi_objective.parego import qLogNParEGO
    from botorch.optim import optimize_acqf_discrete
    from botorch.sampling.get_sampler import get_sampler

    model = _model(bench, inputs, evaluated)
    baseline, choices = inputs[list(evaluated)], inputs[list(left)]
    count = min(at_once, len(left))

    def sampler() -> Any:
        seed = int(torch.randint(2**31, (1,)))
        return get_sampler(model.posterior(baseline[:1]), sample_shape=torch.Size([SAMPLES]), seed=seed)

    if acquisition == NEHVI:
        function = qLogNoisyExpectedHypervolumeImprovement(
            model=model,
            ref_point=[0.0] * len(bench.study.goals),
            X_baseline=baseline,
            sampler=sampler(),
            prune_baseline=True,
        )
        chosen, _ = optimize_acqf_discrete(function, q=count, choices=choices, max_batch_size=AT_ONCE)
        return [int(row) for row in chosen[:, -1].tolist()]
    rows: list[int] = []
    while len(rows) < count:
        function = qLogNParEGO(
            model=model,
            X_baseline=baseline,
            X_pending=inputs[rows] if rows else None,
            sampler=sampler(),
            prune_baseline=True,
        )
        open_choices = inputs[[row for row in left if row not in set(rows)]]
        best, _ = optimize_acqf_discrete(function, q=1, choices=open_choices, max_batch_size=AT_ONCE)
        rows.append(int(best[0, -1]))
    return rows


def _model(bench: JudgingTable, inputs: Tensor, evaluated: Sequence[int]) -> Any:
    """One model for each objective of the share of the box below it: 1 at the ideal, 0 at the reference."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import ModelListGP, SingleTaskGP
    from botorch.models.deterministic import GenericDeterministicModel
    from botorch.models.model import ModelList
    from botorch.models.transforms.input import FilterFeatures
    from gpytorch.mlls import ExactMarginalLogLikelihood

    columns = np.stack([bench.table.values[name] for name in bench.study.objectives], axis=1)
    shares = torch.from_numpy(1.0 - bench.study.scaled(columns))
    rows = list(evaluated)
    without_place = FilterFeatures(feature_indices=torch.arange(inputs.shape[1] - 1))
    models: list[Any] = []
    for place, name in enumerate(bench.study.objectives):
        if name in bench.exact.names:
            known = shares[:, [place]]
            models.append(GenericDeterministicModel(lambda x, known=known: known[x[..., -1].long()]))
            continue
        process = SingleTaskGP(inputs[rows], shares[rows][:, [place]], input_transform=without_place)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(process.likelihood, process))
        models.append(process)
    is_learned = all(isinstance(model, SingleTaskGP) for model in models)
    return ModelListGP(*models) if is_learned else ModelList(*models)
