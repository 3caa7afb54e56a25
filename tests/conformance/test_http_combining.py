"""How parts are combined, stale answers stand in, and unsafe methods make answers invalid: RFC 9111 §3.3, §3.4, §4.2.4,
§4.4; RFC 5861; RFC 9110 §14."""

from __future__ import annotations

import pytest
from http_cases import BODY, Case, Reply, ScriptedOrigin, Step, get, kept, not_modified, run, stale, whole

from forebay_lab.node import Node

OTHER = b"abcdefghij"
TAG, WEAK = ("ETag", '"one"'), ("ETag", 'W/"one"')


def ranged(name: str, sent: str, status: int, body: bytes, **options: object) -> Case:
    return whole(
        f"range-{name}",
        "RFC 9110 §14.2",
        get(kept(TAG)),
        get(None, ("Range", sent), status=status, body=body, **options),
    )


def part(first: int, last: int, *fields: tuple[str, str], total: int = 10) -> Reply:
    return kept(("Content-Range", f"bytes {first}-{last}/{total}"), *fields, status=206, body=BODY[first : last + 1])


PARTIAL = [
    ranged("first", "bytes=0-1", 206, b"01", has=[("Content-Range", "bytes 0-1/10")]),
    ranged("open", "bytes=1-", 206, b"123456789"),
    ranged("suffix", "bytes=-1", 206, b"9"),
    ranged("beyond", "bytes=10-", 416, b"", has=[("Content-Range", "bytes */10")]),
    ranged("nonsense", "bytes=5-2", 200, BODY),
    ranged("other-unit", "lines=0-1", 200, BODY),
    whole("several-ranges", "RFC 9110 §14.6", get(kept(TAG)), get(None, ("Range", "bytes=0-0,9-9"), status=206)),
    whole(
        "if-range-strong",
        "RFC 9110 §13.1.5",
        get(kept(TAG)),
        get(None, ("Range", "bytes=0-1"), ("If-Range", '"one"'), status=206),
    ),
    whole(
        "if-range-weak",
        "RFC 9110 §13.1.5",
        get(kept(WEAK)),
        get(None, ("Range", "bytes=0-1"), ("If-Range", 'W/"one"'), status=200),
    ),
    whole(
        "if-range-another",
        "RFC 9110 §13.1.5",
        get(kept(TAG)),
        get(None, ("Range", "bytes=0-1"), ("If-Range", '"two"'), status=200),
    ),
    whole(
        "part-is-kept",
        "RFC 9111 §3.3",
        get(part(5, 9), ("Range", "bytes=-5"), status=206, saw=[("Range", "bytes=-5")]),
        get(None, ("Range", "bytes=-5"), status=206, body=b"56789"),
        get(None, ("Range", "bytes=6-8"), status=206, body=b"678"),
        get(None, ("Range", "bytes=6-"), status=206, body=b"6789"),
        get(None, ("Range", "bytes=-1"), status=206, body=b"9"),
    ),
    whole(
        "part-does-not-answer-for-the-whole",
        "RFC 9111 §3.3",
        get(part(0, 4), ("Range", "bytes=0-4"), status=206),
        get(kept(), body=BODY),
    ),
    whole(
        "part-is-completed",
        "RFC 9111 §3.4",
        get(part(0, 4, TAG), ("Range", "bytes=0-4"), status=206),
        get(part(5, 9, TAG), saw=[("Range", "bytes=5-"), ("If-Range", '"one"')], status=200, body=BODY),
        get(body=BODY),
    ),
    whole(
        "parts-are-combined",
        "RFC 9111 §3.4",
        get(part(0, 2, TAG), ("Range", "bytes=0-2"), status=206),
        get(part(3, 5, TAG), ("Range", "bytes=3-5"), status=206, body=b"345"),
        get(None, ("Range", "bytes=1-4"), status=206, body=b"1234"),
    ),
    whole(
        "parts-of-two-versions-are-not-combined",
        "RFC 9111 §3.4",
        get(part(0, 2, TAG), ("Range", "bytes=0-2"), status=206),
        get(part(3, 5, ("ETag", '"two"')), ("Range", "bytes=3-5"), status=206),
        get(part(1, 4), ("Range", "bytes=1-4"), status=206),
    ),
    whole(
        "parts-without-a-strong-tag-are-not-combined",
        "RFC 9111 §3.4",
        get(part(0, 2, WEAK), ("Range", "bytes=0-2"), status=206),
        get(part(3, 5, WEAK), ("Range", "bytes=3-5"), status=206),
        get(part(1, 4), ("Range", "bytes=1-4"), status=206),
    ),
    whole(
        "completion-finds-another-version",
        "RFC 9111 §3.4",
        get(part(0, 4, TAG), ("Range", "bytes=0-4"), status=206),
        get(kept(("ETag", '"two"'), body=OTHER), status=200, body=OTHER),
        get(body=OTHER),
    ),
    whole(
        "range-validates-the-whole",
        "RFC 9111 §4.3.1",
        get(stale(TAG)),
        get(
            not_modified(TAG, ("Cache-Control", "max-age=60")),
            ("Range", "bytes=0-1"),
            saw_not=["Range"],
            status=206,
            body=b"01",
        ),
    ),
]

NOTHING = Reply(drop=True)
STALE = [
    whole("stale-if-the-origin-is-gone", "RFC 9111 §4.2.4", get(stale()), get(NOTHING, body=BODY)),
    whole(
        "stale-if-error",
        "RFC 5861 §4",
        get(stale(control="max-age=60, stale-if-error=60")),
        get(Reply(status=503), status=200, body=BODY),
    ),
    whole(
        "stale-if-error-is-over",
        "RFC 5861 §4",
        get(stale(control="max-age=60, stale-if-error=5")),
        get(Reply(status=503), status=503),
    ),
    *(
        whole(
            f"never-stale-{word}",
            "RFC 9111 §5.2.2",
            get(stale(control=f"max-age=60, {word}")),
            get(NOTHING, status=504),
        )
        for word in ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60")
    ),
    whole(
        "stale-while-revalidate-is-over",
        "RFC 5861 §3",
        get(stale(control="max-age=60, stale-while-revalidate=5")),
        get(kept()),
    ),
    whole(
        "404-takes-the-place", "RFC 9111 §4.3.3", get(stale(TAG)), get(kept(status=404), status=404), get(status=404)
    ),
]


def invalidated(method: str) -> list[Case]:
    content = b"abc"
    return [
        whole(
            f"{method}-invalidates",
            "RFC 9111 §4.4",
            get(kept()),
            Step(Reply(), method=method, content=content),
            get(kept()),
        ),
        whole(
            f"{method}-failed-does-not",
            "RFC 9111 §4.4",
            get(kept()),
            Step(Reply(status=500), method=method, content=content, status=500),
            get(),
        ),
        whole(
            f"{method}-is-passed-with-content",
            "RFC 9110 §9",
            Step(Reply(status=201), method=method, content=b"x" * 100_000, status=201),
        ),
        *(
            whole(
                f"{method}-invalidates-{field}",
                "RFC 9111 §4.4",
                get(kept(), below="/l"),
                Step(Reply(((field, "l"),)), method=method, content=content, below="/m"),
                get(kept(), below="/l"),
            )
            for field in ("Location", "Content-Location")
        ),
        whole(
            f"{method}-leaves-other-hosts-alone",
            "RFC 9111 §4.4",
            get(kept(), below="/l"),
            Step(Reply((("Location", "http://other.example/l"),)), method=method, content=content, below="/m"),
            get(below="/l"),
        ),
    ]


INVALIDATION = [
    *(case for method in ("POST", "PUT", "DELETE", "PATCH", "M-SEARCH") for case in invalidated(method)),
    whole("options-invalidates-nothing", "RFC 9111 §4.4", get(kept()), Step(Reply(), method="OPTIONS"), get()),
]

ALL = [*PARTIAL, *STALE, *INVALIDATION]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_combining(case: Case, http_origin: ScriptedOrigin, http_node: Node) -> None:
    run(case, http_origin, http_node.port)
