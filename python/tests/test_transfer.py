"""The rules of one read, without a network: what is accepted, what is refused, what is resumed."""

from __future__ import annotations

import pytest

from forebay.errors import BrokenBodyError, VersionChangedError
from forebay.ranges import ByteRange
from forebay.transfer import WHOLE, MemorySink, Transfer
from forebay.version import Version

DATA = bytes(range(100))


def partial(start: int, stop: int, total: int | str = 100, etag: str = '"1"') -> dict[str, str]:
    return {
        "Content-Range": f"bytes {start}-{stop - 1}/{total}",
        "Content-Length": str(stop - start),
        "ETag": etag,
    }


def whole(total: int = 100, etag: str = '"1"') -> dict[str, str]:
    return {"Content-Length": str(total), "ETag": etag}


def make(wanted: ByteRange, pinned: Version | None = None) -> tuple[Transfer, MemorySink]:
    sink = MemorySink()
    return Transfer("http://n/x", wanted, sink, pinned), sink


def test_a_body_that_ends_early_is_resumed_in_its_version() -> None:
    transfer, sink = make(ByteRange(10, 50))
    assert transfer.next_headers() == {"Range": "bytes=10-49"}
    assert transfer.accept(206, partial(10, 50))
    assert transfer.feed(DATA[10:30])
    with pytest.raises(BrokenBodyError, match="20 of 40"):
        transfer.finish()
    assert transfer.next_headers() == {"Range": "bytes=30-49", "If-Match": '"1"'}
    assert transfer.accept(206, partial(30, 50))
    assert not transfer.feed(DATA[30:50])
    transfer.finish()
    assert sink.take() == DATA[10:50]


def test_a_whole_object_that_breaks_off_is_resumed_with_a_range() -> None:
    transfer, sink = make(WHOLE)
    assert transfer.next_headers() == {}
    transfer.accept(200, whole())
    transfer.feed(DATA[:60])
    assert transfer.next_headers() == {"Range": "bytes=60-99", "If-Match": '"1"'}
    transfer.accept(206, partial(60, 100))
    transfer.feed(DATA[60:])
    transfer.finish()
    assert sink.take() == DATA


def test_without_a_strong_etag_a_read_starts_again() -> None:
    for etag in ('W/"1"', ""):
        transfer, sink = make(WHOLE)
        transfer.next_headers()
        transfer.accept(200, whole(etag=etag))
        transfer.feed(b"x" * 60)
        assert transfer.next_headers() == {}
        transfer.accept(200, whole(etag=etag))
        transfer.feed(DATA)
        transfer.finish()
        assert sink.take() == DATA


def test_another_version_never_continues_a_read() -> None:
    transfer, _ = make(WHOLE)
    transfer.next_headers()
    transfer.accept(200, whole())
    transfer.feed(DATA[:60])
    transfer.next_headers()
    with pytest.raises(VersionChangedError):
        transfer.accept(206, partial(60, 100, etag='"2"'))


@pytest.mark.parametrize(
    ("pinned", "headers", "refused"),
    [
        (Version('"1"', None, 100), whole(), False),
        (Version('"1"', None, 100), whole(etag='"2"'), True),
        (Version('"1"', None, 99), whole(), True),
        (Version('W/"1"', None, None), whole(), False),
        (Version(None, "Wed, 01 May 2024 12:00:00 GMT", 100), whole(etag=""), False),
        (
            Version(None, "Wed, 01 May 2024 12:00:00 GMT", 100),
            {"Content-Length": "100", "Last-Modified": "Wed, 01 May 2024 12:00:01 GMT"},
            True,
        ),
    ],
)
def test_a_pin_holds(pinned: Version, headers: dict[str, str], refused: bool) -> None:
    transfer, _ = make(WHOLE, pinned)
    assert transfer.next_headers().get("If-Match") == pinned.strong_etag
    if refused:
        with pytest.raises(VersionChangedError):
            transfer.accept(200, headers)
    else:
        assert transfer.accept(200, headers)


def test_a_whole_answer_to_a_resumed_read_is_skipped_over() -> None:
    transfer, sink = make(ByteRange(10, 50))
    transfer.next_headers()
    transfer.accept(206, partial(10, 50))
    transfer.feed(DATA[10:30])
    transfer.next_headers()
    transfer.accept(200, whole())
    for i in range(0, 100, 7):
        if not transfer.feed(DATA[i : i + 7]):
            break
    transfer.finish()
    assert sink.take() == DATA[10:50]


def test_the_rest_in_another_place_is_refused() -> None:
    transfer, _ = make(WHOLE)
    transfer.next_headers()
    transfer.accept(200, whole())
    transfer.feed(DATA[:60])
    transfer.next_headers()
    with pytest.raises(BrokenBodyError):
        transfer.accept(206, partial(61, 100))


@pytest.mark.parametrize(
    ("wanted", "headers"),
    [
        (ByteRange(10, 50), partial(11, 50)),
        (ByteRange(10, 50), partial(10, 49)),
        (ByteRange(10, 50), {"Content-Length": "40"}),
        (ByteRange(10, 50), partial(10, 50) | {"Content-Length": "39"}),
        (ByteRange(-10), partial(80, 90)),
        (ByteRange(-10), partial(90, 100, total="*")),
        (ByteRange(90), partial(90, 95)),
    ],
)
def test_a_part_that_is_not_what_was_asked_for_is_refused(wanted: ByteRange, headers: dict[str, str]) -> None:
    transfer, _ = make(wanted)
    transfer.next_headers()
    with pytest.raises(BrokenBodyError):
        transfer.accept(206, headers)


@pytest.mark.parametrize(
    ("wanted", "first", "stop", "expected"),
    [
        (ByteRange(90, 200), 90, 100, DATA[90:]),
        (ByteRange(-10), 90, 100, DATA[-10:]),
        (ByteRange(-1000), 0, 100, DATA),
        (ByteRange(10, 20), 0, 60, DATA[10:20]),
    ],
)
def test_ends_of_objects_and_generous_answers(
    wanted: ByteRange, first: int, stop: int, expected: bytes
) -> None:
    transfer, sink = make(wanted)
    transfer.next_headers()
    transfer.accept(206, partial(first, stop))
    transfer.feed(DATA[first:stop])
    transfer.finish()
    assert sink.take() == expected


def test_an_end_that_cannot_be_told_from_a_break_is_refused() -> None:
    transfer, _ = make(WHOLE)
    transfer.next_headers()
    with pytest.raises(BrokenBodyError, match="break"):
        transfer.accept(200, {"ETag": '"1"'})
    assert transfer.accept(200, {"ETag": '"1"', "Transfer-Encoding": "chunked"})


@pytest.mark.parametrize(
    ("wanted", "total", "fine"),
    [
        (ByteRange(100), 100, True),
        (ByteRange(99), 100, False),
        (ByteRange(-5), 0, True),
        (ByteRange(-5), 5, False),
        (ByteRange(5), None, False),
    ],
)
def test_an_unsatisfiable_range_must_be_one(wanted: ByteRange, total: int | None, fine: bool) -> None:
    transfer, _ = make(wanted)
    transfer.next_headers()
    headers = {} if total is None else {"Content-Range": f"bytes */{total}"}
    if fine:
        assert not transfer.accept(416, headers)
        assert transfer.is_empty
    else:
        with pytest.raises(BrokenBodyError):
            transfer.accept(416, headers)


def test_an_object_that_shrank_is_another_version() -> None:
    transfer, _ = make(ByteRange(150, 160), Version(None, None, 200))
    transfer.next_headers()
    with pytest.raises(VersionChangedError):
        transfer.accept(416, {"Content-Range": "bytes */100"})
