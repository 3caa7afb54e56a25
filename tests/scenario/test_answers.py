"""What the data listener answers: heads, statuses, bad input, the access log."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from forebay_lab import processes
from forebay_lab.node import Node, namespace
from forebay_lab.origin import EVERY_TIME, Fault, HostileOrigin
from forebay_lab.readers import Reply

MakeNode = Callable[..., Node]

BODY = bytes(range(256)) * 16
FRESH = (("Cache-Control", "max-age=600"), ("Content-Type", "application/x-netcdf"))


@pytest.fixture
def node(make_node: MakeNode, origin: HostileOrigin) -> Node:
    origin.put("/x", BODY, etag='"v1"', headers=FRESH)
    return make_node([namespace("/o", origin.url)], memory="64MiB")


def problem(reply: Reply) -> dict[str, object]:
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    document = json.loads(reply.body)
    assert document["status"] == reply.status
    return document


def send_raw(node: Node, request: bytes) -> bytes:
    """The whole answer to bytes that no client library would send, until the node ends the connection.

    The sending side stays open: a reader that ends it counts as gone when the node has to wait for the origin.
    """
    with socket.create_connection((node.address, node.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


# --- heads -------------------------------------------------------------------------------------------------------


def test_every_answer_says_what_happened(node: Node) -> None:
    first, second = node.get("/o/x"), node.get("/o/x")
    assert first.headers["cache-status"].startswith("forebay; fwd=")
    assert "stored" in first.headers["cache-status"]
    assert second.headers["cache-status"].startswith("forebay; hit")
    assert "age" in second.headers
    for reply in (first, second):
        assert reply.body == BODY
        assert "1.1 forebay" in reply.headers["via"]
        assert reply.headers["x-request-id"]
        assert reply.headers["accept-ranges"] == "bytes"
        assert reply.headers["etag"] == '"v1"'
        assert reply.headers["content-type"] == "application/x-netcdf"
        assert reply.headers["access-control-allow-origin"] == "*"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_a_clients_request_id_is_kept(node: Node) -> None:
    assert node.get("/o/x", headers={"X-Request-Id": "run-42"}).headers["x-request-id"] == "run-42"
    assert node.get("/o/x", headers={"X-Request-Id": "bad id; <x>"}).headers["x-request-id"] != "bad id; <x>"


def test_head_is_get_without_its_body(node: Node) -> None:
    get, head = node.get("/o/x"), node.get("/o/x", method="HEAD")
    assert head.status == 200
    assert head.body == b""
    assert head.headers["content-length"] == str(len(BODY))
    varying = {"x-request-id", "cache-status", "age"}
    assert {k: v for k, v in head.headers.items() if k not in varying} == {
        k: v for k, v in get.headers.items() if k not in varying
    }


def test_preflight_of_a_browser(node: Node) -> None:
    reply = node.get(
        "/o/x",
        method="OPTIONS",
        headers={"Origin": "https://map.example", "Access-Control-Request-Method": "GET",
                 "Access-Control-Request-Headers": "range"},
    )  # fmt: skip
    assert reply.status == 204
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "GET" in reply.headers["access-control-allow-methods"]
    assert "*" in reply.headers["access-control-allow-headers"]
    assert reply.headers["dav"] == "1"


# --- ranges and conditions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [("0-0", 0, 1), ("10-19", 10, 20), ("4000-", 4000, 4096), ("-96", 4000, 4096), ("0-999999", 0, 4096)],
)
def test_one_range(node: Node, asked: str, begin: int, end: int) -> None:
    reply = node.get("/o/x", headers={"Range": f"bytes={asked}"})
    assert reply.status == 206
    assert reply.headers["content-range"] == f"bytes {begin}-{end - 1}/4096"
    assert reply.body == BODY[begin:end]


def test_several_ranges(node: Node) -> None:
    reply = node.get("/o/x", headers={"Range": "bytes=0-1,100-103,-4"})
    assert reply.status == 206
    assert not reply.broken
    assert len(reply.body) == int(reply.headers["content-length"])
    boundary = reply.headers["content-type"].partition("boundary=")[2]
    parts = reply.body.split(b"--" + boundary.encode())
    assert [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts[1:-1]] == [
        BODY[0:2],
        BODY[100:104],
        BODY[-4:],
    ]


def test_unsatisfiable_ranges_tell_the_length(node: Node) -> None:
    reply = node.get("/o/x", headers={"Range": "bytes=4096-"})
    assert reply.status == 416
    assert reply.headers["content-range"] == "bytes */4096"
    problem(reply)


@pytest.mark.parametrize("asked", ["bytes=9-1", "bytes=a-b", "lines=1-2", "bytes=", "bytes=" + ",".join(["0-0"] * 50)])
def test_ranges_that_make_no_sense_are_ignored(node: Node, asked: str) -> None:
    reply = node.get("/o/x", headers={"Range": asked})
    assert reply.status == 200
    assert reply.body == BODY


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": '"v1"'}, 304),
        ({"If-None-Match": 'W/"v1"'}, 304),
        ({"If-None-Match": '"v0"'}, 200),
        ({"If-Match": '"v1"'}, 200),
        ({"If-Match": '"v0"'}, 412),
        ({"If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"}, 304),
        ({"If-Modified-Since": "Wed, 31 Dec 2014 00:00:00 GMT"}, 200),
        ({"If-Unmodified-Since": "Wed, 31 Dec 2014 00:00:00 GMT"}, 412),
        ({"Range": "bytes=0-9", "If-Range": '"v1"'}, 206),
        ({"Range": "bytes=0-9", "If-Range": '"v0"'}, 200),
        ({"Range": "bytes=0-9", "If-Match": '"v0"'}, 412),
    ],
)
def test_conditions(node: Node, headers: dict[str, str], status: int) -> None:
    for _ in range(2):  # cold and warm
        assert node.get("/o/x", headers=headers).status == status


def test_an_object_of_unknown_length_is_read_whole(node: Node, origin: HostileOrigin) -> None:
    origin.put("/chunked", BODY, chunked=True, headers=FRESH)
    for _ in range(2):
        assert node.get("/o/chunked").body == BODY
    origin.put("/chunked2", BODY, chunked=True, headers=FRESH)
    reply = node.get("/o/chunked2", headers={"Range": "bytes=0-9"})
    assert (reply.status, reply.body) in [(206, BODY[:10]), (200, BODY)]


def test_an_empty_object(node: Node, origin: HostileOrigin) -> None:
    origin.put("/empty", b"", headers=FRESH)
    reply = node.get("/o/empty")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "0")


# --- bad input ---------------------------------------------------------------------------------------------------


def test_unknown_namespaces_list_how_to_find_them(node: Node) -> None:
    document = problem(reply := node.get("/elsewhere/x"))
    assert reply.status == 404
    assert "unknown-namespace" in str(document["type"])
    assert "/o/" in str(document["detail"])
    assert "admin listener" in str(problem(node.get("/metrics"))["detail"])
    page = node.get("/")
    assert json.loads(page.body)["namespaces"] == ["/o"]
    assert b"<html" in node.get("/", headers={"Accept": "text/html"}).body


@pytest.mark.parametrize("path", ["/o/%2e%2e/x", "/o/a/./b", "/o/%zz", "/o/a%00b"])
def test_paths_that_cannot_be(node: Node, path: str) -> None:
    assert node.get(path).status == 400


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/s3/Bad_Bucket!/x", "a bucket's name: 3 to 63 lower-case letters"),
        ("/s3/Bucket/x", "a bucket's name: 3 to 63 lower-case letters"),
        ("/s3/a/x", "a bucket's name: 3 to 63 lower-case letters"),
        ("/https/bad..host/x", "a host such as data.example.org"),
    ],
)
def test_names_that_no_open_store_can_have(node: Node, path: str, words: str) -> None:
    document = problem(reply := node.get(path))
    assert reply.status == 400
    assert words in str(document["detail"])


def test_methods_that_are_not_allowed(node: Node) -> None:
    for method in ("PUT", "DELETE", "POST", "PATCH", "TRACE", "BREW"):
        reply = node.get("/o/x", method=method)
        assert reply.status == 405, method
        assert reply.headers["allow"] == "GET, HEAD, OPTIONS, PROPFIND"
        unsafe = method not in ("TRACE", "BREW")
        assert ("write = true" in str(problem(reply)["detail"])) == unsafe


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /o/x HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /o/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /o/x HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /o/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /o/x HTTP/3.7\r\nHost: a\r\n\r\n", 505),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /o/x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
    ],
)
def test_malformed_requests(node: Node, request_bytes: bytes, status: int) -> None:
    answer = send_raw(node, request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"application/problem+json" in answer
    assert b"Connection: close" in answer
    assert node.get("/o/x").status == 200


def test_absolute_form(node: Node) -> None:
    answer = send_raw(node, b"GET http://near/o/x HTTP/1.1\r\nHost: near\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(BODY)


def test_hosts_that_are_not_allowed(node: Node) -> None:
    assert node.get("/https/not-listed.invalid/x").status == 403
    assert node.get("/http/127.0.0.1/x").status in (403, 404)


def test_a_loop_is_refused(make_node: MakeNode, origin: HostileOrigin) -> None:
    near = make_node([namespace("/o", origin.url)], memory="16MiB", settings={"node": {"name": "near"}})
    origin.put("/x", BODY)
    assert near.get("/o/x", headers={"CDN-Loop": 'far; v=1, forebay; node="near"'}).status == 508
    assert near.get("/o/x", headers={"CDN-Loop": "far"}).status == 200
    assert "near" in origin.requests("/x")[0].headers["cdn-loop"]


def test_two_nodes_that_are_each_others_origin_end_in_an_error(make_node: MakeNode) -> None:
    first = Node([], memory="16MiB", settings={"node": {"name": "first"}})
    second = make_node([namespace("/o", first.url + "/o")], memory="16MiB", settings={"node": {"name": "second"}})
    first.config["namespace"] = [namespace("/o", second.url + "/o")]
    with first:
        reply = first.get("/o/x")
    assert 500 <= reply.status < 600


# --- failing origins ---------------------------------------------------------------------------------------------


def test_a_failing_origin_is_never_a_404(node: Node, origin: HostileOrigin, make_node: MakeNode) -> None:
    for status, expected in ((500, 502), (403, 403), (503, 502), (429, 503)):
        origin.put(f"/s{status}", BODY)
        origin.fail(f"/s{status}", Fault(status=status), times=EVERY_TIME)
        document = problem(reply := node.get(f"/o/s{status}"))
        assert reply.status == expected
        assert origin.url in str(document["origin"])
        assert node.get(f"/o/s{status}", method="PROPFIND", headers={"Depth": "0"}).status == expected
    dead = make_node([namespace("/d", "http://127.0.0.1:1")], memory="16MiB")
    assert dead.get("/d/x").status in (502, 504)
    assert dead.get("/d/x", method="PROPFIND", headers={"Depth": "1"}).status in (502, 504)


def test_retry_after_of_the_origin_is_passed_on(node: Node, origin: HostileOrigin) -> None:
    origin.put("/slow", BODY)
    origin.fail("/slow", Fault(status=503, headers=(("Retry-After", "7"),)), times=EVERY_TIME)
    reply = node.get("/o/slow")
    assert reply.status == 503
    assert reply.headers["retry-after"] == "7"


def test_missing_objects_are_remembered_for_a_moment(node: Node, origin: HostileOrigin) -> None:
    first, second = node.get("/o/none"), node.get("/o/none")
    assert (first.status, second.status) == (404, 404)
    assert len(origin.requests("/none")) == 1
    assert "fwd=uri-miss; fwd-status=404" in first.headers["cache-status"]
    assert "hit" in second.headers["cache-status"]
    assert "fwd-status" not in second.headers["cache-status"]
    problem(second)


# --- writing -----------------------------------------------------------------------------------------------------


class _Writable(BaseHTTPRequestHandler):
    """A store that takes PUT and DELETE."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def do_GET(self) -> None:
        body = self.objects.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        if body is not None:
            self.send_header("ETag", f'"{hash(body)}"')
            self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(body or b"")

    def do_PUT(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.objects[self.path] = body
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_DELETE(self) -> None:
        known = self.objects.pop(self.path, None)
        self.send_response(204 if known is not None else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def writable() -> Iterator[str]:
    _Writable.objects = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Writable)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_writes_pass_through_and_are_seen_at_once(make_node: MakeNode, writable: str) -> None:
    node = make_node([namespace("/w", writable, write=True)], memory="64MiB")
    assert node.get("/w/x").status == 404
    for version in (b"one", b"two" * 100_000):
        assert node.get("/w/x", method="PUT", body=version).status == 201
        for _ in range(2):
            assert node.get("/w/x").body == version
    assert node.get("/w/x", method="DELETE").status == 204
    assert node.get("/w/x").status == 404
    options = node.get("/w/x", method="OPTIONS")
    assert "PUT" in options.headers["allow"]


def test_pages_of_other_sites_do_not_write(make_node: MakeNode, writable: str) -> None:
    node = make_node([namespace("/w", writable, write=True)], memory="64MiB")
    page = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    assert "PUT" not in node.get("/w/x", method="OPTIONS", headers=page).headers["access-control-allow-methods"]
    assert node.get("/w/x", method="PUT", body=b"x", headers={"Origin": "https://evil.example"}).status == 403
    written = node.get("/w/x", method="PUT", body=b"x")
    assert written.status == 201
    assert "access-control-allow-origin" not in written.headers


# --- the access log ----------------------------------------------------------------------------------------------


def test_the_access_log_has_a_line_for_each_request(make_node: MakeNode, origin: HostileOrigin, tmp_path: Path) -> None:
    origin.put("/x", BODY, headers=FRESH)
    log = tmp_path / "access.log"
    node = make_node([namespace("/o", origin.url)], memory="64MiB", settings={"node": {"access_log": str(log)}})

    def wait_lines(count: int) -> None:
        """Lines are written when exchanges end, by either loop: one request after the other keeps their order."""
        processes.wait_until(
            f"{count} lines are there", lambda: log.exists() and len(log.read_text().splitlines()) == count
        )

    node.get("/o/x?X-Amz-Signature=very-secret&part=1", headers={"User-Agent": "tester"})
    wait_lines(1)
    node.get("/o/x", headers={"Range": "bytes=0-9"})
    wait_lines(2)
    node.get("/o/x", headers={"Range": "bytes=0-9"})
    wait_lines(3)
    node.get("/nowhere")
    wait_lines(4)
    send_raw(node, b"nonsense\r\n\r\n")
    wait_lines(5)
    assert "very-secret" not in log.read_text()
    first, second, third, unknown, refused = (json.loads(line) for line in log.read_text().splitlines())
    assert first["method"] == "GET"
    assert first["path"] == "/o/x?X-Amz-Signature=***&part=1"
    assert first["status"] == 200
    assert first["bytes"] == len(BODY)
    assert first["client"] == "127.0.0.1"
    assert first["user_agent"] == "tester"
    assert first["origin"] == origin.url
    assert first["cache"] == "miss"
    assert second["range"] == "bytes=0-9"
    assert third["cache"] == "hit"
    assert third["bytes"] == 10
    assert unknown["status"] == 404
    assert refused["status"] == 400
    assert third["seconds"] >= third["first_byte"] >= 0


def test_the_client_behind_a_trusted_proxy_is_logged(
    make_node: MakeNode, origin: HostileOrigin, tmp_path: Path
) -> None:
    origin.put("/x", BODY, headers=FRESH)
    clients = []
    for name, trusted in (("trusting", ["127.0.0.0/8"]), ("wary", [])):
        log = tmp_path / f"{name}.log"
        settings = {"node": {"access_log": str(log)}, "network": {"trusted_proxies": trusted}}
        node = make_node([namespace("/o", origin.url)], memory="16MiB", settings=settings)
        node.get("/o/x", headers={"X-Forwarded-For": "203.0.113.9"})
        processes.wait_until("the line is there", lambda log=log: log.exists() and log.read_text())
        clients.append(json.loads(log.read_text())["client"])
    assert clients == ["203.0.113.9", "127.0.0.1"]


# --- metrics -----------------------------------------------------------------------------------------------------


def test_requests_bytes_and_money_are_counted(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", BODY, headers=FRESH)
    node = make_node([namespace("/o", origin.url, egress_usd_per_gb=0.5)], memory="64MiB")
    for _ in range(2):
        node.get("/o/x")
    counted = {"method": "GET", "status": "2xx"}  # once an answer has left
    for outcome in ("miss", "hit"):
        what = {"outcome": outcome, **counted}
        processes.wait_until(outcome, lambda what=what: node.metric("forebay_requests_total", **what) == 1)
    assert node.metric("forebay_served_bytes_total", tier="origin") == len(BODY)
    assert node.metric("forebay_served_bytes_total", tier="memory") == len(BODY)
    assert node.metric("forebay_origin_bytes_total", origin=origin.url) == len(BODY)
    assert node.metric("forebay_saved_usd_total") == pytest.approx(len(BODY) * 0.5 / 1e9)
    assert node.metric("forebay_request_seconds_count", outcome="hit") == 1


def test_a_body_that_breaks_off_is_counted(node: Node, origin: HostileOrigin) -> None:
    body = BODY * 256
    origin.put("/cut", body)
    origin.fail("/cut", Fault(truncate_at=300_000))
    origin.fail("/cut", Fault(status=500), times=EVERY_TIME)  # and it does not get better
    reply = node.get("/o/cut")
    assert reply.status == 200
    assert reply.broken
    assert body.startswith(reply.body)
    processes.wait_until("it is counted", lambda: node.metric("forebay_broken_responses_total") == 1)
