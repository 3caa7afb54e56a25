"""OCSP answers are stapled to the certificate that they are about, as `openssl s_client` sees it (RFC 6066 §8)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from forebay_lab import processes
from forebay_lab.certificates import Authority
from forebay_lab.node import Node
from forebay_lab.programs import find_program

MakeNode = Callable[..., Node]

PATIENCE_S = 60


def handshake(port: int, name: str, trusted: Path) -> str:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-status"]
    done = subprocess.run([*command, "-CAfile", trusted], input="", capture_output=True, text=True, timeout=PATIENCE_S)
    return done.stdout


def test_an_ocsp_answer_is_stapled(make_node: MakeNode, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    stapled, plain = authority.issue(["DNS:stapled.example"]), authority.issue(["DNS:plain.example"])
    answer = authority.answer_ocsp(stapled)
    certificates = [{**stapled.toml(), "ocsp": str(answer)}, plain.toml()]
    port = processes.free_port("127.0.0.1")
    listeners = [{"address": f"127.0.0.1:{port}", "serve": ["data"], "tls": True}]
    node = make_node([], listeners=listeners, settings={"tls": {"certificates": certificates}})

    seen = handshake(port, "stapled.example", authority.cert)
    assert "OCSP Response Status: successful" in seen
    assert "Cert Status: good" in seen
    assert "OCSP response: no response sent" in handshake(port, "plain.example", authority.cert)

    # It is renewed by something else, and read again with the rest of the configuration.
    answer.write_bytes(authority.answer_ocsp(stapled, revoked=True).read_bytes())
    node.reload()
    processes.wait_until(
        "the new answer is stapled",
        lambda: "Cert Status: revoked" in handshake(port, "stapled.example", authority.cert),
    )


def test_what_is_no_ocsp_answer_is_a_mistake(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one = authority.issue(["DNS:a.example"])
    (tmp_path / "answer").write_bytes(b"no answer")
    file = tmp_path / "forebay.toml"
    file.write_text(
        '[[listen]]\naddress = "127.0.0.1:8443"\nserve = ["data"]\ntls = true\n'
        f'[[tls.certificates]]\ncert = "{one.cert}"\nkey = "{one.key}"\nocsp = "{tmp_path}/answer"\n'
    )
    done = subprocess.run([find_program("forebay"), "config", "check", file], capture_output=True, text=True)
    assert done.returncode != 0
    assert "a readable DER file with an OCSP answer" in done.stdout + done.stderr
