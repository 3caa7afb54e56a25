"""A name that leads elsewhere the second time it is asked for: the node goes where it has looked, or nowhere."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from forebay_lab import processes
from forebay_lab.namespaces import Place, make_namespace
from forebay_lab.node import Node
from forebay_lab.origin import HostileOrigin

NAME = "rebind.example"
GOOD, EVIL = "127.0.0.2", "127.0.0.3"
PORT = 80  # the place is ours alone
UNKEPT = (("Cache-Control", "no-store"),)
TYPE_A = 1


class NameServer:
    """Answers with the first address once, then with the second; what it is asked for an A record it counts."""

    def __init__(self, place: Place, addresses: list[str], first: str, then: str) -> None:
        self.questions = 0
        self._first, self._then = first, then
        self._sockets = []
        with place.entered():
            for address in addresses:
                one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
                one.bind((address, 53))
                self._sockets.append(one)
        for each in self._sockets:
            threading.Thread(target=self._serve, args=(each,), daemon=True).start()

    def _serve(self, on: socket.socket) -> None:
        while True:
            query, peer = on.recvfrom(1500)
            on.sendto(self._answer(query), peer)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        (kind,) = struct.unpack("!H", query[end - 4 : end - 2])
        wanted = query[12:].startswith(b"".join(bytes([len(part)]) + part for part in NAME.encode().split(b".")))
        records = b""
        if wanted and kind == TYPE_A:
            self.questions += 1
            address = self._first if self.questions == 1 else self._then
            records = b"\xc0\x0c" + struct.pack("!HHIH", TYPE_A, 1, 0, 4) + socket.inet_aton(address)
        head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if records else 0, 0, 0)
        return head + query[12:end] + records


@pytest.fixture
def place() -> Iterator[Place]:
    made = make_namespace()
    try:
        yield made
    finally:
        made.close()


def name_servers(place: Place) -> list[str]:
    """Those that this machine asks, as addresses of the place's own loopback."""
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    found = [line.split()[1] for line in lines if line.startswith("nameserver ")] or ["127.0.0.1"]
    for each in found:
        if not each.startswith("127."):
            place.run(["ip", "addr", "add", each, "dev", "lo"])
    return found


def test_a_name_that_leads_elsewhere_the_second_time(may_make_namespaces: None, place: Place) -> None:  # noqa: ARG001
    servers = NameServer(place, name_servers(place), GOOD, EVIL)
    with ExitStack() as held:
        good = held.enter_context(HostileOrigin(place, GOOD, PORT))
        evil = held.enter_context(HostileOrigin(place, EVIL, PORT))
        for origin, body in ((good, b"good"), (evil, b"evil")):
            origin.put("/x", body, headers=UNKEPT)
        settings = {
            "network": {"allow_private": [f"{GOOD}/32"]},
            "open": {"http_hosts": [NAME]},
            "node": {"threads": 1},  # each loop asks for itself
        }
        node = held.enter_context(Node([], place=place, settings=settings))
        first = node.get(f"/http/{NAME}/x")
        assert (first.status, first.body) == (200, b"good")
        # What was looked at is what was connected to: nobody asked again in between.
        assert servers.questions == 1
        # An answer is kept for a second at least, whatever it says; the next one is refused before a connection.
        statuses: list[int] = []
        processes.wait_until(
            "it is asked again", lambda: statuses.append(node.get(f"/http/{NAME}/x").status) or statuses[-1] != 200
        )
        assert servers.questions == 2
        assert statuses[-1] == 403
        assert evil.requests() == []
