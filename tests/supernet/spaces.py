"""Search spaces of tests with other numbers of classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from search_space.files.yaml_document import parse_document
from search_space.space import Space


def with_classes(space: Space, classes: int, **changes: Any) -> Space:
    """`space` for `classes` classes, with other top-level keys."""
    content = {**space.to_dict(), **changes}
    return parse_document(Space, {**content, "head": {**content["head"], "classes": classes}}, source="test")


def write_space(path: Path, space: Space) -> None:
    """Writes `space` as a file that commands read; JSON is YAML."""
    path.write_text(json.dumps(space.to_dict()))
