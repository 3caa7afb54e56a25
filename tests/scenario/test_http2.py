"""HTTP/2: unmodified clients, flow control, the end of streams and connections, limits against hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import h2.errors
import h2.events
import httpx
import pytest
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, PingFrame, SettingsFrame

from forebay_lab import cloud_stores, processes
from forebay_lab.certificates import Authority
from forebay_lab.frames import FrameClient
from forebay_lab.node import Node, namespace
from forebay_lab.origin import EVERY_TIME, Fault, Gate, HostileOrigin

MakeNode = Callable[..., Node]

BODY = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(400_000))  # 12.2 MiB
SMALL = b"a small body"
PATIENCE_S = 60
CALM = int(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def filled(origin: HostileOrigin) -> HostileOrigin:
    origin.put("/big", BODY)
    origin.put("/small", SMALL)
    origin.put("/chunked", BODY[:100_000], chunked=True)
    return origin


def start(make_node: MakeNode, origin: HostileOrigin, **settings: object) -> Node:
    return make_node([namespace("/o", origin.url)], memory="64MiB", settings=settings)


def start_with_tls(make_node: MakeNode, origin: HostileOrigin, authority: Authority) -> tuple[Node, int]:
    """A node, and its port with TLS."""
    port = processes.free_port("127.0.0.1")
    listeners = [{"address": f"127.0.0.1:{port}", "serve": ["data"], "tls": True}]
    tls = {"certificates": [authority.issue(["DNS:localhost", "IP:127.0.0.1"]).toml()]}
    space = namespace("/o", origin.url)
    return make_node([space], memory="64MiB", listeners=listeners, settings={"tls": tls}), port


# --- unmodified clients ------------------------------------------------------------------------------------------


def curl(*argv: str) -> bytes:
    command = ["curl", "-sS", "--fail", *argv]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl_reads_exact_bytes(make_node: MakeNode, filled: HostileOrigin) -> None:
    node = start(make_node, filled)
    known = "--http2-prior-knowledge"
    assert curl(known, f"{node.url}/o/big") == BODY
    assert curl(known, "-w", "%{http_version}", "-o", "/dev/null", f"{node.url}/o/small") == b"2"
    assert curl(known, "-r", "5000000-8999999", f"{node.url}/o/big") == BODY[5_000_000:9_000_000]
    assert curl(known, f"{node.url}/o/chunked") == BODY[:100_000]
    head = curl(known, "-I", f"{node.url}/o/big").decode().lower()
    assert f"content-length: {len(BODY)}" in head
    assert "cache-status: forebay; hit" in head
    assert re.search(r"^x-request-id: \S+", head, re.MULTILINE)
    assert "transfer-encoding" not in head
    assert "connection" not in head
    assert curl(known, f"{node.admin_url}/healthz") == b"alive\n"
    assert curl("--http1.1", f"{node.url}/o/small") == SMALL, "the same port still speaks HTTP/1.1"


def test_curl_and_httpx_agree_on_http2_by_tls(make_node: MakeNode, filled: HostileOrigin, authority: Authority) -> None:
    _, port = start_with_tls(make_node, filled, authority)
    url = f"https://127.0.0.1:{port}/o/big"
    assert curl("--http2", "--cacert", str(authority.cert), "-w", "%{http_version}", "-o", "/dev/null", url) == b"2"
    assert curl("--http2", "--cacert", str(authority.cert), url) == BODY
    assert curl("--http1.1", "--cacert", str(authority.cert), url) == BODY

    async def read_many() -> None:
        import ssl

        async with httpx.AsyncClient(
            http2=True, http1=False, verify=ssl.create_default_context(cafile=str(authority.cert)), timeout=PATIENCE_S
        ) as client:
            first = await client.get(url)
            assert first.http_version == "HTTP/2"
            parts = [(at, at + 99_999) for at in range(0, len(BODY), 600_000)]
            answers = await asyncio.gather(
                *(client.get(url, headers={"Range": f"bytes={begin}-{end}"}) for begin, end in parts)
            )
            for (begin, end), answer in zip(parts, answers, strict=True):
                assert answer.status_code == 206
                assert answer.content == BODY[begin : end + 1]

    asyncio.run(read_many())


def test_nghttps_clients_read_many_at_a_time(make_node: MakeNode, filled: HostileOrigin) -> None:
    node = start(make_node, filled)
    seen = subprocess.run(["nghttp", f"{node.url}/o/big"], capture_output=True, timeout=PATIENCE_S, check=True)
    assert seen.stdout == BODY
    load = subprocess.run(
        ["h2load", "-n", "300", "-c", "3", "-m", "20", f"{node.url}/o/small"],
        capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    assert "300 succeeded, 0 failed, 0 errored, 0 timeout" in load.stdout
    assert node.metric("forebay_http2_streams_total") >= 301


def test_writes_arrive_whole(make_node: MakeNode, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    node = make_node([namespace("/w", f"file://{store}", write=True)], memory="64MiB")
    body = tmp_path / "body"
    body.write_bytes(BODY)
    url = f"{node.url}/w/new"
    curl("--http2-prior-knowledge", "-T", str(body), url)
    assert (store / "new").read_bytes() == BODY
    curl("--http2-prior-knowledge", "-T", str(body), "-H", "Expect: 100-continue", f"{node.url}/w/second")
    assert (store / "second").read_bytes() == BODY
    assert curl("--http2-prior-knowledge", url) == BODY


def test_a_refused_upload_is_answered(make_node: MakeNode, filled: HostileOrigin, tmp_path: Path) -> None:
    node = start(make_node, filled)
    body = tmp_path / "body"
    body.write_bytes(BODY[:10_000])
    command = ["curl", "-sS", "--http2-prior-knowledge", "-T", str(body), "-w", "%{http_code}", "-o", os.devnull]
    done = subprocess.run([*command, f"{node.url}/nowhere/x"], capture_output=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (0, b"404"), done.stderr


def test_an_upload_that_we_stop_is_answered_first(make_node: MakeNode, filled: HostileOrigin) -> None:
    """RFC 9113 §8.1: the whole answer, then a reset without an error. In frames, since curl 7 can forget the answer."""
    node = start(make_node, filled)
    with FrameClient(node.port) as client:
        stream = client.ask("/nowhere/x", method="PUT", end=False, headers={"content-length": str(len(BODY))})
        seen: list[object] = []
        for event in client.events():
            room = min(client.state.local_flow_control_window(stream), client.state.max_outbound_frame_size)
            if not seen and room > 0:
                client.state.send_data(stream, b"x" * room)
                client.flush()
            if isinstance(event, h2.events.ResponseReceived):
                seen.append(dict(event.headers)[b":status"])
            if isinstance(event, h2.events.StreamEnded):
                seen.append("ended")
            if isinstance(event, h2.events.StreamReset):
                seen.append(int(event.error_code))
                break
    assert seen == [b"404", "ended", 0]


@pytest.mark.parametrize("cleartext", [True, False], ids=["cleartext", "TLS"])
def test_h2spec_passes(make_node: MakeNode, filled: HostileOrigin, authority: Authority, cleartext: bool) -> None:
    program = cloud_stores.STORES / "bin/h2spec"
    if not program.exists():
        reason = "H2SPEC IS NOT INSTALLED: tools/setup stores"
        pytest.fail(reason) if os.environ.get(cloud_stores.REQUIRE_VARIABLE) else pytest.skip(reason)
    node, port = start_with_tls(make_node, filled, authority)
    where = ["-p", str(node.port)] if cleartext else ["-p", str(port), "-t", "-k"]
    done = subprocess.run(
        [str(program), "-h", "127.0.0.1", *where, "-P", "/o/small", "-o", "5"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    results, _, failures = done.stdout.partition("Failures:")
    assert "145 tests, 145 passed, 0 skipped, 0 failed" in done.stdout, failures or results[-2000:]


def test_a_frame_for_a_stream_that_is_over_ends_the_connection(make_node: MakeNode, filled: HostileOrigin) -> None:
    """RFC 9113 §5.1; the client keeps its side open, and the node does not wait for it."""
    node = start(make_node, filled)
    with FrameClient(node.port) as client:
        stream = client.ask("/o/small")
        assert client.read(stream)[stream] == SMALL
        client.send_raw(DataFrame(stream, b""))
        assert client.wait_goaway() == h2.errors.ErrorCodes.STREAM_CLOSED


# --- flow control ----------------------------------------------------------------------------------------------


def test_a_reader_that_stops_stops_itself_alone(make_node: MakeNode, filled: HostileOrigin) -> None:
    node = start(make_node, filled)
    with FrameClient(node.port) as client:
        client.state.increment_flow_control_window(100 << 20)  # of the connection: streams have 64 KiB each
        stopped = client.ask("/o/big")
        begun = client.read_some(stopped, 65_535)
        assert begun == BODY[:65_535]
        others = [client.ask("/o/small") for _ in range(20)]
        assert client.read(*others) == dict.fromkeys(others, SMALL)
        client.state.increment_flow_control_window(50 << 20, stopped)
        client.flush()
        assert client.read(stopped)[stopped] == BODY[65_535:]


def test_a_cancelled_stream_ends_its_fill_and_nothing_else(make_node: MakeNode, filled: HostileOrigin) -> None:
    gate = Gate()
    filled.put("/slow", BODY)
    filled.fail("/slow", Fault(stall_at=1_000_000, gate=gate))
    node = start(make_node, filled)
    with FrameClient(node.port) as client:
        client.state.increment_flow_control_window(100 << 20)
        slow = client.ask("/o/slow")
        client.read_some(slow, 65_535)
        gate.wait_reached()
        client.state.reset_stream(slow, h2.errors.ErrorCodes.CANCEL)
        client.flush()
        processes.wait_until("nobody reads", lambda: node.metric("forebay_requests_in_flight") <= 1)
        other = client.ask("/o/small")
        assert client.read(other)[other] == SMALL
    gate.open()


def test_a_body_that_breaks_off_is_a_reset_stream(make_node: MakeNode, filled: HostileOrigin) -> None:
    filled.put("/cut", BODY)
    filled.fail("/cut", Fault(truncate_at=3_000_000))
    filled.fail("/cut", Fault(status=500), times=EVERY_TIME)
    node = start(make_node, filled)
    with FrameClient(node.port) as client:
        client.state.increment_flow_control_window(100 << 20)
        cut = client.ask("/o/cut")
        with pytest.raises(ConnectionError, match="was reset"):
            client.read(cut)
        other = client.ask("/o/small")
        assert client.read(other)[other] == SMALL, "the connection goes on"


def test_a_node_that_drains_answers_what_it_has_begun(make_node: MakeNode, filled: HostileOrigin) -> None:
    gate = Gate()
    filled.put("/slow", BODY)
    filled.fail("/slow", Fault(stall_at=5_000_000, gate=gate))
    node = start(make_node, filled)
    reading = subprocess.Popen(["curl", "-sS", "--http2-prior-knowledge", f"{node.url}/o/slow"], stdout=subprocess.PIPE)
    gate.wait_reached()
    with FrameClient(node.port) as idle:
        other = idle.ask("/o/small")
        assert idle.read(other)[other] == SMALL
        assert node.process is not None
        node.process.send_signal(signal.SIGTERM)
        assert idle.wait_goaway() == h2.errors.ErrorCodes.NO_ERROR
    gate.open()
    body, _ = reading.communicate(timeout=PATIENCE_S)
    assert body == BODY
    assert node.process.wait(PATIENCE_S) == 0


# --- hostile clients -------------------------------------------------------------------------------------------


def limited(node: Node, limit: str) -> float:
    return node.metric("forebay_http2_limited_total", limit=limit)


def test_a_rapid_reset_ends_the_connection(make_node: MakeNode, filled: HostileOrigin) -> None:
    node = start(make_node, filled, http2={"resets_per_second": 10})
    with FrameClient(node.port) as client:
        for _ in range(60):
            stream = client.ask("/o/small")
            client.state.reset_stream(stream)
        client.flush()
        assert client.wait_goaway() == CALM
    assert limited(node, "http2.resets_per_second") == 1
    assert curl("--http2-prior-knowledge", f"{node.url}/o/small") == SMALL


@pytest.mark.parametrize(
    "frame",
    [PingFrame(0, b"12345678"), SettingsFrame(0), DataFrame(1, b"")],
    ids=["PING", "SETTINGS", "empty DATA"],
)
def test_a_flood_of_frames_that_cost_nothing_ends_the_connection(
    make_node: MakeNode, filled: HostileOrigin, frame: PingFrame
) -> None:
    node = start(make_node, filled, http2={"control_frames_per_second": 50})
    with FrameClient(node.port) as client:
        client.ask("/nowhere", method="POST", end=False)
        client.send_raw(*[frame] * 2_000)
        assert client.wait_goaway() == CALM
    assert limited(node, "http2.control_frames_per_second") == 1


def test_a_flood_for_a_stream_that_was_refused_is_counted(make_node: MakeNode, filled: HostileOrigin) -> None:
    gate = Gate()
    filled.put("/slow", BODY)
    filled.fail("/slow", Fault(stall_at=1_000, gate=gate))
    node = start(make_node, filled, http2={"streams": 1, "control_frames_per_second": 50})
    with FrameClient(node.port) as client:
        client.ask("/o/slow")
        fields = [(":method", "PUT"), (":scheme", "http"), (":authority", "localhost"), (":path", "/o/small")]
        second = HeadersFrame(3, client.state.encoder.encode(fields))
        second.flags.add("END_HEADERS")
        client.send_raw(second, *[DataFrame(3, b"")] * 2_000)
        assert client.wait_goaway() == CALM
    assert limited(node, "http2.control_frames_per_second") == 1
    gate.open()


def test_a_head_that_never_ends_is_bounded(make_node: MakeNode, filled: HostileOrigin) -> None:
    node = start(make_node, filled)
    with FrameClient(node.port) as client:
        head = HeadersFrame(1, client.state.encoder.encode([(":method", "GET")]))
        client.send_raw(head)
        more = ContinuationFrame(1, client.state.encoder.encode([("x", "y" * 8_000)], huffman=False))
        with contextlib.suppress(OSError):  # it has ended the connection already
            client.send_raw(*[more] * 2_000)
        for _ in client.events():
            pass
    assert node.admin("/healthz").status == 200
    assert curl("--http2-prior-knowledge", f"{node.url}/o/small") == SMALL


def test_too_many_fields_are_431_and_a_bomb_ends_the_connection(make_node: MakeNode, filled: HostileOrigin) -> None:
    node = start(make_node, filled, limits={"header_bytes": "4KiB", "target_bytes": "1KiB"})
    with FrameClient(node.port) as client:
        stream = client.ask("/o/small", headers={f"x-{i}": "y" * 100 for i in range(50)})
        status = None
        for event in client.events():
            if isinstance(event, h2.events.ResponseReceived):
                status = dict(event.headers)[b":status"]
            if isinstance(event, h2.events.StreamEnded) and event.stream_id == stream:
                break
        assert status == b"431"
        # One entry of the table, named a thousand times by a byte each.
        encoder = client.state.encoder
        fields = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/o/small")]
        block = encoder.encode([*fields, ("bomb", "z" * 3_000)]) + encoder.encode([("bomb", "z" * 3_000)]) * 1_000
        bomb = HeadersFrame(stream + 2, block)
        bomb.flags.add("END_HEADERS")
        bomb.flags.add("END_STREAM")
        client.send_raw(bomb)
        assert client.wait_goaway() == CALM
    assert limited(node, "limits.header_bytes") == 1


def test_a_window_that_stays_shut_resets_its_stream(make_node: MakeNode, filled: HostileOrigin) -> None:
    node = start(make_node, filled, limits={"send_stall": "200ms"})
    with FrameClient(node.port, initial_window=10) as client:
        stream = client.ask("/o/big")
        with pytest.raises(ConnectionError, match="was reset"):
            client.read(stream, acknowledge=False)
    assert limited(node, "limits.send_stall") == 1


def test_a_head_that_does_not_come_ends_the_connection(make_node: MakeNode, filled: HostileOrigin) -> None:
    node = start(make_node, filled, limits={"header_timeout": "200ms"})
    with FrameClient(node.port) as client:
        client.read(client.ask("/o/small"))  # what else the client has to say it has said
        client.send_raw(HeadersFrame(3, client.state.encoder.encode([(":method", "GET")])))
        assert client.wait_goaway() == CALM
    assert limited(node, "limits.header_timeout") == 1


def test_http2_can_be_switched_off(make_node: MakeNode, filled: HostileOrigin) -> None:
    node = start(make_node, filled, http2={"streams": 0})
    done = subprocess.run(
        ["curl", "-sS", "--http2-prior-knowledge", f"{node.url}/o/small"],
        capture_output=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode != 0
    assert curl("--http1.1", f"{node.url}/o/small") == SMALL
