"""Unmodified S3 clients write through the node: what they wrote is at the store, and the next reader sees it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from forebay_lab.node import Node, namespace, s3_origin
from forebay_lab.swift import ACCESS_KEY, SECRET_KEY, Swift

from .test_s3_clients import python_of

KEY, SECRET = "me", "my-secret"
SMALL, LARGE = b"hello " * 10, bytes(range(256)) * 80_000  # the larger one is sent in parts


@dataclass(frozen=True)
class Box:
    node: Node
    swift: Swift
    bucket: str
    small: Path
    large: Path

    def check(self, *keys: str) -> None:
        """Both files are at the store under these keys, and what was there before is not read again."""
        for key, body in zip(keys, (SMALL, LARGE), strict=False):
            assert self.swift.get(self.bucket, key) == body
            assert self.node.get(f"/box/{key}").body == body

    def run(self, *argv: str) -> str:
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_ENDPOINT_URL": self.node.s3_url,
        }
        environment.pop("AWS_CA_BUNDLE", None)  # Debian's rclone cannot read it
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def box(swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    bucket, work = swift.make_bucket("written", public=False), tmp_path_factory.mktemp("written")
    (work / "small.bin").write_bytes(SMALL)
    (work / "large.bin").write_bytes(LARGE)
    with Node(
        [namespace("/box", s3_origin(bucket, swift.endpoint, anonymous=False), write=True)],
        s3=True,
        environment={**os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY},
        settings={"s3.keys": [{"access_key_id": KEY, "secret_access_key": SECRET, "write": True}]},
    ) as node:
        yield Box(node, swift, bucket, work / "small.bin", work / "large.bin")
        assert node.stop() == 0


BOTO3 = """
import sys, boto3
s3 = boto3.client("s3", endpoint_url=sys.argv[1])
for number in range(2):
    s3.put_object(Bucket="box", Key=sys.argv[2] + "/small.bin", Body=b"%d" % number)
    assert s3.get_object(Bucket="box", Key=sys.argv[2] + "/small.bin")["Body"].read() == b"%d" % number
for path in sys.argv[3:]:
    s3.upload_file(path, "box", sys.argv[2] + "/" + path.rsplit("/", 1)[1])
"""


@pytest.mark.parametrize("environment", ["", "boto3-1.26"])
def test_boto3(box: Box, environment: str) -> None:
    python = python_of(environment) if environment else os.sys.executable
    folder = environment or "boto3"
    box.run(python, "-c", BOTO3, box.node.s3_url, folder, str(box.small), str(box.large))
    box.check(f"{folder}/small.bin", f"{folder}/large.bin")


def test_awscli(box: Box) -> None:
    aws = str(Path(python_of("clients")).with_name("aws"))
    box.run(aws, "s3", "sync", str(box.small.parent), "s3://box/aws")
    box.check("aws/small.bin", "aws/large.bin")
    box.run(aws, "s3", "rm", "--recursive", "s3://box/aws")
    assert box.swift.list(box.bucket, "aws/") == []
    assert box.node.get("/box/aws/small.bin").status == 404


def test_s3cmd(box: Box, tmp_path: Path) -> None:
    (tmp_path / "none.cfg").write_text("")
    host = box.node.s3_url.removeprefix("http://")
    flags = ["--no-ssl", f"--host={host}", f"--host-bucket={host}", f"--access_key={KEY}", f"--secret_key={SECRET}"]
    box.run(
        "s3cmd", *flags, f"--config={tmp_path / 'none.cfg'}", "put", str(box.small), str(box.large), "s3://box/cmd/"
    )
    box.check("cmd/small.bin", "cmd/large.bin")


def test_rclone(box: Box, tmp_path: Path) -> None:
    (tmp_path / "none.conf").write_text("")
    options = f"provider=Other,endpoint='{box.node.s3_url}',access_key_id={KEY},secret_access_key={SECRET}"
    flags = [
        "--config",
        str(tmp_path / "none.conf"),
        "--retries",
        "1",
        "--s3-upload-cutoff",
        "5M",
        "--s3-no-check-bucket",
    ]
    box.run("rclone", *flags, "copy", str(box.small.parent), f":s3,{options}:box/rclone")
    box.check("rclone/small.bin", "rclone/large.bin")


def test_s3fs(box: Box) -> None:
    import s3fs

    system = s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=box.node.s3_url, skip_instance_cache=True)
    system.put([str(box.small), str(box.large)], "box/s3fs/")
    box.check("s3fs/small.bin", "s3fs/large.bin")
    assert sorted(system.ls("box/s3fs", detail=False)) == ["box/s3fs/large.bin", "box/s3fs/small.bin"]
    system.rm("box/s3fs", recursive=True)
    assert box.swift.list(box.bucket, "s3fs/") == []


ARROW = """
import sys
from urllib.parse import urlsplit
from pyarrow import fs
where = urlsplit(sys.argv[1])
system = fs.S3FileSystem(scheme=where.scheme, endpoint_override=where.netloc, region="us-east-1")
for path in sys.argv[2:]:
    with system.open_output_stream("box/arrow/" + path.rsplit("/", 1)[1]) as out, open(path, "rb") as file:
        out.write(file.read())
"""


def test_pyarrow(box: Box) -> None:
    box.run(python_of("clients"), "-c", ARROW, box.node.s3_url, str(box.small), str(box.large))
    box.check("arrow/small.bin", "arrow/large.bin")


def test_zarr_is_written_and_read_back(box: Box) -> None:
    import numpy as np
    import zarr

    options = {"key": KEY, "secret": SECRET, "endpoint_url": box.node.s3_url}
    data = np.arange(10_000).reshape(100, 100)
    store = zarr.storage.FsspecStore.from_url("s3://box/z.zarr", storage_options=options)
    zarr.create_array(store, name="a", data=data, chunks=(10, 100))
    again = zarr.open_array(store, path="a", mode="r+")
    np.testing.assert_array_equal(again[:], data)
    again[:10] = 7
    np.testing.assert_array_equal(zarr.open_array(store, path="a", mode="r")[:10], np.full((10, 100), 7))
