"""OpenStack Swift with its S3 API: a real object store on one machine, from Debian's packages.

Four services and memcached run as plain processes out of a temporary directory; nothing below /etc, /srv or /var
is touched, and root is not needed. Stopped by pid.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import botocore.config

from . import processes
from .namespaces import HERE, Place
from .processes import LabError
from .swift_filters import STATE_PATH

ACCESS_KEY = "lab:owner"
SECRET_KEY = "owner-secret"
REGION = "us-east-1"
_ANONYMOUS_KEY = "lab:anonymous"
_ANONYMOUS_SECRET = "anonymous-secret"

_SYSTEM_PYTHON = "/usr/bin/python3"  # Swift is a Debian package, so it lives in Debian's Python
_START_TIMEOUT_S = 60.0
_SERVICES = ("account-server", "container-server", "object-server", "proxy-server")


@dataclass(frozen=True)
class LoggedRequest:
    """One line of the proxy's access log."""

    method: str
    path: str  #: percent-encoded, with the query
    status: int  #: 499: the client went away
    bytes_sent: int  #: of the body
    range: str  #: the Range header, or ""


class Swift:
    """A running store. Use as a context manager, or ``start()`` and ``stop()``.

    ``place`` is the network it listens in, ``address`` the address of its S3 endpoint there. The methods that
    speak to it connect from within that network, so they never cross a far link.
    """

    def __init__(self, place: Place = HERE, address: str = "127.0.0.1", *, parent: Path | None = None) -> None:
        """Data lives in a new directory below ``parent`` (default: the first temporary one that can hold it)."""
        self.place = place
        self.address = address
        with place.entered():
            self.port = processes.free_port(address)
        self._directory = _make_directory(parent)
        self._running: list[subprocess.Popen[bytes]] = []
        self._client: Any = None

    @property
    def endpoint(self) -> str:
        """The S3 endpoint (path style), as seen without a link in between."""
        return f"http://{self.address}:{self.port}"

    # --- life ------------------------------------------------------------------------------------------------

    def start(self) -> Swift:
        """Starts everything and returns when the store answers."""
        try:
            self._start_services()
            processes.wait_until("Swift answers", self._is_ready, timeout_s=_START_TIMEOUT_S)
        except (LabError, OSError, subprocess.SubprocessError) as error:
            logs = "\n".join(processes.tail(log) for log in sorted(self._directory.glob("*.out")))
            self.stop()
            raise LabError(f"Swift did not start: {error}\n{logs}") from error
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends every process and removes the data."""
        for process in reversed(self._running):
            processes.stop(process)
        self._running.clear()
        processes.remove_directory(self._directory)

    def __enter__(self) -> Swift:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- objects ---------------------------------------------------------------------------------------------

    def make_bucket(self, name: str, *, public: bool) -> str:
        """A new bucket; a public one can be read and listed by everybody. Returns its name."""
        with self.place.entered():
            self._s3().create_bucket(Bucket=name)
            if public:
                self._s3().put_bucket_acl(Bucket=name, ACL="public-read")
        return name

    def put(self, bucket: str, key: str, body: bytes, **options: Any) -> str:
        """Stores an object and returns its ETag. ``options`` are put_object's, such as ContentType."""
        with self.place.entered():
            return self._s3().put_object(Bucket=bucket, Key=key, Body=body, **options)["ETag"]

    def put_tree(self, bucket: str, prefix: str, directory: Path) -> int:
        """Stores every file below ``directory`` under ``prefix``; returns how many bytes that was."""
        total_bytes = 0
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            body = path.read_bytes()
            self.put(bucket, f"{prefix}/{path.relative_to(directory).as_posix()}", body)
            total_bytes += len(body)
        return total_bytes

    def get(self, bucket: str, key: str) -> bytes:
        """The whole object, straight from the store."""
        with self.place.entered():
            return self._s3().get_object(Bucket=bucket, Key=key)["Body"].read()

    def delete(self, bucket: str, key: str) -> None:
        """Removes an object."""
        with self.place.entered():
            self._s3().delete_object(Bucket=bucket, Key=key)

    def list(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys below a prefix, in order."""
        keys: list[str] = []
        with self.place.entered():
            for page in self._s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                keys += [item["Key"] for item in page.get("Contents", [])]
        return keys

    # --- what it was asked -----------------------------------------------------------------------------------

    def requests(self, since: int = 0, *, path_prefix: str = "/") -> list[LoggedRequest]:
        """What clients asked, in order, after the first ``since`` requests; waits until none is in flight."""
        self.settle()
        log = self._directory / "access.log"
        lines = log.read_text().splitlines()[since:] if log.exists() else []
        return [entry for entry in map(_parse_line, lines) if entry.path.startswith(path_prefix)]

    def mark(self) -> int:
        """How many requests there were so far, to be given to ``requests(since=)``."""
        return len(self.requests())

    def settle(self, timeout_s: float = 30.0) -> None:
        """Waits until every request that began has ended (a request that a client still reads has not)."""

        def none_in_flight() -> bool:
            state = json.loads(self._ask(STATE_PATH)[1])
            return state["begun"] == state["ended"]

        processes.wait_until("no request to Swift is in flight", none_in_flight, timeout_s=timeout_s)

    # --- inside ----------------------------------------------------------------------------------------------

    def _s3(self) -> Any:
        if self._client is None:
            settings = botocore.config.Config(
                s3={"addressing_style": "path"},
                # Swift's S3 layer is older than the checksums that newer clients add by themselves.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"max_attempts": 2},
            )
            self._client = boto3.client(
                "s3",
                endpoint_url=self.endpoint,
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SECRET_KEY,
                region_name=REGION,
                config=settings,
            )
        return self._client

    def _ask(self, path: str) -> tuple[int, bytes]:
        with self.place.entered():
            connection = http.client.HTTPConnection(self.address, self.port, timeout=10)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

    def _is_ready(self) -> bool:
        for process in self._running:
            if process.poll() is not None:
                raise LabError(f"a service of Swift ended with {process.returncode}")
        try:
            # An account that does not exist yet: the answer shows that the proxy and what is behind it work.
            return self._ask("/healthcheck")[0] == 200 and self._backends_answer()
        except OSError:
            return False

    def _backends_answer(self) -> bool:
        for port in self._backend_ports.values():
            with self.place.entered():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                try:
                    connection.request("GET", "/healthcheck")
                    if connection.getresponse().status != 200:
                        return False
                finally:
                    connection.close()
        return True

    def _start_services(self) -> None:
        if shutil.which("swift-proxy-server") is None:
            raise LabError("OpenStack Swift is not installed (make setup)")
        with self.place.entered():
            ports = [processes.free_port() for _ in range(4)]
        self._backend_ports = dict(zip(("object", "container", "account"), ports[:3], strict=True))
        _write_configuration(self._directory, self.address, self.port, self._backend_ports, ports[3])
        script = Path(__file__).with_name("swift_service.py")
        # -P: the script's folder is not searched, where this very file would pass for Swift's package.
        launch: list[str] = [_SYSTEM_PYTHON, "-P", str(script), str(self._directory)]
        self.place.run([*launch, "rings", *map(str, ports[:3])], env=_service_environment())
        memcached = ["memcached", "-l", "127.0.0.1", "-p", str(ports[3]), "-m", "64"]
        memcached += ["-u", "root"] if os.geteuid() == 0 else []  # which it wants to be told
        self._launch("memcached", memcached)
        for service in _SERVICES:
            self._launch(service, [*launch, service])

    def _launch(self, name: str, argv: Iterable[str]) -> None:
        log = self._directory / f"{name}.out"
        self._running.append(self.place.start(list(argv), log=log, env=_service_environment()))


def _service_environment() -> dict[str, str]:
    # The package's parent, so that Swift's Python finds the filters; none of the virtual environment's settings.
    return {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}


def _make_directory(parent: Path | None) -> Path:
    """A directory on a file system with extended attributes, in which Swift keeps an object's metadata."""
    candidates = [parent] if parent else [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd(), Path("/dev/shm")]
    for candidate in candidates:
        directory = processes.make_directory("forebay-swift-", candidate)
        try:
            os.setxattr(directory, "user.forebay", b"x" * 1024)
        except OSError:
            processes.remove_directory(directory)
            continue
        return directory
    raise LabError(f"no directory with extended attributes among {', '.join(map(str, candidates))}")


def _parse_line(line: str) -> LoggedRequest:
    method, path, status, bytes_sent, headers = line.split(" ")
    _, _, byte_range = unquote(headers).partition("Range: ")
    return LoggedRequest(method, unquote(path), int(status), int(bytes_sent) if bytes_sent != "-" else 0, byte_range)


def _write_configuration(
    directory: Path, address: str, port: int, backend_ports: dict[str, int], memcached_port: int
) -> None:
    (directory / "devices" / "d1").mkdir(parents=True)
    # workers = 0: the process that we started serves; no children to chase. Logs go to files of ours: the UDP
    # discard port on loopback keeps them out of the machine's own log.
    common = f"""[DEFAULT]
swift_dir = {directory}
devices = {directory}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
workers = 0
log_udp_host = 127.0.0.1
log_udp_port = 9
log_level = WARNING
"""
    (directory / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_prefix = forebay\nswift_hash_path_suffix = lab\n"
        "[storage-policy:0]\nname = only\ndefault = yes\n"
    )
    for service, service_port in backend_ports.items():
        (directory / f"{service}-server.conf").write_text(
            common
            + f"bind_ip = 127.0.0.1\nbind_port = {service_port}\n"
            + f"[pipeline:main]\npipeline = healthcheck {service}-server\n"
            + "[filter:healthcheck]\nuse = egg:swift#healthcheck\n"
            + f"[app:{service}-server]\nuse = egg:swift#{service}\n"
            # Larger than Swift's 64 KiB: the store is to be limited by the far link, not by its Python.
            + ("disk_chunk_size = 262144\nnetwork_chunk_size = 262144\n" if service == "object" else "")
        )
    (directory / "proxy-server.conf").write_text(
        common
        + f"""bind_ip = {address}
bind_port = {port}
[pipeline:main]
pipeline = front catch_errors gatekeeper healthcheck proxy-logging cache listing_formats anonymous s3api tempauth \
copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
object_chunk_size = 262144
client_chunk_size = 262144
node_timeout = 60
conn_timeout = 10
[filter:front]
paste.filter_factory = forebay_lab.swift_filters:front_filter
access_log = {directory}/access.log
[filter:anonymous]
paste.filter_factory = forebay_lab.swift_filters:anonymous_filter
access_key = {_ANONYMOUS_KEY}
secret_key = {_ANONYMOUS_SECRET}
region = {REGION}
[filter:tempauth]
use = egg:swift#tempauth
user_{ACCESS_KEY.replace(":", "_")} = {SECRET_KEY} .admin
user_{_ANONYMOUS_KEY.replace(":", "_")} = {_ANONYMOUS_SECRET}
[filter:s3api]
use = egg:swift#s3api
location = {REGION}
[filter:proxy-logging]
use = egg:swift#proxy_logging
access_log_level = INFO
access_log_headers = yes
access_log_headers_only = range
log_msg_template = {{method}} {{path}} {{status_int}} {{bytes_sent}} {{headers}}
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached_port}
"""
        + "".join(
            f"[filter:{name}]\nuse = egg:swift#{name}\n"
            for name in (
                "catch_errors", "gatekeeper", "healthcheck", "listing_formats", "copy", "slo", "dlo",
                "versioned_writes", "symlink",
            )
        )
    )  # fmt: skip
