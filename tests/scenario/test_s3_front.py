"""The S3 front before two real S3 servers and before origins that misbehave: what users of stores complain about."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import hmac
import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest
import requests

from forebay_lab import processes
from forebay_lab.node import Node, namespace, s3_origin
from forebay_lab.origin import EVERY_TIME, Fault, Gate, HostileOrigin
from forebay_lab.swift import ACCESS_KEY, SECRET_KEY, Swift
from forebay_lab.versity import Versity

MakeNode = Callable[..., Node]
S3Store = Swift | Versity

OURS = {"access_key_id": "me", "secret_access_key": "my-secret", "write": True}
ONCE = {"total_max_attempts": 1}


def client(node: Node, key: str = "whoever", secret: str = "whatever", **options: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=node.s3_url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=botocore.config.Config(retries=ONCE, signature_version="s3v4", **options),
    )


def owner(node: Node, **options: Any) -> Any:
    return client(node, OURS["access_key_id"], OURS["secret_access_key"], **options)


def fails(code: str, ask: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        ask(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value


def keys(answer: dict[str, Any]) -> list[str]:
    return [one["Key"] for one in answer.get("Contents", [])]


@pytest.fixture
def box(make_node: MakeNode, s3_store: S3Store, private_s3_bucket: str) -> Node:
    """A bucket that passes writes on; the node signs with the owner's key, clients with ours."""
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    origin = s3_origin(private_s3_bucket, s3_store.endpoint, anonymous=False)
    node = make_node(
        [namespace("/box", origin, write=True), namespace("/closed", origin, public=False)],
        s3=True,
        environment=environment,
        settings={"s3": {"hosts": ["localhost"]}, "s3.keys": [OURS]},
        memory="64MiB",
    )
    node.bucket = private_s3_bucket  # type: ignore[attr-defined]
    return node


@pytest.fixture
def public(make_node: MakeNode, s3_store: S3Store, public_s3_bucket: str) -> Node:
    for key in ("a/1", "a/2", "b", "c d+e/Grüße-日本.txt", "dir/"):
        s3_store.put(public_s3_bucket, key, key.encode() if not key.endswith("/") else b"")
    return make_node([namespace("/pub", s3_origin(public_s3_bucket, s3_store.endpoint))], s3=True, memory="64MiB")


def list_requests(s3_store: S3Store, mark: int) -> int:
    return sum("list-type" in one.path for one in s3_store.requests(mark))


def test_listing_storms_are_one_request(public: Node, s3_store: S3Store) -> None:
    """Fifty workers that open one unconsolidated store list it once."""
    s3, mark = client(public, max_pool_connections=50), s3_store.mark()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: keys(s3.list_objects_v2(Bucket="pub", Prefix="a/")), range(100)))
    assert answers == [["a/1", "a/2"]] * 100
    assert list_requests(s3_store, mark) == 1


def test_info_does_not_list(public: Node, s3_store: S3Store) -> None:
    import s3fs

    system = s3fs.S3FileSystem(key="x", secret="y", client_kwargs={"endpoint_url": public.s3_url})
    mark = s3_store.mark()
    assert system.info("pub/a/1")["size"] == 3
    assert list_requests(s3_store, mark) == 0


def test_head_floods_reach_the_store_once_also_for_what_is_not_there(public: Node, s3_store: S3Store) -> None:
    s3, mark = client(public), s3_store.mark()
    for _ in range(20):
        s3.head_object(Bucket="pub", Key="b")
        fails("404", s3.head_object, Bucket="pub", Key="none")
    assert len([one for one in s3_store.requests(mark) if one.path.endswith("/b")]) == 1
    assert len([one for one in s3_store.requests(mark) if one.path.endswith("/none")]) == 1


@pytest.mark.parametrize("store", ["web", "s3"])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(status=500), "ServiceUnavailable"),
        (Fault(status=503), "ServiceUnavailable"),
        (Fault(status=429, headers=(("Retry-After", "120"),)), "SlowDown"),
        (Fault(status=403), "AccessDenied"),
        (Fault(reset_at=-1), "ServiceUnavailable"),
        (Fault(stall_at=-1), "ServiceUnavailable"),
        (Fault(truncate_at=10), ""),
        (Fault(status=404), "NoSuchKey"),
    ],
    ids=["500", "503", "429", "403", "reset", "no-head-in-time", "truncated", "404-without-a-document"],
)
def test_transient_errors_are_no_missing_chunks(
    make_node: MakeNode, origin: HostileOrigin, store: str, fault: Fault, code: str
) -> None:
    """Zarr readers fill in zeros for a NoSuchKey: only the store's own 404 may be one."""
    gate = Gate()
    origin.put("/z/0.0", b"x" * 100)
    origin.fail("/z/0.0", dataclasses.replace(fault, gate=gate), times=EVERY_TIME)
    at = s3_origin("z", origin.url) if store == "s3" else f"{origin.url}/z"
    limits = {"first_byte_timeout": "500ms", "attempts": 2}
    node = make_node([namespace("/z", at)], s3=True, memory="64MiB", settings={"limits": limits})
    try:
        if code:
            fails(code, client(node).get_object, Bucket="z", Key="0.0")
        else:  # an error before the head, or a body that breaks off, but nothing that looks whole or absent
            with pytest.raises((botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)) as caught:
                client(node).get_object(Bucket="z", Key="0.0")["Body"].read()
            assert "NoSuchKey" not in str(caught.value)
    finally:
        gate.open()


def test_many_workers_and_a_throttling_store_share_one_limit(make_node: MakeNode, origin: HostileOrigin) -> None:
    """Sixty readers of sixty chunks: never more than four at the store at once, and all get theirs in the end."""
    gate = Gate()
    for number in range(60):
        origin.put(f"/z/{number}", b"%d" % number)
        throttled = Fault(status=429, headers=(("Retry-After", "0"),), stall_at=-1, gate=gate)
        origin.fail(f"/z/{number}", throttled)
    limits = {"origin_connections": 4}
    node = make_node([namespace("/z", f"{origin.url}/z")], s3=True, memory="64MiB", settings={"limits": limits})
    s3 = client(node, max_pool_connections=60)
    with ThreadPoolExecutor(60) as pool:
        reads = [pool.submit(lambda n: s3.get_object(Bucket="z", Key=str(n))["Body"].read(), n) for n in range(60)]
        processes.wait_until("all are at the node", lambda: node.metric("forebay_requests_in_flight") >= 60)
        origin.wait_requests(4)
        assert len(origin.requests()) == 4
        gate.open()
        assert [one.result() for one in reads] == [b"%d" % number for number in range(60)]
    assert len(origin.requests()) == 120  # each was told once to slow down


def test_keys_of_every_kind(public: Node) -> None:
    key = "c d+e/Grüße-日本.txt"
    s3 = client(public)
    assert key in keys(s3.list_objects_v2(Bucket="pub"))
    assert s3.get_object(Bucket="pub", Key=key)["Body"].read() == key.encode()
    assert keys(s3.list_objects_v2(Bucket="pub", Prefix="c d+e/")) == [key]


def test_directory_markers_are_objects(public: Node) -> None:
    s3 = client(public)
    assert s3.head_object(Bucket="pub", Key="dir/")["ContentLength"] == 0
    assert keys(s3.list_objects_v2(Bucket="pub", Prefix="dir/", Delimiter="/")) == ["dir/"]
    assert s3.list_objects_v2(Bucket="pub", Delimiter="/")["CommonPrefixes"][-1]["Prefix"] == "dir/"


@pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("delimiter", ["", "/", "d"])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_pages_hold_what_the_store_lists(
    public: Node, s3_store: S3Store, public_s3_bucket: str, call: str, delimiter: str, size: int
) -> None:
    wish = {"Delimiter": delimiter, "PaginationConfig": {"PageSize": size}}
    near = list(client(public).get_paginator(call).paginate(Bucket="pub", **wish))
    everything = s3_store.list(public_s3_bucket)
    prefixes = sorted({k[: k.index(delimiter) + 1] for k in everything if delimiter in k}) if delimiter else []
    plain = [k for k in everything if not delimiter or delimiter not in k]
    assert [k for page in near for k in keys(page)] == plain
    assert [one["Prefix"] for page in near for one in page.get("CommonPrefixes", [])] == prefixes
    assert all(len(keys(page)) + len(page.get("CommonPrefixes", [])) <= size for page in near)


def test_etags_of_multipart_uploads_are_the_stores(box: Node) -> None:
    s3 = owner(box)
    s3.upload_fileobj(io.BytesIO(b"x" * (12 << 20)), "box", "big")
    tag = s3.head_object(Bucket="box", Key="big")["ETag"]
    assert tag.endswith('-2"')
    assert s3.get_object(Bucket="box", Key="big", IfMatch=tag)["Body"].read() == b"x" * (12 << 20)
    assert s3.list_objects_v2(Bucket="box")["Contents"][0]["ETag"] == tag
    fails("PreconditionFailed", s3.get_object, Bucket="box", Key="big", IfMatch='"other"')


def test_an_entry_without_an_etag_has_none(make_node: MakeNode, origin: HostileOrigin) -> None:
    """An empty ETag would be compared with, a missing one is not. Index pages tell no sizes either."""
    page = b'<title>Index of /</title><a href="a.nc">a.nc</a>'
    origin.put("/", page, headers=(("Content-Type", "text/html"),))
    origin.put("/a.nc", b"12345", etag=None)
    node = make_node([namespace("/w", origin.url)], s3=True, memory="64MiB")
    (entry,) = client(node).list_objects_v2(Bucket="w")["Contents"]
    assert entry["Key"] == "a.nc"
    assert "ETag" not in entry
    assert entry["Size"] == 5


def test_an_object_that_is_replaced_while_it_is_read_is_never_mixed(make_node: MakeNode, origin: HostileOrigin) -> None:
    gate, size = Gate(), 4 << 20
    origin.put("/o", b"1" * size, etag='"one"')
    origin.fail("/o", Fault(stall_at=size // 2, gate=gate))
    node = make_node([namespace("/w", origin.url)], s3=True, memory="64MiB")
    answer = requests.get(f"{node.s3_url}/w/o", stream=True, timeout=60)
    gate.wait_reached()
    origin.put("/o", b"2" * size, etag='"two"')
    gate.open()
    try:
        body = answer.content
    except requests.exceptions.RequestException:
        body = b""  # visibly broken off
    assert body in (b"", b"1" * size)


def test_a_write_is_seen_by_the_next_reader_and_the_next_listing(box: Node) -> None:
    s3 = owner(box)
    assert keys(s3.list_objects_v2(Bucket="box")) == []
    fails("NoSuchKey", s3.get_object, Bucket="box", Key="k")
    for number in range(3):
        s3.put_object(Bucket="box", Key="k", Body=b"%d" % number, Metadata={"colour": "red"}, ContentType="a/b")
        got = s3.get_object(Bucket="box", Key="k")
        assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b"%d" % number, {"colour": "red"}, "a/b")
        assert keys(s3.list_objects_v2(Bucket="box")) == ["k"]
    s3.copy_object(Bucket="box", Key="copy", CopySource={"Bucket": "box", "Key": "k"})
    assert s3.get_object(Bucket="box", Key="copy")["Body"].read() == b"2"
    gone = s3.delete_objects(Bucket="box", Delete={"Objects": [{"Key": "k"}, {"Key": "copy"}, {"Key": "never"}]})
    assert {one["Key"] for one in gone["Deleted"]} == {"k", "copy", "never"}
    assert keys(s3.list_objects_v2(Bucket="box")) == []
    fails("NoSuchKey", s3.get_object, Bucket="box", Key="k")


def test_multipart_uploads_pass_through(box: Node) -> None:
    s3 = owner(box)
    upload = s3.create_multipart_upload(Bucket="box", Key="m")["UploadId"]
    part = s3.upload_part(Bucket="box", Key="m", UploadId=upload, PartNumber=1, Body=b"hello")["ETag"]
    assert [one["PartNumber"] for one in s3.list_parts(Bucket="box", Key="m", UploadId=upload)["Parts"]] == [1]
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket="box")["Uploads"]] == ["m"]
    fails("NoSuchKey", s3.get_object, Bucket="box", Key="m")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    done = s3.complete_multipart_upload(Bucket="box", Key="m", UploadId=upload, MultipartUpload=parts)
    assert (done["Bucket"], done["Key"]) == ("box", "m")
    assert s3.get_object(Bucket="box", Key="m")["Body"].read() == b"hello"
    other = s3.create_multipart_upload(Bucket="box", Key="n")["UploadId"]
    s3.abort_multipart_upload(Bucket="box", Key="n", UploadId=other)
    fails("NoSuchUpload", s3.list_parts, Bucket="box", Key="n", UploadId=other)


def test_nothing_is_acknowledged_that_the_store_did_not_acknowledge(box: Node) -> None:
    s3 = owner(box)
    fails("BadDigest", s3.put_object, Bucket="box", Key="bad", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    fails("NoSuchKey", s3.get_object, Bucket="box", Key="bad")
    url = s3.generate_presigned_url("put_object", {"Bucket": "box", "Key": "hashed"})
    signed = {"x-amz-content-sha256": "0" * 64}
    assert requests.put(url, data=b"wrong", headers=signed, timeout=60).status_code in (400, 403)
    fails("NoSuchKey", s3.get_object, Bucket="box", Key="hashed")


def test_what_is_signed_is_what_holds(box: Node) -> None:
    owner(box).put_object(Bucket="box", Key="k", Body=b"hello")
    fails("SignatureDoesNotMatch", client(box, "me", "wrong").get_object, Bucket="box", Key="k")
    fails("AccessDenied", client(box).put_object, Bucket="box", Key="k", Body=b"x")
    fails("AccessDenied", client(box).get_object, Bucket="closed", Key="k")
    assert owner(box).get_object(Bucket="closed", Key="k")["Body"].read() == b"hello"
    wish = {"Bucket": "closed", "Key": "k", "ResponseContentType": "text/x"}
    url = owner(box).generate_presigned_url("get_object", wish)
    answer = requests.get(url, timeout=60)
    assert (answer.content, answer.headers["Content-Type"]) == (b"hello", "text/x")
    assert requests.get(url.replace("text%2Fx", "text%2Fy"), timeout=60).status_code == 403
    assert box.get("/closed/k").status == 403


def streamed_upload(node: Node, body: bytes, sent: bytes) -> requests.Response:
    """A PutObject whose chunks are signed one by one, as the SDKs of other languages do; ``sent`` is what arrives."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    mac = ("AWS4" + str(OURS["secret_access_key"])).encode()
    for part in scope.split("/"):
        mac = hmac.digest(mac, part.encode(), "sha256")
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    headers = {
        "content-encoding": "aws-chunked",
        "host": node.s3_url.removeprefix("http://"),
        "x-amz-content-sha256": payload,
        "x-amz-date": now,
        "x-amz-decoded-content-length": str(len(body)),
    }
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"PUT\n/box/streamed\n\n{lines}\n{';'.join(headers)}\n{payload}"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(mac, text.encode(), "sha256").hex()
    credential = f"Credential={OURS['access_key_id']}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {credential},SignedHeaders={';'.join(headers)},Signature={signature}"
    framed, empty = b"", hashlib.sha256(b"").hexdigest()
    for at in [*range(0, len(body), 65_536), len(body)]:
        chunk = body[at : at + 65_536]
        hashes = f"{empty}\n{hashlib.sha256(chunk).hexdigest()}"
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{now}\n{scope}\n{signature}\n{hashes}"
        signature = hmac.digest(mac, text.encode(), "sha256").hex()
        framed += b"%x;chunk-signature=%b\r\n%b\r\n" % (len(chunk), signature.encode(), sent[at : at + 65_536])
    return requests.put(f"{node.s3_url}/box/streamed", data=framed, headers=headers, timeout=60)


def test_signed_chunks_are_held_against_their_bytes(box: Node, s3_store: S3Store) -> None:
    body = bytes(range(256)) * 1_000
    wrong = body[:100_000] + b"?" + body[100_001:]
    refused = streamed_upload(box, body, wrong)
    assert (refused.status_code, "SignatureDoesNotMatch" in refused.text) == (403, True)
    if isinstance(s3_store, Swift):  # the gateway keeps what came of an upload that broke off
        fails("NoSuchKey", owner(box).get_object, Bucket="box", Key="streamed")
    assert streamed_upload(box, body, body).status_code == 200
    assert s3_store.get(box.bucket, "streamed") == body  # type: ignore[attr-defined]


def test_virtual_hosts(box: Node) -> None:
    owner(box).put_object(Bucket="box", Key="k", Body=b"hello")
    answer = requests.get(f"{box.s3_url}/k", headers={"Host": f"box.localhost:{box.s3_port}"}, timeout=60)
    assert answer.content == b"hello"


def test_one_listener_for_data_and_s3(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/a", b"hello")
    node = make_node([namespace("/w", origin.url)], serve=("data", "s3"), memory="64MiB")
    node.s3_url = node.url
    assert node.get("/w/a").body == b"hello"
    assert client(node).get_object(Bucket="w", Key="a")["Body"].read() == b"hello"
    assert [one["Name"] for one in client(node).list_buckets()["Buckets"]] == ["w"]
