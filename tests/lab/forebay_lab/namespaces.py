"""Network namespaces without names: each lives as long as the process that holds it.

Nothing is written below ``/run/netns``, so nothing can be left there. A ``Place`` is a network in which
processes run: a namespace of ours, or ``HERE``, the one that we are in.
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import processes
from .processes import LabError

_CLONE_NEWNET = 0x40000000
_CAP_SYS_ADMIN = 21
# The network comes along: the one outside belongs to a user namespace that we could not come back to.
_UNSHARE_USER = ["unshare", "--user", "--map-current-user", "--keep-caps", "--net"]
_UNSHARED_VARIABLE = "FOREBAY_LAB_UNSHARED"

#: What to tell a person whose machine or account may not make namespaces.
HOW_TO_BE_PERMITTED = "run as root, or under: " + " ".join(_UNSHARE_USER)


class Place:
    """A network in which processes are started and sockets opened."""

    def __init__(self, holder: subprocess.Popen[bytes] | None = None) -> None:
        self._holder = holder

    @property
    def path(self) -> str:
        """The file that stands for this namespace, for setns(2) and nsenter(1)."""
        return f"/proc/{self._holder.pid if self._holder else 'self'}/ns/net"

    def command(self, argv: Sequence[str | os.PathLike[str]]) -> list[str]:
        """The words that run ``argv`` in this network; the process keeps its pid."""
        words = [os.fspath(word) for word in argv]
        return ["nsenter", f"--net={self.path}", "--", *words] if self._holder else words

    def start(self, argv: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen[bytes]:
        """``processes.start`` in this network."""
        return processes.start(self.command(argv), **options)

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout_s: float = 120.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command in this network to its end and returns its output."""
        merged = dict(os.environ, **env) if env else None
        done = subprocess.run(self.command(argv), capture_output=True, timeout=timeout_s, env=merged, check=False)
        if check and done.returncode != 0:
            raise LabError(f"{argv} exited with {done.returncode}:\n{done.stderr.decode(errors='replace')}")
        return done

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that the calling thread opens inside belong to this network, for as long as they live.

        Other threads are not affected: a library that connects from a thread of its own (s3transfer, fsspec's
        event loop) stays where it is.
        """
        if self._holder is None:
            yield
            return
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _set_thread_namespace(self.path)
            try:
                yield
            finally:
                _set_thread_namespace(f"/proc/self/fd/{home}")
        finally:
            os.close(home)

    def set_kernel(self, name: str, value: str) -> bool:
        """Sets a network setting such as ``ipv4/tcp_congestion_control``; False where the kernel refuses."""
        with self.entered():
            try:
                Path("/proc/sys/net", name).write_text(value)
            except OSError:
                return False
        return True

    def get_kernel(self, name: str) -> str:
        """Reads a network setting."""
        with self.entered():
            return Path("/proc/sys/net", name).read_text().strip()

    def close(self) -> None:
        """Lets the namespace go; the kernel removes it when its last process has ended."""
        if self._holder:
            processes.stop(self._holder)


#: The network that we are in.
HERE = Place()


def make_namespace() -> Place:
    """A new network namespace with its loopback up. LabError where that is not permitted."""
    holder = processes.start(["unshare", "--net", "--", "sleep", "infinity"], stderr=subprocess.PIPE)
    ours = os.readlink("/proc/self/ns/net")

    def changed() -> bool:
        if holder.poll() is not None:
            assert holder.stderr is not None
            raise LabError("cannot make a network namespace: " + holder.stderr.read().decode().strip())
        # The holder has left our network, and is past exec, when it is `sleep`.
        return (
            os.readlink(f"/proc/{holder.pid}/ns/net") != ours
            and Path(f"/proc/{holder.pid}/comm").read_text().strip() == "sleep"
        )

    try:
        processes.wait_until("the holder of a namespace has started", changed, timeout_s=10)
        place = Place(holder)
        place.run(["ip", "link", "set", "lo", "up"])
    except BaseException:
        processes.stop(holder)
        raise
    return place


@functools.cache
def why_not_permitted() -> str | None:
    """Why namespaces and TUN devices cannot be made here, in words for a person; None when they can."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "/dev/net/tun is missing or not accessible"
    come_and_go = ["nsenter", "--net=/proc/self/ns/net", "--", "unshare", "--net", "--", "true"]
    done = subprocess.run(come_and_go, capture_output=True, check=False)
    if done.returncode != 0:
        return f"{done.stderr.decode(errors='replace').strip()} ({HOW_TO_BE_PERMITTED})"
    return None


def become_permitted() -> None:
    """Without root, starts this program again in a user namespace of its own, where it may make networks.

    Does nothing where we are permitted already, or where the kernel refuses (``why_not_permitted`` then says so).
    """
    if os.environ.get(_UNSHARED_VARIABLE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
        return
    if _has_capability(_CAP_SYS_ADMIN):
        return
    if subprocess.run([*_UNSHARE_USER, "--", "true"], capture_output=True, check=False).returncode == 0:
        os.environ[_UNSHARED_VARIABLE] = "1"  # once is enough, whatever comes of it
        os.execvp("unshare", [*_UNSHARE_USER, "--", sys.executable, *sys.orig_argv[1:]])


def _has_capability(number: int) -> bool:
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> number & 1)


def _set_thread_namespace(path: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY)
    try:
        if libc.setns(fd, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")
    finally:
        os.close(fd)
