"""`python -m studies.run` whose one more objective, `quality`, is measured by workers.

Run by tests that kill some of them: `python -m tests.studies.spread_run SECONDS WORKERS [arguments of
studies.run]`, where WORKERS is a number of processes or the address of a Dask scheduler.
"""

from __future__ import annotations

import sys

from objectives import registry
from objectives.objective import Objective
from objectives.workers.shared_objective import Cluster, shared
from search_space.command.command_line import run_command
from studies import run
from tests.studies.quality import Quality


def quality() -> Objective:
    seconds, workers = sys.argv[1:3]
    objective = Quality(seconds=float(seconds))
    if workers.isdecimal():
        return shared(objective, workers=int(workers))
    return shared(objective, cluster=Cluster(workers))


def main() -> None:
    registry._BUILT_IN["quality"] = quality()
    run.main(sys.argv[3:])


if __name__ == "__main__":
    run_command(main)
