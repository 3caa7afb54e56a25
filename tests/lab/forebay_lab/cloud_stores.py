"""Real servers of the protocols of Google Cloud Storage and Azure Blob: fake-gcs-server and Azurite.

``tools/setup stores`` installs them below ``build/stores``. They keep objects in memory and listen on loopback.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import shutil
import ssl
import subprocess
import urllib.parse
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Self

from . import processes
from .certificates import Identity
from .processes import LabError
from .programs import ROOT

STORES = ROOT / "build/stores"
#: Where this is set, a store or a client that is not installed fails the tests that need it, instead of skipping them.
REQUIRE_VARIABLE = "FOREBAY_REQUIRE_STORES"

#: The account that Azurite comes with, and its published key.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_AZURE_VERSION = "2021-12-02"
_START_TIMEOUT_S = 60.0


def why_not_installed(store: type[Store]) -> str:
    """Empty where ``store`` can be started."""
    if store.program().exists() and (store is not Azurite or shutil.which("node")):
        return ""
    return f"{store.__name__.upper()} IS NOT INSTALLED: tools/setup stores"


class Store:
    """A server on loopback. Use as a context manager."""

    def __init__(self) -> None:
        self.port = processes.free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._directory = processes.make_directory("forebay-store-")
        self.log = self._directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> Path:
        raise NotImplementedError

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self._process = processes.start(self.command(), log=self.log, cwd=self._directory)
            processes.wait_until(f"{type(self).__name__} answers", self._is_ready, timeout_s=_START_TIMEOUT_S)
        except BaseException as error:
            said = processes.tail(self.log) if self.log.exists() else ""
            self.__exit__()
            raise LabError(f"{type(self).__name__} did not start: {error}\n{said}") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            processes.stop(self._process)
        processes.remove_directory(self._directory)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request; its answer's status and body."""
        connection = self.connect()
        try:
            connection.request(method, target, body or None, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _is_ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise LabError(f"it ended with {self._process.returncode}")
        try:
            return self.ask("GET", "/")[0] > 0
        except OSError:
            return False


class FakeGcs(Store):
    """fake-gcs-server, which knows the downloads of the XML API and the JSON API."""

    @staticmethod
    def program() -> Path:
        return STORES / "bin/fake-gcs-server"

    def command(self) -> Sequence[str | Path]:
        address = ["-host", "127.0.0.1", "-port", str(self.port), "-public-host", f"127.0.0.1:{self.port}"]
        return [self.program(), "-scheme", "http", "-backend", "memory", *address]

    def make_bucket(self, name: str) -> str:
        status, said = self.ask(
            "POST",
            "/storage/v1/b?project=lab",
            json.dumps({"name": name}).encode(),
            {"Content-Type": "application/json"},
        )
        if status != 200:
            raise LabError(f"no bucket: {status} {said!r}")
        return name

    def put(self, bucket: str, key: str, body: bytes) -> None:
        target = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={urllib.parse.quote(key, safe='')}"
        status, said = self.ask("POST", target, body, {"Content-Type": "application/octet-stream"})
        if status != 200:
            raise LabError(f"no object: {status} {said!r}")

    def origin(self, bucket: str, prefix: str = "", **parameters: str) -> str:
        """The URL of an origin; anonymous unless ``parameters`` say otherwise."""
        query = urllib.parse.urlencode({"endpoint": self.endpoint, **(parameters or {"anonymous": "true"})})
        return f"gs://{bucket}{prefix and '/' + prefix}?{query}"


class Azurite(Store):
    """Azurite, the emulator that Microsoft keeps; of its services the one for blobs.

    With a certificate it speaks TLS and takes tokens, too, whose claims it checks, and not their signature.
    """

    def __init__(self, shown: Identity | None = None, authority: Path | None = None) -> None:
        super().__init__()
        self._shown, self.authority = shown, authority
        self._context = ssl.create_default_context(cafile=authority) if shown else None
        if shown:
            self.endpoint = f"https://127.0.0.1:{self.port}"

    @staticmethod
    def program() -> Path:
        return STORES / "azurite/node_modules/azurite/dist/src/blob/main.js"

    def command(self) -> Sequence[str | Path]:
        place = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port)]
        quiet = ["--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck"]
        tls = ["--cert", self._shown.cert, "--key", self._shown.key, "--oauth", "basic"] if self._shown else []
        return ["node", self.program(), *place, *quiet, *tls]

    def connect(self) -> http.client.HTTPConnection:
        if self._context is None:
            return super().connect()
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self._context)

    def make_container(self, name: str, *, public: bool) -> str:
        headers = {"x-ms-blob-public-access": "container"} if public else {}
        status, said = self.signed("PUT", f"/{AZURE_ACCOUNT}/{name}?restype=container", headers=headers)
        if status != 201:
            raise LabError(f"no container: {status} {said!r}")
        return name

    def put(self, container: str, key: str, body: bytes) -> None:
        target = f"/{AZURE_ACCOUNT}/{container}/{urllib.parse.quote(key)}"
        status, said = self.signed("PUT", target, body, {"x-ms-blob-type": "BlockBlob"})
        if status != 201:
            raise LabError(f"no object: {status} {said!r}")

    def get(self, container: str, key: str) -> bytes:
        return self.signed("GET", f"/{AZURE_ACCOUNT}/{container}/{urllib.parse.quote(key)}")[1]

    def origin(self, container: str, prefix: str = "", **parameters: str) -> str:
        """The URL of an origin; anonymous unless ``parameters`` say otherwise."""
        endpoint = f"{self.endpoint}/{AZURE_ACCOUNT}"
        query = urllib.parse.urlencode({"endpoint": endpoint, **(parameters or {"anonymous": "true"})})
        return f"az://{AZURE_ACCOUNT}/{container}{prefix and '/' + prefix}?{query}"

    def signed(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """A request with Shared Key, signed by these lines and not by those under test."""
        fields = {"x-ms-version": _AZURE_VERSION, "x-ms-date": formatdate(usegmt=True), **(headers or {})}
        path, _, query = target.partition("?")
        own = "".join(f"{name.lower()}:{value}\n" for name, value in sorted(fields.items()))
        resource = f"/{AZURE_ACCOUNT}{path}" + "".join(
            f"\n{name}:{value}" for name, value in sorted(urllib.parse.parse_qsl(query))
        )
        length = str(len(body)) if body else ""
        # Encoding, language, length, MD5, type, date, four conditions, range: all but the length are empty.
        text = f"{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{own}{resource}"
        signature = base64.b64encode(hmac.digest(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256)).decode()
        return self.ask(method, target, body, {**fields, "Authorization": f"SharedKey {AZURE_ACCOUNT}:{signature}"})

    def shared_access_signature(self, container: str) -> str:
        """A signature that lets its bearer read and list the container for a day's time."""
        expiry = "2099-01-01T00:00:00Z"
        resource = f"/blob/{AZURE_ACCOUNT}/{container}"
        # Permissions, start, expiry, resource, identifier, address, protocol, version, kind, snapshot, scope, and five
        # response fields ("Version 2020-12-06 and later").
        lines = ["rl", "", expiry, resource, "", "", "", _AZURE_VERSION, "c", "", "", "", "", "", "", ""]
        mac = hmac.digest(base64.b64decode(AZURE_KEY), "\n".join(lines).encode(), hashlib.sha256)
        fields = {"sv": _AZURE_VERSION, "sr": "c", "sp": "rl", "se": expiry, "sig": base64.b64encode(mac).decode()}
        return urllib.parse.urlencode(fields)
