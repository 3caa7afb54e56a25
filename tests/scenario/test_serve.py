"""The life of a node: starting, refusing to start, draining, reloading, telling its service manager."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forebay_lab import processes
from forebay_lab.node import Node, namespace, to_toml
from forebay_lab.origin import Fault, Gate, HostileOrigin
from forebay_lab.programs import find_program
from forebay_lab.readers import fetch, open_stream

MakeNode = Callable[..., Node]

RUN_TIMEOUT_S = 60
BODY = bytes(range(256)) * 4096  # 1 MiB


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs ``forebay`` to its end."""
    return subprocess.run(
        [find_program("forebay"), *argv],
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        env=os.environ | environment,
    )


def wait_for_log(node: Node, words: str) -> None:
    processes.wait_until(f"the log says {words!r}", lambda: words in node.log.read_text())


# --- refusing to start -------------------------------------------------------------------------------------------


def test_an_address_in_use_is_named_and_ends_with_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", "--set", f'listen=[{{address="{address}", serve=["data"]}}]', "--set", "node.memory=16MiB")
    assert done.returncode == 2
    assert f"cannot listen on {address}: Address already in use" in done.stderr


def test_two_nodes_cannot_share_a_port(make_node: MakeNode, origin: HostileOrigin) -> None:
    node = make_node([namespace("/o", origin.url)], memory="16MiB")
    done = run("serve", "--config", str(node.config_file))
    assert done.returncode == 2
    assert "Address already in use" in done.stderr
    assert node.admin("/healthz").status == 200


def test_every_mistake_of_the_file_is_reported_and_ends_with_2(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(
        '[node]\nmemory = "4 elephants"\nnmae = "x"\n\n[[namespace]]\npath = "era5"\norigins = ["ftp://x"]\n'
    )
    done = run("serve", "--config", str(file))
    assert done.returncode == 2
    for words in ("bad.toml:2", "4 elephants", "bad.toml:3", "node.name", "bad.toml:6", "bad.toml:7"):
        assert words in done.stderr
    checked = run("config", "check", str(file))
    assert checked.returncode == 2
    assert checked.stderr == done.stderr


def test_a_missing_file_ends_with_2(tmp_path: Path) -> None:
    done = run("serve", "--config", str(tmp_path / "none.toml"))
    assert done.returncode == 2
    assert "none.toml" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self").exists(), reason="needs a path that cannot be written")
def test_a_disk_that_cannot_be_written_ends_with_2(tmp_path: Path) -> None:
    file = tmp_path / "disk.toml"
    file.write_text('[node]\nmemory = "16MiB"\ndisk = [{ path = "/proc/self/nowhere", size = "1GiB" }]\n')
    done = run("serve", "--config", str(file))
    assert done.returncode == 2
    assert "/proc/self/nowhere" in done.stderr


def test_bad_usage_ends_with_2() -> None:
    assert run("serve", "--no-such-flag").returncode == 2
    assert run().returncode == 2
    assert run("no-such-command").returncode == 2
    assert run("--help").returncode == 0
    assert run("version").stdout.startswith("forebay ")


# --- running -----------------------------------------------------------------------------------------------------


def test_ports_that_the_system_chooses_are_written_down(tmp_path: Path) -> None:
    config, addresses, log = tmp_path / "c.toml", tmp_path / "addresses.json", tmp_path / "log"
    config.write_text(
        to_toml(
            {
                "listen": [
                    {"address": "127.0.0.1:0", "serve": ["data", "admin"]},
                    {"address": "[::1]:0", "serve": ["data"]},
                ],
                "node": {"memory": "16MiB", "threads": 3},
            }
        )
    )
    argv = [find_program("forebay"), "serve", "--config", config, "--addresses", addresses]
    process = processes.start(argv, log=log)
    try:
        processes.wait_until("the addresses are written", addresses.exists)
        listeners = json.loads(addresses.read_text())["listeners"]
        assert [one["serve"] for one in listeners] == [["data", "admin"], ["data"]]
        for one in listeners:
            for _ in range(6):  # whichever loop the kernel picks
                page = fetch(f"http://{one['address']}/")
                assert page.status == 200
                assert json.loads(page.body)["software"] == "forebay"
        assert fetch(f"http://{listeners[0]['address']}/healthz").body == b"alive\n"
        assert fetch(f"http://{listeners[1]['address']}/healthz").status == 404
    finally:
        assert processes.stop(process) == 0, processes.tail(log)


def test_serve_runs_without_any_configuration(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "FOREBAY_NODE_MEMORY": "16MiB"}
    done = subprocess.run(
        [find_program("forebay"), "config", "show"],
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0
    assert 'address = ":8080"' in done.stdout
    assert "16MiB" in done.stdout


def test_sigterm_lets_what_is_in_flight_end(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", BODY)
    gate = Gate()
    origin.fail("/x", Fault(stall_at=300_000, gate=gate))
    node = make_node([namespace("/o", origin.url)], memory="64MiB")
    with open_stream(node.url + "/o/x") as reader:
        first = reader.read(100_000)
        node.process.send_signal(signal.SIGTERM)
        wait_for_log(node, "draining")
        processes.wait_until("the port is closed", lambda: _refuses(node))
        gate.open()
        rest = reader.read_rest()
    assert first + rest.body == BODY
    assert not rest.broken
    assert node.process.wait(RUN_TIMEOUT_S) == 0


def _refuses(node: Node) -> bool:
    try:
        socket.create_connection((node.address, node.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_while_draining_answers_close_their_connection_and_probes_say_so(
    make_node: MakeNode, origin: HostileOrigin
) -> None:
    origin.put("/x", BODY)
    gate = Gate()
    origin.fail("/x", Fault(stall_at=-1, gate=gate))
    node = make_node([namespace("/o", origin.url)], memory="64MiB")
    replies = []
    reader = threading.Thread(target=lambda: replies.append(node.get("/o/x")))
    reader.start()
    gate.wait_reached()
    with socket.create_connection(("127.0.0.1", node.admin_port), timeout=RUN_TIMEOUT_S) as probe:
        probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in probe.recv(4096)
        node.process.send_signal(signal.SIGTERM)
        wait_for_log(node, "draining")
        probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = probe.recv(4096)
    if answer:  # the node may have closed the idle connection first
        assert b"503" in answer
        assert b"Connection: close" in answer
    gate.open()
    reader.join(RUN_TIMEOUT_S)
    assert replies[0].status == 200
    assert replies[0].body == BODY
    assert replies[0].headers["connection"] == "close"
    assert node.process.wait(RUN_TIMEOUT_S) == 0


def test_a_drain_ends_at_its_deadline(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", BODY)
    gate = Gate()
    origin.fail("/x", Fault(stall_at=300_000, gate=gate))
    node = make_node([namespace("/o", origin.url)], memory="64MiB", settings={"node": {"drain_timeout": "300ms"}})
    with open_stream(node.url + "/o/x") as reader:
        reader.read(100_000)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(RUN_TIMEOUT_S) == 0
        assert reader.read_rest().broken
    gate.open()
    assert "cut off: 1 connection" in node.log.read_text()


# --- reloading ---------------------------------------------------------------------------------------------------


def test_sighup_brings_new_namespaces_and_keeps_connections_and_cache(
    make_node: MakeNode, origin: HostileOrigin
) -> None:
    origin.put("/x", BODY, headers=(("Cache-Control", "max-age=600"),))
    gate = Gate()
    node = make_node([namespace("/old", origin.url)], memory="64MiB")
    assert node.get("/old/x").status == 200
    origin.put("/slow", BODY)
    origin.fail("/slow", Fault(stall_at=300_000, gate=gate))
    with open_stream(node.url + "/old/slow") as reader:
        first = reader.read(100_000)
        node.config["namespace"] = [namespace("/new", origin.url)]
        node.config["node"]["threads"] = 7
        node.write_config()
        node.reload()
        wait_for_log(node, "reloaded: 1 namespace,")
        assert node.get("/old/x").status == 404
        reply = node.get("/new/x")
        gate.open()
        rest = reader.read_rest()
    assert first + rest.body == BODY  # it went on with what it had pinned
    assert not rest.broken
    assert reply.status == 200
    assert "hit" in reply.headers["cache-status"]  # one origin under another address is one copy
    assert "node.threads needs a restart" in node.log.read_text()
    assert node.metric("forebay_reloads_total") == 1


def test_sighup_with_a_bad_file_changes_nothing(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", BODY)
    node = make_node([namespace("/o", origin.url)], memory="64MiB")
    node.config_file.write_text('[node]\nmemory = "4 elephants"\nfoo = 1\n')
    node.reload()
    wait_for_log(node, "2 mistakes; the configuration stays as it is")
    log = node.log.read_text()
    assert "4 elephants" in log
    assert "node.foo" in log
    assert node.get("/o/x").status == 200
    assert node.metric("forebay_failed_reloads_total") == 1
    assert node.metric("forebay_reloads_total") == 0
    node.write_config()
    node.reload()
    wait_for_log(node, "reloaded: ")
    assert node.metric("forebay_reloads_total") == 1


def test_many_reloads_under_load_lose_no_request(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", BODY[:10_000], headers=(("Cache-Control", "max-age=600"),))
    node = make_node([namespace("/o", origin.url)], memory="64MiB")
    ending = threading.Event()
    statuses: list[int] = []

    def read() -> None:
        while not ending.is_set():
            statuses.append(node.get("/o/x").status)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for one in readers:
        one.start()
    rounds = 10
    for number in range(1, rounds + 1):
        node.config["limits"] = {"connections": 3000 + number}
        node.write_config()
        node.reload()
        processes.wait_until("it is in force", lambda number=number: node.metric("forebay_reloads_total") == number)
    ending.set()
    for one in readers:
        one.join(RUN_TIMEOUT_S)
    assert len(statuses) > rounds
    assert set(statuses) == {200}


# --- the service manager -----------------------------------------------------------------------------------------


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket that hears what a node tells its service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(RUN_TIMEOUT_S)
        yield listener


def test_the_service_manager_is_told(make_node: MakeNode, origin: HostileOrigin, manager: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": manager.getsockname()}
    node = make_node([namespace("/o", origin.url)], memory="16MiB", environment=environment)
    assert manager.recv(4096).startswith(b"READY=1\nSTATUS=1 namespace,")
    assert node.get("/o/none").status == 404  # it was ready: the listeners accept
    node.reload()
    assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert manager.recv(4096).startswith(b"READY=1\n")
    node.process.send_signal(signal.SIGTERM)
    assert manager.recv(4096).startswith(b"STOPPING=1\n")
    assert node.process.wait(RUN_TIMEOUT_S) == 0


# --- limits of connections ---------------------------------------------------------------------------------------


def test_one_client_cannot_take_all_connections(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", b"x")
    limit = 5
    node = make_node(
        [namespace("/o", origin.url)], memory="16MiB", settings={"limits": {"connections_per_client": limit}}
    )
    held = [socket.create_connection((node.address, node.port), timeout=RUN_TIMEOUT_S) for _ in range(limit)]
    try:
        for one in held:
            one.sendall(b"GET /o/x HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one.recv(4096).startswith(b"HTTP/1.1 200")
        refused = node.get("/o/x")
        assert refused.status == 503
        assert b"connections_per_client" in refused.body
        assert node.metric("forebay_connections_refused_total") == 1
    finally:
        for one in held:
            one.close()
    processes.wait_until("the client may come again", lambda: node.get("/o/x").status == 200)


def test_beyond_the_nodes_limit_connections_wait(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", b"x")
    limit = 4
    node = make_node(
        [namespace("/o", origin.url)],
        memory="16MiB",
        settings={
            "limits": {"connections": limit, "connections_per_client": limit},
            "node": {"threads": 1},
        },
    )
    held = [socket.create_connection((node.address, node.port), timeout=RUN_TIMEOUT_S) for _ in range(limit)]
    for one in held:
        one.sendall(b"GET /o/x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one.recv(4096).startswith(b"HTTP/1.1 200")
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(node.get("/o/x")))
    waiting.start()
    processes.wait_until("accepting pauses", lambda: node.metric("forebay_connections_deferred_total") >= 1)
    assert replies == []
    for one in held:
        one.close()
    waiting.join(RUN_TIMEOUT_S)
    assert replies[0].status == 200
