"""The far link is as far, as narrow and as lossy as it says, and counts what it passes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from forebay_lab import processes
from forebay_lab.link import FarLink, LinkConditions

PING = b"p"
PIECE = bytes(256 * 1024)


@contextmanager
def far_server(link: FarLink) -> Iterator[tuple[str, int]]:
    """A server on the far side: echoes one byte, or sends as many pieces as a connection's first byte says."""
    with link.far.entered():
        listener = socket.create_server((link.far_address, 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while what := connection.recv(1):
                if what == PING:
                    connection.sendall(PING)
                else:
                    for _ in range(what[0]):
                        connection.sendall(PIECE)
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield link.reach(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def connect(link: FarLink, address: tuple[str, int]) -> socket.socket:
    with link.near.entered():
        connection = socket.create_connection(address, timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def measure_rtt_ms(link: FarLink, rounds: int = 10) -> float:
    with far_server(link) as address, closing(connect(link, address)) as connection:
        times = []
        for _ in range(rounds):
            start = time.monotonic()
            connection.sendall(PING)
            assert connection.recv(1) == PING
            times.append((time.monotonic() - start) * 1000)
    # A busy machine makes some rounds longer, and none shorter.
    return min(times[1:])


def measure_rate_mbit(link: FarLink, pieces: int) -> float:
    with far_server(link) as address, closing(connect(link, address)) as connection:
        start = time.monotonic()
        connection.sendall(bytes([pieces]))
        received = 0
        while piece := connection.recv(2**20):
            received += len(piece)
        seconds = time.monotonic() - start
    assert received == pieces * len(PIECE)
    return received * 8 / seconds / 1e6


@pytest.mark.parametrize("rtt_ms", [10, 80])
def test_round_trip(make_far_link, rtt_ms):
    assert rtt_ms <= measure_rtt_ms(make_far_link(rtt_ms=rtt_ms)) <= rtt_ms + 15


def test_rate(make_far_link):
    link = make_far_link(rtt_ms=10, rate_mbit=100)
    assert 40 <= measure_rate_mbit(link, pieces=40) <= 100


def test_rate_can_change_while_it_runs(make_far_link):
    link = make_far_link(rtt_ms=10, rate_mbit=100)
    link.set(rate_mbit=20)
    assert 8 <= measure_rate_mbit(link, pieces=10) <= 20


def test_bytes_of_each_direction_are_counted(make_far_link):
    link = make_far_link(rtt_ms=4, rate_mbit=500)
    measure_rate_mbit(link, pieces=20)
    counters = link.counters()
    sent = 20 * len(PIECE)
    assert sent <= counters.far_to_near.bytes <= 1.15 * sent
    assert 0 < counters.near_to_far.bytes < 0.1 * sent
    assert counters.far_to_near.packets >= sent / 1500


def send_datagrams(link: FarLink, count: int, size_bytes: int) -> None:
    """From near to far, where nobody needs to listen: the link counts them first."""
    with link.near.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    before = link.counters().near_to_far
    with sender:
        for _ in range(count):
            sender.sendto(bytes(size_bytes), (link.far_address, 9))

    def all_counted() -> bool:
        now = link.counters().near_to_far - before
        return now.packets + now.lost_packets + now.dropped_packets == count

    processes.wait_until("every datagram has arrived or is lost", all_counted)


def test_losses_follow_the_seed(make_far_link):
    lost = []
    for seed in (7, 7, 8):
        link = make_far_link(rtt_ms=2, rate_mbit=1000, queue_bdp=20, loss=0.1, seed=seed)
        send_datagrams(link, 2000, 100)
        lost.append(link.counters().near_to_far.lost_packets)
    assert all(120 <= count <= 280 for count in lost), lost
    assert lost[0] == lost[1] != lost[2]


def test_a_full_queue_drops(make_far_link):
    link = make_far_link(rtt_ms=10, rate_mbit=10, queue_bdp=0)
    send_datagrams(link, 500, 1000)
    counters = link.counters().near_to_far
    # The least queue holds about a hundred of these; a few more leave while the others come.
    assert counters.dropped_packets > 250
    assert counters.packets >= 90


def test_a_link_that_is_down_passes_nothing(make_far_link):
    link = make_far_link(rtt_ms=2)
    with far_server(link) as address:
        link.set(up=0)
        with link.near.entered(), pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.5)
        assert link.counters().near_to_far.lost_packets >= 1
        link.set(up=1)
        connect(link, address).close()


def test_a_wrong_command_changes_nothing(make_far_link):
    link = make_far_link(rtt_ms=2)
    with pytest.raises(processes.LabError, match="loss"):
        link.set(rtt_ms=50, loss=7)
    assert measure_rtt_ms(link) < 40


def test_nothing_is_left(make_far_link):
    link = make_far_link(rtt_ms=2)
    before = processes.left_running()
    link.close()
    assert len(before) - len(processes.left_running()) == 3  # the link and the holders of two namespaces


def test_the_relay_is_as_far_and_as_narrow():
    with FarLink(LinkConditions(rtt_ms=20, rate_mbit=100), relay=True) as link:
        assert "relay" in link.describe()
        assert 20 <= measure_rtt_ms(link) <= 40
        assert 40 <= measure_rate_mbit(link, pieces=40) <= 100
        assert link.counters().far_to_near.bytes == 40 * len(PIECE) + 10
