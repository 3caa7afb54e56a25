"""The checker of the soak: what is right passes, and each way of being wrong is seen and told apart."""

from __future__ import annotations

import pytest
from model import COLLAPSED_S, ROUNDING_S, Answer, Checked, Policy, Purge, Put, Thing, find_wrong
from words import UNKNOWN, Body, explain, guess_version, make_bytes

LENGTH = 100_003
NUMBER = 7


def make_thing(ttl_s: float = 0.0, stale_if_error_s: float = 0.0) -> Thing:
    """Versions 1 to 3, put at 100, 200 and 300."""
    thing = Thing(NUMBER, "/n/a", Policy(ttl_s, stale_if_error_s))
    for version, length in ((1, LENGTH), (2, LENGTH), (3, LENGTH + 5000)):
        thing.puts.append(Put(version, length, f'"v{version}"', version * 100.0, version * 100.0 + 0.5))
    return thing


def whole(thing: Thing, version: int, started: float, **changed: object) -> Answer:
    put = thing.puts[version - 1]
    body = make_bytes(NUMBER, version, 0, put.length)
    headers = {"etag": put.etag or "", "content-length": str(put.length)}
    return Answer(**{
        "thing": thing, "started": started, "ended": started + 1, "status": 200, "headers": headers, "body": body,
        "broken": False, **changed,
    })  # type: ignore[arg-type]  # fmt: skip


def part(thing: Thing, version: int, started: float, first: int, last: int, **changed: object) -> Answer:
    put = thing.puts[version - 1]
    headers = {"etag": put.etag or "", "content-range": f"bytes {first}-{last}/{put.length}"}
    body = make_bytes(NUMBER, version, first, last + 1)
    return whole(
        thing, version, started, **{"status": 206, "headers": headers, "body": body, "wanted": (first, last), **changed}
    )


def test_what_is_right_passes() -> None:
    thing = make_thing()
    assert find_wrong(whole(thing, 1, 150)) is None
    assert find_wrong(whole(thing, 1, 200.2)) is None, "the origin may still have had it"
    assert find_wrong(whole(thing, 2, 199.5)) is None, "put before the answer's end"
    assert find_wrong(part(thing, 3, 350, 33, 90_001)) is None
    assert find_wrong(part(thing, 3, 350, 33, 34)) is None, "less than a word"
    torn = whole(thing, 3, 350)
    torn.body, torn.broken = torn.body[:777], True
    assert find_wrong(torn) is None, "short, but never wrong"


def test_a_version_is_good_for_its_time_and_no_longer() -> None:
    thing = make_thing(ttl_s=10)
    assert find_wrong(whole(thing, 1, 200.5 + 10)) is None
    told = find_wrong(whole(thing, 1, 200.5 + 10 + ROUNDING_S + 0.1))
    assert told is not None
    assert "bytes of version 1, which was not valid" in told
    assert find_wrong(whole(thing, 1, 205, insists=True)) is not None, "no-cache asks the origin"


def test_a_version_from_before_a_purge_is_wrong() -> None:
    thing = make_thing(ttl_s=1e6)
    assert find_wrong(whole(thing, 1, 250)) is None
    thing.purges.append(Purge(240.0, 241.0))
    assert find_wrong(whole(thing, 1, 240.5)) is None, "not yet acknowledged"
    told = find_wrong(whole(thing, 1, 242))
    assert told is not None
    assert "version 1, which was not valid" in told
    assert "purge: 240.000" in told
    assert find_wrong(whole(thing, 2, 242)) is None


def test_the_nodes_own_words_widen_the_window() -> None:
    thing = make_thing(stale_if_error_s=60)
    late = 200.5 + COLLAPSED_S - 0.1
    assert find_wrong(whole(thing, 1, late)) is not None
    for words, so in (("n; fwd=stale; collapsed", True), ("n; detail=origin-failed", True), ("n; hit", False)):
        answer = whole(thing, 1, late)
        answer.headers["cache-status"] = words
        assert (find_wrong(answer) is None) == so, words


def test_a_mixture_of_two_versions_is_seen() -> None:
    thing = make_thing(ttl_s=1e6)
    answer = whole(thing, 2, 250)
    answer.body = answer.body[:65536] + make_bytes(NUMBER, 1, 65536, LENGTH)
    told = find_wrong(answer)
    assert told is not None
    assert "bytes 0 to 65536: of object 7, version 2" in told
    assert "bytes 65536 to 100000: of object 7, version 1" in told


@pytest.mark.parametrize("shift", [1, 16, 4096, 65536])
def test_bytes_of_another_offset_are_seen(shift: int) -> None:
    thing = make_thing()
    answer = part(thing, 3, 350, 4096, 8191)
    answer.body = make_bytes(NUMBER, 3, 4096 + shift, 8192 + shift)
    told = find_wrong(answer)
    assert told is not None
    assert f"object 7, version 3, {shift} bytes from their place" in told


def test_bytes_of_another_object_and_of_nobody_are_seen() -> None:
    thing = make_thing()
    told = find_wrong(whole(thing, 3, 350, body=make_bytes(8, 3, 0, LENGTH + 5000)))
    assert told is not None
    assert "of object 8, version 3" in told
    told = find_wrong(whole(thing, 3, 350, body=bytes(LENGTH + 5000)))
    assert told is not None
    assert "of nobody" in told


def test_one_wrong_bit_is_seen() -> None:
    thing = make_thing()
    answer = whole(thing, 3, 350)
    answer.body = answer.body[:5000] + bytes([answer.body[5000] ^ 1]) + answer.body[5001:]
    assert find_wrong(answer) is not None


def test_the_head_must_speak_of_the_body() -> None:
    thing = make_thing(ttl_s=1e6)
    answer = whole(thing, 2, 250)
    answer.headers["etag"] = '"v1"'
    assert find_wrong(answer) is not None
    answer = whole(thing, 3, 350)
    answer.body = answer.body[:-1]
    assert find_wrong(answer) is not None, "short without a word"
    answer = part(thing, 3, 350, 10, 20)
    answer.headers["content-range"] = f"bytes 11-21/{LENGTH + 5000}"
    assert find_wrong(answer) is not None


@pytest.mark.parametrize(
    ("status", "asked", "right"),
    [
        (404, {}, False),
        (503, {}, True),
        (416, {"wanted": (LENGTH + 6000, None)}, True),
        (416, {"wanted": (LENGTH + 4000, None)}, False),
        (304, {"if_none_match": '"v3"'}, True),
        (304, {"if_none_match": '"v2"'}, False),
        (412, {"if_match": '"v2"'}, True),
        (412, {"if_match": '"v3"'}, False),
    ],
)
def test_other_statuses(status: int, asked: dict[str, object], right: bool) -> None:
    answer = whole(make_thing(), 3, 350, status=status, body=b"", headers={}, **asked)
    assert (find_wrong(answer) is None) == right


def test_complaints_are_counted() -> None:
    thing, checked = make_thing(), Checked()
    assert checked.take(whole(thing, 3, 350))
    assert not checked.take(whole(thing, 1, 350))
    assert (checked.answers, checked.wrong_bytes, len(checked.complaints)) == (2, LENGTH, 1)


def test_words_tell_what_they_are() -> None:
    body = Body(5, 9, 1000)
    assert body[10:500] == body[0:1000][10:500]
    assert len(body[990:2000]) == 10
    assert guess_version(body[17:300], 17) == 9
    assert guess_version(body[1:17], 1) is None
    assert [run.thing for run in explain(bytes(64), 0)] == [UNKNOWN]
