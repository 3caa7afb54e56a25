"""A share of a core for a server, by the kernel's control groups, as containers have it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .lab import UnavailableError
from .session import Session

# Short, so that what is measured is the server's queue and not the wait for the next period: containers have 100 ms.
PERIOD_US = 5000
GROUPS = Path("/sys/fs/cgroup")
REMOVE_TIMEOUT_S = 5.0


@contextmanager
def share_of_core(session: Session, share: float) -> Iterator[None]:
    """Until the end of the block at most; the processes must have ended by then or are moved back."""
    first = GROUPS / "cpu" if (GROUPS / "cpu" / "cpu.cfs_quota_us").exists() else GROUPS
    group = first / f"forebay-bench-{os.getpid()}"
    quota_us = int(PERIOD_US * share)
    try:
        group.mkdir()
        if first != GROUPS:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        for pid in session.pids():
            (group / "cgroup.procs").write_text(str(pid))
    except OSError as why:
        _remove(group)
        raise UnavailableError(f"no quota can be set here (control groups): {why}") from None
    try:
        yield
    finally:
        for pid in session.pids():
            with suppress(OSError):
                (first / "cgroup.procs").write_text(str(pid))
        _remove(group)


def _remove(group: Path) -> None:
    until = time.monotonic() + REMOVE_TIMEOUT_S
    while group.exists() and time.monotonic() < until:
        with suppress(OSError):
            group.rmdir()
