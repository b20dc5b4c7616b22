"""Accuracies of 1,248 networks of `cifar32` by the first shipped supernet, and a stand-in fitted to them.

The networks come from one `nsga2` search of 1,000 evaluations and one `surrogate` search of 250, so many of
them lie near the front. The file stores a genotype as one digit per gene.

The stand-in gives an accuracy to any network, so that searches with many seeds are affordable. It is the mean
of small neural networks plus a random draw. The draw is fixed for each network and as large as the
cross-validated error, so the stand-in is as hard to predict as real accuracies. The neural networks are
another kind of model than the Gaussian process of the surrogate, which would otherwise have an unfair
advantage. The stand-in says nothing about the true accuracy of a network that was not measured.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search_space.arrays import Floats, Integers
from search_space.genotype import Genotype
from search_space.space import Space
from studies.study.prediction_quality import kendall

FILE = Path(__file__).with_name("accuracies_cifar32.csv")
FOLDS = 4
MEMBERS = 3
HIDDEN = 32
EPOCHS = 400
RATE = 5e-3
DECAY = 0.1

AccuracyOf = Callable[[Sequence[Genotype]], Floats]
"""Accuracies in % (n,) of canonical genotypes."""


@dataclass(frozen=True)
class AccuracyTable:
    """Measured accuracies.

    Attributes:
        checkpoint: SHA-256 of the supernet's file.
        values: Accuracy in % by canonical genotype.
    """

    checkpoint: str
    values: dict[Genotype, float]

    @classmethod
    def load(cls) -> AccuracyTable:
        """Reads the table in this folder."""
        head, _, *rows = FILE.read_text().splitlines()
        values = {tuple(map(int, genes)): float(accuracy) for genes, accuracy in csv.reader(rows)}
        return cls(head.split("SHA-256 ")[1].split(":")[0], values)


@dataclass(frozen=True)
class StandIn:
    """Accuracies for any network.

    Attributes:
        accuracy: Function that predicts accuracies in %.
        error: Root mean square error for networks that the fit did not see, in %, by cross-validation.
        rank_correlation: Kendall's tau-b for the same networks.
    """

    accuracy: AccuracyOf
    error: float
    rank_correlation: float


def fit_stand_in(space: Space, table: AccuracyTable) -> StandIn:
    """Fits the stand-in, which takes a few seconds."""
    genes = np.array(list(table.values), dtype=np.int64)
    known, values = _one_hot(space, genes), np.array(list(table.values.values()))
    fold = np.random.default_rng(0).permutation(len(values)) % FOLDS
    unseen = np.empty(len(values))
    for number in range(FOLDS):
        inside = fold != number
        unseen[~inside] = _ensemble(known[inside], values[inside])(known[~inside])
    error = float(np.sqrt(((unseen - values) ** 2).mean()))
    expected = _ensemble(known, values)

    def accuracy(genotypes: Sequence[Genotype]) -> Floats:
        own = np.array([np.random.default_rng(genotype).standard_normal() for genotype in genotypes])
        accuracies = expected(_one_hot(space, np.array(genotypes, dtype=np.int64))) + error * own
        return np.clip(accuracies, 0.0, 100.0)

    return StandIn(accuracy, error, kendall(unseen, values))


def _one_hot(space: Space, genes: Integers) -> Floats:
    counts = np.where(space.active_rows(genes), genes + 1, 0)
    columns = [np.eye(gene.cardinality + 1)[counts[:, index]] for index, gene in enumerate(space.genes)]
    return np.concatenate(columns, axis=1)


def _ensemble(known: Floats, values: Floats) -> Callable[[Floats], Floats]:
    members = [_network(known, values, seed) for seed in range(MEMBERS)]
    return lambda genes: np.mean([member(genes) for member in members], axis=0)


def _network(known: Floats, values: Floats, seed: int) -> Callable[[Floats], Floats]:
    """A perceptron with two hidden layers, trained on all of `known` at once."""
    import torch  # takes seconds to import

    torch.set_num_threads(1)  # Layers are too small for more, and sums come in one order.
    torch.manual_seed(seed)
    layers = [
        torch.nn.Linear(known.shape[1], HIDDEN),
        torch.nn.Tanh(),
        torch.nn.Linear(HIDDEN, HIDDEN),
        torch.nn.Tanh(),
        torch.nn.Linear(HIDDEN, 1),
    ]
    model = torch.nn.Sequential(*layers).double()
    mean, deviation = values.mean(), values.std()
    inputs, wanted = torch.from_numpy(known), torch.from_numpy((values - mean) / deviation)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(inputs)[:, 0], wanted).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()

    def answer(genes: Floats) -> Floats:
        with torch.no_grad():
            predicted: Floats = model(torch.from_numpy(genes))[:, 0].numpy() * deviation + mean
        return predicted

    return answer
