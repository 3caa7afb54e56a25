"""Redirect logins as NASA Earthdata has them: who sees what, and where the signed URL never appears."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

BODY = bytes(range(256)) * 64
SIGNATURE = "topsecretsignature"


class Site:
    """A host of its own that answers by a function: ``(path, headers) -> (status, headers, body)``."""

    Answer = tuple[int, dict[str, str], bytes]

    def __init__(self, say: Callable[[str, dict[str, str]], Answer]) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                site.seen.append((self.path, headers))
                status, fields, body = say(self.path, headers)
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Earthdata:
    """Where data is named, where one signs in, and where the bytes are."""

    def __init__(self, origin: HostileOrigin) -> None:
        self.origin = origin
        origin.put("/bytes/a.nc", BODY, etag='"v1"')
        self.login = Site(self._login)
        self.data = Site(self._data)

    def _data(self, path: str, headers: dict[str, str]) -> Site.Answer:
        if path.startswith("/callback?code=ok"):
            return 302, {"Location": "/archive/a.nc", "Set-Cookie": "session=open; Path=/; HttpOnly"}, b""
        if "session=open" not in headers.get("cookie", ""):
            return 302, {"Location": f"{self.login.url}/oauth/authorize?client=x"}, b""
        return 303, {"Location": f"{self.origin.url}/bytes/a.nc?X-Signature={SIGNATURE}"}, b""

    def _login(self, _path: str, headers: dict[str, str]) -> Site.Answer:
        expected = "Basic " + base64.b64encode(b"scientist:netrc-password").decode()
        if headers.get("authorization") != expected:
            return 200, {"Content-Type": "text/html"}, b"<form>please sign in</form>"
        return 302, {"Location": f"{self.data.url}/callback?code=ok"}, b""

    def close(self) -> None:
        self.data.close()
        self.login.close()


@pytest.fixture
def earthdata(origin: HostileOrigin) -> Iterator[Earthdata]:
    one = Earthdata(origin)
    yield one
    one.close()


def login_node(make_node: MakeNode, earthdata: Earthdata, tmp_path: Path, password: str) -> Node:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login scientist password {password}\n")
    at = f"{earthdata.data.url}/archive?netrc=true&login={earthdata.login.host}"
    settings = {"node": {"access_log": str(tmp_path / "access.log")}}
    return make_node([namespace("/e", at)], memory="64MiB", settings=settings, environment={"NETRC": str(netrc)})


def test_a_login_by_netrc(make_node: MakeNode, earthdata: Earthdata, origin: HostileOrigin, tmp_path: Path) -> None:
    node = login_node(make_node, earthdata, tmp_path, "netrc-password")
    first = node.get("/e/a.nc")
    assert first.status == 200
    assert first.body == BODY
    assert "set-cookie" not in first.headers
    again = node.get("/e/a.nc", headers={"Range": "bytes=100-199"})
    assert again.body == BODY[100:200]
    assert again.headers["cache-status"].startswith("forebay; hit")
    assert len(earthdata.login.seen) == 1
    for seen in origin.requests():
        assert "authorization" not in seen.headers
        assert "cookie" not in seen.headers
    everything = node.log.read_text() + (tmp_path / "access.log").read_text() + str(first.headers) + str(again.headers)
    everything += node.admin("/metrics").body.decode() + node.admin("/status").body.decode()
    for secret in (SIGNATURE, "netrc-password", "session=open"):
        assert secret not in everything


def test_head_behind_a_login(make_node: MakeNode, earthdata: Earthdata, tmp_path: Path) -> None:
    node = login_node(make_node, earthdata, tmp_path, "netrc-password")
    head = node.get("/e/a.nc", method="HEAD")
    assert head.status == 200
    assert head.headers["content-length"] == str(len(BODY))
    assert node.get("/e/a.nc").body == BODY


def test_a_login_page_is_not_the_object(make_node: MakeNode, earthdata: Earthdata, tmp_path: Path) -> None:
    node = login_node(make_node, earthdata, tmp_path, "wrong")
    reply = node.get("/e/a.nc")
    assert reply.status in (401, 502)
    assert b"please sign in" not in reply.body
    assert b"login host" in reply.body


def test_an_error_behind_a_signed_url_does_not_tell_it(
    make_node: MakeNode, earthdata: Earthdata, origin: HostileOrigin, tmp_path: Path
) -> None:
    origin.remove("/bytes/a.nc")
    node = login_node(make_node, earthdata, tmp_path, "netrc-password")
    reply = node.get("/e/a.nc")
    assert reply.status == 404
    assert SIGNATURE.encode() not in reply.body
    assert SIGNATURE not in node.log.read_text()


def test_a_server_without_ranges_is_read_once_and_marked(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/whole.nc", BODY, etag='"v1"', ranges=False)
    node = make_node([namespace("/w", origin.url)], memory="64MiB")
    for at in (0, 5_000, 10_000):
        part = node.get("/w/whole.nc", headers={"Range": f"bytes={at}-{at + 99}"})
        assert part.status == 206
        assert part.body == BODY[at : at + 100]
        said = part.headers["cache-status"]
        assert ("stored" if at == 0 else "; hit") in said, said
        assert "no-validator" not in said
    asked = [one for one in origin.requests() if one.method == "GET"]
    assert len(asked) == 1
    assert asked[0].bytes_sent == len(BODY)
