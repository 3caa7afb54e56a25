"""Reads a bucket with one library, for test_s3_clients.py: run by the interpreter that has the library.

    python s3_readers.py READER ENDPOINT BUCKET

Prints one JSON document: what it found. Nothing but the endpoint is told to the library, and any credentials.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

KEY, SECRET, REGION = "whoever", "whatever", "us-east-1"


def read_boto3(endpoint: str, bucket: str) -> dict[str, Any]:
    import boto3

    s3 = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION
    )
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="data/", Delimiter="/")
    return {
        "version": boto3.__version__,
        "sum": sum(s3.get_object(Bucket=bucket, Key="data/blob.bin")["Body"].read()),
        "listed": [one["Key"] for one in listed["Contents"]],
        "directories": [one["Prefix"] for one in listed["CommonPrefixes"]],
        "region": s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"],
    }


def read_pyarrow(endpoint: str, bucket: str) -> dict[str, Any]:
    from pyarrow import fs

    where = urlsplit(endpoint)
    system = fs.S3FileSystem(
        access_key=KEY, secret_key=SECRET, region=REGION, scheme=where.scheme, endpoint_override=where.netloc
    )
    with system.open_input_file(f"{bucket}/data/blob.bin") as file:
        total, part = sum(file.read()), file.read_at(1000, 10)
    found = system.get_file_info(fs.FileSelector(f"{bucket}/data"))
    missing = system.get_file_info(f"{bucket}/data/none")
    return {
        "sum": total,
        "part": list(part),
        "listed": sorted(one.path.removeprefix(f"{bucket}/") for one in found if one.is_file),
        "directories": sorted(one.path.removeprefix(f"{bucket}/") + "/" for one in found if not one.is_file),
        "missing": missing.type == fs.FileType.NotFound,
    }


def read_duckdb(endpoint: str, bucket: str) -> dict[str, Any]:
    import duckdb
    import duckdb_extension_httpfs

    (extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
    database = duckdb.connect()
    database.execute(f"LOAD '{extension}'")
    database.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}', URL_STYLE 'path', "
        f"USE_SSL false, ENDPOINT '{urlsplit(endpoint).netloc}')"
    )
    found = database.execute(
        f"SELECT sum(a), count(DISTINCT filename) FROM read_csv('s3://{bucket}/csv/*.csv', filename = true)"
    ).fetchone()
    return {"sum": int(found[0]), "files": found[1]}


def read_icechunk(endpoint: str, bucket: str) -> dict[str, Any]:
    import icechunk
    import zarr

    storage = icechunk.s3_storage(
        bucket=bucket,
        prefix="ice",
        endpoint_url=endpoint,
        allow_http=True,
        region=REGION,
        access_key_id=KEY,
        secret_access_key=SECRET,
        force_path_style=True,
    )
    session = icechunk.Repository.open(storage).readonly_session("main")
    return {"sum": float(zarr.open_array(session.store, mode="r", path="values")[:].sum())}


def read_virtualizarr(endpoint: str, bucket: str) -> dict[str, Any]:
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import S3Store
    from virtualizarr import open_virtual_dataset
    from virtualizarr.parsers import HDFParser

    store = S3Store(
        bucket,
        endpoint=endpoint,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region=REGION,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    registry = ObjectStoreRegistry({f"s3://{bucket}": store})
    with open_virtual_dataset(f"s3://{bucket}/data/data.nc", registry=registry, parser=HDFParser()) as found:
        array = found["t2m"].data
        return {"shape": list(found["t2m"].shape), "chunks": len(array.manifest.dict())}


if __name__ == "__main__":
    reader, endpoint, bucket = sys.argv[1:]
    print(json.dumps(globals()[f"read_{reader}"](endpoint, bucket)))
