"""Readers who bring their own right to object stores: Google Cloud Storage and Azure Blob take bearer tokens, too."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from forebay_lab.cloud_stores import Azurite
from forebay_lab.dav import members
from forebay_lab.node import Node, namespace
from forebay_lab.origin import Fault, HostileOrigin, SeenRequest
from forebay_lab.readers import Reply

MakeNode = Callable[..., Node]

BODY = bytes(range(256)) * 4096  # 1 MiB
BOTH, READER, LISTER, NOBODY = ("both.1", "reader.2", "lister.3", "nobody.4")


def as_reader(node: Node, token: str | None, path: str, **options: Any) -> Reply:
    headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    return node.get(path, headers=headers, **options)


def listed(node: Node, token: str | None, path: str) -> Reply:
    return as_reader(node, token, path, method="PROPFIND", headers={"Depth": "1"})


class Bucket:
    """A bucket of Google's two APIs that knows who may read its objects and who may list it."""

    def __init__(self, origin: HostileOrigin) -> None:
        self.origin = origin
        self.url = f"gs://bucket?endpoint={origin.url}"
        self.readers, self.listers = {BOTH, READER}, {BOTH, LISTER}
        for key in ("era5/a/0", "era5/a/1"):
            origin.put(f"/bucket/{key}", BODY, headers=(("x-goog-generation", "7"), ("Cache-Control", "private")))
        origin.put("/storage/v1/b/bucket/o", self.page(2))
        origin.guard = self._refusal

    def _refusal(self, request: SeenRequest) -> Fault | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            return Fault(status=401, headers=(("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/"'),))
        lists = request.path.startswith("/storage/")
        if token not in (self.listers if lists else self.readers):
            return Fault(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        short = lists and "maxResults=1" in request.path.split("?")[1].split("&")
        return Fault(status=200, body=self.page(1)) if short else None

    @staticmethod
    def page(count: int) -> bytes:
        page: dict[str, object] = {"items": [{"name": f"era5/a/{n}", "size": str(len(BODY))} for n in range(count)]}
        if count == 1:
            page["nextPageToken"] = "more"
        return json.dumps(page).encode()

    def asked(self, part: str, method: str = "GET") -> int:
        return sum(part in one.path and one.method == method for one in self.origin.requests())


@pytest.fixture
def bucket(origin: HostileOrigin) -> Bucket:
    return Bucket(origin)


def test_readers_of_a_bucket_share_bytes_that_cross_once(make_node: MakeNode, bucket: Bucket) -> None:
    node = make_node([namespace("/d", bucket.url, access="origin", access_prefix_depth=2)])
    refused = as_reader(node, None, "/d/era5/a/0")
    assert (refused.status, refused.headers["www-authenticate"]) == (401, 'Bearer realm="https://accounts.google.com/"')
    for token, status in ((BOTH, 200), (LISTER, 403), (READER, 200), (NOBODY, 403), (BOTH, 200)):
        assert as_reader(node, token, "/d/era5/a/0").status == status, token
    assert bucket.asked("/bucket/era5/a/0") == 1
    assert as_reader(node, READER, "/d/era5/a/1").body == BODY
    assert as_reader(node, BOTH, "/d/era5/none").status == 404
    assert bucket.asked("/bucket/era5/a/1", "HEAD") == 0, "one answer is for the prefix"


def test_a_right_to_list_a_bucket_is_another_one(make_node: MakeNode, bucket: Bucket) -> None:
    node = make_node([namespace("/d", bucket.url, access="origin", access_prefix_depth=2)])
    for token, status in ((BOTH, 207), (LISTER, 207), (READER, 403), (NOBODY, 403), (None, 401)):
        answer = listed(node, token, "/d/era5/a/")
        assert answer.status == status, token
        assert (b"era5/a/1" in answer.body) == (status == 207)
    # Without its slash a directory is no object, whatever its reader may read.
    assert set(members(listed(node, BOTH, "/d/era5/a"))) == {"/d/era5/a/", "/d/era5/a/0", "/d/era5/a/1"}
    assert listed(node, LISTER, "/d/era5/a").status == 403
    assert as_reader(node, LISTER, "/d/era5/a/0").status == 403
    assert as_reader(node, READER, "/d/era5/a/0").status == 200


def test_a_token_that_a_bucket_refuses_later_is_not_believed_any_longer(make_node: MakeNode, bucket: Bucket) -> None:
    node = make_node([namespace("/d", bucket.url, access="origin", access_prefix_depth=2, access_ttl="1h")])
    assert as_reader(node, READER, "/d/era5/a/0").status == 200
    bucket.readers.remove(READER)
    assert as_reader(node, READER, "/d/era5/a/0").status == 200
    assert [as_reader(node, READER, f"/d/era5/a/{n}").status for n in (1, 0)] == [403, 403]


def entra_token(**claims: Any) -> str:
    """As Entra ID makes them; Azurite reads the claims and leaves the signature alone."""
    now = int(time.time())
    usual = {"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/lab/", "iat": now, "nbf": now - 60}
    parts = ({"alg": "RS256", "typ": "JWT"}, usual | {"exp": now + 3600} | claims)
    coded = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts]
    return ".".join([*coded, "c2lnbmF0dXJl"])


def test_tokens_of_entra_id_are_shown_to_azure(make_node: MakeNode, secure_azurite: Azurite) -> None:
    azurite = secure_azurite
    container = azurite.make_container("readers", public=False)
    azurite.put(container, "era5/a 0", BODY)
    origin = f"az://devstoreaccount1/{container}?endpoint={azurite.endpoint}/devstoreaccount1"
    node = make_node(
        [namespace("/d", origin, access="origin")], settings={"network": {"ca_bundle": str(azurite.authority)}}
    )
    good, other = entra_token(oid="alice"), entra_token(oid="carol")
    ended = entra_token(exp=int(time.time()) - 10)
    stranger = entra_token(iss="https://example.org/")
    for token in (good, other, good):
        assert as_reader(node, token, "/d/era5/a%200").body == BODY
    for token in (ended, stranger, "no.token.at.all", None):
        assert as_reader(node, token, "/d/era5/a%200").status in (401, 403, 404), token
        assert listed(node, token, "/d/era5/").status in (401, 403, 404), token
    assert set(members(listed(node, good, "/d/era5/"))) == {"/d/era5/", "/d/era5/a 0"}
    assert node.metric("forebay_origin_bytes_total") < 2 * len(BODY)
    said = node.log.read_text() + node.admin("/metrics").body.decode()
    assert good not in said
