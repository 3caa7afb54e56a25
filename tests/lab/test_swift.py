"""The store is a real one: objects, ranges, listings, access; and it tells what it was asked."""

from __future__ import annotations

from urllib.parse import quote

import boto3
import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from forebay_lab.readers import fetch, open_stream
from forebay_lab.swift import ACCESS_KEY, REGION, SECRET_KEY

BODY = bytes(range(256)) * 4096


def test_put_and_get(swift, public_bucket):
    etag = swift.put(public_bucket, "a/b", BODY, ContentType="application/x-test")
    assert swift.get(public_bucket, "a/b") == BODY
    reply = fetch(f"{swift.endpoint}/{public_bucket}/a/b")
    assert (reply.status, reply.body, reply.broken) == (200, BODY, False)
    assert reply.headers["etag"] == etag
    assert reply.headers["content-type"] == "application/x-test"
    assert "last-modified" in reply.headers


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("bytes=10-19", BODY[10:20]), ("bytes=-7", BODY[-7:]), ("bytes=1048570-", BODY[1048570:])],
)
def test_range(swift, public_bucket, asked, expected):
    swift.put(public_bucket, "object", BODY)
    reply = fetch(f"{swift.endpoint}/{public_bucket}/object", headers={"Range": asked})
    assert (reply.status, reply.body) == (206, expected)
    assert reply.headers["content-range"].endswith(f"/{len(BODY)}")


def test_conditions(swift, public_bucket):
    etag = swift.put(public_bucket, "object", b"one")
    url = f"{swift.endpoint}/{public_bucket}/object"
    assert fetch(url, headers={"If-None-Match": etag}).status == 304
    assert fetch(url, headers={"If-Match": etag}).status == 200
    assert swift.put(public_bucket, "object", b"two") != etag
    assert fetch(url, headers={"If-Match": etag}).status == 412


@pytest.mark.parametrize("key", ["plain", "a b+c=d", "ü/ß/日本", "a//b", "percent%20", "t2m/0.0.0"])
def test_keys(swift, public_bucket, key):
    swift.put(public_bucket, key, key.encode())
    assert swift.list(public_bucket) == [key]
    assert fetch(f"{swift.endpoint}/{public_bucket}/{quote(key)}").body == key.encode()


def test_everybody_may_read_and_list_a_public_bucket(swift, public_bucket):
    swift.put(public_bucket, "a/1", b"")
    swift.put(public_bucket, "b/2", b"")
    unsigned = boto3.client(
        "s3", endpoint_url=swift.endpoint, region_name=REGION, config=Config(signature_version=botocore.UNSIGNED)
    )
    listed = unsigned.list_objects_v2(Bucket=public_bucket, Prefix="b/")
    assert [item["Key"] for item in listed["Contents"]] == ["b/2"]
    missing = fetch(f"{swift.endpoint}/{public_bucket}/missing")
    assert missing.status == 404
    assert b"NoSuchKey" in missing.body
    assert fetch(f"{swift.endpoint}/{public_bucket}/new", method="PUT", body=b"x").status == 403
    assert swift.list(public_bucket) == ["a/1", "b/2"]


def test_only_its_owner_reads_a_private_bucket(swift, private_bucket):
    swift.put(private_bucket, "secret", b"s")
    refused = fetch(f"{swift.endpoint}/{private_bucket}/secret")
    assert refused.status == 403
    assert b"AccessDenied" in refused.body

    def read(secret_key: str) -> bytes:
        client = boto3.client(
            "s3",
            endpoint_url=swift.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=secret_key,
        )
        return client.get_object(Bucket=private_bucket, Key="secret")["Body"].read()

    assert read(SECRET_KEY) == b"s"
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        read("wrong")


def test_it_tells_what_it_was_asked(swift, public_bucket):
    swift.put(public_bucket, "ü object", BODY)
    url = f"{swift.endpoint}/{public_bucket}/{quote('ü object')}"
    mark = swift.mark()
    fetch(url)
    fetch(url, headers={"Range": "bytes=0-99"})
    fetch(url, method="HEAD")
    fetch(f"{url}-missing")
    seen = swift.requests(mark, path_prefix=f"/{public_bucket}/")
    assert [(one.method, one.status, one.range) for one in seen] == [
        ("GET", 200, ""),
        ("GET", 206, "bytes=0-99"),
        ("HEAD", 200, ""),
        ("GET", 404, ""),
    ]
    assert [one.bytes_sent for one in seen[:3]] == [len(BODY), 100, 0]
    assert seen[0].path == f"/{public_bucket}/%C3%BC%20object"


def test_a_reader_who_leaves_is_counted_for_what_was_sent(swift, public_bucket):
    swift.put(public_bucket, "large", bytes(64 * 2**20))
    mark = swift.mark()
    with open_stream(f"{swift.endpoint}/{public_bucket}/large") as stream:
        assert len(stream.read(1000)) == 1000
        stream.leave()
    (seen,) = swift.requests(mark)
    assert seen.status == 499
    assert 0 < seen.bytes_sent < 64 * 2**20


def test_far_store_is_filled_without_crossing_the_link(far_link, far_swift):
    before = far_link.counters().far_to_near.bytes
    bucket = far_swift.make_bucket("far", public=True)
    far_swift.put(bucket, "object", BODY)
    assert far_link.counters().far_to_near.bytes == before
    host, port = far_link.reach(far_swift.port)
    reply = fetch(f"http://{host}:{port}/far/object", place=far_link.near)
    assert reply.body == BODY
    assert far_link.counters().far_to_near.bytes - before > len(BODY)
