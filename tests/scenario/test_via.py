"""Via of an answer: the version of HTTP in which the origin spoke (RFC 9110 §7.6.3)."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator

import pytest

from forebay_lab.node import Node, namespace

MakeNode = Callable[..., Node]

BODY = b"sound"


class Answers(http.server.BaseHTTPRequestHandler):
    """One connection for each answer, in HTTP/1.0, unless the path says otherwise."""

    def do_GET(self) -> None:
        self.protocol_version = "HTTP/1.1" if self.path.startswith("/new") else "HTTP/1.0"
        self.send_response(200)
        for name, value in (("ETag", '"1"'), ("Content-Length", str(len(BODY))), ("Connection", "close")):
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store" if "passing" in self.path else "max-age=60")
        if "told" in self.path:
            self.send_header("Via", "1.1 inner")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(BODY)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Not into the output of the tests."""


@pytest.fixture
def old_server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("semantics", ["objects", "http"])
def test_via_tells_the_version_of_an_origins_answer(make_node: MakeNode, old_server: str, semantics: str) -> None:
    node = make_node([namespace("/o", old_server, semantics=semantics)])
    for _ in ("miss", "hit"):
        assert node.get("/o/old").headers["via"] == "1.0 forebay"
        assert node.get("/o/new").headers["via"] == "1.1 forebay"
        assert node.get("/o/old-passing").headers["via"] == "1.0 forebay"
        assert node.get("/o/old-told").headers["via"].endswith("1.0 forebay")  # the last line, or member


def test_the_version_of_an_answer_outlives_a_restart(old_server: str) -> None:
    node = Node([namespace("/o", old_server)])
    node.config["node"]["disk"] = [{"path": str(node.directory / "disk"), "size": "1GiB"}]
    try:
        node.start()
        assert node.get("/o/old").headers["via"] == "1.0 forebay"
        assert node.get("/o/new").headers["via"] == "1.1 forebay"
        node.wait_on_disk(2 * len(BODY))
        assert node.stop() == 0
        node.start()
        for path, version in (("old", "1.0"), ("new", "1.1")):
            answer = node.get(f"/o/{path}")
            assert answer.headers["via"] == f"{version} forebay"
            assert answer.headers["cache-status"].startswith("forebay; hit")
    finally:
        node.close()
