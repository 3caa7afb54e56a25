"""Certificates of an authority of the test's making, by the openssl program."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_KINDS = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["-newkey", "rsa:2048"]}


def _openssl(*argv: str | Path, **options: str) -> str:
    return subprocess.run(["openssl", *argv], check=True, capture_output=True, text=True, **options).stdout


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path

    def toml(self) -> dict[str, str]:
        """An element of ``tls.certificates``."""
        return {"cert": str(self.cert), "key": str(self.key)}

    def copy_to(self, other: Identity) -> None:
        """Writes this one where the other lies, as renewals do."""
        other.cert.write_bytes(self.cert.read_bytes())
        other.key.write_bytes(self.key.read_bytes())

    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in the form of ``hashlib``."""
        words = _openssl("x509", "-in", self.cert, "-noout", "-fingerprint", "-sha256")
        return words.strip().rpartition("=")[2].replace(":", "").lower()


class Authority:
    """Signs certificates. Its files lie in a directory of the caller's."""

    def __init__(self, directory: Path, name: str = "test authority") -> None:
        self._directory = directory
        self._numbers = itertools.count(1)
        stem = name.replace(" ", "-")
        self.cert = directory / f"{stem}.pem"
        self._key = directory / f"{stem}.key"
        _openssl(
            "req", "-x509", *_KINDS["ec"], "-nodes", "-days", "3", "-subj", f"/CN={name}", "-keyout", self._key,
            "-out", self.cert, "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    def issue(self, names: Sequence[str], *, kind: str = "ec", days: int = 2) -> Identity:
        """A certificate for names such as ``DNS:a.example`` and ``IP:127.0.0.1``; ``days=-1`` has expired."""
        number = next(self._numbers)
        made = Identity(self._directory / f"{number}.pem", self._directory / f"{number}.key")
        request, extensions = self._directory / f"{number}.csr", self._directory / f"{number}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\n")
        _openssl("req", *_KINDS[kind], "-nodes", "-subj", f"/CN=number {number}", "-keyout", made.key, "-out", request)
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key, "-days", str(days),
            "-extfile", extensions, "-out", made.cert, "-set_serial", str(number + 100),
        )  # fmt: skip
        return made

    def answer_ocsp(self, about: Identity, *, revoked: bool = False) -> Path:
        """What this authority's OCSP responder would say of a certificate, in DER."""
        serial = _openssl("x509", "-in", about.cert, "-noout", "-serial").strip().rpartition("=")[2]
        known, answer = self._directory / f"{serial}.index", self._directory / f"{serial}.ocsp"
        word, when = ("R", "240101000000Z") if revoked else ("V", "")
        known.write_text(f"{word}\t491231235959Z\t{when}\t{serial}\tunknown\t/CN=any\n")
        _openssl(
            "ocsp", "-index", known, "-CA", self.cert, "-rsigner", self.cert, "-rkey", self._key, "-ndays", "2",
            "-issuer", self.cert, "-cert", about.cert, "-respout", answer,
        )  # fmt: skip
        return answer
