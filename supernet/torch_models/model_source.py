"""Models by name: torchvision's, timm's, or that of a function of a user's own, with weights from a file.

Of a file only tensors are read, never code: safetensors, or a torch file by `weights_only`.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from search_space.errors import H4HError, closest_hint
from search_space.files.own_code import failure_text, import_object
from search_space.files.regular_file import file_problem

TORCHVISION, TIMM = "torchvision", "timm"
WRAPPERS = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema")
"""Keys under which training scripts store the weights of a model."""
PREFIXES = ("module.", "_orig_mod.")
"""Prefixes that DistributedDataParallel and torch.compile put before the names of weights."""


def load_model(source: str, weights: Path | None, options: Mapping[str, Any]) -> nn.Module:
    """A model with its weights, on the CPU.

    Args:
        source: ``torchvision:NAME``, ``timm:NAME``, or ``module:function`` of a function that returns one.
        weights: File of the weights; may be None for a function, whose model may have them already.
        options: Arguments of the model, such as ``width_mult``.

    Raises:
        H4HError: There is no such model or file, or the weights do not fit.
    """
    library, _, name = source.partition(":")
    tensors = None if weights is None else read_weights(weights)
    if library in (TORCHVISION, TIMM):
        if tensors is None or weights is None:
            raise H4HError(
                f"{source} needs trained weights: pass a file as --weights, such as that of "
                f"torch.save(model.state_dict(), 'w.pth')"
            )
        classes = {} if "num_classes" in options else {"num_classes": _classes(tensors, weights)}
        model = library_model(library, name, {**classes, **options})
    else:
        function = import_object(source, kind="model")
        if not callable(function):
            raise H4HError(f"model {source!r} must be a function that returns a torch.nn.Module")
        model = _built(source, function, options)
    if not isinstance(model, nn.Module):
        raise H4HError(f"model {source!r} must be a torch.nn.Module, but is a {type(model).__name__}")
    if tensors is not None:
        _fill(model, tensors, f"{weights}", source)
    return model


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a file by their names.

    Raises:
        H4HError: The file is absent, damaged, or holds anything but tensors.
    """
    if problem := file_problem(path):
        raise H4HError(f"weights {path} {problem}; name a file of torch.save or safetensors")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # An error follows where a form is not supported.
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise H4HError(
            f"weights {path} are no file of tensors, or hold code, which is never run: save them by "
            f"torch.save(model.state_dict(), FILE)"
        ) from error
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise H4HError(f"weights {path} are damaged or no file of torch.save or safetensors") from error
    return _state(content, path)


def _state(content: object, path: Path) -> dict[str, Tensor]:
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise H4HError(
            f"weights {path} must hold tensors by name (model.state_dict()), but hold {content!r:.60}"
        )
    tensors = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise H4HError(
                f"weights {path} must hold tensors by name (model.state_dict()), but {name!r:.60} is a "
                f"{type(value).__name__}"
            )
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        tensors[name] = value
    return tensors


def _classes(tensors: Mapping[str, Tensor], path: Path) -> int:
    """Number of classes: outputs of the last matrix."""
    matrices = [tensor for tensor in tensors.values() if tensor.ndim == 2]
    if not matrices:
        raise H4HError(f"weights {path} hold no linear layer, so the model has no classifier")
    return len(matrices[-1])


def library_model(library: str, name: str, options: Mapping[str, Any]) -> nn.Module:
    """A model of torchvision or timm with random weights.

    Raises:
        H4HError: The library or the model is not there, or the model has no such argument.
    """
    if library == TIMM:
        try:
            import timm
        except ImportError as error:
            raise H4HError(f"timm:{name} needs timm: install it by `pip install timm`") from error
        known, make = tuple(timm.list_models()), timm.create_model
    else:
        from torchvision import models

        known, make = tuple(models.list_models(module=models)), models.get_model
    if name not in known:
        raise H4HError(
            f"{library} has no model {name!r}; choose one of {library}'s list_models()"
            f"{closest_hint(name, known)}"
        )
    untrained = {"weights": None} if library == TORCHVISION else {}
    return _built(f"{library}:{name}", make, untrained | dict(options), name)


def _built(source: str, make: Any, options: Mapping[str, Any], *arguments: str) -> nn.Module:
    try:
        model: nn.Module = make(*arguments, **options)
    except Exception as error:  # A function of anybody's may raise any error.
        raise H4HError(
            f"model {source} cannot be made with {dict(options)} ({failure_text(error)}): check --option"
        ) from error
    return model


def _fill(model: nn.Module, tensors: Mapping[str, Tensor], path: str, source: str) -> None:
    own = model.state_dict()
    missing, foreign = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    wrong = [
        f"{name} {tuple(tensors[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    for problem, names in (("lack", missing), ("hold also", foreign), ("have another shape in", wrong)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise H4HError(
                f"weights {path} do not fit {source}: they {problem} {names[0]}{more}; check the model and "
                f"its --option"
            )
    model.load_state_dict(dict(tensors), strict=False)
