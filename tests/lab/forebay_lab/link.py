"""The far link: two places, near and far, with a distance between them that the kernels' own TCP sees."""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

from . import namespaces, processes
from .namespaces import HERE, Place
from .processes import LabError
from .programs import find_program

NEAR_ADDRESS = "10.77.0.1"
FAR_ADDRESS = "10.77.0.2"
#: What Debian's kernel uses; set so that a figure does not depend on the machine's own choice.
CONGESTION_CONTROL = "cubic"


@dataclass(frozen=True)
class LinkConditions:
    """What the distance is like. Each direction has the whole rate to itself."""

    rtt_ms: float = 40.0  #: round trip; each direction delays by half of it
    rate_mbit: float = 200.0  #: 10^6 bits per second of IP packets, headers included
    queue_bdp: float = 1.5  #: room of the drop-tail queue, in bandwidth-delay products
    loss: float = 0.0  #: probability that a packet is lost, before it queues
    seed: int = 1  #: of the losses

    def arguments(self) -> list[str]:
        """As the emulator's command line takes them."""
        return [
            word
            for field in fields(self)
            for word in (f"--{field.name.replace('_', '-')}", str(getattr(self, field.name)))
        ]


@dataclass(frozen=True)
class DirectionCounters:
    """What came out at the end of one direction (bytes with IP headers), and what did not."""

    packets: int = 0
    bytes: int = 0
    lost_packets: int = 0
    dropped_packets: int = 0

    def __add__(self, other: DirectionCounters) -> DirectionCounters:
        return DirectionCounters(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: DirectionCounters) -> DirectionCounters:
        return DirectionCounters(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class LinkCounters:
    """Both directions. ``far_to_near.bytes`` is what crossed the far link towards the readers."""

    near_to_far: DirectionCounters = DirectionCounters()
    far_to_near: DirectionCounters = DirectionCounters()

    def __add__(self, other: LinkCounters) -> LinkCounters:
        return LinkCounters(self.near_to_far + other.near_to_far, self.far_to_near + other.far_to_near)

    def __sub__(self, other: LinkCounters) -> LinkCounters:
        return LinkCounters(self.near_to_far - other.near_to_far, self.far_to_near - other.far_to_near)


class FarLink:
    """A link that is up. Use as a context manager, or ``close()`` it.

    ``mode`` is "namespaces" (packets between two namespaces) or "relay" (near and far are both this machine's
    loopback, and what ``reach`` exposes goes through a shaping TCP relay).
    """

    def __init__(self, conditions: LinkConditions | None = None, *, relay: bool | None = None) -> None:
        """``relay=None`` uses namespaces where they are permitted, and the relay elsewhere."""
        self.conditions = conditions or LinkConditions()
        self.mode = "relay" if (namespaces.why_not_permitted() if relay is None else relay) else "namespaces"
        self.near: Place = HERE
        self.far: Place = HERE
        self._directory = processes.make_directory("forebay-link-")  # short: a unix socket's path
        self._emulators: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._reachable: dict[int, tuple[str, int]] = {}
        try:
            if self.mode == "namespaces":
                self._join_namespaces()
        except BaseException:
            self.close()
            raise

    @property
    def far_address(self) -> str:
        """The address on which a far server listens."""
        return FAR_ADDRESS if self.mode == "namespaces" else "127.0.0.1"

    @property
    def near_address(self) -> str:
        """The address of the near side."""
        return NEAR_ADDRESS if self.mode == "namespaces" else "127.0.0.1"

    def describe(self) -> str:
        """For a person: which emulation this is, and how far."""
        if self.mode == "namespaces":
            how = f"packets between two network namespaces (TUN), kernel TCP {CONGESTION_CONTROL}"
        else:
            why = namespaces.why_not_permitted() or "namespaces were not asked for"
            how = f"a shaping TCP relay on loopback ({why})"
        return f"{self.conditions.rtt_ms:g} ms round trip, {self.conditions.rate_mbit:g} Mbit/s; {how}"

    def reach(self, far_port: int) -> tuple[str, int]:
        """Host and port at which the near side reaches a far server, over the link."""
        if self.mode == "namespaces":
            return FAR_ADDRESS, far_port
        if far_port not in self._reachable:
            near_port = processes.free_port()
            self._start_emulator(["--relay", f"127.0.0.1:{near_port}", f"127.0.0.1:{far_port}"])
            self._reachable[far_port] = ("127.0.0.1", near_port)
        return self._reachable[far_port]

    def counters(self) -> LinkCounters:
        """What has passed so far."""
        total = LinkCounters()
        for _, control in self._emulators:
            state = json.loads(_ask(control, "status"))
            total += LinkCounters(DirectionCounters(**state["near_to_far"]), DirectionCounters(**state["far_to_near"]))
        return total

    def set(self, **conditions: float) -> None:
        """Changes ``rtt_ms``, ``rate_mbit``, ``queue_bdp``, ``loss`` or ``up`` (0 or 1) of the running link."""
        words = " ".join(f"{name}={value}" for name, value in conditions.items())
        for _, control in self._emulators:
            _ask(control, f"set {words}")

    def close(self) -> None:
        """Ends the emulator and lets both namespaces go."""
        for process, _ in self._emulators:
            processes.stop(process)
        self._emulators.clear()
        for place in (self.near, self.far):
            place.close()
        self.near = self.far = HERE
        processes.remove_directory(self._directory)

    def __enter__(self) -> FarLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _join_namespaces(self) -> None:
        self.near = namespaces.make_namespace()
        self.far = namespaces.make_namespace()
        for place in (self.near, self.far):
            place.set_kernel("ipv4/tcp_congestion_control", CONGESTION_CONTROL)
        self._start_emulator(
            [
                *("--near-ns", self.near.path, "--near-address", NEAR_ADDRESS),
                *("--far-ns", self.far.path, "--far-address", FAR_ADDRESS),
            ]
        )

    def _start_emulator(self, arguments: list[str]) -> None:
        control = self._directory / f"link{len(self._emulators)}"
        log = self._directory / f"link{len(self._emulators)}.log"
        argv = [find_program("forebay_link"), *arguments, "--control", control, *self.conditions.arguments()]
        process = processes.start(argv, log=log)
        self._emulators.append((process, control))

        def ready() -> bool:
            if process.poll() is not None:
                raise LabError(f"the far link did not start: {processes.tail(log)}")
            return b"\n" in log.read_bytes()  # its first line says that packets can pass

        processes.wait_until("the far link is up", ready, timeout_s=10)


def _ask(control: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(control))
        connection.sendall(command.encode() + b"\n")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    text = answer.decode()
    if text.startswith("error"):
        raise LabError(f"the far link refused {command!r}: {text}")
    return text
