"""Names of studies: what a name may look like."""

from __future__ import annotations

from studies.study.setting_field import SettingError


def check_study_name(name: str, option: str = "--study") -> None:
    """Checks the name of a new study.

    Args:
        name: The name.
        option: What the user gave it as, for messages.

    Raises:
        SettingError: The name is empty, cannot be printed, or looks like an option.
    """
    if not name.strip() or not name.isprintable():
        raise SettingError(f"{option} must be a printable name that is not empty, but got {name!r}")
    if name.startswith("-"):
        raise SettingError(
            f"{option} must not begin with a dash, which commands take for an option: {name!r}"
        )
