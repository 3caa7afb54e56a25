"""TLS on the listeners: unmodified clients, certificates by name, reloads, resumption, client certificates, limits."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config

from forebay_lab import processes
from forebay_lab.certificates import Authority, Identity
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin
from forebay_lab.programs import find_program

MakeNode = Callable[..., Node]

BODY = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(500_000))  # 15.3 MiB that nothing compresses
SMALL = b"a small body"
NAMES = ["DNS:localhost", "IP:127.0.0.1"]
PATIENCE_S = 60


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Identity:
    return authority.issue(NAMES)


@pytest.fixture
def filled(origin: HostileOrigin) -> HostileOrigin:
    origin.put("/big", BODY)
    origin.put("/small", SMALL)
    return origin


class TlsNode:
    """A node whose addresses data, s3 and admin all have TLS, beside the laboratory's own admin address."""

    def __init__(
        self, make_node: MakeNode, origin: HostileOrigin, *certificates: Identity, listen: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:  # fmt: skip
        self.ports = {role: processes.free_port("127.0.0.1") for role in ("data", "s3", "admin")}
        listeners = [
            {"address": f"127.0.0.1:{port}", "serve": [role], "tls": True, **(listen or {})}
            for role, port in self.ports.items()
        ]
        tls = {"certificates": [one.toml() for one in certificates], **settings.pop("tls", {})}
        space = namespace("/o", origin.url, bucket="bucket")
        self.node = make_node([space], memory="64MiB", listeners=listeners, settings={"tls": tls, **settings})

    @property
    def port(self) -> int:
        return self.ports["data"]

    def url(self, path: str, role: str = "data") -> str:
        return f"https://127.0.0.1:{self.ports[role]}{path}"

    def handshakes(self, result: str) -> float:
        return self.node.metric("forebay_tls_handshakes_total", result=result)

    def await_handshakes(self, result: str, count: int) -> None:
        processes.wait_until(f"{count} handshakes are {result}", lambda: self.handshakes(result) >= count)


def context_of(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.cert))


def connect(port: int, context: ssl.SSLContext, name: str = "localhost", **options: Any) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    return context.wrap_socket(raw, server_hostname=name, **options)


def ask(connection: ssl.SSLSocket, path: str = "/o/small") -> bytes:
    """The body of an answer, on a connection that goes on."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert answer.status == 200
    return answer.read()


def shown(port: int, authority: Authority, name: str, ciphers: str | None = None) -> str:
    """The fingerprint of the certificate that a client sees who asks for ``name``."""
    context = context_of(authority)
    context.check_hostname = False
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    with connect(port, context, name) as connection:
        certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None
    return hashlib.sha256(certificate).hexdigest()


# --- unmodified clients ------------------------------------------------------------------------------------------


def test_curl_requests_and_boto3_read_exact_bytes(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, server: Identity
) -> None:
    node = TlsNode(make_node, filled, server)
    curl = ["curl", "-sS", "--fail", "--cacert", str(authority.cert)]
    for version in ("--tlsv1.3", "--tls-max=1.2"):
        flags = version.split("=")
        done = subprocess.run([*curl, *flags, node.url("/o/big")], capture_output=True, timeout=PATIENCE_S)
        assert done.stdout == BODY, done.stderr
    with requests.Session() as session:
        session.trust_env = False  # else a variable of the tester's decides whom it trusts
        session.verify = str(authority.cert)
        assert session.get(node.url("/o/big"), timeout=PATIENCE_S).content == BODY
        part = session.get(node.url("/o/big"), headers={"Range": "bytes=1000000-3999999"}, timeout=PATIENCE_S)
        assert part.status_code == 206
        assert part.content == BODY[1_000_000:4_000_000]
        assert session.get(node.url("/healthz", "admin"), timeout=PATIENCE_S).status_code == 200
    s3 = boto3.client(
        "s3", endpoint_url=node.url("", "s3"), region_name="us-east-1", verify=str(authority.cert),
        config=Config(s3={"addressing_style": "path"}, signature_version=UNSIGNED),
    )  # fmt: skip
    assert s3.get_object(Bucket="bucket", Key="big")["Body"].read() == BODY


def test_a_client_that_ends_its_side_gets_the_whole_answer(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, server: Identity
) -> None:
    node = TlsNode(make_node, filled, server)
    with connect(node.port, context_of(authority)) as warm:
        assert ask(warm, "/o/big") == BODY  # held from now on: nothing to wait for
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context_of(authority).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", node.port), timeout=PATIENCE_S) as raw:

        def exchange(step: Callable[[], Any]) -> Any:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    raw.sendall(outgoing.read())
                    piece = raw.recv(65536)
                    incoming.write(piece) if piece else incoming.write_eof()

        exchange(session.do_handshake)
        session.write(b"GET /o/big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with pytest.raises(ssl.SSLWantReadError):
            session.unwrap()  # our close_notify
        raw.sendall(outgoing.read())
        raw.shutdown(socket.SHUT_WR)
        received = bytearray()
        # Python's session reads no more after its own end: the bytes on the wire must be all records of the body.
        while piece := raw.recv(65536):
            received += piece
    records, at = 0, 0
    while at + 5 <= len(received):
        kind, _, length = struct.unpack("!BHH", received[at : at + 5])
        records += length if kind == 23 else 0
        at += 5 + length
    assert at == len(received), "whole records"
    assert records >= len(BODY)


# --- certificates by name ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def several(authority: Authority) -> dict[str, Identity]:
    return {
        "default": authority.issue(["DNS:first.example"]),
        "exact": authority.issue(["DNS:data.sub.example"]),
        "wildcard": authority.issue(["DNS:*.sub.example"]),
        "ec": authority.issue(["DNS:both.example"]),
        "rsa": authority.issue(["DNS:both.example"], kind="rsa"),
    }


def test_the_certificate_is_the_one_of_the_name(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, several: dict[str, Identity]
) -> None:
    port = TlsNode(make_node, filled, *several.values()).port
    seen = {
        name: shown(port, authority, name)
        for name in ("first.example", "data.sub.example", "DATA.sub.example", "other.sub.example", "a.b.sub.example",
                     "sub.example", "unknown.example")
    }  # fmt: skip
    prints = {kind: one.fingerprint() for kind, one in several.items()}
    assert seen["first.example"] == prints["default"]
    assert seen["data.sub.example"] == seen["DATA.sub.example"] == prints["exact"]
    assert seen["other.sub.example"] == prints["wildcard"]
    assert seen["a.b.sub.example"] == seen["sub.example"] == seen["unknown.example"] == prints["default"]
    assert shown(port, authority, "both.example") == prints["ec"]
    assert shown(port, authority, "both.example", "ECDHE-RSA-AES128-GCM-SHA256") == prints["rsa"]
    assert shown(port, authority, "both.example", "ECDHE-ECDSA-AES128-GCM-SHA256") == prints["ec"]


# --- reloads -------------------------------------------------------------------------------------------------------


def test_a_reload_of_certificates_drops_no_connection(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, tmp_path: Path
) -> None:
    old, new = authority.issue(NAMES), authority.issue(NAMES)
    now = Identity(tmp_path / "now.pem", tmp_path / "now.key")
    old.copy_to(now)
    node = TlsNode(make_node, filled, now)
    ending, failures = threading.Event(), []
    exchanges = [0] * 4
    context = context_of(authority)

    def read_on(index: int) -> None:
        try:
            with connect(node.port, context) as mine:  # one connection through all reloads
                while not ending.is_set():
                    assert ask(mine) == SMALL
                    exchanges[index] += 1
        except Exception as error:
            failures.append(error)

    readers = [threading.Thread(target=read_on, args=[i]) for i in range(len(exchanges))]
    for one in readers:
        one.start()
    processes.wait_until("all read", lambda: all(exchanges) or bool(failures))
    for certificate in (new, old, new):
        certificate.copy_to(now)
        wanted = certificate.fingerprint()
        node.node.reload()
        processes.wait_until("it is shown", lambda wanted=wanted: shown(node.port, authority, "localhost") == wanted)
        before = list(exchanges)
        processes.wait_until(
            "all go on", lambda before=before: all(a > b for a, b in zip(exchanges, before, strict=True)) or failures
        )
    ending.set()
    for one in readers:
        one.join()
    assert failures == []


def test_a_reload_with_a_broken_key_keeps_the_old_one(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, tmp_path: Path
) -> None:
    now = Identity(tmp_path / "now.pem", tmp_path / "now.key")
    authority.issue(NAMES).copy_to(now)
    node = TlsNode(make_node, filled, now, tls={"watch": "0s"})
    wanted = now.fingerprint()
    secret = now.key.read_text()
    now.key.write_text("-----BEGIN PRIVATE KEY-----\nbroken\n-----END PRIVATE KEY-----\n")
    node.node.reload()
    processes.wait_until("it is refused", lambda: "the configuration stays as it is" in node.node.log.read_text())
    assert "no private key in PEM in it" in node.node.log.read_text()
    assert shown(node.port, authority, "localhost") == wanted
    assert node.node.metric("forebay_failed_reloads_total") == 1
    assert secret.split("\n")[1] not in node.node.log.read_text()


def test_changed_files_are_loaded_without_a_signal(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, tmp_path: Path
) -> None:
    now = Identity(tmp_path / "now.pem", tmp_path / "now.key")
    new = authority.issue(NAMES)
    authority.issue(NAMES).copy_to(now)
    node = TlsNode(make_node, filled, now, tls={"watch": "50ms"})
    wanted = now.fingerprint()
    now.cert.write_bytes(new.cert.read_bytes())  # its key comes later
    processes.wait_until("it is told", lambda: "the old ones stay" in node.node.log.read_text())
    assert shown(node.port, authority, "localhost") == wanted
    now.key.write_bytes(new.key.read_bytes())
    processes.wait_until("it is shown", lambda: shown(node.port, authority, "localhost") == new.fingerprint())


# --- sessions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_also_after_a_reload(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, server: Identity, version: ssl.TLSVersion
) -> None:
    node = TlsNode(make_node, filled, server)
    context = context_of(authority)
    context.minimum_version = context.maximum_version = version
    with connect(node.port, context) as first:
        assert ask(first) == SMALL
        session = first.session
    with connect(node.port, context, session=session) as second:
        assert second.session_reused
        assert ask(second) == SMALL
        session = second.session
    node.node.reload()
    processes.wait_until("it has reloaded", lambda: "reloaded: " in node.node.log.read_text())
    with connect(node.port, context, session=session) as third:
        assert third.session_reused
    assert node.handshakes("full") == 1
    node.await_handshakes("resumed", 2)


# --- what is refused -----------------------------------------------------------------------------------------------


def refusing(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def client_hello(version: int, ciphers: list[int]) -> bytes:
    """A ClientHello without extensions, of what no library offers any more."""
    suites = b"".join(struct.pack("!H", one) for one in ciphers)
    body = struct.pack("!H", version) + bytes(32) + b"\0" + struct.pack("!H", len(suites)) + suites + b"\x01\x00"
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


@pytest.mark.parametrize(
    "hello",
    [
        client_hello(0x0300, [0x002F, 0xC014]),
        client_hello(0x0301, [0x002F, 0xC014, 0xC009]),
        client_hello(0x0302, [0x002F, 0xC014, 0xC009]),
        client_hello(0x0303, [0x0005, 0x000A, 0x002F, 0x009C, 0xC009, 0xC014, 0x0001, 0x0018, 0x0033]),
    ],
    ids=["SSL 3", "TLS 1.0", "TLS 1.1", "RC4, 3DES, CBC, NULL, anonymous"],
)
def test_old_versions_and_ciphers_are_refused(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, server: Identity, hello: bytes
) -> None:
    node = TlsNode(make_node, filled, server)
    with socket.create_connection(("127.0.0.1", node.port), timeout=PATIENCE_S) as raw:
        raw.sendall(hello)
        answer = raw.recv(100)
        assert answer[:1] == b"\x15", "an alert"
        assert answer[5] == 2, "a fatal one"
        assert raw.recv(100) == b""
    node.await_handshakes("failed", 1)
    with connect(node.port, context_of(authority)) as good:
        assert ask(good) == SMALL


def test_an_unknown_protocol_is_refused_and_cleartext_is_not_served(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, server: Identity
) -> None:
    node = TlsNode(make_node, filled, server)
    context = context_of(authority)
    context.set_alpn_protocols(["smtp"])
    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
        connect(node.port, context)
    context.set_alpn_protocols(["http/1.1"])
    with connect(node.port, context) as good:
        assert good.selected_alpn_protocol() == "http/1.1"
    with socket.create_connection(("127.0.0.1", node.port), timeout=PATIENCE_S) as raw:
        raw.sendall(b"GET /o/small HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert SMALL not in raw.recv(65536)
    node.await_handshakes("failed", 2)


# --- client certificates -------------------------------------------------------------------------------------------


def test_clients_without_the_right_certificate_stay_outside(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, server: Identity, tmp_path: Path
) -> None:
    listen = {"client_certificates": "required", "client_ca": str(authority.cert), "client_names": ["*.ops.example"]}
    node = TlsNode(make_node, filled, server, listen=listen)
    others = tmp_path / "others"
    others.mkdir()
    good = authority.issue(["DNS:eve.ops.example"])
    wrong_name = authority.issue(["DNS:eve.lab.example"])
    stranger = Authority(others, "another authority").issue(["DNS:eve.ops.example"])

    def read_as(who: Identity | None) -> bytes:
        context = context_of(authority)
        if who:
            context.load_cert_chain(who.cert, who.key)
        with connect(node.ports["admin"], context) as connection:
            return ask(connection, "/healthz")

    assert read_as(good) == b"alive\n"
    for count, who in enumerate((None, wrong_name, stranger), start=1):
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            read_as(who)
        node.await_handshakes("unauthorised", count)
    assert read_as(good) == b"alive\n"


def test_an_optional_certificate_may_be_absent_but_not_wrong(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, server: Identity, tmp_path: Path
) -> None:
    listen = {"client_certificates": "optional", "client_ca": str(authority.cert)}
    node = TlsNode(make_node, filled, server, listen=listen)
    with connect(node.port, context_of(authority)) as nobody:
        assert ask(nobody) == SMALL
    stranger = Authority(tmp_path, "another authority").issue(["DNS:eve.ops.example"])
    context = context_of(authority)
    context.load_cert_chain(stranger.cert, stranger.key)
    with (
        pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)),
        connect(node.port, context) as wrong,
    ):
        ask(wrong)


# --- slow handshakes -----------------------------------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[Callable[[int], socket.socket]]:
    """Opens connections that say nothing."""
    opened: list[socket.socket] = []

    def make(port: int) -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_slow_handshakes_end_and_hold_nobody(
    make_node: MakeNode, filled: HostileOrigin, authority: Authority, server: Identity, silent: Callable[..., Any]
) -> None:
    node = TlsNode(
        make_node, filled, server, limits={"tls_handshakes": 3, "tls_handshake_timeout": "5s"}, node={"threads": 1}
    )
    held = [silent(node.port) for _ in range(2)]
    with connect(node.port, context_of(authority)) as good:
        assert ask(good) == SMALL
        held.append(silent(node.port))
        processes.wait_until(
            "three are in progress", lambda: node.node.metric("forebay_tls_handshakes_in_progress") == 3
        )
        with pytest.raises(ConnectionResetError):
            silent(node.port).recv(1)
        node.await_handshakes("refused", 1)
        assert ask(good) == SMALL, "a connection that stands is not touched"
    node.await_handshakes("timeout", 3)
    with connect(node.port, context_of(authority)) as after:
        assert ask(after) == SMALL


# --- configuration -------------------------------------------------------------------------------------------------


def check_config(text: str, tmp_path: Path) -> str:
    file = tmp_path / "forebay.toml"
    file.write_text(text)
    done = subprocess.run(
        [find_program("forebay"), "config", "check", str(file)], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 2
    return done.stderr


def test_mistakes_of_certificates_are_explained(authority: Authority, server: Identity, tmp_path: Path) -> None:
    listener = '[[listen]]\naddress = ":8443"\nserve = ["data"]\ntls = true\n'

    def wrong(cert: Path, key: Path) -> str:
        return check_config(f'{listener}[[tls.certificates]]\ncert = "{cert}"\nkey = "{key}"\n', tmp_path)

    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", server.key, "-aes256", "-passout", "pass:secret", "-out", locked], check=True
    )
    other = authority.issue(NAMES)
    expired = authority.issue(NAMES, days=-1)
    assert "No such file" in wrong(tmp_path / "none.pem", server.key)
    assert "no certificate in PEM" in wrong(server.key, server.key)
    assert "no private key in PEM" in wrong(server.cert, server.cert)
    assert "tls.certificates[0].key" in wrong(server.cert, other.key)
    assert f"it is not the key of {server.cert}" in wrong(server.cert, other.key)
    assert "it needs a passphrase" in wrong(server.cert, locked)
    assert "valid until" in wrong(expired.cert, expired.key)
    assert "a [[tls.certificates]] entry" in check_config(listener, tmp_path)
    assert "tls = true with it" in check_config(
        '[[listen]]\naddress = ":8080"\nserve = ["data"]\nclient_certificates = "required"\n', tmp_path
    )
