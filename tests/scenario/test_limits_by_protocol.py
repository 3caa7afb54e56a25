"""One limit, one answer, one count: whether a request came by HTTP/1.1 or by HTTP/2."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import h2.events
import pytest

from forebay_lab.frames import FrameClient
from forebay_lab.node import Node, namespace
from forebay_lab.origin import Fault, Gate, HostileOrigin

MakeNode = Callable[..., Node]

PATIENCE_S = 60
FRESH = (("Cache-Control", "max-age=600"),)
by_protocol = pytest.mark.parametrize("protocol", ["--http1.1", "--http2-prior-knowledge"], ids=["h1", "h2"])


def refused(node: Node, *limits: str) -> float:
    return sum(node.metric("forebay_limit_refused_total", limit=one) for one in limits)


def status_of(protocol: str, *argv: str) -> int:
    """The status that curl is answered with; without Expect, so that the body comes at once."""
    command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "-H", "Expect:", protocol, *argv]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S)
    return int(done.stdout)


def writable(make_node: MakeNode, origin: HostileOrigin, **limits: object) -> Node:
    return make_node([namespace("/o", origin.url, write=True, public_write=True)], settings={"limits": limits})


@by_protocol
def test_an_upload_that_says_that_it_is_too_long(
    make_node: MakeNode, origin: HostileOrigin, protocol: str, tmp_path: Path
) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x" * 5_000)
    node = writable(make_node, origin, body_bytes="4KiB")
    assert status_of(protocol, "-T", str(body), f"{node.url}/o/x") == 413
    assert refused(node, "body_bytes") == 1


def begin_by_http1(node: Node, length: int) -> int:
    """The status that is told to the beginning of an upload of unknown length."""
    with socket.create_connection((node.address, node.port), timeout=PATIENCE_S) as sender:
        head = b"PUT /o/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        sender.sendall(head + b"%x\r\n" % length + b"x" * length + b"\r\n")
        return int(sender.recv(65536).split()[1])


def begin_by_http2(node: Node, length: int) -> int:
    """The same; in frames, since curl 7 forgets an answer when its upload is stopped right behind it."""
    with FrameClient(node.port) as client:
        stream = client.ask("/o/x", method="PUT", end=False)
        client.state.send_data(stream, b"x" * length)
        client.flush()
        heads = (event for event in client.events() if isinstance(event, h2.events.ResponseReceived))
        return int(dict(next(heads).headers)[b":status"])


by_begin = pytest.mark.parametrize("begin", [begin_by_http1, begin_by_http2], ids=["h1", "h2"])


@by_begin
def test_an_upload_of_unknown_length_that_is_too_long(
    make_node: MakeNode, origin: HostileOrigin, begin: Callable[[Node, int], int]
) -> None:
    origin.put("/x", b"")
    node = writable(make_node, origin, body_bytes="4KiB")
    assert begin(node, 10_000) == 413
    assert refused(node, "body_bytes") == 1


@by_begin
def test_an_upload_that_stalls(make_node: MakeNode, origin: HostileOrigin, begin: Callable[[Node, int], int]) -> None:
    gate = Gate()
    origin.put("/x", b"")
    origin.fail("/x", Fault(stall_at=-1, gate=gate))  # it has no answer before the whole body came
    node = writable(make_node, origin, body_timeout="300ms", slow_sender="1KiB")
    assert begin(node, 100) == 408
    gate.open()
    # Which of the two names it has depends on whether the bytes came with the head.
    assert refused(node, "body_timeout", "slow_sender") == 1


@by_protocol
def test_heads_that_are_too_large(make_node: MakeNode, origin: HostileOrigin, protocol: str) -> None:
    origin.put("/x", b"sound", headers=FRESH)
    limits = {"header_bytes": "8KiB", "target_bytes": "1KiB", "header_fields": 20}
    node = writable(make_node, origin, **limits)
    assert status_of(protocol, "-H", "X-A: " + "y" * 9_000, f"{node.url}/o/x") == 431
    assert (refused(node, "header_bytes"), refused(node, "header_fields")) == (1, 0)
    many = [word for number in range(30) for word in ("-H", f"X-{number}: y")]
    assert status_of(protocol, *many, f"{node.url}/o/x") == 431
    assert (refused(node, "header_bytes"), refused(node, "header_fields")) == (1, 1)
    assert status_of(protocol, f"{node.url}/o/{'y' * 2_000}") == 414
    assert refused(node, "target_bytes") == 1
    assert status_of(protocol, f"{node.url}/o/x") == 200
