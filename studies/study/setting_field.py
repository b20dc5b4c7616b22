"""Fields of `StudySettings`: default, unit, help and check of one setting, declared in one place."""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from search_space.errors import H4HError, UnknownNameError


class SettingError(H4HError):
    """A setting with a value that is not allowed."""


MOST = 10**9
"""Default upper bound of whole numbers, beyond what any study can reach."""


@dataclass(frozen=True)
class Setting:
    """Properties of one setting other than its name, type and default.

    Attributes:
        group: Heading of the command's help under which the option stands.
        help: Noun phrase or imperative that stands alone.
        unit: Unit of a number; empty without a unit.
        metavar: Placeholder of the value in help, for settings without choices.
        choices: Allowed values; empty if any value is allowed.
        least: Smallest allowed number; None without a bound.
        most: Largest allowed number, where `least` is given.
        check: Raises `H4HError` for a value that is not allowed.
        option: Name of the option without dashes; None for the name of the field.
        separator: Separator of several values in one option; None if the option is repeated.
        count: Number of values that follow one option, for settings of several texts; None if it is one.
        is_stored: Whether a study stores it among its settings.
    """

    group: str
    help: str
    unit: str = ""
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int = MOST
    check: Callable[[Any], object] | None = None
    option: str | None = None
    separator: str | None = None
    count: int | None = None
    is_stored: bool = True


def setting(default: Any, help: str, **details: Any) -> Any:
    """A dataclass field that holds a setting.

    Args:
        default: Default value of the setting.
        help: See `Setting`.
        **details: Other attributes of `Setting`, by name.
    """
    return field(default=default, metadata={"setting": Setting(help=help, **details)})


def setting_of(item: Field[Any]) -> Setting:
    """The setting that a dataclass field holds."""
    details: Setting = item.metadata["setting"]
    return details


def option_of(item: Field[Any]) -> str:
    """The command-line option of a setting, such as ``--val-images``."""
    return f"--{setting_of(item).option or item.name.replace('_', '-')}"


def kinds(settings: type) -> Mapping[str, type]:
    """Type of each setting by name: int, float, bool, str, Path, or tuple for several texts."""
    return {name: _kind(hint) for name, hint in get_type_hints(settings).items()}


def _kind(hint: Any) -> type:
    """The type that values are converted to; a path may be given as a text."""
    if get_origin(hint) is tuple:
        return tuple
    if get_origin(hint) in (Union, types.UnionType):
        named = [member for member in get_args(hint) if member is not type(None)]
        return Path if Path in named else _kind(named[0])
    assert isinstance(hint, type)
    return hint


def plain(item: Field[Any], value: Any) -> Any:
    """A value in JSON form."""
    separator = setting_of(item).separator
    if isinstance(value, tuple):
        return list(value) if separator is None else separator.join(value)
    return str(value) if isinstance(value, Path) else value


def attribute_lines(settings: Any) -> str:
    """The lines of a docstring that name each setting of a dataclass, from its fields."""
    lines = ["    Attributes:"]
    for item in fields(settings):
        details = setting_of(item)
        notes = [details.help]
        notes += [f"one of {', '.join(details.choices)}"] if details.choices else []
        notes += [] if item.default in (None, (), False) else [f"default: {plain(item, item.default)}"]
        unit = f" ({details.unit})" if details.unit else ""
        lines.append(f"        {item.name}{unit}: {'; '.join(notes)}.")
    return "\n".join(lines)


def normalise(settings: Any) -> None:
    """Converts and checks every field of a frozen dataclass of settings, in place.

    Raises:
        H4HError: A value has the wrong type or is not allowed.
    """
    kind_by_name = kinds(type(settings))
    for item in fields(settings):
        value = _checked(getattr(settings, item.name), item, kind_by_name[item.name])
        object.__setattr__(settings, item.name, value)


def _checked(value: Any, item: Field[Any], kind: type) -> Any:
    if value is None and item.default is None:
        return None
    details, option = setting_of(item), option_of(item)
    converted = _converted(value, kind, details, option)
    if details.least is not None and not converted >= details.least:
        raise SettingError(f"{option} must be at least {details.least}, but got {value}")
    if details.least is not None and not converted <= details.most:
        raise SettingError(f"{option} must be at most {details.most}, but got {value}")
    if details.count is not None and len(converted) not in (0, details.count):
        raise SettingError(
            f"{option} must be {details.count} values ({details.metavar}), but got {len(converted)}"
        )
    if details.choices and converted not in details.choices:
        raise UnknownNameError(option, str(converted), details.choices)
    if details.check is not None:
        for value in converted if isinstance(converted, tuple) else [converted]:
            details.check(value)
    return converted


def _converted(value: Any, kind: type, details: Setting, option: str) -> Any:
    """`value` as `kind`, if the conversion is lossless."""
    is_flag = isinstance(value, bool)
    match kind:
        case _ if kind is int and isinstance(value, Integral) and not is_flag:
            return int(value)
        case _ if kind is float and isinstance(value, Real) and not is_flag:
            return float(value)
        case _ if kind is bool and is_flag:
            return value
        case _ if kind is str and isinstance(value, str | os.PathLike):
            return os.fspath(value)
        case _ if kind is Path and isinstance(value, str | os.PathLike):
            return Path(value)
        case _ if kind is tuple and isinstance(value, str):
            return (
                tuple(part.strip() for part in value.split(details.separator))
                if details.separator
                else (value,)
            )
        case _ if kind is tuple and isinstance(value, Iterable):
            texts = tuple(value)
            if all(isinstance(text, str) for text in texts):
                return texts
    raise SettingError(f"{option} must be {_KINDS[kind]}, but got {value!r}")


_KINDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text",
    Path: "the path of a file or folder",
    tuple: "a tuple of texts",
}
