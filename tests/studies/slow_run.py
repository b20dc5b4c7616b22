"""`python -m studies.run` with objectives that take some milliseconds a subnet: `quality`, and another `acc`.

Run by tests that stop it: `python -m tests.studies.slow_run SECONDS [arguments of studies.run]`.
"""

from __future__ import annotations

import sys

from objectives import registry
from search_space.command.command_line import run_command
from studies import run
from studies.samplers import virtual_search
from tests.studies.quality import ImageQuality, Quality

if __name__ == "__main__":
    seconds = float(sys.argv[1])
    virtual_search.CANDIDATES = 3000
    registry._BUILT_IN["quality"] = Quality(seconds=seconds)
    registry._BUILT_IN["acc"] = ImageQuality(seconds=seconds)
    run_command(lambda: run.main(sys.argv[2:]))
