"""Keys of a chip file that name tables of measured ops: `npu.table` and `cim.table`."""

from __future__ import annotations

from search_space.errors import DocumentError

NPU, CIM = "npu", "cim"


def take_tables(data: object, *, source: str) -> dict[str, str]:
    """Names of the tables of measured ops by section, taken out of `data`, with `npu.model`.

    Raises:
        DocumentError: A name is not text, or only one of `npu.model: table` and `npu.table` is there.
    """
    sections = data if isinstance(data, dict) else {}
    tables: dict[str, str] = {}
    for name in (NPU, CIM):
        section = sections.get(name)
        if not isinstance(section, dict) or ("table" not in section and not _names_model(name, section)):
            continue
        model = section.pop("model", None) if name == NPU else None
        if model not in (None, "table"):
            raise DocumentError(
                f"{source}: npu.model: must be 'table', or absent, but got {model!r:.40}; the option "
                f"--npu-model chooses between closed form and compiler"
            )
        table = section.pop("table", None)
        if not isinstance(table, str):
            raise DocumentError(
                f"{source}: {name}.table: must be the path of a CSV file beside this one, but got "
                f"{table!r:.40}"
            )
        tables[name] = table
    return tables


def _names_model(name: str, section: dict[object, object]) -> bool:
    """Whether the NPU names a model; `cim.model` is the kind of the macros."""
    return name == NPU and "model" in section
