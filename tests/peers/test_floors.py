"""bench/floor_uring.cc says what bench/floor.cc says, byte for byte, however it is asked: else they do not compare."""

import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from forebay_lab.programs import ROOT

REQUEST = b"GET /o/1 HTTP/1.1\r\nHost: bench\r\n\r\n"
PATIENCE_S = 20
MODES = ("", "fds", "coop", "plain", "send", "fixed", "zc", "zc,fds")

pytestmark = pytest.mark.skipif(not Path("/usr/include/liburing.h").is_file(), reason="liburing-dev is not installed")


@pytest.fixture(scope="module")
def floors(tmp_path_factory):
    """Both programs, built here: a sanitizer build has no benchmarks."""
    build = tmp_path_factory.mktemp("floors")
    for name, libraries in (("floor", ()), ("floor_uring", ("-luring",))):
        command = ["g++", "-std=c++20", "-O1", "-o", build / name, ROOT / f"bench/{name}.cc", *libraries]
        subprocess.run(command, check=True, timeout=200)
    if subprocess.run([build / "floor_uring", "probe"], capture_output=True).returncode != 0:
        pytest.skip("the system does not permit io_uring")
    return build


@contextmanager
def running(command):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([command[0], str(port), *command[1:]]) as server:
        try:
            until = time.monotonic() + PATIENCE_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert server.poll() is None
                    assert time.monotonic() < until
                    time.sleep(0.01)
            yield port
            assert server.poll() is None
        finally:
            server.kill()


def ask(port, count, length, pieces=0):
    """`count` requests in one go, or in pieces of so many bytes; the answers, and nothing behind them."""
    text = REQUEST * count
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:

        def put():
            for first in range(0, len(text), pieces or len(text)):
                connection.sendall(text[first : first + (pieces or len(text))])

        sender = threading.Thread(target=put)
        sender.start()
        got = bytearray()
        while len(got) < count * length:
            more = connection.recv(1 << 20)
            if not more:
                break
            got += more
        sender.join()
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    return bytes(got)


def leave_early(port):
    """Clients that go in the middle of their answers, politely and not."""
    for number in range(60):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            connection.sendall(REQUEST * (number % 7))
            if number % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("size", [1, 4096, 65536, 1 << 20])
def test_both_floors_answer_alike(floors, size):
    with running([floors / "floor", str(size)]) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            connection.sendall(REQUEST)
            head = connection.recv(1 << 16).split(b"\r\n\r\n")[0] + b"\r\n\r\n"
        length = len(head) + size
        once = ask(port, 1, length)
    assert once == head + b"f" * size
    many = 1000 if size < 65536 else 20
    for mode in MODES:
        with running([floors / "floor_uring", str(size), mode]) as port:
            assert ask(port, 1, length) == once, mode
            assert ask(port, 3, length, pieces=5) == once * 3, mode
            leave_early(port)
            assert ask(port, many, length) == once * many, mode
            # More connections than there are buffers for what they send.
            everyone = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) for _ in range(300)]
            for connection in everyone:
                connection.sendall(REQUEST)
            for connection in everyone:
                with connection, connection.makefile("rb") as answer:
                    assert answer.read(length) == once, mode
