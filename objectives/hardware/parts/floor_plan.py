"""Floor plan of a chip: tiles for additional macros, and a drawing as text."""

from __future__ import annotations

from itertools import count, islice

from objectives.hardware.parts.noc import Noc, Tile, hops


def with_room(noc: Noc, macros: int) -> tuple[Tile, ...]:
    """Tiles of at least `macros` macros: those of `noc`, then free tiles of its rows by distance."""
    missing = macros - len(noc.macros)
    if missing <= 0:
        return noc.macros
    taken = set(noc.tiles)
    rows = range(min(y for _, y in taken), max(y for _, y in taken) + 1)

    def free() -> list[Tile]:
        reach = max(hops(noc.sram, tile) for tile in taken) + missing
        columns = range(noc.sram[0] - reach, noc.sram[0] + reach + 1)
        tiles = [(x, y) for y in rows for x in columns if (x, y) not in taken]
        return sorted(tiles, key=lambda tile: (hops(noc.sram, tile), tile[1], tile[0]))

    return (*noc.macros, *islice(free(), missing))


def drawing(noc: Noc, macros: int) -> str:
    """Drawing of the tiles, one line per row; macros are numbered in order of use."""
    names = {noc.sram: "SRAM"} if noc.npu is None else {noc.npu: "NPU", noc.sram: "SRAM"}
    names |= {tile: f"M{number}" for number, tile in zip(count(1), noc.macros[:macros], strict=False)}
    columns = range(min(x for x, _ in names), max(x for x, _ in names) + 1)
    rows = range(min(y for _, y in names), max(y for _, y in names) + 1)
    lines = []
    for y in rows:
        cells = [f"[{names.get((x, y), ''):^4}]" for x in columns]
        lines.append(("--" if noc.topology == "mesh" else "  ").join(cells))
        if y != rows[-1]:
            lines.append("  ".join(f"{'|' if noc.topology == 'mesh' else '':^6}" for _ in columns))
    if noc.topology == "bus":
        lines.append("=" * len(lines[0]) + " bus")
    return "\n".join(line.rstrip() for line in lines)
