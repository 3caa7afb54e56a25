"""Unmodified S3 clients read a public namespace through the node: an endpoint, and whatever credentials they have."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from forebay_lab import cloud_stores
from forebay_lab.node import Node, namespace, s3_origin
from forebay_lab.swift import Swift

from .conftest import Library
from .test_programs import run

ROOT = Path(__file__).resolve().parents[2]
KEY, SECRET = "whoever", "whatever"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}
WEIRD = ["keys/double//slash.txt", "keys/eq=1/x=2.txt", "keys/plus+sign.txt", "keys/sp ace/a b.txt"]


@pytest.fixture(scope="module")
def s3(library: Library, swift: Swift) -> Iterator[Node]:
    """A node with the library's bucket as `lib`, read as nobody."""
    assert library.direct.endswith("/library")
    origin = s3_origin("library", swift.endpoint)
    with Node([namespace("/lib", origin, freshness={"ttl": "1h"})], s3=True, memory="256MiB") as node:
        yield node
        assert node.stop() == 0


def python_of(environment: str) -> str:
    """The interpreter of one of the environments that `tools/setup clients` makes."""
    path = ROOT / "build" / environment / "bin" / "python"
    if not path.exists():
        message = f"NO {path.relative_to(ROOT)}: run tools/setup clients"
        if os.environ.get("CI") or os.environ.get(cloud_stores.REQUIRE_VARIABLE):
            pytest.fail(message)
        pytest.skip(message)
    return str(path)


def read_with(environment: str, reader: str, node: Node, bucket: str = "lib") -> dict[str, Any]:
    script = Path(__file__).parent / "programs" / "s3_readers.py"
    return json.loads(run(python_of(environment), str(script), reader, node.s3_url, bucket))


def check_boto3(library: Library, found: dict[str, Any]) -> None:
    assert found["sum"] == sum(library.blob)
    assert found["listed"] == ["data/blob.bin", "data/data.nc"]
    assert found["directories"] == ["data/v2.zarr/", "data/v3.zarr/"]
    assert found["region"] == "us-east-1"


def test_boto3(library: Library, s3: Node) -> None:
    script = Path(__file__).parent / "programs" / "s3_readers.py"
    check_boto3(library, json.loads(run(os.sys.executable, str(script), "boto3", s3.s3_url, "lib")))


def test_boto3_of_2023(library: Library, s3: Node) -> None:
    found = read_with("boto3-1.26", "boto3", s3)
    assert found["version"].startswith("1.26.")
    check_boto3(library, found)


def test_s3fs(library: Library, s3: Node) -> None:
    import s3fs

    for options in ({"key": KEY, "secret": SECRET}, {"anon": True}):
        system = s3fs.S3FileSystem(endpoint_url=s3.s3_url, skip_instance_cache=True, **options)
        assert system.cat_file("lib/data/blob.bin", start=5_000, end=9_000) == library.blob[5_000:9_000]
        assert system.ls("lib/data", detail=False) == [
            f"lib/data/{name}" for name in ("blob.bin", "data.nc", "v2.zarr", "v3.zarr")
        ]
        assert [key for key in system.find("lib/keys") if key.isascii()][:2] == [
            "lib/keys/double//slash.txt",
            "lib/keys/empty",
        ]
        assert system.info("lib/data/blob.bin")["size"] == len(library.blob)
        assert not system.exists("lib/data/none")
        with system.open("lib/data/blob.bin") as file:
            file.seek(-100, 2)
            assert file.read() == library.blob[-100:]


def test_awscli(library: Library, s3: Node, tmp_path: Path) -> None:
    aws = str(Path(python_of("clients")).with_name("aws"))
    environment = {**os.environ, **CREDENTIALS, "AWS_CONFIG_FILE": "/dev/null", "AWS_ENDPOINT_URL": s3.s3_url}
    for command in (
        ["s3", "cp", "s3://lib/data/blob.bin", str(tmp_path / "whole")],
        ["s3", "sync", "s3://lib/keys", str(tmp_path / "keys")],
    ):
        done = subprocess.run([aws, *command], env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "whole").read_bytes() == library.blob
    assert (tmp_path / "keys" / "uni" / "Grüße-日本.txt").read_text() == "uni/Grüße-日本.txt"
    unsigned = [aws, "--no-sign-request", "s3", "ls", "s3://lib/data/"]
    listed = subprocess.run(unsigned, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "PRE v2.zarr/" in listed
    assert str(len(library.blob)) in listed


def test_s3cmd(library: Library, s3: Node, tmp_path: Path) -> None:
    host = s3.s3_url.removeprefix("http://")
    flags = ["--no-ssl", f"--host={host}", f"--host-bucket={host}", f"--access_key={KEY}", f"--secret_key={SECRET}"]
    flags += [f"--config={tmp_path / 'none.cfg'}"]
    (tmp_path / "none.cfg").write_text("")
    run("s3cmd", *flags, "get", "s3://lib/data/blob.bin", str(tmp_path / "whole"))
    assert (tmp_path / "whole").read_bytes() == library.blob
    listed = run("s3cmd", *flags, "ls", "--recursive", "s3://lib/keys/")
    assert all(key in listed for key in WEIRD)


def test_rclone(library: Library, s3: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)  # which this version cannot read
    remote = f":s3,provider=Other,endpoint='{s3.s3_url}',access_key_id={KEY},secret_access_key={SECRET}:lib"
    flags = ["--config", str(tmp_path / "none.conf"), "--retries", "1"]
    (tmp_path / "none.conf").write_text("")
    run("rclone", *flags, "copy", f"{remote}/data", str(tmp_path / "data"), "--exclude", "*.zarr/**")
    assert (tmp_path / "data" / "blob.bin").read_bytes() == library.blob
    listed = run("rclone", *flags, "lsf", "-R", f"{remote}/keys").splitlines()
    assert {"plus+sign.txt", "sp ace/a b.txt", "uni/Grüße-日本.txt"} <= set(listed)


def test_gdal_vsis3(library: Library, s3: Node) -> None:
    settings = {
        **CREDENTIALS,
        "AWS_S3_ENDPOINT": s3.s3_url.removeprefix("http://"),
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }
    for extra in ({}, {"AWS_NO_SIGN_REQUEST": "YES"}):
        environment = {**os.environ, **settings, **extra}
        told = subprocess.run(
            ["gdalinfo", "-json", 'ZARR:"/vsis3/lib/data/v2.zarr":/t2m:0'],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout)["size"] == list(library.dataset.t2m.shape[:0:-1])
    before = s3.metric("forebay_listing_pages_total")
    command = ["gdalinfo", "-json", "--config", "GDAL_DISABLE_READDIR_ON_OPEN", "FALSE", "/vsis3/lib/data/data.nc"]
    subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, timeout=120
    )  # its driver may be missing
    assert s3.metric("forebay_listing_pages_total") > before  # it looked around


def test_pyarrow(library: Library, s3: Node) -> None:
    found = read_with("clients", "pyarrow", s3)
    assert found["sum"] == sum(library.blob)
    assert found["part"] == list(library.blob[10:1010])
    assert found["listed"] == ["data/blob.bin", "data/data.nc"]
    assert found["directories"] == ["data/v2.zarr/", "data/v3.zarr/"]
    assert found["missing"]


def object_store(node: Node, prefix: str = "", **options: Any) -> Any:
    from obstore.store import S3Store

    return S3Store(
        "lib",
        prefix=prefix or None,
        endpoint=node.s3_url,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        **options,
    )


@pytest.mark.parametrize("signed", [True, False])
def test_obstore(library: Library, s3: Node, signed: bool) -> None:
    import obstore

    options = {"access_key_id": KEY, "secret_access_key": SECRET} if signed else {"skip_signature": True}
    store = object_store(s3, **options)
    assert bytes(obstore.get(store, "data/blob.bin").bytes()) == library.blob
    assert bytes(obstore.get_range(store, "data/blob.bin", start=10, end=20)) == library.blob[10:20]
    assert obstore.head(store, "data/blob.bin")["size"] == len(library.blob)
    listed = obstore.list_with_delimiter(store, "data")
    assert [one["path"] for one in listed["objects"]] == ["data/blob.bin", "data/data.nc"]
    assert list(listed["common_prefixes"]) == ["data/v2.zarr", "data/v3.zarr"]
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "data/none")


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
def test_zarr_over_fsspec(library: Library, s3: Node, number: int, consolidated: bool) -> None:
    import zarr

    options = {"key": KEY, "secret": SECRET, "endpoint_url": s3.s3_url}
    store = zarr.storage.FsspecStore.from_url(f"s3://lib/data/v{number}.zarr", storage_options=options, read_only=True)
    with xr.open_zarr(store, consolidated=consolidated) as found:
        xr.testing.assert_identical(found.load().drop_attrs(), library.dataset.drop_attrs())


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
def test_zarr_over_object_store(library: Library, s3: Node, number: int, consolidated: bool) -> None:
    import zarr

    store = object_store(s3, f"data/v{number}.zarr", access_key_id=KEY, secret_access_key=SECRET)
    with xr.open_zarr(zarr.storage.ObjectStore(store, read_only=True), consolidated=consolidated) as found:
        xr.testing.assert_identical(found.load().drop_attrs(), library.dataset.drop_attrs())


def test_duckdb_httpfs(library: Library, swift: Swift, s3: Node) -> None:
    assert library.direct.endswith("/library")
    for number in range(3):
        swift.put("library", f"csv/part {number}.csv", f"a,b\n{number},x\n10,y\n".encode())
    assert read_with("clients", "duckdb", s3) == {"sum": 33, "files": 3}


def test_icechunk(swift: Swift, make_node: Any, tmp_path: Path) -> None:
    """A repository that was made beside the store, read through the node."""
    script = (
        "import icechunk, zarr, numpy, sys\n"
        "repo = icechunk.Repository.create(icechunk.local_filesystem_storage(sys.argv[1]))\n"
        "session = repo.writable_session('main')\n"
        "data = numpy.arange(5000.0).reshape(50, 100)\n"
        "zarr.create_array(session.store, name='values', data=data, chunks=(10, 100))\n"
        "session.commit('made')\n"
    )
    run(python_of("clients"), "-c", script, str(tmp_path / "ice"))
    bucket = swift.make_bucket("icechunk", public=True)
    swift.put_tree(bucket, "ice", tmp_path / "ice")
    node = make_node([namespace("/ice", s3_origin(bucket, swift.endpoint))], s3=True, memory="64MiB")
    assert read_with("clients", "icechunk", node, "ice")["sum"] == float(np.arange(5000).sum())


def test_virtualizarr(library: Library, s3: Node) -> None:
    found = read_with("clients", "virtualizarr", s3)
    assert found["shape"] == list(library.dataset.t2m.shape)
    assert found["chunks"] == 16
