"""Objectives: accuracy, latency, energy and size of a subnet.

Public names load when they are first used:

    from objectives import CostModel, load_soc
"""

from h4h_packages import check_packages, lazy_names

check_packages(__name__)

TYPE_CHECKING = False
"""A name that type checkers know; `typing` itself would load before the guard of the start."""

if TYPE_CHECKING:
    from objectives.accuracy_objective import Accuracy
    from objectives.hardware.cost_model import CostModel
    from objectives.hardware.soc import SoC, known_socs, load_soc
    from objectives.hardware_objectives import Energy, Latency, Power
    from objectives.objective import Objective
    from objectives.registry import known_objectives

__all__ = [
    "Accuracy",
    "CostModel",
    "Energy",
    "Latency",
    "Objective",
    "Power",
    "SoC",
    "known_objectives",
    "known_socs",
    "load_soc",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Accuracy": "objectives.accuracy_objective",
        "CostModel": "objectives.hardware.cost_model",
        "Energy": "objectives.hardware_objectives",
        "Latency": "objectives.hardware_objectives",
        "Objective": "objectives.objective",
        "Power": "objectives.hardware_objectives",
        "SoC": "objectives.hardware.soc",
        "known_objectives": "objectives.registry",
        "known_socs": "objectives.hardware.soc",
        "load_soc": "objectives.hardware.soc",
    },
)
