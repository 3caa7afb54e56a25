"""A node that shows a certificate to its HTTPS origins: another node, and a server of the test's."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forebay_lab import processes
from forebay_lab.certificates import Authority, Identity
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

BODY = bytes(range(256)) * 512


class Closed:
    """An HTTPS server that lets in who shows a certificate of ``authority``, and remembers whose it was."""

    def __init__(self, shown: Identity, authority: Path) -> None:
        self.seen: list[str] = []
        self.tokens: list[str | None] = []
        self.redirect = ""
        closed = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert isinstance(self.connection, ssl.SSLSocket)
                names = (self.connection.getpeercert() or {}).get("subjectAltName", ())
                closed.seen.append(",".join(str(value) for _, value in names))
                closed.tokens.append(self.headers["Authorization"])
                self.send_response(302 if closed.redirect else 200)
                if closed.redirect:
                    self.send_header("Location", closed.redirect)
                self.send_header("ETag", '"1"')
                self.send_header("Cache-Control", "max-age=60")
                self.send_header("Content-Length", "0" if closed.redirect else str(len(BODY)))
                self.end_headers()
                if not closed.redirect and self.command == "GET":
                    self.wfile.write(BODY)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Not into the output of the tests."""

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        context.load_cert_chain(shown.cert, shown.key)
        context.verify_mode = ssl.CERT_REQUIRED
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def closed(authority: Authority) -> Iterator[Closed]:
    server = Closed(authority.issue(["IP:127.0.0.1"]), authority.cert)
    yield server
    server.close()


def showing(authority: Authority, shown: Identity, **network: Any) -> dict[str, Any]:
    return {
        "credentials": [{"name": "us", "client_certificate": str(shown.cert), "client_key": str(shown.key)}],
        "network": {"ca_bundle": str(authority.cert), **network},
        "tls": {"watch": "0s"},
    }


def test_an_origin_that_demands_a_certificate_is_shown_one(
    make_node: MakeNode, authority: Authority, closed: Closed
) -> None:
    mine = authority.issue(["DNS:edge.example"])
    node = make_node(
        [namespace("/with", f"{closed.url}?credentials=us"), namespace("/without", closed.url)],
        settings={**showing(authority, mine), "limits": {"attempts": 1}},
    )
    assert node.get("/with/a").body == BODY
    refused = node.get("/without/a")
    assert (refused.status, BODY in refused.body) == (502, False), "what one namespace may read another may not"
    assert node.get("/with/a").headers["cache-status"].startswith("forebay; hit")
    assert closed.seen == ["edge.example"]
    assert node.metric("forebay_origin_certificate_expiry_timestamp_seconds") > 1e9


def test_a_renewed_certificate_is_shown_without_a_restart(
    make_node: MakeNode, authority: Authority, closed: Closed
) -> None:
    mine = authority.issue(["DNS:old.example"])
    settings = showing(authority, mine)
    node = make_node([namespace("/d", f"{closed.url}?credentials=us", freshness={"ttl": "0s"})], settings=settings)
    assert node.get("/d/a").status == 200
    authority.issue(["DNS:reloaded.example"]).copy_to(mine)
    node.reload()
    assert node.get("/d/a").status == 200
    node.config["tls"]["watch"] = "1s"
    node.write_config()
    node.reload()
    authority.issue(["DNS:watched.example"]).copy_to(mine)

    def watched() -> bool:
        assert node.get("/d/a").status == 200
        return closed.seen[-1] == "watched.example"

    processes.wait_until("the watched certificate is shown", watched)
    assert closed.seen[:2] == ["old.example", "reloaded.example"]
    assert node.get("/d/a").body == BODY


def test_a_certificate_goes_to_the_origins_own_host_alone(
    make_node: MakeNode, authority: Authority, closed: Closed
) -> None:
    other = Closed(authority.issue(["IP:127.0.0.1"]), authority.cert)
    try:
        closed.redirect = f"{other.url}/a"
        node = make_node(
            [namespace("/d", f"{closed.url}?credentials=us")],
            settings={**showing(authority, authority.issue(["DNS:edge.example"])), "limits": {"attempts": 1}},
        )
        assert node.get("/d/a").status == 502
        assert (closed.seen, other.seen) == (["edge.example"], [])
    finally:
        other.close()


def test_nodes_know_each_other_by_certificate(make_node: MakeNode, authority: Authority, origin: HostileOrigin) -> None:
    origin.put("/a", BODY, headers=(("Cache-Control", "max-age=60"),))
    port = processes.free_port()
    listener = {
        "address": f"127.0.0.1:{port}", "serve": ["data"], "tls": True, "client_certificates": "required",
        "client_ca": str(authority.cert), "client_names": ["*.edge.example"],
    }  # fmt: skip
    make_node(
        [namespace("/hub", origin.url)],
        listeners=[listener],
        settings={
            "node": {"name": "hub"},
            "tls": {"certificates": [authority.issue(["IP:127.0.0.1"]).toml()]},
        },
    )
    hub = f"https://127.0.0.1:{port}/hub"
    known = make_node([namespace("/d", f"{hub}?credentials=us")],
                      settings=showing(authority, authority.issue(["DNS:one.edge.example"])))  # fmt: skip
    stranger = make_node([namespace("/d", f"{hub}?credentials=us")],
                         settings=showing(authority, authority.issue(["DNS:other.example"])))  # fmt: skip
    assert known.get("/d/a").body == BODY
    assert stranger.get("/d/a").status in (403, 502)
    assert len(origin.requests("/a")) == 1


def test_tokens_of_readers_come_over_a_connection_of_the_nodes(
    make_node: MakeNode, authority: Authority, closed: Closed
) -> None:
    """A certificate says which node asks; who may read is the readers' own right."""
    node = make_node(
        [namespace("/d", f"{closed.url}?credentials=us", access="origin")],
        settings=showing(authority, authority.issue(["DNS:edge.example"])),
    )
    assert node.get("/d/a", headers={"Authorization": "Bearer t"}).body == BODY
    assert closed.tokens == ["Bearer t", "Bearer t"]
    assert set(closed.seen) == {"edge.example"}
