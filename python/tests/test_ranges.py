from __future__ import annotations

import random

import pytest

from forebay.ranges import ByteRange, ContentRange, merge_ranges


@pytest.mark.parametrize(
    ("wanted", "header"),
    [(ByteRange(0, 10), "bytes=0-9"), (ByteRange(5), "bytes=5-"), (ByteRange(-7), "bytes=-7")],
)
def test_headers(wanted: ByteRange, header: str) -> None:
    assert wanted.to_header() == header


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 0-9/10", ContentRange(0, 10, 10)),
        ("Bytes 5-5/*", ContentRange(5, 6, None)),
        ("bytes */42", ContentRange(None, None, 42)),
        ("bytes 9-0/10", None),
        ("bytes 0-10/10", None),
        ("bytes 0-9", None),
        ("items 0-9/10", None),
        ("bytes -1-9/10", None),
        ("", None),
        (None, None),
    ],
)
def test_content_range(text: str | None, expected: ContentRange | None) -> None:
    assert ContentRange.parse(text) == expected


def spans(merged: list) -> list[tuple[str, int, int]]:
    return [(one.path, one.start, one.stop) for one in merged]


def test_neighbours_within_the_gap_are_one_request() -> None:
    merged = merge_ranges(["a", "a", "a"], [0, 10, 130], [10, 20, 140], gap_bytes=100)
    assert spans(merged) == [("a", 0, 20), ("a", 130, 140)]
    assert merged[0].parts == [0, 1]


def test_no_gap_merges_only_what_touches_and_a_negative_one_nothing() -> None:
    assert spans(merge_ranges(["a"] * 3, [0, 10, 21], [10, 20, 30], 0)) == [("a", 0, 20), ("a", 21, 30)]
    assert len(merge_ranges(["a"] * 2, [0, 10], [10, 20], -1)) == 2


def test_files_are_kept_apart() -> None:
    assert len(merge_ranges(["a", "b"], [0, 0], [10, 10], 1000)) == 2


def test_a_merged_request_is_bounded_but_a_long_range_stays_whole() -> None:
    starts = list(range(0, 1000, 10))
    merged = merge_ranges(["a"] * 100, starts, [s + 10 for s in starts], 0, max_bytes=95)
    assert max(one.stop - one.start for one in merged) <= 95
    assert sum(one.stop - one.start for one in merged) == 1000
    assert spans(merge_ranges(["a", "a"], [0, 50], [500, 60], 0, max_bytes=95)) == [("a", 0, 500)]


@pytest.mark.parametrize("seed", range(20))
def test_every_range_lies_within_exactly_one_request(seed: int) -> None:
    chance = random.Random(seed)
    count = 60
    paths = [chance.choice("ab") for _ in range(count)]
    starts = [chance.randrange(2000) for _ in range(count)]
    stops = [start + chance.randrange(1, 200) for start in starts]
    gap = chance.choice([-1, 0, 5, 50])
    merged = merge_ranges(paths, starts, stops, gap, max_bytes=400)
    assert sorted(part for one in merged for part in one.parts) == list(range(count))
    for one in merged:
        wanted = set()
        for part in one.parts:
            assert one.path == paths[part]
            assert one.start <= starts[part] < stops[part] <= one.stop
            wanted |= set(range(starts[part], stops[part]))
        assert {one.start, one.stop - 1} <= wanted
        unwanted = sorted(set(range(one.start, one.stop)) - wanted)
        assert longest_run(unwanted) <= max(gap, 0)


def longest_run(numbers: list[int]) -> int:
    longest = run = 0
    last = None
    for number in numbers:
        run = run + 1 if last is not None and number == last + 1 else 1
        longest, last = max(longest, run), number
    return longest
