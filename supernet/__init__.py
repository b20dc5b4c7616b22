"""The supernet: elastic layers, data, two-phase training, checkpoints, accuracy of a subnet.

Public names load when they are first used:

    import supernet

    weights = supernet.load("cifar32")
    network = supernet.extract(weights, weights.space.decode(weights.space.largest()))
"""

from h4h_packages import check_packages, lazy_names

check_packages(__name__)

TYPE_CHECKING = False
"""A name that type checkers know; `typing` itself would load before the guard of the start."""

if TYPE_CHECKING:
    from supernet.accuracy.load_and_extract import extract
    from supernet.accuracy.load_and_extract import load_supernet as load
    from supernet.checkpoints import known_checkpoints
    from supernet.network.supernet import Supernet
    from supernet.torch_models.brought_model import from_torch

__all__ = ["Supernet", "extract", "from_torch", "known_checkpoints", "load"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Supernet": "supernet.network.supernet",
        "extract": "supernet.accuracy.load_and_extract",
        "from_torch": "supernet.torch_models.brought_model",
        "known_checkpoints": "supernet.checkpoints",
        "load": "supernet.accuracy.load_and_extract:load_supernet",
    },
)
