"""What an S3 client sees of the store behind a bucket: a dead first origin, archived objects, stores of other kinds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay_lab.cloud_stores import AZURE_KEY, Azurite
from forebay_lab.node import Node, namespace, s3_origin
from forebay_lab.origin import EVERY_TIME, Fault, HostileOrigin
from forebay_lab.swift import Swift

from .test_s3_front import OURS, client, fails, keys, owner
from .test_swift_origin import CREDENTIALS, Account, temp_auth

MakeNode = Callable[..., Node]

DEAD = s3_origin("gone", "http://127.0.0.1:1")
BODY = bytes(range(256)) * 2_000
ARCHIVED = (
    b"<Error><Code>InvalidObjectState</Code><Message>The operation is not valid for the object's storage class"
    b"</Message></Error>"
)

_numbers = itertools.count(1)


def test_a_mirror_answers_for_a_dead_first_origin(make_node: MakeNode, swift: Swift, public_bucket: str) -> None:
    for key in ("a/1", "a/2", "b"):
        swift.put(public_bucket, key, BODY + key.encode())
    mirror = s3_origin(public_bucket, swift.endpoint)
    s3 = client(make_node([namespace("/m", DEAD, mirror)], s3=True, memory="64MiB"))
    assert s3.get_object(Bucket="m", Key="a/1")["Body"].read() == BODY + b"a/1"
    assert s3.get_object(Bucket="m", Key="b", Range="bytes=0-9")["Body"].read() == BODY[:10]
    assert s3.head_object(Bucket="m", Key="a/2")["ContentLength"] == len(BODY) + 3
    assert keys(s3.list_objects_v2(Bucket="m")) == ["a/1", "a/2", "b"]
    fails("ServiceUnavailable", s3.get_object, Bucket="m", Key="none")  # what the first one has, nobody can say
    fails("503", s3.head_object, Bucket="m", Key="none")


def test_an_archived_object_is_forbidden_and_says_what_to_do(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/cold/k", BODY)
    origin.fail("/cold/k", Fault(status=403, body=ARCHIVED), times=EVERY_TIME)
    node = make_node([namespace("/cold", s3_origin("cold", origin.url))], s3=True, memory="64MiB")
    reply = node.get("/cold/k")
    assert reply.status == 403
    assert b"restore it" in reply.body
    with pytest.raises(Exception, match="restore it") as caught:
        client(node).get_object(Bucket="cold", Key="k")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403  # type: ignore[attr-defined]
    assert len(origin.requests()) == 2  # once each: to ask again restores nothing


@pytest.fixture(params=["file", "swift", "azure"])
def plain_box(request: pytest.FixtureRequest, make_node: MakeNode, tmp_path: Path) -> Node:
    """A bucket before a store of another kind that takes writes."""
    settings: dict[str, object] = {"s3.keys": [OURS]}
    container = f"plain-{next(_numbers)}"
    if request.param == "file":
        origin = f"file://{tmp_path}?settle=0"
    elif request.param == "swift":
        Account(swift := request.getfixturevalue("swift")).put(container)
        origin = temp_auth(swift, container)
        settings |= CREDENTIALS
    else:
        azurite: Azurite = request.getfixturevalue("azurite")
        origin = azurite.origin(azurite.make_container(container, public=False), credentials="lab")
        settings["credentials"] = [{"name": "lab", "account_key": AZURE_KEY}]
    return make_node([namespace("/box", origin, write=True)], s3=True, memory="64MiB", settings=settings)


def test_s3_clients_write_objects_whole_to_other_stores(plain_box: Node) -> None:
    s3 = owner(plain_box)
    for body in (b"old", BODY):
        put = s3.put_object(Bucket="box", Key="d/a b+c.nc", Body=body)
        got = s3.get_object(Bucket="box", Key="d/a b+c.nc")
        assert got["Body"].read() == body
        assert put.get("ETag", got["ETag"]) == got["ETag"]
    for key in ("d/1", "d/2", "e"):
        s3.put_object(Bucket="box", Key=key, Body=key.encode())
    assert keys(s3.list_objects_v2(Bucket="box")) == ["d/1", "d/2", "d/a b+c.nc", "e"]
    s3.delete_object(Bucket="box", Key="e")
    s3.delete_object(Bucket="box", Key="e")  # what is not there is removed, too
    fails("NoSuchKey", s3.get_object, Bucket="box", Key="e")
    gone = s3.delete_objects(Bucket="box", Delete={"Objects": [{"Key": "d/1"}, {"Key": "d/2"}, {"Key": "none"}]})
    assert (len(gone["Deleted"]), gone.get("Errors", [])) == (3, [])
    assert keys(s3.list_objects_v2(Bucket="box")) == ["d/a b+c.nc"]


def test_what_other_stores_cannot_do_is_refused(plain_box: Node) -> None:
    s3 = owner(plain_box)
    s3.put_object(Bucket="box", Key="a", Body=b"a")
    s3.put_object(Bucket="box", Key="new", Body=b"1", IfNoneMatch="*")
    fails("PreconditionFailed", s3.put_object, Bucket="box", Key="new", Body=b"2", IfNoneMatch="*")
    fails("NotImplemented", s3.create_multipart_upload, Bucket="box", Key="parts")
    fails("NotImplemented", s3.copy_object, Bucket="box", Key="b", CopySource={"Bucket": "box", "Key": "a"})
    fails("NotImplemented", s3.put_object, Bucket="box", Key="a", Body=b"b", ACL="public-read")
    fails("NotImplemented", s3.delete_object, Bucket="box", Key="a", VersionId="1")
    fails("AccessDenied", client(plain_box).put_object, Bucket="box", Key="a", Body=b"b")
    assert s3.get_object(Bucket="box", Key="a")["Body"].read() == b"a"
