"""Before an S3 server that keeps versions: identities, conditions, parts; by the origin URL and through the front."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest

from forebay_lab.node import Node, namespace, s3_origin
from forebay_lab.swift import ACCESS_KEY, SECRET_KEY
from forebay_lab.versity import Versity

MakeNode = Callable[..., Node]

OURS = {"access_key_id": "me", "secret_access_key": "my-secret", "write": True}
PART = 5 << 20  # S3's smallest, but for the last
_numbers = itertools.count()


@pytest.fixture
def bucket(versity: Versity) -> str:
    return versity.make_bucket(f"versioned-{next(_numbers)}", public=True, versions=True)


@pytest.fixture
def node(make_node: MakeNode, versity: Versity, bucket: str) -> Node:
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    origin = s3_origin(bucket, versity.endpoint, anonymous=False)
    spaces = [namespace("/v", origin, write=True, freshness={"ttl": "1h"})]
    return make_node(spaces, s3=True, environment=environment, settings={"s3.keys": [OURS]}, memory="64MiB")


@pytest.fixture
def s3(node: Node) -> Any:
    config = botocore.config.Config(retries={"total_max_attempts": 1}, signature_version="s3v4")
    return boto3.client("s3", endpoint_url=node.s3_url, region_name="us-east-1",
                        aws_access_key_id=OURS["access_key_id"], aws_secret_access_key=OURS["secret_access_key"],
                        config=config)  # fmt: skip


def fails(code: str, ask: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        ask(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value


def two_versions(versity: Versity, bucket: str, key: str = "k") -> tuple[str, str]:
    made = [versity.s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"] for body in (b"first", b"second!")]
    return made[0], made[1]


def gets(versity: Versity, mark: int) -> list[str]:
    return [one.path for one in versity.requests(mark) if one.method == "GET" and "list-type" not in one.path]


def test_a_version_is_an_object_of_its_own(node: Node, versity: Versity, bucket: str) -> None:
    first, second = two_versions(versity, bucket)
    mark = versity.mark()
    for _ in range(3):
        assert node.get("/v/k").body == b"second!"
        assert node.get(f"/v/k?versionId={first}").body == b"first"
        assert node.get(f"/v/k?versionId={second}").body == b"second!"
    assert len(gets(versity, mark)) == 3
    assert node.get("/v/k?versionId=01ARZ3NDEKTSV4RRFFQ69G5FAV").status in (400, 404)


def test_versions_are_read_through_the_front(s3: Any, versity: Versity, bucket: str) -> None:
    first, second = two_versions(versity, bucket)
    mark = versity.mark()
    for _ in range(2):
        for version, body in ((first, b"first"), (second, b"second!")):
            got = s3.get_object(Bucket="v", Key="k", VersionId=version)
            assert (got["Body"].read(), got["VersionId"]) == (body, version)
            assert s3.head_object(Bucket="v", Key="k", VersionId=version)["ContentLength"] == len(body)
        part = s3.get_object(Bucket="v", Key="k", VersionId=first, Range="bytes=1-2")
        assert part["Body"].read() == b"ir"
    assert len(gets(versity, mark)) == 2


def test_a_version_stays_when_its_object_is_written_and_removed(s3: Any, versity: Versity, bucket: str) -> None:
    first, _ = two_versions(versity, bucket)
    assert s3.get_object(Bucket="v", Key="k", VersionId=first)["Body"].read() == b"first"
    made = s3.put_object(Bucket="v", Key="k", Body=b"third")
    assert s3.get_object(Bucket="v", Key="k")["Body"].read() == b"third"
    assert s3.get_object(Bucket="v", Key="k", VersionId=made["VersionId"])["Body"].read() == b"third"
    s3.delete_object(Bucket="v", Key="k")
    fails("NoSuchKey", s3.get_object, Bucket="v", Key="k")
    assert s3.get_object(Bucket="v", Key="k", VersionId=first)["Body"].read() == b"first"
    s3.delete_object(Bucket="v", Key="k", VersionId=made["VersionId"])
    with pytest.raises(botocore.exceptions.ClientError):
        versity.s3.get_object(Bucket=bucket, Key="k", VersionId=made["VersionId"])


def test_a_version_that_was_removed_through_the_front_is_forgotten(s3: Any, versity: Versity, bucket: str) -> None:
    first, _ = two_versions(versity, bucket)
    assert s3.get_object(Bucket="v", Key="k", VersionId=first)["Body"].read() == b"first"
    s3.delete_object(Bucket="v", Key="k", VersionId=first)
    with pytest.raises(botocore.exceptions.ClientError):
        s3.get_object(Bucket="v", Key="k", VersionId=first)


def test_versions_are_not_listed_and_said_so(s3: Any) -> None:
    fails("NotImplemented", s3.list_object_versions, Bucket="v")


def upload(client: Any, bucket: str, key: str, sizes: tuple[int, ...]) -> bytes:
    """An object of several parts, each of which is told from the others; its bytes."""
    made = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    bodies = [bytes([65 + at]) * size for at, size in enumerate(sizes)]
    parts = [
        {
            "PartNumber": number,
            "ETag": client.upload_part(Bucket=bucket, Key=key, UploadId=made, PartNumber=number, Body=body)["ETag"],
        }
        for number, body in enumerate(bodies, 1)
    ]
    client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=made, MultipartUpload={"Parts": parts})
    return b"".join(bodies)


def test_parts_are_read_by_their_numbers_and_cross_once(s3: Any, versity: Versity) -> None:
    body = upload(s3, "v", "m", (PART, PART, 1000))
    head = s3.head_object(Bucket="v", Key="m")
    assert head["ETag"].endswith('-3"')
    mark = versity.mark()
    for _ in range(2):
        for number, (begin, end) in enumerate(((0, PART), (PART, 2 * PART), (2 * PART, len(body))), 1):
            got = s3.get_object(Bucket="v", Key="m", PartNumber=number)
            assert (got["Body"].read(), got["PartsCount"]) == (body[begin:end], 3)
            assert got["ContentRange"] == f"bytes {begin}-{end - 1}/{len(body)}"
            told = s3.head_object(Bucket="v", Key="m", PartNumber=number)
            assert (told["ContentLength"], told["PartsCount"]) == (end - begin, 3)
    seen = [one for one in versity.requests(mark) if one.method == "GET"]
    assert 1 <= len(seen) <= 3
    assert all("partNumber" not in one.path for one in seen)


def test_a_part_of_an_object_that_was_replaced_is_of_the_new_one(s3: Any, versity: Versity, bucket: str) -> None:
    """What is held is still fresh when the store tells of another version's part: the two are not mixed."""
    upload(s3, "v", "m", (PART, 10))
    assert s3.get_object(Bucket="v", Key="m", PartNumber=2)["Body"].read() == b"B" * 10
    body = upload(versity.s3, bucket, "m", (PART, PART, 7))  # behind the node's back
    assert s3.get_object(Bucket="v", Key="m", PartNumber=3)["Body"].read() == body[2 * PART :]


def test_parts_that_are_not_there_and_wishes_that_contradict(s3: Any, versity: Versity, bucket: str) -> None:
    versity.put(bucket, "one", b"hello")
    assert s3.get_object(Bucket="v", Key="one", PartNumber=1)["Body"].read() == b"hello"
    fails("InvalidPartNumber", s3.get_object, Bucket="v", Key="one", PartNumber=2)
    fails("InvalidArgument", s3.get_object, Bucket="v", Key="one", PartNumber=10_001)
    fails("InvalidRequest", s3.get_object, Bucket="v", Key="one", PartNumber=1, Range="bytes=0-1")
    fails("NoSuchKey", s3.get_object, Bucket="v", Key="none", PartNumber=1)


def test_conditions_speak_of_the_stores_etags(s3: Any, node: Node, versity: Versity, bucket: str) -> None:
    upload(versity.s3, bucket, "m", (PART, 5))
    tag = s3.head_object(Bucket="v", Key="m")["ETag"]
    assert s3.get_object(Bucket="v", Key="m", IfMatch=tag)["ContentLength"] == PART + 5
    fails("PreconditionFailed", s3.get_object, Bucket="v", Key="m", IfMatch='"other"')
    fails("304", s3.head_object, Bucket="v", Key="m", IfNoneMatch=tag)
    assert node.get("/v/m", headers={"If-None-Match": tag}).status == 304
    assert s3.list_objects_v2(Bucket="v")["Contents"][0]["ETag"] == tag


def test_writes_are_conditional_where_the_store_is(s3: Any, versity: Versity, bucket: str) -> None:
    s3.put_object(Bucket="v", Key="new", Body=b"1", IfNoneMatch="*")
    fails("PreconditionFailed", s3.put_object, Bucket="v", Key="new", Body=b"2", IfNoneMatch="*")
    assert s3.get_object(Bucket="v", Key="new")["Body"].read() == b"1"
    assert versity.get(bucket, "new") == b"1"


def test_an_object_replaced_behind_the_node_is_the_old_or_the_new(
    make_node: MakeNode, versity: Versity, bucket: str
) -> None:
    size = 3 << 20
    versity.put(bucket, "o", b"1" * size)
    node = make_node([namespace("/p", s3_origin(bucket, versity.endpoint), freshness={"ttl": "0s"})], memory="64MiB")
    assert node.get("/p/o", headers={"Range": "bytes=0-99"}).body == b"1" * 100
    versity.put(bucket, "o", b"2" * size)
    whole = node.get("/p/o")
    assert (whole.status, whole.body) == (200, b"2" * size)


def test_without_rights_a_private_bucket_is_forbidden_and_not_missing(make_node: MakeNode, versity: Versity) -> None:
    private = versity.make_bucket(f"private-v-{next(_numbers)}", public=False)
    versity.put(private, "k", b"secret")
    node = make_node([namespace("/p", s3_origin(private, versity.endpoint))], memory="64MiB")
    assert node.get("/p/k").status == 403
    assert node.get("/p/none").status == 403
