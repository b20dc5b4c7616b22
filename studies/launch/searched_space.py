"""The search space that settings name: by name, file, checkpoint or accuracy table."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from objectives.tabled.accuracy_table import AccuracyTable, check_table_file, read_table
from search_space.files.regular_file import file_problem
from search_space.space import Space, load_space
from studies.study.setting_field import SettingError
from studies.study.settings import DEFAULT_SPACE, StudySettings
from supernet.checkpoints.header import check_space, stored_space


def searched_networks(settings: StudySettings) -> Space:
    """The search space of the networks.

    Raises:
        H4HError: There is no such space or checkpoint, or the checkpoint is damaged or has another space.
    """
    checkpoint = None if settings.checkpoint is None else Path(settings.checkpoint)
    if checkpoint is not None and (problem := file_problem(checkpoint)):
        raise SettingError(f"--checkpoint {checkpoint} {problem}; name a .safetensors file")
    stored = None if checkpoint is None else stored_space(checkpoint)
    if settings.space is None and stored is not None:
        return stored
    space = load_space(settings.space or DEFAULT_SPACE)
    if checkpoint is not None and stored is not None:
        check_space(checkpoint, stored, space)
    return space


def searched_table(settings: StudySettings) -> AccuracyTable | None:
    """The accuracy table of `settings`; None without one.

    Raises:
        H4HError: The table is wrong, or there is no such search space.
    """
    if settings.accuracy_table is None:
        return None
    space = None if settings.space_from_table else searched_networks(settings)
    path = Path(settings.accuracy_table)
    check_table_file(path)
    state = path.stat()
    return _read_once(path, (state.st_mtime_ns, state.st_size), space)


@lru_cache(maxsize=1)
def _read_once(path: Path, state: tuple[int, int], space: Space | None) -> AccuracyTable:  # noqa: ARG001
    """The table at `path`, read again if the state of the file changes. Naming a study needs it as well."""
    return read_table(path, space)
