"""Attacks on namespaces that are not public: other names of their objects, other methods, other configurations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from forebay_lab.issuer import Issuer
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

SECRET = b"what not everybody may read " * 100
HERE = {"networks": ["127.0.0.0/8"]}
NOBODY = {"networks": ["192.0.2.0/24"]}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with HostileOrigin() as site:
        made = Issuer(site)
        made.add_key("k1")
        yield made


@pytest.fixture
def store(origin: HostileOrigin) -> HostileOrigin:
    for path in ("/base/secret", "/open", "/base2"):
        origin.put(path, SECRET + path.encode(), headers=(("Cache-Control", "max-age=600"),))
    return origin


def private(path: str, *origins: str, **settings: Any) -> dict[str, Any]:
    return namespace(path, *origins, public=False, **settings)


def bearer(issuer: Issuer, group: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token('k1', groups=[group])}"}


def grant(path: str, group: str, **settings: Any) -> dict[str, Any]:
    return {"namespace": path, "issuer": "lab", "claim": "groups", "values": [group], **settings}


def test_open_hosts_give_nothing_of_a_private_namespace(
    make_node: MakeNode, store: HostileOrigin, issuer: Issuer
) -> None:
    host = store.url.removeprefix("http://")
    tables = {
        "issuers": [issuer.toml()],
        "grants": [grant("/intra", "staff")],
        "open": {"http_hosts": [host]},
    }
    node = make_node([private("/intra", f"{store.url}/base")], settings=tables)
    assert node.get(f"/http/{host}/base/secret").status == 403, "not held, and this host admits the node"
    staff = bearer(issuer, "staff")
    assert node.get("/intra/secret", headers=staff).body.startswith(SECRET)
    attacks: list[dict[str, str]] = [{}, {"Range": "bytes=0-3"}, {"Cache-Control": "only-if-cached"}, staff]
    for path in ("base/secret", "base//secret", "/base/secret", "base;v=1/secret", "base", "base/", "b%61se/secret"):
        for headers in attacks:
            for method in ("GET", "HEAD", "PROPFIND"):
                reply = node.get(f"/http/{host}/{path}", method=method, headers=headers)
                assert (reply.status, SECRET[:20] in reply.body) == (403, False), (path, headers, method)
    for path in ("open", "base2"):
        assert node.get(f"/http/{host}/{path}").status == 200
    assert len(store.requests("/base/secret")) == 1


def test_an_address_that_readers_may_not_name_is_refused_though_its_object_is_held(
    make_node: MakeNode, store: HostileOrigin
) -> None:
    host = store.url.removeprefix("http://")
    tables = {"open": {"http_hosts": [host]}, "network": {"allow_private": []}}
    node = make_node([namespace("/pub", store.url)], settings=tables)
    assert node.get("/pub/open").status == 200
    assert node.get(f"/http/{host}/open").status == 403


def test_a_public_root_gives_nothing_of_a_private_namespace_in_it(make_node: MakeNode, tmp_path: Path) -> None:
    (tmp_path / "priv").mkdir()
    (tmp_path / "priv" / "secret-name").write_bytes(SECRET)
    (tmp_path / "private").write_bytes(b"not at all")
    url = tmp_path.as_uri()
    node = make_node(
        [namespace("/", url), private("/priv", f"{url}/priv", allow=NOBODY)],
        s3=True,
    )
    for path in ("/priv/secret-name", "/priv//secret-name", "//priv/secret-name", "/;v=1/priv/secret-name", "/priv/"):
        for method in ("GET", "HEAD", "PROPFIND"):
            assert node.get(path, method=method).status == 403, (path, method)
    for path in (
        "root/priv/secret-name",
        "root//priv/secret-name",
        "root?list-type=2&prefix=priv/",
        "priv/secret-name",
    ):
        assert requests.get(f"{node.s3_url}/{path}").status_code == 403, path
    shown = requests.get(f"{node.s3_url}/root?list-type=2").text
    walked = node.get("/", method="PROPFIND", headers={"Depth": "infinity"})
    assert walked.status == 207
    for listing in (shown, walked.body.decode(), requests.get(f"{node.s3_url}/root?list-type=2&delimiter=/").text):
        assert "private" in listing
        assert "secret-name" not in listing
        assert "priv/" not in listing


def test_an_origin_that_holds_a_private_one_is_told(make_node: MakeNode, tmp_path: Path) -> None:
    (tmp_path / "priv").mkdir()
    node = make_node([namespace("/all", tmp_path.as_uri()), private("/priv", f"{tmp_path.as_uri()}/priv")])
    assert 'everybody reads what is in "/priv", which is not public, through "/all/"' in node.log.read_text()


@pytest.mark.parametrize("semantics", ["objects", "http"])
def test_a_network_writes_nowhere(make_node: MakeNode, store: HostileOrigin, semantics: str) -> None:
    node = make_node([private("/d", store.url, allow=HERE, write=True, semantics=semantics)])
    assert node.get("/d/open").status == 200
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        assert node.get("/d/open", method=method, body=b"mine").status == 403, method
    assert {one.method for one in store.requests()} == {"GET"}


def test_messages_copy_nothing_across_a_right(make_node: MakeNode, store: HostileOrigin, issuer: Issuer) -> None:
    tables = {
        "issuers": [issuer.toml()],
        "grants": [grant("/d", "writers", prefixes=["/a"], actions=["read", "list", "write"])],
    }
    node = make_node([private("/d", store.url, write=True, semantics="http")], settings=tables)
    writer = bearer(issuer, "writers")
    for method in ("COPY", "MOVE"):
        told = node.get("/d/a/x", method=method, headers={**writer, "Destination": f"{node.url}/d/base/secret"})
        assert told.status == 403, method
    assert node.get("/d/a/x", method="PUT", headers={**writer, "x-amz-copy-source": "/base/secret"}).status == 403
    for method in ("SEARCH", "REPORT", "QUERY"):
        assert node.get("/d/a/", method=method, body=b"<scope>/base</scope>", headers=writer).status == 403
    assert store.requests() == []
    node.get("/d/a/x", method="PUT", body=b"mine", headers=writer)
    assert [(one.method, one.path) for one in store.requests()] == [("PUT", "/a/x")]


def test_a_reload_opens_no_namespace_in_silence(make_node: MakeNode, store: HostileOrigin) -> None:
    node = make_node([namespace("/d", store.url, allow=NOBODY)])
    assert node.get("/d/open").status == 403
    for allow in ({}, {"networks": []}):
        node.config["namespace"][0]["allow"] = allow
        node.write_config()
        node.reload()
        assert node.get("/d/open").status == 403
    del node.config["namespace"][0]["allow"]
    node.write_config()
    node.reload()
    assert '"/d" was not public and would be' in node.log.read_text()
    assert node.get("/d/open").status == 403
    node.config["namespace"][0]["public"] = True
    node.write_config()
    node.reload()
    assert node.get("/d/open").status == 200
