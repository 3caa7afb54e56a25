"""OpenStack Swift by its own API: TempAuth and Keystone, large objects, listings, writes."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from forebay_lab.node import Node, namespace
from forebay_lab.swift import ACCESS_KEY, SECRET_KEY, Swift

MakeNode = Callable[..., Node]

BODY = random.Random(3).randbytes(300_000)
CREDENTIALS = {"credentials": [{"name": "lab", "username": ACCESS_KEY, "password": SECRET_KEY}]}

_numbers = itertools.count(1)


class Account:
    """The lab's account, by Swift's own API."""

    def __init__(self, swift: Swift) -> None:
        self.swift = swift
        reply = self._ask("GET", "/auth/v1.0", headers={"X-Auth-User": ACCESS_KEY, "X-Auth-Key": SECRET_KEY})
        self.token = reply.headers["X-Auth-Token"]
        self.storage_url = reply.headers["X-Storage-Url"]
        self.path = "/" + self.storage_url.split("/", 3)[3]

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.swift.address, self.swift.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        assert answer.status < 300, (method, path, answer.status)
        return answer

    def put(self, path: str, body: bytes = b"", **headers: str) -> str:
        """Stores ``container[/key][?query]`` and returns its ETag."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()} | {"X-Auth-Token": self.token}
        return self._ask("PUT", f"{self.path}/{path}", body, fields).headers.get("Etag", "")


@pytest.fixture(scope="module")
def account(swift: Swift) -> Account:
    return Account(swift)


@pytest.fixture
def container(account: Account) -> str:
    name = f"native-{next(_numbers)}"
    account.put(name)
    return name


def temp_auth(swift: Swift, container: str) -> str:
    return f"swift://{container}?auth_url={swift.endpoint}/auth/v1.0&credentials=lab"


def private_node(make_node: MakeNode, swift: Swift, container: str, **settings: object) -> Node:
    return make_node([namespace("/s", temp_auth(swift, container), **settings)], memory="64MiB", settings=CREDENTIALS)


def test_a_private_container_is_read_once(make_node: MakeNode, swift: Swift, account: Account, container: str) -> None:
    etag = account.put(f"{container}/model/a%20b.nc", BODY)
    node = private_node(make_node, swift, container)
    mark = swift.mark()
    first = node.get("/s/model/a%20b.nc")
    assert first.status == 200
    assert first.body == BODY
    assert first.headers["etag"] == f'"{etag}"'
    part = node.get("/s/model/a%20b.nc", headers={"Range": "bytes=1000-1999"})
    assert part.body == BODY[1000:2000]
    assert part.headers["cache-status"].startswith("forebay; hit")
    asked = [one for one in swift.requests(mark) if one.path.startswith("/v1/") and one.method == "GET"]
    assert sum(one.bytes_sent for one in asked) == len(BODY)
    assert node.get("/s/none").status == 404


def test_wrong_passwords_are_not_absences(make_node: MakeNode, swift: Swift, account: Account, container: str) -> None:
    account.put(f"{container}/a", BODY)
    settings = {"credentials": [{"name": "lab", "username": ACCESS_KEY, "password": "wrong-one"}]}
    node = make_node([namespace("/s", temp_auth(swift, container))], memory="64MiB", settings=settings)
    reply = node.get("/s/a")
    assert reply.status in (401, 403, 502)
    assert b"wrong-one" not in reply.body
    assert "wrong-one" not in node.log.read_text()


def test_public_containers_need_no_token(make_node: MakeNode, account: Account, container: str) -> None:
    account.put(container, X_Container_Read=".r:*,.rlistings")
    account.put(f"{container}/a", BODY)
    node = make_node([namespace("/s", f"swift://{container}?storage_url={account.storage_url}")], memory="64MiB")
    assert node.get("/s/a").body == BODY


def test_large_objects_are_one_object(make_node: MakeNode, swift: Swift, account: Account, container: str) -> None:
    pieces = [BODY[:100_000], BODY[100_000:200_000], BODY[200_000:]]
    manifest = []
    for i, piece in enumerate(pieces):
        etag = account.put(f"{container}/segments/{i}", piece)
        manifest.append({"path": f"/{container}/segments/{i}", "etag": etag, "size_bytes": len(piece)})
    account.put(f"{container}/slo?multipart-manifest=put", json.dumps(manifest).encode())
    account.put(f"{container}/dlo", b"", X_Object_Manifest=f"{container}/segments/")
    node = private_node(make_node, swift, container)
    for name in ("slo", "dlo"):
        part = node.get(f"/s/{name}", headers={"Range": "bytes=99990-100009"})
        assert part.status == 206, name
        assert part.body == BODY[99_990:100_010], name
        whole = node.get(f"/s/{name}")
        assert whole.body == BODY, name
        assert whole.headers["etag"].startswith('"'), name


def test_a_dynamic_large_object_changes_with_its_segments(
    make_node: MakeNode, swift: Swift, account: Account, container: str
) -> None:
    account.put(f"{container}/segments/0", BODY)
    account.put(f"{container}/dlo", b"", X_Object_Manifest=f"{container}/segments/")
    node = private_node(make_node, swift, container, freshness={"ttl": "0s"})
    first = node.get("/s/dlo")
    assert first.body == BODY
    account.put(f"{container}/segments/1", b"more")
    second = node.get("/s/dlo")
    assert second.body == BODY + b"more"
    assert second.headers["etag"] != first.headers["etag"]


def test_directories_are_listed(make_node: MakeNode, swift: Swift, account: Account, container: str) -> None:
    for key in ("a", "d/x", "d/y%20z", "d.nc"):
        account.put(f"{container}/{key}", b"1")
    node = private_node(make_node, swift, container)
    for path, names in (("/s/", {"a", "d/", "d.nc", ""}), ("/s/d/", {"d/", "d/x", "d/y%20z"})):
        reply = node.get(path, method="PROPFIND", headers={"Depth": "1"})
        assert reply.status == 207
        assert set(re.findall(r"href>/s/([^<]*)</", reply.body.decode())) == names


def test_writes_pass_through(make_node: MakeNode, swift: Swift, account: Account, container: str) -> None:
    account.put(f"{container}/a", BODY)
    node = private_node(make_node, swift, container, write=True, public_write=True)
    assert node.get("/s/a").body == BODY
    assert node.get("/s/a", method="PUT", body=b"fresh").status == 201
    assert node.get("/s/a").body == b"fresh"
    assert node.get("/s/a", method="DELETE").status == 204
    assert node.get("/s/a").status == 404


class Identity:
    """A scripted identity service of Keystone's version 3, whose tokens are TempAuth's: the store knows those."""

    def __init__(self, account: Account) -> None:
        self.asked: list[dict[str, object]] = []
        self.first_token = account.token
        identity = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                identity.asked.append(asked)
                token = identity.first_token if len(identity.asked) == 1 else account.token
                endpoint = {"interface": "public", "region_id": "lab", "url": account.storage_url}
                catalogue = [{"type": "object-store", "endpoints": [endpoint]}]
                body = json.dumps(
                    {"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": catalogue}}
                ).encode()
                self.send_response(201)
                self.send_header("X-Subject-Token", token)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v3"


@pytest.fixture
def identity(account: Account) -> Iterator[Identity]:
    one = Identity(account)
    thread = threading.Thread(target=one.server.serve_forever, daemon=True)
    thread.start()
    yield one
    one.server.shutdown()
    one.server.server_close()
    thread.join()


def test_keystone_and_a_token_that_ends_early(
    make_node: MakeNode, account: Account, container: str, identity: Identity
) -> None:
    account.put(f"{container}/a", BODY)
    identity.first_token = "AUTH_tk" + "0" * 32  # the store does not know it: as if it had ended
    origin = f"swift://{container}?auth_url={identity.url}&credentials=lab&project=climate&region=lab"
    node = make_node([namespace("/s", origin)], memory="64MiB", settings=CREDENTIALS)
    assert node.get("/s/a").body == BODY
    assert len(identity.asked) == 2
    assert node.get("/s/none").status == 404
    assert len(identity.asked) == 2
    log = node.log.read_text()
    assert SECRET_KEY not in log
    assert account.token not in log
