"""Samplers by the names of `--sampler`. A new sampler is one file and one line here."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

from search_space.errors import UnknownNameError
from search_space.files.plug_ins import PlugInGroup
from studies.samplers.sampler import Sampler, SamplerContext

_PACKAGES: dict[str, tuple[str, ...]] = {
    "nsga2": ("pymoo",),
    "rnsga2": ("pymoo",),
    "sms": ("pymoo", "moocore"),
    "optuna-tpe": ("optuna",),
    "optuna-nsga2": ("optuna",),
    "optuna-nsga3": ("optuna",),
    "optuna-qmc": ("optuna", "scipy"),
    "optuna-gp": ("optuna", "scipy", "torch"),
    "random": (),
    "local": (),
    "surrogate": ("pymoo", "moocore"),
}
"""Every sampler, with the packages whose versions determine its proposals. NumPy affects all of them."""
PLUG_INS = PlugInGroup("h4h.samplers", "sampler")
"""Samplers of other packages: what ``module:Class`` may name."""


def built_in_samplers() -> tuple[str, ...]:
    """Names of all built-in samplers."""
    return tuple(_PACKAGES)


def known_samplers() -> tuple[str, ...]:
    """Names of all samplers: built-in ones, then those of installed packages.

    Example:
        >>> from studies import known_samplers
        >>> "nsga2" in known_samplers()
        True
    """
    return tuple(dict.fromkeys((*_PACKAGES, *PLUG_INS.names())))


def check_sampler(name: str) -> None:
    """Raises `UnknownNameError` if no built-in sampler has this name."""
    if name not in _PACKAGES:
        raise UnknownNameError("sampler", name, _PACKAGES)


def sampler_versions(name: str) -> dict[str, str]:
    """Versions of the packages that determine the proposals of the sampler called `name`."""
    return {f"version of {package}": version(package) for package in ("numpy", *_PACKAGES[name])}


def create_sampler(name: str, context: SamplerContext) -> Sampler:
    """The built-in sampler called `name`.

    Raises:
        UnknownNameError: No built-in sampler has this name.
    """
    check_sampler(name)
    # The libraries take up to a second to import, so bad input is refused first.
    module = import_module(f"studies.samplers.{name.replace('-', '_')}")
    sampler: Sampler = module.create(context)
    return sampler
