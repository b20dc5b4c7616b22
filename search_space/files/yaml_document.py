"""YAML documents as frozen dataclasses: unknown keys, missing keys and wrong types are errors.

`mashumaro` builds the dataclasses. By default it converts scalars silently (``int("8")``, ``int(8.5)``), so
`Document` replaces its scalar readers with strict ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import fields
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from mashumaro import DataClassDictMixin
from mashumaro.config import BaseConfig
from mashumaro.exceptions import (
    ExtraKeysError,
    InvalidFieldValue,
    MissingField,
    SuitableVariantNotFoundError,
)
from mashumaro.types import SerializationStrategy

from search_space.errors import DocumentError, H4HError, UnknownNameError, closest_hint
from search_space.files.regular_file import file_problem


class _Strict(SerializationStrategy):
    """Reader of one scalar type that refuses values of any other type."""

    def __init__(self, kind: type, *accepted: type) -> None:
        self._kind = kind
        self._accepted = accepted

    def serialize(self, value: Any) -> Any:
        return value

    def deserialize(self, value: Any) -> Any:
        # bool is a subclass of int: without this check `width: true` would be read as 1.
        if not isinstance(value, self._accepted) or (isinstance(value, bool) and self._kind is not bool):
            raise TypeError(f"expected {self._kind.__name__}, got {type(value).__name__}")
        return self._kind(value)


class Document(DataClassDictMixin):
    """Base of all dataclasses that are read from YAML."""

    class Config(BaseConfig):
        """mashumaro's settings."""

        lazy_compilation = True  # A class that no file needs costs nothing.

        forbid_extra_keys = True
        serialization_strategy = MappingProxyType(
            {
                bool: _Strict(bool, bool),
                int: _Strict(int, int),
                float: _Strict(float, int, float),
                str: _Strict(str, str),
            }
        )


D = TypeVar("D", bound=Document)

MOST_BYTES = 1_000_000
"""Largest YAML file that is read. Those of the project have some kilobytes."""
MOST_DEPTH = 50
"""Deepest nesting that is read. Files of the project have five levels."""
MOST_NODES = 100_000
"""Largest number of keys and values that is read, each counted as often as aliases repeat it."""
BASE = "base"
"""Key of a document that names the one it extends."""
_DESCRIPTION = "description"


def unknown_key(key: object, known: Iterable[str]) -> str:
    """Message about a key that is not among `known`, with the closest of them."""
    known = list(known)
    return f"unknown key {key!r}; the keys are {', '.join(known)}{closest_hint(str(key), known)}"


def _keys(kind: type) -> list[str]:
    """Keys of the document that `kind` reads."""
    return [entry.name for entry in fields(kind) if entry.init and entry.metadata.get("serialize") != "omit"]


def _reason(error: BaseException, more: Iterable[str]) -> str:
    """The error in one line that names the path to the field; `more` are keys of the top level."""
    path: list[str] = []
    while True:
        match error:
            case InvalidFieldValue():
                path.append(error.field_name)
                got = f"{error.field_value!r:.60}"
                # mashumaro raises the outer error while it handles the inner one.
                inner = error.__context__
                if inner is None:
                    return f"{'.'.join(path)}: invalid value {got}"
                if isinstance(inner, H4HError):
                    return f"{'.'.join(path)}: {inner}"
                if isinstance(inner, AttributeError):
                    return f"{'.'.join(path)}: must be a mapping of keys to values, but got {got}"
                if not isinstance(
                    inner,
                    (InvalidFieldValue, MissingField, ExtraKeysError, SuitableVariantNotFoundError),
                ):
                    return f"{'.'.join(path)}: invalid value {got} ({inner})"
                error = inner
            case MissingField():
                return ".".join([*path, error.field_name]) + ": this key is missing"
            case ExtraKeysError():
                where = ".".join(path) or "top level"
                known = [*(() if path else more), *_keys(error.target_type)]
                return f"{where}: {unknown_key(min(map(str, error.extra_keys)), known)}"
            case _:
                return ".".join(path) + f": {error}" if path else str(error)


def parse_document(kind: type[D], data: object, *, source: str, more: Iterable[str] = ()) -> D:
    """Builds `kind` from parsed YAML.

    Args:
        kind: The dataclass to build.
        data: Result of the YAML parser.
        source: Name of the document, for messages.
        more: Keys of the top level that were read before, for messages.

    Raises:
        DocumentError: `data` is not a mapping, or does not fit `kind`.
    """
    if not isinstance(data, dict):
        raise DocumentError(f"{source}: must be a mapping of keys to values, but got {data!r:.60}")
    try:
        return kind.from_dict(data)
    except H4HError as error:
        raise DocumentError(f"{source}: {error}") from error
    except (InvalidFieldValue, MissingField, ExtraKeysError, ValueError, TypeError) as error:
        raise DocumentError(f"{source}: {_reason(error, more)}") from error


if TYPE_CHECKING or not yaml.__with_libyaml__:
    _SafeLoader = yaml.SafeLoader
else:
    # The parser in C takes a sixth of the time, and every command reads a space and often a SoC.
    class _SafeLoader(yaml.composer.Composer, yaml.CSafeLoader):
        def __init__(self, text: str) -> None:
            yaml.composer.Composer.__init__(self)
            yaml.CSafeLoader.__init__(self, text)


class _UniqueKeyLoader(_SafeLoader):
    """PyYAML's safe loader that refuses duplicate keys, where the original silently keeps the last."""

    _depth = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {MOST_DEPTH} levels", mark)
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
        finally:
            self._depth -= 1
        if node is not None and id(node) not in self._sizes:  # An alias gives a node that was seen before.
            self._sizes[id(node)] = size = 1 + sum(self._sizes.get(id(part), 1) for part in _parts(node))
            if size > MOST_NODES:
                raise yaml.composer.ComposerError(
                    None, None, f"more than {MOST_NODES:,} keys and values, aliases included", node.start_mark
                )
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"duplicate key {key.value!r}", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _parts(node: yaml.Node) -> list[yaml.Node]:
    """Keys and values of a mapping, or items of a sequence."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def read_yaml(path: Path) -> object:
    """Content of the YAML file at `path`, not checked against any dataclass.

    Raises:
        DocumentError: The file cannot be read, or is not YAML.
    """
    try:
        if problem := file_problem(path):
            raise DocumentError(f"{path}: {problem}; name a YAML file")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise DocumentError(f"{path}: has {size:,} bytes, but a YAML file may have {MOST_BYTES:,}")
        text = path.read_text(encoding="utf-8")
        return yaml.load(text, Loader=_UniqueKeyLoader)
    except RecursionError as error:
        raise DocumentError(f"{path}: is nested too deep") from error
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise DocumentError(f"{path}: is not a text file in UTF-8") from error
        reason = "a number of too many digits" if "integer string conversion" in str(error) else error
        raise DocumentError(f"{path}: holds a value that cannot be read ({reason})") from error
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise DocumentError(f"{path}: is not valid YAML ({reason})") from error


def built_in_names(folder: Traversable) -> tuple[str, ...]:
    """Names of the YAML files in `folder`, without the ending."""
    files = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml")))


Find = Callable[[str], "Path | dict[str, Any]"]
"""Finds a file, or the content of one, by a name that is neither built in nor a path."""


def is_yaml_path(name: str) -> bool:
    """Whether `name` is the path of a custom file."""
    return name.endswith((".yaml", ".yml"))


def unknown_document(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is neither known nor a path."""
    return UnknownNameError(kind, name, (*known, "or a path that ends in .yaml"))


def locate(kind: str, name: str, folder: Traversable, *, beside: Path = Path()) -> Path:
    """Path of the file called `name`: a built-in file in `folder`, or a custom file.

    Args:
        kind: Noun for messages, e.g. ``"space"``.
        name: Name of a built-in file, or a path that ends in .yaml or .yml.
        folder: Folder of the built-in files.
        beside: Folder that relative paths start from.

    Raises:
        UnknownNameError: No built-in file has this name.
    """
    if is_yaml_path(name):
        return beside / name
    if name not in built_in_names(folder):
        raise unknown_document(kind, name, built_in_names(folder))
    return Path(str(folder / f"{name}.yaml"))


def read_document(kind: type[D], path: Path) -> D:
    """Reads a YAML file into `kind`.

    Raises:
        DocumentError: The file cannot be read, is not YAML, or does not fit `kind`.
    """
    return parse_document(kind, read_yaml(path), source=str(path))


def read_laid_over(kind: str, name: str, folder: Traversable, find: Find | None = None) -> object:
    """Content of the YAML file called `name`, laid over the file that its key `base` names, if any.

    Keys replace those of the base. A section (a mapping without a unit), also one within another, is
    merged with that of the base, key by key. The path of a base is relative to the file that names it.

    Args:
        kind: Noun for messages, e.g. ``"space"``.
        name: Name of a built-in file, or a path that ends in .yaml or .yml.
        folder: Folder of the built-in files.
        find: Finds documents of other names, and refuses unknown ones.

    Raises:
        UnknownNameError: No file has this name.
        DocumentError: A file cannot be read, or the bases form a circle.
    """
    return _laid_over(kind, name, folder, find, beside=Path(), seen=())


def _laid_over(
    kind: str, name: str, folder: Traversable, find: Find | None, *, beside: Path, seen: tuple[Path, ...]
) -> object:
    if find is None or is_yaml_path(name) or name in built_in_names(folder):
        found: Path | dict[str, Any] = locate(kind, name, folder, beside=beside)
    else:
        found = find(name)
    if isinstance(found, dict):
        return found
    # `Path.resolve` fails at a circle of symbolic links; reading the file says so in words.
    path = Path(os.path.realpath(found))
    if path in seen:
        raise DocumentError(f"{name}: `{BASE}` leads back to {path.name}")
    data = read_yaml(path)
    if not isinstance(data, dict) or BASE not in data:
        return data
    base = data[BASE]
    if not isinstance(base, str):
        raise DocumentError(
            f"{name}: `{BASE}` must be the name or path of a {kind} file, but got {base!r:.60}"
        )
    below = _laid_over(kind, base, folder, find, beside=path.parent, seen=(*seen, path))
    above = {key: value for key, value in data.items() if key != BASE}
    if not isinstance(below, dict):
        return below
    if _DESCRIPTION in below:
        # That of the base describes the base.
        above = {_DESCRIPTION: f"{base} with other values", **above}
    return _joined(below, above)


def _joined(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`below` with the keys of `above`; sections, also within others, are merged, other entries replaced."""
    joined = dict(below)
    for key, value in above.items():
        old = joined.get(key)
        is_section = isinstance(old, dict) and isinstance(value, dict) and "unit" not in old
        joined[key] = _joined(old, value) if is_section else value  # type: ignore[arg-type]
    return joined
