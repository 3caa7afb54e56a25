"""nginx as an origin: what most archives are served by, as it is and not as a test thinks it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from forebay_lab import processes
from forebay_lab.dav import members, propfind
from forebay_lab.nginx import PASSWORD, USER, Nginx
from forebay_lab.node import Node, namespace

from .test_s3_front import client, fails, keys

MakeNode = Callable[..., Node]

BODY = bytes(range(251)) * 12_000
GRAIN = 4096
ODD_KEYS = ("a+b.nc", "c d.nc", "Grüße/日本 1+1.nc", "x=1&y=2.nc", "50%.nc", "semi;colon,comma.nc", "ha#sh?.nc")


@pytest.fixture
def nginx() -> Iterator[Nginx]:
    with Nginx() as server:
        yield server


@pytest.fixture
def node(make_node: MakeNode, nginx: Nginx) -> Node:
    return make_node([namespace("/w", nginx.endpoint, freshness={"ttl": "1h"})], s3=True, memory="64MiB")


def wait_served(nginx: Nginx, count: int, path: str) -> list[str]:
    """The ranges that were asked of a path, once ``count`` answers were written down."""

    def ranges() -> list[str]:
        return [one.range for one in nginx.served() if one.target == path and one.method == "GET"]

    processes.wait_until(f"{count} answers for {path}", lambda: len(ranges()) >= count)
    return ranges()


def test_bytes_cross_once_and_ranges_combine(node: Node, nginx: Nginx) -> None:
    nginx.put("era5/t.nc", BODY)
    for first, last in ((0, 99_999), (1_000_000, 1_199_999), (50_000, 1_100_000)):
        part = node.get("/w/era5/t.nc", headers={"Range": f"bytes={first}-{last}"})
        assert (part.status, part.body == BODY[first : last + 1]) == (206, True)
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(BODY)}"
    for _ in range(3):
        assert node.get("/w/era5/t.nc").body == BODY
    crossed = node.metric("forebay_origin_bytes_total", origin=nginx.endpoint)
    assert len(BODY) <= crossed <= len(BODY) + 6 * GRAIN  # a grain that is cut by a range's end may come twice
    assert wait_served(nginx, 2, "/era5/t.nc")[0].startswith("bytes=0-")


def test_a_new_etag_is_a_new_version(make_node: MakeNode, nginx: Nginx) -> None:
    node = make_node([namespace("/w", nginx.endpoint, freshness={"ttl": "1h"})], memory="64MiB")
    insists = {"Cache-Control": "no-cache"}
    nginx.put("a.nc", BODY)
    first = node.get("/w/a.nc")
    same = node.get("/w/a.nc", headers=insists)
    assert (same.body == BODY, same.headers["etag"]) == (True, first.headers["etag"])
    assert "fwd-status=304" in same.headers["cache-status"]
    nginx.put("a.nc", BODY[::-1])
    assert node.get("/w/a.nc").body == BODY  # fresh, as the namespace says
    new = node.get("/w/a.nc", headers=insists)
    assert new.body == BODY[::-1]
    assert new.headers["etag"] != first.headers["etag"]


def test_a_version_that_goes_away_is_never_mixed_with_the_next(node: Node, nginx: Nginx) -> None:
    nginx.put("a.nc", BODY)
    assert node.get("/w/a.nc", headers={"Range": "bytes=0-9999"}).body == BODY[:10_000]
    nginx.put("a.nc", BODY[::-1])
    whole = node.get("/w/a.nc")
    assert whole.broken or whole.status >= 500 or whole.body == BODY[::-1]


def test_index_pages_are_listings(node: Node, nginx: Nginx) -> None:
    for key in ("d/1.nc", "d/sub/2.nc", "d/with space+plus.nc"):
        nginx.put(key, key.encode())
    found = members(propfind(node, "/w/d/", "1"))
    assert set(found) == {"/w/d/", "/w/d/1.nc", "/w/d/sub/", "/w/d/with space+plus.nc"}
    assert found["/w/d/1.nc"]["getcontentlength"] == "6"
    assert found["/w/d/sub/"]["collection"]


def test_index_pages_are_listings_of_s3_clients(make_node: MakeNode, nginx: Nginx) -> None:
    for key in ("d/1.nc", "d/sub/2.nc", "d/with space+plus.nc"):
        nginx.put(key, key.encode())
    s3 = client(make_node([namespace("/d", f"{nginx.endpoint}/d")], s3=True, memory="64MiB"))
    answer = s3.list_objects_v2(Bucket="d")
    assert keys(answer) == ["1.nc", "sub/2.nc", "with space+plus.nc"]
    assert [one["Size"] for one in answer["Contents"]] == [6, 10, 20]
    near = s3.list_objects_v2(Bucket="d", Delimiter="/")
    assert [one["Prefix"] for one in near["CommonPrefixes"]] == ["sub/"]
    assert s3.get_object(Bucket="d", Key="with space+plus.nc")["Body"].read() == b"d/with space+plus.nc"


def test_refusals_are_what_nginx_said(node: Node, nginx: Nginx) -> None:
    nginx.put("private/a.nc", b"secret")
    nginx.put("closed/a.nc", b"secret")
    s3 = client(node)
    for path, status, code in (("private", 401, "AccessDenied"), ("closed", 403, "AccessDenied")):
        reply = node.get(f"/w/{path}/a.nc")
        assert reply.status == status
        assert b"secret" not in reply.body
        fails(code, s3.get_object, Bucket="w", Key=f"{path}/a.nc")
    assert node.get("/w/none.nc").status == 404
    fails("NoSuchKey", s3.get_object, Bucket="w", Key="none.nc")
    assert propfind(node, "/w/none/", "1").status == 404
    nginx.put("none.nc", b"now it is")  # the absence is remembered for a moment, not the refusals for ever
    assert node.get("/w/none.nc", headers={"Cache-Control": "no-cache"}).body == b"now it is"


def test_a_password_opens(make_node: MakeNode, nginx: Nginx) -> None:
    nginx.put("private/a.nc", BODY)
    login = {"name": "archive", "username": USER, "password": PASSWORD}
    wrong = {"name": "wrong", "username": "somebody", "password": PASSWORD}
    node = make_node(
        [
            namespace("/p", f"{nginx.endpoint}/private?credentials=archive"),
            namespace("/wrong", f"{nginx.endpoint}/private?credentials=wrong"),
        ],
        memory="64MiB",
        settings={"credentials": [login, wrong]},
    )
    assert node.get("/p/a.nc").body == BODY
    assert "/p/a.nc" in members(propfind(node, "/p/", "1"))
    refused = node.get("/wrong/a.nc")  # what another namespace read with its right is not given
    assert refused.status == 401
    assert PASSWORD.encode() not in refused.body


def test_a_server_without_ranges_is_read_once(node: Node, nginx: Nginx) -> None:
    nginx.put("whole/a.nc", BODY)
    for first in (0, 500_000, 1_000_000):
        part = node.get("/w/whole/a.nc", headers={"Range": f"bytes={first}-{first + 99}"})
        assert (part.status, part.body) == (206, BODY[first : first + 100])
    assert node.get("/w/whole/a.nc").body == BODY
    assert len(wait_served(nginx, 1, "/whole/a.nc")) == 1
    assert node.metric("forebay_origin_bytes_total", origin=nginx.endpoint) == len(BODY)


def test_redirects_are_followed_by_the_node(node: Node, nginx: Nginx) -> None:
    nginx.put("a.nc", BODY)
    reply = node.get("/w/moved/a.nc", headers={"Range": "bytes=10-19"})
    assert (reply.status, reply.body) == (206, BODY[10:20])
    assert "location" not in reply.headers


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_arrive_as_they_are(node: Node, nginx: Nginx, key: str) -> None:
    nginx.put(key, key.encode())
    assert node.get(f"/w/{quote(key)}").body == key.encode()
    assert client(node).get_object(Bucket="w", Key=key)["Body"].read() == key.encode()
    directory = quote(key.rpartition("/")[0])
    assert f"/w/{key}" in members(propfind(node, f"/w/{directory}/" if directory else "/w/", "1"))
