"""The light path where the system has nothing that only POSIX has, as on Windows.

Modules, functions and files of POSIX are taken away in a process of its own: it shows that nothing of ours
needs them. The lock of a study is then a soft one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.without_posix.__main__ import environment

ROOT = Path(__file__).parents[2]
TAKEN_AWAY = """
import builtins, io, os, signal, sys

class Absent:
    NAMES = {"fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog"}

    def find_spec(self, name, path=None, target=None):
        if name in self.NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in Absent.NAMES:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
ABSENT = {
    os: ("fork", "forkpty", "geteuid", "getgid", "getpgid", "setsid", "mkfifo", "getloadavg",
         "sched_getaffinity", "statvfs", "chown", "killpg", "wait4"),
    signal: ("pthread_sigmask", "SIGHUP", "SIGSTOP", "SIGUSR1", "SIGALRM", "sigwait", "alarm"),
}
for module, names in ABSENT.items():
    for name in names:
        vars(module).pop(name, None)
real_access = os.access

def access(path, mode, *, effective_ids=False):
    if effective_ids:
        raise NotImplementedError("access: effective_ids unavailable on this platform")
    return real_access(path, mode)

os.supports_effective_ids.discard(os.access)
os.access = access

def guarded(real):
    def opened(file, *arguments, **options):
        if str(file).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", str(file))
        return real(file, *arguments, **options)
    return opened

builtins.open, io.open = guarded(builtins.open), guarded(io.open)
"""


def ended(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter without POSIX and HOME that runs `code` in `folder`."""
    hidden = ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "H4H_CACHE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [sys.executable, "-c", f"{TAKEN_AWAY}\n{code}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )


def test_a_search_runs_resumes_and_is_shown(tmp_path: Path) -> None:
    code = """
from studies import run, show, verify, export
words = ["--objectives", "macs,params,lat", "--population", "4", "--study", "mine", "--mapping", "npu"]
run.main([*words, "--generations", "1", "--log-json", "log.jsonl"])
run.main([*words, "--generations", "2"])
from studies import load_study
print("ROWS", len(load_study("studies.db", "mine").measured))
sys.argv = ["studies.show", "--study", "mine"]
show.main()
sys.argv = ["studies.export", "mine", "--format", "csv", "--out", "mine.csv"]
export.main()
sys.argv = ["studies.verify", "studies.db"]
verify.main()
from supernet.network.freed_memory import held_bytes
from objectives.hardware.vela_compiler import vela
from search_space.files.cache_folder import cache_folder, make_private
make_private(cache_folder())
print("HELD", held_bytes(), "fcntl" in sys.modules, cache_folder().is_dir())
"""
    process = ended(code, tmp_path)
    assert process.returncode == 0, process.stderr
    assert "ROWS 8\n" in process.stdout
    assert "HELD 0 False True\n" in process.stdout
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"studies.db", "log.jsonl", "mine.csv"}


def test_workers_share_a_block_without_descriptors(tmp_path: Path) -> None:
    (tmp_path / "away.py").write_text(TAKEN_AWAY)
    (tmp_path / "mine.py").write_text(
        "import away, pickle\n"
        "import numpy as np\n"
        "class Sum:\n"
        "    name, unit, direction, version = 'sum', 'x', 'max', '1'\n"
        "    table = None\n"
        "    def __call__(self, subnets):\n"
        "        self.table[0] += 1  # Its own copy: other workers do not see it.\n"
        "        return np.array([float(self.table[subnet]) for subnet in subnets])\n"
    )
    (tmp_path / "main.py").write_text(
        "import away, glob, os, tempfile\n"
        "if __name__ == '__main__':\n"
        "    import numpy as np\n"
        "    import mine\n"
        "    from objectives.workers import shared_block\n"
        "    shared_block._DUPLICATES = None  # Python's own pipes need it here, so it cannot go.\n"
        "    from objectives.workers.local_team import LocalTeam\n"
        "    tempfile.tempdir = os.getcwd()\n"
        "    objective = mine.Sum()\n"
        "    objective.table = np.arange(5000.0)\n"
        "    team = LocalTeam(objective, 2)\n"
        "    print('BLOCKS', len(glob.glob('h4h-nas-*')))\n"
        "    print('VALUES', [part.tolist() for part in team.measure([[1, 2], [4999], [3]])])\n"
        "    team.close()\n"
        "    del team\n"
        "    print('LEFT', glob.glob('h4h-nas-*'))\n"
    )
    process = subprocess.run(
        [sys.executable, "main.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == "BLOCKS 1\nVALUES [[1.0, 2.0], [4999.0], [3.0]]\nLEFT []\n"


IN_A_RUN = """
ours, theirs = {"__name__": "studies.made"}, {"__name__": "torch.made"}
exec("import fcntl, os", theirs)
print(hasattr(theirs["os"], "fork"))
exec("import os, signal", ours)
print(hasattr(ours["os"], "fork"), hasattr(ours["signal"], "SIGHUP"), hasattr(ours["os"], "fsync"))
for text in (
    "import fcntl",
    "from os import geteuid",
    "open('/proc/self/stat')",
    "import pathlib; pathlib.Path.home()",
):
    try:
        exec(text, ours)
    except Exception as error:
        print(type(error).__name__)
"""


def test_a_run_of_tests_takes_it_away_from_our_packages_alone() -> None:
    process = subprocess.run(
        [sys.executable, "-c", IN_A_RUN], env=environment(), capture_output=True, text=True, timeout=280
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == [
        *("True", "False False True"),
        *("ModuleNotFoundError", "ImportError", "FileNotFoundError", "RuntimeError"),
    ]


@pytest.mark.parametrize("name", ["fcntl", "pwd", "resource", "termios"])
def test_what_is_taken_away_is_absent(name: str, tmp_path: Path) -> None:
    process = ended(f"import {name}", tmp_path)
    assert process.returncode == 1
    assert f"No module named '{name}'" in process.stderr
