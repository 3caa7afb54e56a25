"""nginx as an origin: the server that most archives have, with its own ETags, ranges, index pages and refusals."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .cloud_stores import Store

USER, PASSWORD = "reader", "of the archive"
#: Times of files: long ago, so that Last-Modified is old, and another one for each version.
_FIRST_VERSION_S = 1_700_000_000


@dataclass(frozen=True)
class Served:
    """A request that nginx has answered."""

    method: str
    target: str
    status: int
    range: str


class Nginx(Store):
    """Serves a directory: ``/`` with index pages, ``/private/`` with a password, ``/closed/`` to nobody, ``/whole/``
    without ranges, ``/moved/`` by redirects to ``/``."""

    def __init__(self) -> None:
        super().__init__()
        self.files = self._directory / "files"
        self._versions = 0
        for name in ("files", "temporary"):
            (self._directory / name).mkdir()
        for name in ("private", "closed", "whole"):
            (self.files / name).mkdir()
        (self._directory / "passwords").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        (self._directory / "nginx.conf").write_text(self._configuration())

    @staticmethod
    def program() -> Path:
        return Path("/usr/sbin/nginx")

    def command(self) -> Sequence[str | Path]:
        return [self.program(), "-p", self._directory, "-c", self._directory / "nginx.conf", "-e", "stderr"]

    def put(self, key: str, body: bytes) -> None:
        """A file, or its next version: nginx makes its ETag of the time in seconds and the length."""
        path = self.files / key
        path.parent.mkdir(parents=True, exist_ok=True)
        upload = self._directory / "temporary" / "upload"
        upload.write_bytes(body)
        self._versions += 1
        os.utime(upload, (_FIRST_VERSION_S + self._versions,) * 2)
        upload.rename(path)

    def served(self) -> list[Served]:
        """What was asked so far. An answer is written down after its last byte: wait for it."""
        log = self._directory / "access.log"
        return [Served(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []

    def _configuration(self) -> str:
        log_format = '{"method":"$request_method","target":"$request_uri","status":$status,"range":"$http_range"}'
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n".join(f"{kind}_temp_path temporary/{kind};" for kind in kinds)
        return f"""
daemon off; master_process off; pid temporary/pid;
events {{ worker_connections 512; }}
http {{
  {temporary}
  default_type application/octet-stream;
  log_format told escape=json '{log_format}';
  access_log access.log told;
  server {{
    listen 127.0.0.1:{self.port};
    root files;
    location / {{ autoindex on; }}
    location /private/ {{ autoindex on; auth_basic archive; auth_basic_user_file {self._directory}/passwords; }}
    location /closed/ {{ deny all; }}
    location /whole/ {{ max_ranges 0; }}
    location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
  }}
}}
"""
