"""The disk that fails on command, seen by a small program instead of a node."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forebay_lab import processes
from forebay_lab.disk_fault import DiskFault

KIB = 1024

#: Writes and reads a file as the store does, and prints what each call gave.
PROGRAM = """
import os, sys
path = sys.argv[1]
def told(act):
    try:
        return act()
    except OSError as error:
        return -error.errno
fd = told(lambda: os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
print("create", fd if fd < 0 else 0)
if fd >= 0:
    print("write", told(lambda: os.pwrite(fd, bytes(256 * 1024), 0)))
    got = told(lambda: os.pread(fd, 256 * 1024, 0))
    print("read", got if isinstance(got, int) else len(got))
    print("ones", sum(got) if isinstance(got, bytes) else 0)
    print("sync", told(lambda: os.fdatasync(fd)) or 0)
    os.close(fd)
    print("remove", told(lambda: os.unlink(path)) or 0)
"""


@pytest.fixture
def fault(tmp_path: Path) -> Iterator[DiskFault]:
    (tmp_path / "store").mkdir()
    with DiskFault(tmp_path / "store") as one:
        yield one


def run(fault: DiskFault, path: Path) -> dict[str, int]:
    environment = dict(os.environ, **fault.environment(), ASAN_OPTIONS="detect_leaks=0")
    said = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM, path], env=environment, capture_output=True, text=True, check=True
    ).stdout
    return {name: int(number) for name, number in (line.split() for line in said.splitlines())}


WHOLE = {"create": 0, "write": 256 * KIB, "read": 256 * KIB, "ones": 0, "sync": 0, "remove": 0}


def test_without_a_rule_nothing_happens_and_calls_are_counted(fault: DiskFault, tmp_path: Path) -> None:
    assert run(fault, tmp_path / "store" / "1.seg") == WHOLE
    assert fault.counted("read").calls == 1
    assert fault.counted("read").injected == 0


@pytest.mark.parametrize("operation", ["create", "write", "read", "sync", "remove"])
def test_each_operation_fails(fault: DiskFault, tmp_path: Path, operation: str) -> None:
    fault.fail(operation, errno.ENOSPC, times=1)
    assert run(fault, tmp_path / "store" / "1.seg")[operation] == -errno.ENOSPC
    assert fault.counted(operation).injected == 1
    assert run(fault, tmp_path / "store" / "1.seg") == WHOLE, "once"


def test_short_calls_and_flipped_bits(fault: DiskFault, tmp_path: Path) -> None:
    fault.shorten("write")
    assert run(fault, tmp_path / "store" / "1.seg")["write"] == 128 * KIB
    fault.behave()
    fault.flip()
    assert run(fault, tmp_path / "store" / "1.seg")["ones"] == 1


def test_other_files_are_left_alone(fault: DiskFault, tmp_path: Path) -> None:
    for operation in ("create", "write", "read", "sync", "remove"):
        fault.fail(operation)
    assert run(fault, tmp_path / "store" / "1.txt") == WHOLE
    assert run(fault, tmp_path / "1.seg") == WHOLE


def test_held_reads_wait(fault: DiskFault, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with fault.reads_held():
            one = pool.submit(run, fault, tmp_path / "store" / "1.seg")
            processes.wait_until("the read is held", lambda: fault.waiting() == 1)
            assert not one.done()
        assert one.result() == WHOLE
    assert fault.waiting() == 0
