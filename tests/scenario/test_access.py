"""Namespaces that are not public: tokens of issuers, signed URLs, networks, certificates; on data and S3 addresses."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
import requests

from forebay_lab import processes
from forebay_lab.certificates import Authority, Identity
from forebay_lab.issuer import DISCOVERY, KEYS, Issuer
from forebay_lab.node import Node, namespace
from forebay_lab.origin import Fault, Gate, HostileOrigin
from forebay_lab.programs import find_program
from forebay_lab.readers import open_stream

MakeNode = Callable[..., Node]

BODY = bytes(range(256)) * 4096  # 1 MiB
#: Long and of one spelling, so that it is found wherever it was left.
SIGNING_SECRET = "NeverWriteThisDown-0123456789abcdefghijkl"
CLIMATE = {"groups": ["climate"]}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with HostileOrigin() as site:
        made = Issuer(site)
        made.add_key("k1")
        yield made


@pytest.fixture
def store(origin: HostileOrigin) -> HostileOrigin:
    for path in ("/a/x", "/a/b/y", "/ab", "/z"):
        origin.put(path, BODY + path.encode(), headers=(("Cache-Control", "max-age=600"),))
    return origin


def grant(**settings: Any) -> dict[str, Any]:
    return {"namespace": "/d", "issuer": "lab", "claim": "groups", "values": ["climate"], **settings}


def node_of(make_node: MakeNode, store: HostileOrigin, issuer: Issuer, **settings: Any) -> Node:
    """A node with one namespace at /d that members of a group read below /a."""
    tables = {"issuers": [issuer.toml()], "grants": [grant(prefixes=["/a"])], **settings}
    return make_node([namespace("/d", store.url)], settings=tables, s3=True)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def sign(node: Node, path: str, *options: str) -> str:
    """What ``forebay sign`` prints."""
    argv = [find_program("forebay"), "sign", "--config", node.config_file, *options, path]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def test_a_member_reads_its_paths_and_others_learn_nothing(
    make_node: MakeNode, store: HostileOrigin, issuer: Issuer
) -> None:
    node = node_of(make_node, store, issuer)
    member, stranger = issuer.token("k1", **CLIMATE), issuer.token("k1", groups=["ocean"])
    first = node.get("/d/a/x", headers=bearer(member))
    assert (first.status, first.body) == (200, BODY + b"/a/x")
    assert first.headers["cache-control"].startswith("private")
    assert node.get("/d/a/x", headers=bearer(member)).headers["cache-status"].startswith("forebay; hit")
    for path in ("/d/a/x", "/d/a/none", "/d/z", "/d/", "/d/ab", "/d/a%2F..%2Fz"):
        expected = 400 if ".." in path else 403
        told = [node.get(path, method=method, headers=bearer(stranger)) for method in ("GET", "HEAD", "PROPFIND")]
        assert {one.status for one in told} == {expected}, path
        assert not any(BODY[:64] in one.body for one in told)
        nobody = node.get(path)
        assert nobody.status == (400 if ".." in path else 401)
    assert node.get("/d/ab", headers=bearer(member)).status == 403
    assert node.get("/d/a/none", headers=bearer(member)).status == 404
    assert len(store.requests("/a/x")) == 1
    assert not any("authorization" in one.headers for one in store.requests())
    assert node.metric("forebay_reader_decisions_total", by="token", result="refused") > 0
    assert (issuer.fetches(), node.metric("forebay_jwks_fetches_total", result="ok")) == (1, 1)


def test_challenges_are_those_of_rfc_6750(make_node: MakeNode, store: HostileOrigin, issuer: Issuer) -> None:
    node = node_of(make_node, store, issuer)

    def told(headers: Mapping[str, str]) -> tuple[int, str]:
        reply = node.get("/d/a/x", headers=headers)
        return reply.status, reply.headers.get("www-authenticate", "")

    assert told({}) == (401, 'Bearer realm="forebay"')
    assert told({"Authorization": "Basic dTpw"}) == (401, 'Bearer realm="forebay"')
    status, challenge = told({"Authorization": "Bearer a b"})
    assert (status, 'error="invalid_request"' in challenge) == (400, True)
    status, challenge = told(bearer(issuer.token("k1", lasts_s=-3600, **CLIMATE)))
    assert (status, 'error="invalid_token"' in challenge) == (401, True)
    status, challenge = told(bearer(issuer.token("k1")))
    assert (status, 'error="insufficient_scope"' in challenge) == (403, True)


def test_every_algorithm_by_an_unrelated_library(make_node: MakeNode, store: HostileOrigin, issuer: Issuer) -> None:
    algorithms = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
    for name in algorithms:
        issuer.add_key(name, name)
    node = node_of(make_node, store, issuer)
    for name in algorithms:
        assert node.get("/d/a/x", headers=bearer(issuer.token(name, **CLIMATE))).status == 200, name


def test_forged_tokens_are_refused(make_node: MakeNode, store: HostileOrigin, issuer: Issuer) -> None:
    issuer.add_key("rsa", "RS256")
    node = node_of(make_node, store, issuer)
    good = issuer.token("rsa", **CLIMATE)
    claims = jwt.decode(good, options={"verify_signature": False})
    key = next(one for one in json.loads(issuer.key_set())["keys"] if one["kid"] == "rsa")
    header, body, signature = good.split(".")
    with HostileOrigin() as other_site:
        other = Issuer(other_site)
        other.add_key("rsa", "RS256")
        forged = [
            jwt.encode(claims, None, algorithm="none"),
            jwt.encode(claims, key["n"], algorithm="HS256", headers={"kid": "rsa"}),
            other.token("rsa", **{**CLIMATE, "iss": issuer.url}),
            other.token("rsa", **CLIMATE),
            f"{header}.{body}.",
            f"{header}.{body}",
            f"{header}.{body}.{signature[:-4]}",
            f"{header}.{body}x.{signature}",
            issuer.token("rsa", **CLIMATE, aud="https://other.example"),
            issuer.token("rsa", **CLIMATE, nbf=int(time.time()) + 3600),
            issuer.token("rsa", **CLIMATE, iss=issuer.url + "/"),
        ]
        for token in forged:
            assert node.get("/d/a/x", headers=bearer(token)).status == 401, token
        assert other.fetches() == 0
    assert node.get("/d/a/x", headers=bearer(good)).status == 200
    assert node.get("/d/a/x", headers=bearer("x" * 20_000)).status == 401
    assert node.get(f"/d/a/x?access_token={good}").status == 400


def test_keys_change_and_a_dead_issuer_shuts_nobody_out(
    make_node: MakeNode, store: HostileOrigin, issuer: Issuer
) -> None:
    node = node_of(make_node, store, issuer, limits={"keys_pause": "100ms"})
    old = issuer.token("k1", **CLIMATE)
    assert node.get("/d/a/x", headers=bearer(old)).status == 200
    issuer.add_key("k2", "RS256")
    new = issuer.token("k2", **CLIMATE)
    processes.wait_until("the new key is known", lambda: node.get("/d/a/x", headers=bearer(new)).status == 200)
    assert issuer.fetches() == 2
    issuer.site.close()
    unknown = jwt.encode({"iss": issuer.url, "aud": "https://node.example", "exp": time.time() + 60}, "k" * 32)
    assert node.get("/d/a/x", headers=bearer(unknown)).status == 401
    for token in (old, new, issuer.token("k2", **CLIMATE)):
        assert node.get("/d/a/x", headers=bearer(token)).status == 200


def test_an_issuer_that_was_never_there_lets_nobody_in(
    make_node: MakeNode, store: HostileOrigin, issuer: Issuer
) -> None:
    issuer.site.close()
    node = node_of(make_node, store, issuer)
    refused = node.get("/d/a/x", headers=bearer(issuer.token("k1", **CLIMATE)))
    assert refused.status in (502, 504)
    assert (len(store.requests()), node.metric("forebay_jwks_fetches_total", result="failed")) == (0, 1)


def test_discovery_leads_to_no_private_address_and_speaks_for_its_issuer(
    make_node: MakeNode, store: HostileOrigin, issuer: Issuer
) -> None:
    token = issuer.token("k1", **CLIMATE)
    store.put("/keys", issuer.key_set().encode())
    documents: list[tuple[dict[str, str], bytes]] = [
        ({"issuer": issuer.url, "jwks_uri": store.url + "/keys"}, b"{}"),
        ({"issuer": issuer.url + "/", "jwks_uri": issuer.url + KEYS}, issuer.key_set().encode()),
        ({"issuer": issuer.url, "jwks_uri": f"file://{store.url}/keys"}, b"{}"),
        ({"issuer": issuer.url, "jwks_uri": issuer.url + KEYS}, b" " * 300_000 + issuer.key_set().encode()),
        ({"issuer": issuer.url, "jwks_uri": issuer.url + KEYS}, b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'),
    ]
    for document, keys in documents:
        issuer.site.put(DISCOVERY, json.dumps(document).encode())
        issuer.site.put(KEYS, keys)
        node = node_of(make_node, store, issuer, network={"allow_private": []})
        assert node.get("/d/a/x", headers=bearer(token)).status == 502, document
        node.stop()
    assert not store.requests("/keys")


def test_who_may_not_read_does_not_wait_for_who_may(make_node: MakeNode, store: HostileOrigin, issuer: Issuer) -> None:
    node, gate = node_of(make_node, store, issuer), Gate()
    store.fail("/a/x", Fault(stall_at=-1, gate=gate))
    member = bearer(issuer.token("k1", **CLIMATE))
    with ThreadPoolExecutor(3) as pool:
        reads = [pool.submit(node.get, "/d/a/x", headers=member) for _ in range(3)]
        gate.wait_reached()
        assert node.get("/d/a/x").status == 401
        assert node.get("/d/a/x", headers=bearer(issuer.token("k1"))).status == 403
        gate.open()
        assert {one.result().status for one in reads} == {200}
    assert len(store.requests("/a/x")) == 1


def test_keys_from_a_file_need_no_issuer(
    make_node: MakeNode, store: HostileOrigin, issuer: Issuer, tmp_path: Path
) -> None:
    (tmp_path / "keys.json").write_text(issuer.key_set())
    lab = issuer.toml(jwks_file=str(tmp_path / "keys.json"))
    node = node_of(make_node, store, issuer, issuers=[lab])
    assert node.get("/d/a/x", headers=bearer(issuer.token("k1", **CLIMATE))).status == 200
    assert issuer.site.requests() == []


def test_an_answer_breaks_off_when_its_token_ends(make_node: MakeNode, origin: HostileOrigin, issuer: Issuer) -> None:
    origin.put("/a/long", BODY * 64)
    node = node_of(make_node, origin, issuer, issuers=[issuer.toml(leeway="0s")])
    assert node.get("/d/a/long", headers=bearer(issuer.token("k1", **CLIMATE))).status == 200  # held
    token = issuer.token("k1", lasts_s=3, **CLIMATE)
    ends = jwt.decode(token, options={"verify_signature": False})["exp"]
    with open_stream(f"{node.url}/d/a/long", headers=bearer(token)) as stream:
        assert stream.status == 200
        stream.read(1024)
        processes.wait_until("the token has ended", lambda: time.time() > ends)
        rest = stream.read_rest()
    assert rest.broken
    assert len(rest.body) < len(BODY) * 64
    assert node.get("/d/a/long", headers=bearer(token)).status == 401


def test_each_request_of_a_connection_is_judged(make_node: MakeNode, store: HostileOrigin, issuer: Issuer) -> None:
    node = node_of(make_node, store, issuer)
    token = issuer.token("k1", **CLIMATE)
    with requests.Session() as session:
        assert session.get(f"{node.url}/d/a/x", headers=bearer(token)).status_code == 200
        assert session.get(f"{node.url}/d/a/x").status_code == 401
        assert session.get(f"{node.url}/d/z", headers=bearer(token)).status_code == 403
    with httpx.Client(http1=False, http2=True) as client:
        assert client.get(f"{node.url}/d/a/x", headers=bearer(token)).status_code == 200
        assert client.get(f"{node.url}/d/a/x").status_code == 401
        assert client.get(f"{node.url}/d/z", headers=bearer(token)).status_code == 403


@pytest.mark.parametrize(("profile", "scope", "extra"), [
    ("wlcg", "openid storage.read:/a", {"wlcg.ver": "1.0", "aud": "https://wlcg.cern.ch/jwt/v1/any"}),
    ("scitokens", "read:/a", {"ver": "scitokens:2.0", "aud": "ANY"}),
])  # fmt: skip
def test_profiles_read_paths_from_scopes(
    make_node: MakeNode, store: HostileOrigin, issuer: Issuer, profile: str, scope: str, extra: dict[str, str]
) -> None:
    space = namespace("/d", store.url, allow={"issuers": ["lab"]})
    node = make_node(
        [space], settings={"issuers": [{"name": "lab", "issuer": issuer.url, "profile": profile}]}, s3=True
    )
    token = issuer.token("k1", scope=scope, **extra)
    assert node.get("/d/a/b/y", headers=bearer(token)).status == 200
    assert requests.get(f"{node.s3_url}/d/a/x", headers=bearer(token)).status_code == 200
    for path in ("/d/ab", "/d/z", "/d/"):
        assert node.get(path, headers=bearer(token)).status == 403, path
    assert node.get("/d/a/x", headers=bearer(issuer.token("k1", **{**extra, "aud": "https://x"}))).status == 401
    refused = requests.get(f"{node.s3_url}/d?list-type=2", headers=bearer(token))
    assert (refused.status_code, "<Code>AccessDenied</Code>" in refused.text) == (403, True)


def signed_node(make_node: MakeNode, store: HostileOrigin, *ids: str, **settings: Any) -> Node:
    allow = {"signing_keys": list(ids)}
    keys = [{"id": one, "key": f"{SIGNING_SECRET}-{one}"} for one in ids]
    return make_node([namespace("/d", store.url, allow=allow, **settings)], settings={"signing_keys": keys})


def test_signed_urls_by_curl(make_node: MakeNode, store: HostileOrigin) -> None:
    node = signed_node(make_node, store, "old", "new")
    signed = sign(node, f"{node.url}/d/a/x", "--key", "old", "--expires", "10m")
    read = subprocess.run(["curl", "-fsS", signed], check=True, capture_output=True)
    assert read.stdout == BODY + b"/a/x"
    assert node.get("/d/a/x").status == 403
    assert node.get(sign(node, "/d/a/x").replace("/a/x", "/z")).status == 403
    below = sign(node, "/d/a", "--below", "--network", "127.0.0.0/8").partition("?")[2]
    assert [node.get(f"/d/{key}?{below}").status for key in ("a/x", "a/b/y", "ab", "z")] == [200, 200, 403, 403]
    elsewhere = sign(node, "/d/a/x", "--network", "192.0.2.0/24")
    assert node.get(elsewhere).status == 403
    assert not any("?" in one.path for one in store.requests())
    # A key that is taken away takes its URLs along.
    node.config["signing_keys"] = node.config["signing_keys"][1:]
    node.config["namespace"][0]["allow"] = {"signing_keys": ["new"]}
    node.write_config()
    node.reload()
    processes.wait_until("the reload", lambda: node.get(signed.removeprefix(node.url)).status == 403)
    assert node.get(sign(node, "/d/a/x")).status == 200


def test_a_signed_url_writes_where_it_says_so(make_node: MakeNode, store: HostileOrigin) -> None:
    node = signed_node(make_node, store, "k", write=True)
    put = sign(node, "/d/new", "--method", "PUT")
    assert node.get(put).status == 403
    node.get(put, method="PUT", body=b"x")
    written = store.requests("/new", method="PUT")
    assert [one.path for one in written] == ["/new"]


def test_secrets_are_written_down_nowhere(make_node: MakeNode, store: HostileOrigin, issuer: Issuer) -> None:
    keys = [{"id": "k", "key": SIGNING_SECRET}]
    space = namespace("/d", store.url, allow={"signing_keys": ["k"]})
    tables = {
        "issuers": [issuer.toml()],
        "grants": [grant()],
        "signing_keys": keys,
        "admin": {"token": "AdminNeverWriteThisDown"},
        "node": {"access_log": "stderr", "log_level": "debug"},
    }
    node = make_node([space], settings=tables)
    signed = sign(node, "/d/a/x")
    signature = signed.rpartition("=")[2]
    token, stale = issuer.token("k1", **CLIMATE), issuer.token("k1", lasts_s=-3600, **CLIMATE)
    assert node.get(signed).status == 200
    assert node.get(signed.replace("/a/x", "/z")).status == 403
    replies = [node.get("/d/a/x", headers=bearer(one)) for one in (token, stale, token + "x")]
    assert [one.status for one in replies] == [200, 401, 401]
    assert node.get(f"/d/a/x?access_token={token}").status == 400
    admin = bearer("AdminNeverWriteThisDown")
    shown = b"".join(node.admin(path, headers=admin).body for path in ("/metrics", "/status"))
    argv = [find_program("forebay"), "config", "show", "--config", node.config_file]
    shown += subprocess.run(argv, check=True, capture_output=True).stdout
    shown += b"".join(one.body + repr(one.headers).encode() for one in replies)
    processes.wait_until("the log is written", lambda: node.log.read_text().count('"path"') >= 6)
    shown += node.log.read_bytes()
    for secret in (SIGNING_SECRET, signature, *token.split("."), *stale.split(".")[1:], "AdminNeverWriteThisDown"):
        assert secret.encode() not in shown, secret
        assert quote(secret).encode() not in shown, secret


def test_networks_behind_a_trusted_proxy(make_node: MakeNode, store: HostileOrigin) -> None:
    space = namespace("/d", store.url, allow={"networks": ["192.0.2.0/24", "2001:db8::/32"]})
    node = make_node([space], settings={"network": {"trusted_proxies": ["127.0.0.1/32"]}})

    def status_for(client: str) -> int:
        return node.get("/d/a/x", headers={"X-Forwarded-For": client}).status

    assert [status_for(one) for one in ("192.0.2.7", "2001:db8::7", "198.51.100.1", "2001:db9::1")] == [
        200, 200, 403, 403,
    ]  # fmt: skip
    assert node.get("/d/a/x").status == 403
    assert node.metric("forebay_reader_decisions_total", by="network", result="allowed") == 2


def test_messages_are_private_and_the_token_stays_here(
    make_node: MakeNode, store: HostileOrigin, issuer: Issuer
) -> None:
    space = namespace("/d", store.url, semantics="http")
    tables = {"issuers": [issuer.toml()], "grants": [grant()]}
    node = make_node([space], settings=tables)
    token = issuer.token("k1", **CLIMATE)
    for _ in range(2):
        reply = node.get("/d/a/x", headers=bearer(token))
        assert (reply.status, reply.headers["cache-control"]) == (200, "private, max-age=600")
    assert node.get("/d/a/x").status == 401
    assert [one.headers.get("authorization") for one in store.requests("/a/x")] == [None]


class Tls:
    """Listeners that ask for client certificates, for data and for admin."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.server = self.authority.issue(["DNS:localhost", "IP:127.0.0.1"])
        self.ports = {role: processes.free_port("127.0.0.1") for role in ("data", "admin")}
        common = {"tls": True, "client_certificates": "optional", "client_ca": str(self.authority.cert)}
        self.listeners = [
            {"address": f"127.0.0.1:{port}", "serve": [role], **common} for role, port in self.ports.items()
        ]
        self.settings: dict[str, Any] = {"tls": {"certificates": [self.server.toml()]}}

    def ask(self, role: str, path: str, who: Identity | None, method: str = "GET", **options: Any) -> requests.Response:
        certificate = (str(who.cert), str(who.key)) if who else None
        url = f"https://127.0.0.1:{self.ports[role]}{path}"
        return requests.request(method, url, verify=str(self.authority.cert), cert=certificate, **options)


def test_names_of_certificates_read(make_node: MakeNode, store: HostileOrigin, tmp_path: Path) -> None:
    tls = Tls(tmp_path)
    names = ["*.hpc.example.org", "spiffe://lab/**", "me@example.org"]
    space = namespace("/d", store.url, allow={"certificates": names})
    node = make_node([space], listeners=tls.listeners, settings=tls.settings)
    for name in ("DNS:n1.hpc.example.org", "URI:spiffe://lab/ns/reader", "email:me@example.org"):
        assert tls.ask("data", "/d/a/x", tls.authority.issue([name])).status_code == 200, name
    for name in ("DNS:hpc.example.org", "DNS:n1.hpc.example.org.evil.org", "URI:spiffe://other/ns"):
        assert tls.ask("data", "/d/a/x", tls.authority.issue([name])).status_code == 403, name
    assert tls.ask("data", "/d/a/x", None).status_code == 403
    assert node.get("/d/a/x").status == 403  # without TLS


def test_admin_by_certificate_and_by_token_is_logged(make_node: MakeNode, store: HostileOrigin, tmp_path: Path) -> None:
    tls = Tls(tmp_path)
    admin = {"token": "AdminNeverWriteThisDown", "client_names": ["ops.example.org"]}
    node = make_node([namespace("/d", store.url)], listeners=tls.listeners, settings={**tls.settings, "admin": admin})
    ops, other = (tls.authority.issue([f"DNS:{name}.example.org"]) for name in ("ops", "other"))
    purge: dict[str, Any] = {"method": "POST", "json": {"namespace": "/d"}}
    assert tls.ask("admin", "/purge", ops, **purge).status_code == 200
    assert tls.ask("admin", "/purge", other, **purge).status_code == 401
    assert tls.ask("admin", "/status", None).status_code == 401
    assert tls.ask("admin", "/healthz", None).status_code == 200
    assert tls.ask("admin", "/purge", None, headers=bearer("AdminNeverWriteThisDown"), **purge).status_code == 200
    log = node.log.read_text()
    assert "purge of namespace /d by certificate ops.example.org at 127.0.0.1:" in log
    assert "purge of namespace /d by the token at 127.0.0.1:" in log
    assert "POST /purge from 127.0.0.1:" in log
    assert "refused" in log
    assert "AdminNeverWriteThisDown" not in log
