"""Versity S3 Gateway over a directory: a second S3 server that is none of ours, with versions of objects.

``tools/setup stores`` builds it below ``build/stores``. It listens on loopback.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import botocore.config

from . import processes
from .cloud_stores import STORES, Store
from .swift import ACCESS_KEY, REGION, SECRET_KEY, LoggedRequest

_LINE = re.compile(r" s3_(?P<name>\w+) .*? (?P<path>/.*?) (?P<status>\d{3}) \S+ \d+ (?P<sent>\d+) ")
_METHODS = {"Get": "GET", "Hea": "HEAD", "Lis": "GET", "Put": "PUT", "Cop": "PUT", "Upl": "PUT", "Del": "DELETE"}


class Versity(Store):
    """A running gateway, with the owner's keys and the methods of ``Swift``. Use as a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self._client: Any = None
        for part in ("objects", "versions", "meta"):
            (self._directory / part).mkdir()

    @staticmethod
    def program() -> Path:
        return STORES / "bin/versitygw"

    def command(self) -> Sequence[str | Path]:
        keys = ["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--region", REGION]
        logs = ["--quiet", "--keep-alive", "--access-log", self._directory / "access.log"]
        # A directory of its own for metadata: not every file system has extended attributes.
        tree = ["--versioning-dir", self._directory / "versions", "--sidecar", self._directory / "meta"]
        place = ["--port", f"127.0.0.1:{self.port}"]
        return [self.program(), *place, *keys, *logs, "posix", *tree, self._directory / "objects"]

    def _is_ready(self) -> bool:
        try:
            return self.ask("GET", "/")[0] in (200, 403)
        except OSError:
            return False

    # --- objects ---------------------------------------------------------------------------------------------

    def make_bucket(self, name: str, *, public: bool, versions: bool = False) -> str:
        """A new bucket; a public one can be read and listed by everybody. Returns its name."""
        self.s3.create_bucket(Bucket=name)
        if public:
            everybody = {"Effect": "Allow", "Principal": "*"}
            rules = [
                {**everybody, "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": f"arn:aws:s3:::{name}/*"},
                {**everybody, "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{name}"},
            ]
            policy = {"Version": "2012-10-17", "Statement": rules}
            self.s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        if versions:
            self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def put(self, bucket: str, key: str, body: bytes, **options: Any) -> str:
        """Stores an object and returns its ETag. ``options`` are put_object's, such as ContentType."""
        return str(self.s3.put_object(Bucket=bucket, Key=key, Body=body, **options)["ETag"])

    def get(self, bucket: str, key: str) -> bytes:
        """The whole object, straight from the store."""
        return bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def delete(self, bucket: str, key: str) -> None:
        """Removes an object."""
        self.s3.delete_object(Bucket=bucket, Key=key)

    def list(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys below a prefix, in order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    @property
    def s3(self) -> Any:
        """A client of the owner's."""
        if self._client is None:
            self._client = boto3.client(
                "s3",
                endpoint_url=self.endpoint,
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SECRET_KEY,
                region_name=REGION,
                config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
            )
        return self._client

    # --- what it was asked -----------------------------------------------------------------------------------

    def requests(self, since: int = 0) -> list[LoggedRequest]:
        """What clients asked, in order, after the first ``since`` requests."""
        log, last = self._directory / "access.log", f"/no-bucket-{uuid.uuid4().hex}"
        self.ask("GET", last)  # lines are written after their answers: once this one is there, the others are
        processes.wait_until("the log is written", lambda: log.exists() and last in log.read_text())
        seen = [found for found in map(_LINE.search, log.read_text().splitlines()) if found]
        return [
            LoggedRequest(
                _METHODS.get(one["name"][:3], "POST"), unquote(one["path"]), int(one["status"]), int(one["sent"]), ""
            )
            for one in seen
            if "/no-bucket-" not in one["path"]
        ][since:]

    def mark(self) -> int:
        """How many requests there were so far, to be given to ``requests(since=)``."""
        return len(self.requests())
