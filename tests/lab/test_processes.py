"""Nothing that the laboratory starts outlives it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from forebay_lab import processes

LAB = Path(__file__).parent

ORPHAN = """
import sys, time
sys.path.insert(0, sys.argv[1])
from forebay_lab import processes
process = processes.start(["sh", "-c", "sleep 1000 & exec sleep 1000"])
print(process.pid, processes.make_directory("forebay-orphan-"), flush=True)
time.sleep(1000)
"""


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_reaper_ends_what_a_killed_parent_left():
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN, str(LAB)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid_text, directory = parent.stdout.readline().decode().split()
    pid = int(pid_text)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert runs(pid)
    assert Path(directory).is_dir()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for one in [pid, *map(int, children)]:
        processes.wait_until(f"process {one} has ended", lambda one=one: not runs(one))
    processes.wait_until("its directory is removed", lambda: not Path(directory).exists())


def test_stop_ends_the_children_too():
    process = processes.start(["sh", "-c", "sleep 1000 & wait"])
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    processes.wait_until("the child runs", lambda: children.read_text().strip())
    child = int(children.read_text())
    assert processes.stop(process) == -signal.SIGTERM
    processes.wait_until("the child has ended", lambda: not runs(child))


def test_stop_is_patient_only_so_long():
    process = processes.start(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert processes.stop(process, patience_s=0.2) == -signal.SIGKILL
    process.stdout.close()


def test_waiting_has_an_end():
    with pytest.raises(processes.LabError, match="pigs fly"):
        processes.wait_until("pigs fly", lambda: False, timeout_s=0.1)


def test_a_free_port_is_free():
    for address, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        with socket.create_server((address, processes.free_port(address)), family=family) as listener:
            assert listener.getsockname()[1] > 1024
