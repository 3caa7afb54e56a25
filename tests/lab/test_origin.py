"""The hostile origin is sound until it is told otherwise, and then does exactly what it is told."""

from __future__ import annotations

import threading

import pytest

from forebay_lab.origin import EVERY_TIME, Fault, Gate, HostileOrigin
from forebay_lab.readers import fetch, open_stream

BODY = bytes(range(256)) * 1024


def test_a_sound_origin(origin):
    origin.put("/a b", BODY, headers=(("Cache-Control", "max-age=60"),))
    reply = fetch(f"{origin.url}/a%20b?x=1")
    assert (reply.status, reply.body, reply.broken) == (200, BODY, False)
    assert reply.headers["content-length"] == str(len(BODY))
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["cache-control"] == "max-age=60"
    assert fetch(f"{origin.url}/other").status == 404
    head = fetch(f"{origin.url}/a%20b", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    (first, second) = origin.requests("/a b")
    assert (first.method, first.path, first.bytes_sent, first.complete) == ("GET", "/a%20b?x=1", len(BODY), True)
    assert (second.method, second.bytes_sent) == ("HEAD", 0)
    assert origin.bytes_sent() == len(BODY)


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-0", 206, BODY[:1], f"bytes 0-0/{len(BODY)}"),
        ("bytes=100-", 206, BODY[100:], f"bytes 100-{len(BODY) - 1}/{len(BODY)}"),
        ("bytes=-5", 206, BODY[-5:], f"bytes {len(BODY) - 5}-{len(BODY) - 1}/{len(BODY)}"),
        ("bytes=5-9999999", 206, BODY[5:], f"bytes 5-{len(BODY) - 1}/{len(BODY)}"),
        (f"bytes={len(BODY)}-", 416, b"", f"bytes */{len(BODY)}"),
        ("bytes=0-1,5-6", 200, BODY, None),
    ],
)
def test_ranges(origin, asked, status, body, content_range):
    origin.put("/a", BODY)
    reply = fetch(f"{origin.url}/a", headers={"Range": asked})
    assert (reply.status, reply.body, reply.headers.get("content-range")) == (status, body, content_range)


def test_conditions(origin):
    origin.put("/a", b"one", etag='"1"', last_modified="Thu, 01 Jan 2015 00:00:00 GMT")
    url = f"{origin.url}/a"

    def status(**headers: str) -> int:
        return fetch(url, headers={name.replace("_", "-"): value for name, value in headers.items()}).status

    assert status(If_None_Match='"0", "1"') == 304
    assert status(If_None_Match='"0"') == 200
    assert status(If_Match='"1"') == 200
    assert status(If_Match='"0"') == 412
    assert status(If_Modified_Since="Thu, 01 Jan 2015 00:00:00 GMT") == 304
    assert status(If_Modified_Since="Wed, 31 Dec 2014 00:00:00 GMT") == 200
    assert status(If_Unmodified_Since="Wed, 31 Dec 2014 00:00:00 GMT") == 412
    assert status(Range="bytes=0-0", If_Range='"1"') == 206
    assert status(Range="bytes=0-0", If_Range='"0"') == 200


def test_stall_until_released(origin):
    origin.put("/a", BODY)
    gate = Gate()
    origin.fail("/a", Fault(stall_at=1000, gate=gate))
    with open_stream(f"{origin.url}/a") as stream:
        gate.wait_reached()
        assert stream.read(1000) == BODY[:1000]
        assert origin.bytes_sent("/a") == 1000
        gate.open()
        assert stream.read_rest().body == BODY[1000:]
    assert fetch(f"{origin.url}/a").body == BODY


def test_stall_before_the_head(origin):
    origin.put("/a", BODY)
    gate = Gate()
    origin.fail("/a", Fault(stall_at=-1, gate=gate))
    answers = []
    reader = threading.Thread(target=lambda: answers.append(fetch(f"{origin.url}/a")))
    reader.start()
    gate.wait_reached()
    assert answers == []
    gate.open()
    reader.join()
    assert answers[0].body == BODY


def test_reset(origin):
    origin.put("/a", BODY)
    origin.fail("/a", Fault(reset_at=-1))
    with pytest.raises(ConnectionResetError):
        fetch(f"{origin.url}/a")
    origin.fail("/a", Fault(reset_at=5000))
    reply = fetch(f"{origin.url}/a")
    assert reply.broken
    assert BODY.startswith(reply.body)


def test_truncation(origin):
    origin.put("/a", BODY)
    origin.fail("/a", Fault(truncate_at=5000))
    reply = fetch(f"{origin.url}/a")
    assert (reply.body, reply.broken) == (BODY[:5000], True)
    assert not origin.requests("/a")[0].complete


@pytest.mark.parametrize("claimed", [100, len(BODY) + 100])
def test_a_lie_about_the_length(origin, claimed):
    origin.put("/a", BODY)
    origin.fail("/a", Fault(claim_length=claimed))
    reply = fetch(f"{origin.url}/a")
    assert reply.headers["content-length"] == str(claimed)
    assert reply.broken == (claimed > len(BODY))


def test_a_wrong_content_range(origin):
    origin.put("/a", BODY)
    origin.fail("/a", Fault(content_range="bytes 7-8/99"))
    reply = fetch(f"{origin.url}/a", headers={"Range": "bytes=0-1"})
    assert (reply.status, reply.headers["content-range"], reply.body) == (206, "bytes 7-8/99", BODY[:2])


def test_the_whole_object_for_a_range(origin):
    origin.put("/a", BODY)
    origin.fail("/a", Fault(ignore_range=True))
    asked = {"Range": "bytes=0-1"}
    assert fetch(f"{origin.url}/a", headers=asked).status == 200
    assert fetch(f"{origin.url}/a", headers=asked).status == 206


def test_errors_then_recovery(origin):
    origin.put("/a", BODY)
    origin.fail("/a", Fault(status=503, headers=(("Retry-After", "7"),), body=b"slow down"), times=2)
    replies = [fetch(f"{origin.url}/a") for _ in range(3)]
    assert [reply.status for reply in replies] == [503, 503, 200]
    assert replies[0].headers["retry-after"] == "7"
    assert replies[0].body == b"slow down"


def test_a_lasting_error_until_told_otherwise(origin):
    origin.put("/a", BODY)
    origin.fail("/a", Fault(status=500), times=EVERY_TIME)
    assert [fetch(f"{origin.url}/a").status for _ in range(3)] == [500, 500, 500]
    origin.behave("/a")
    assert fetch(f"{origin.url}/a").status == 200


def test_redirect(origin):
    origin.put("/a", BODY)
    origin.fail("/a", Fault(status=307, headers=(("Location", f"{origin.url}/b"),)))
    assert fetch(f"{origin.url}/a").headers["location"] == f"{origin.url}/b"


def test_unknown_length_and_no_validators(origin):
    origin.put("/a", BODY, etag=None, last_modified=None, chunked=True, ranges=False)
    reply = fetch(f"{origin.url}/a", headers={"Range": "bytes=0-1"})
    assert (reply.status, reply.body) == (200, BODY)
    assert reply.headers["transfer-encoding"] == "chunked"
    assert not {"etag", "last-modified", "content-length", "accept-ranges"} & set(reply.headers)


def test_an_object_that_changes_during_a_read(origin):
    origin.put("/a", BODY)
    changed = bytes(reversed(BODY))
    origin.fail("/a", Fault(at=1000, then=lambda: origin.put("/a", changed)))
    first = fetch(f"{origin.url}/a")
    second = fetch(f"{origin.url}/a")
    assert (first.body, second.body) == (BODY, changed)
    assert first.headers["etag"] != second.headers["etag"]


def test_requests_can_be_waited_for(origin):
    origin.put("/a", BODY)
    readers = [threading.Thread(target=fetch, args=(f"{origin.url}/a",)) for _ in range(5)]
    for reader in readers:
        reader.start()
    origin.wait_requests(5, "/a")
    for reader in readers:
        reader.join()
    with pytest.raises(TimeoutError):
        origin.wait_requests(6, "/a", timeout_s=0.05)


def test_a_closed_origin_answers_nobody(origin):
    origin.put("/a", BODY)
    gate = Gate()
    origin.fail("/a", Fault(stall_at=1000, gate=gate))
    with open_stream(f"{origin.url}/a") as stream:
        gate.wait_reached()
        origin.close()
        gate.open()
        assert stream.read_rest().broken
    with pytest.raises(ConnectionRefusedError):
        fetch(f"{origin.url}/a")
    with HostileOrigin(port=origin.port) as again:
        again.put("/a", b"back")
        assert fetch(f"{origin.url}/a").body == b"back"
