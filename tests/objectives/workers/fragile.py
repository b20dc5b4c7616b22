"""An objective whose process dies, for the tests of workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from objectives.objective import Dependency, Direction
from search_space import complexity
from search_space.arrays import Floats
from search_space.errors import H4HError
from search_space.subnet import Subnet


@dataclass(frozen=True)
class Fragile:
    """Multiply-accumulates of subnets, for which the first processes that are asked get killed.

    Attributes:
        folder: Gets one file for each death.
        deaths: How many processes die.
        stalls: How many processes are stopped and never go on.
        seconds: What a subnet takes.
        sleeps: How many processes sleep until the folder has a file called `wake`.
        refused: MACs of subnets that raise an error.
    """

    folder: Path
    deaths: int = 0
    stalls: int = 0
    seconds: float = 0.0
    sleeps: int = 0
    refused: int | None = None
    name: str = "fragile"
    unit: str = ""
    direction: Direction = "min"
    depends_on: tuple[Dependency, ...] = ("network",)
    follows_size: bool = False
    is_expensive: bool = True

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        (self.folder / f"{os.getpid()}.pid").touch()
        for ending, times, number in (
            ("death", self.deaths, signal.SIGKILL),
            ("stall", self.stalls, signal.SIGSTOP),
        ):
            for count in range(times):
                try:
                    (self.folder / f"{count}.{ending}").touch(exist_ok=False)
                except FileExistsError:
                    continue
                os.kill(os.getpid(), number)
        for count in range(self.sleeps):
            try:
                (self.folder / f"{count}.sleep").touch(exist_ok=False)
            except FileExistsError:
                continue
            while not (self.folder / "wake").exists():
                time.sleep(0.05)
        time.sleep(self.seconds * len(subnets))
        macs = [complexity.macs(subnet) for subnet in subnets]
        if self.refused in macs:
            raise H4HError("refused")
        return np.array(macs, dtype=np.float64)

    def fingerprint(self) -> dict[str, str]:
        return {"fragile": "1"}

    def pids(self) -> set[int]:
        """All processes that have been asked."""
        return {int(path.stem) for path in self.folder.glob("*.pid")}
