"""Digests that readers want and no store gave (RFC 9530)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest

from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

SMALL = bytes(range(256)) * 16
LARGE = bytes(range(256)) * 4096 * 5  # 5 MiB
FRESH = (("Cache-Control", "max-age=600"),)


def sha256(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@pytest.fixture
def node(make_node: MakeNode, origin: HostileOrigin) -> Node:
    origin.put("/small", SMALL, headers=FRESH)
    origin.put("/large", LARGE, headers=FRESH)
    return make_node([namespace("/o", origin.url)])


def test_a_small_object_comes_with_its_digest(node: Node, origin: HostileOrigin) -> None:
    wanted = {"Want-Repr-Digest": "sha-256=1", "Want-Content-Digest": "sha-256=1"}
    for _ in ("miss", "hit"):
        answer = node.get("/o/small", headers=wanted)
        assert (answer.body, answer.headers["repr-digest"]) == (SMALL, sha256(SMALL))
        assert answer.headers["content-digest"] == sha256(SMALL)
    part = node.get("/o/small", headers={**wanted, "Range": "bytes=100-199"})
    assert (part.status, part.headers["content-digest"]) == (206, sha256(SMALL[100:200]))
    assert part.headers["repr-digest"] == sha256(SMALL)
    assert origin.bytes_sent("/small") == len(SMALL)
    assert node.metric("forebay_digests") == 1


def test_the_digest_of_a_large_object_is_known_once_it_was_read(node: Node, origin: HostileOrigin) -> None:
    wanted = {"Want-Repr-Digest": "sha-256=1"}
    assert "repr-digest" not in node.get("/o/large", method="HEAD", headers=wanted).headers
    first = node.get("/o/large", headers=wanted)
    assert (first.body == LARGE, "repr-digest" in first.headers) == (True, False)
    assert node.get("/o/large", method="HEAD", headers=wanted).headers["repr-digest"] == sha256(LARGE)
    assert "repr-digest" not in node.get("/o/large", method="HEAD").headers
    origin.put("/large", LARGE + b"x", headers=FRESH)
    assert (
        node.admin(
            "/purge", method="POST", body=b'{"path": "/o/large"}', headers={"Content-Type": "application/json"}
        ).status
        == 200
    )
    again = node.get("/o/large", method="HEAD", headers=wanted)
    assert (again.headers["content-length"], "repr-digest" in again.headers) == (str(len(LARGE) + 1), False)
