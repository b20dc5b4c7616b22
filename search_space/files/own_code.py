"""Code of a user's own: objects named as ``module:Name``, and what identifies their code in a fingerprint."""

from __future__ import annotations

import hashlib
import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from search_space.errors import H4HError

SEPARATOR = ":"


class OwnCodeError(H4HError):
    """Code of a user's own that cannot be imported or identified, or that failed."""


def is_reference(text: str) -> bool:
    """Whether `text` names an object of a module, such as ``mymodule:MyObjective``."""
    return SEPARATOR in text


def import_object(reference: str, *, kind: str) -> object:
    """The object that `reference` names.

    Args:
        reference: ``module:Name``, where the module is importable from the current folder or `PYTHONPATH`.
        kind: Noun for messages, such as ``objective``.

    Raises:
        OwnCodeError: The module cannot be imported, or has no such name.
    """
    subject = f"{kind} {reference!r}"
    module_name, _, name = reference.partition(SEPARATOR)
    if not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise OwnCodeError(f"{subject} must be a name, or module:Name such as mypackage.mymodule:MyClass")
    try:
        item: object = import_module(module_name)
    except (Exception, SystemExit) as error:
        raise OwnCodeError(
            f"{subject} cannot be imported ({failure_text(error)}): module {module_name!r} must be "
            f"importable from the current folder or PYTHONPATH"
        ) from error
    for part in name.split("."):
        try:
            item = getattr(item, part)
        except AttributeError as error:
            raise OwnCodeError(f"{subject} does not exist: module {module_name!r} has no {name!r}") from error
    return item


def code_name(item: object) -> str:
    """``module:Name`` of the class of an object, or of the object if it is a class or function."""
    owner = _owner(item)
    return f"{owner.__module__}{SEPARATOR}{owner.__qualname__}"


def code_identity(item: object, *, kind: str) -> dict[str, str]:
    """What identifies the code of `item`: its name, and its version or a hash of its source.

    An attribute `version` goes first. Without it the source of the whole module counts, or of the class alone
    where the module is the script or notebook that runs.

    Args:
        item: Instance, class or function.
        kind: Noun for messages.

    Raises:
        OwnCodeError: It has no version, and its source cannot be read.
    """
    name = code_name(item)
    version = getattr(item, "version", None)
    if isinstance(version, str | int | float):
        return {"code": name, "version": str(version)}
    return {"code": name, "source": hashlib.sha256(_source(item, name, kind)).hexdigest()}


def _source(item: object, name: str, kind: str) -> bytes:
    owner = _owner(item)
    module: ModuleType | None = sys.modules.get(owner.__module__)
    try:
        if owner.__module__ != "__main__" and module is not None and module.__file__ is not None:
            return Path(module.__file__).read_bytes()
        return inspect.getsource(owner).encode()
    except (OSError, TypeError, AttributeError) as error:
        raise OwnCodeError(
            f"{kind} {name!r}: its source cannot be read, so changes of it would go unnoticed: give it an "
            f"attribute `version`, a text that you change with it"
        ) from error


def _owner(item: object) -> type:
    return item if hasattr(item, "__qualname__") else type(item)  # type: ignore[return-value]


def failure_text(error: BaseException) -> str:
    """Type and message of an exception in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
