"""What one reader brings about, and another must not get: answers to conditions, ranges and credentials, headers of
validations that are private. RFC 9111 §3, §3.5, §4.3; RFC 9110 §7.6, §13."""

from __future__ import annotations

import threading

import pytest
from http_cases import BODY, Case, Reply, ScriptedOrigin, Seen, Step, ask, date, get, kept, run, stale, whole

from forebay_lab import processes
from forebay_lab.node import Node

OTHER = b"abcdefghij"
TAG = ("ETag", '"one"')
CONDITION = ("If-Match", '"two"')
COOKIE = ("Set-Cookie", "u=A")
HOUR = ("Cache-Control", "max-age=3600")


def part(first: int, last: int, control: str) -> Reply:
    fields = (("Content-Range", f"bytes {first}-{last}/10"), ("Cache-Control", control), TAG)
    return Reply(fields, status=206, body=BODY[first : last + 1])


def validated(*fields: tuple[str, str]) -> Reply:
    return Reply((TAG, *fields), status=304)


def fails_alone(name: str, reply: Reply, *send: tuple[str, str], first: Reply | None = None) -> Case:
    """One request fails by what it says; the next one reads what it would have read before."""
    before = [get(first)] if first else []
    after = get(body=BODY) if first else get(kept(), body=BODY)
    return whole(name, "CPDoS", *before, get(reply, *send, status=reply.status), after)


ALL = [
    fails_alone("412-is-not-kept", kept(status=412), CONDITION, first=kept(TAG)),
    fails_alone("412-of-a-miss-is-not-kept", kept(status=412), CONDITION),
    fails_alone("404-to-if-match-is-not-kept", kept(status=404), CONDITION, first=kept(TAG)),
    fails_alone("416-is-not-kept", kept(status=416), ("Range", "bytes=99-")),
    whole(
        "412-to-head-is-not-suspicious",
        "CPDoS",
        get(kept(TAG)),
        Step(kept(status=412), [CONDITION], method="HEAD", status=412),
        get(body=BODY),
    ),
    whole(
        "304-private-is-for-one-reader",
        "RFC 9111 §5.2.2.7",
        get(stale(TAG)),
        get(validated(("Cache-Control", "private, max-age=600"), COOKIE), body=BODY, has=[COOKIE]),
        get(kept(body=OTHER), body=OTHER, lacks=["Set-Cookie"]),
    ),
    whole(
        "304-no-store-is-for-one-reader",
        "RFC 9111 §5.2.2.5",
        get(stale(TAG)),
        get(validated(("Cache-Control", "no-store, max-age=600"), COOKIE), body=BODY, has=[COOKIE]),
        get(kept(body=OTHER), body=OTHER, lacks=["Set-Cookie"]),
    ),
    whole(
        "304-to-authorization-is-for-one-reader",
        "RFC 9111 §3.5",
        get(stale(TAG)),
        get(validated(HOUR, COOKIE), ("Authorization", "A"), body=BODY, has=[COOKIE]),
        get(validated(HOUR), saw=[("If-None-Match", '"one"')], body=BODY, lacks=["Set-Cookie"]),
    ),
    whole(
        "304-to-authorization-is-shared-by-word",
        "RFC 9111 §3.5",
        get(stale(TAG)),
        get(validated(("Cache-Control", "public, max-age=600")), ("Authorization", "A"), body=BODY),
        get(body=BODY),
    ),
    whole(
        "head-private-is-for-one-reader",
        "RFC 9111 §4.3.5",
        get(stale(TAG)),
        Step(Reply((TAG, ("Cache-Control", "private, max-age=600"), COOKIE)), method="HEAD", has=[COOKIE]),
        get(kept(body=OTHER), body=OTHER, lacks=["Set-Cookie"]),
    ),
    whole(
        "head-with-authorization-refreshes-nothing",
        "RFC 9111 §3.5",
        get(stale(TAG)),
        Step(Reply((TAG, HOUR, COOKIE)), [("Authorization", "A")], method="HEAD", has=[COOKIE]),
        get(validated(HOUR), body=BODY, lacks=["Set-Cookie"]),
    ),
    whole("request-pragma-any-case", "RFC 9111 §5.4", get(kept()), get(kept(), ("Pragma", "No-Cache"))),
    whole(
        "request-pragma-second-line",
        "RFC 9111 §5.4",
        get(kept()),
        get(kept(), ("Pragma", "foo"), ("Pragma", "no-cache")),
    ),
    whole("age-malformed-goes-no-further", "RFC 9111 §5.1", get(kept(("Age", "abc")), lacks=["Age"])),
    whole(
        "request-stale-if-error",
        "RFC 5861 §4",
        get(stale(control="max-age=60, stale-if-error=0")),
        get(Reply(status=503), ("Cache-Control", "stale-if-error=600"), body=BODY),
        get(Reply(status=503), status=503),
    ),
    whole(
        "max-forwards-0-ends-here",
        "RFC 9110 §7.6.2",
        Step(None, [("Max-Forwards", "0")], method="OPTIONS", status=204),
    ),
    whole(
        "max-forwards-is-counted-down",
        "RFC 9110 §7.6.2",
        Step(Reply(), [("Max-Forwards", "3")], method="OPTIONS", saw=[("Max-Forwards", "2")]),
    ),
]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_sharing(case: Case, http_origin: ScriptedOrigin, http_node: Node) -> None:
    run(case, http_origin, http_node.port)


@pytest.mark.parametrize(
    ("name", "second", "send"),
    [
        ("authorised", part(5, 9, "max-age=60"), (("Authorization", "me"),)),
        ("no-store", part(5, 9, "no-store"), ()),
        ("304", validated(HOUR), ()),
        ("416", Reply((("Content-Range", "bytes */10"), HOUR), status=416), ()),
    ],
)
def test_a_completion_that_cannot_be_kept_answers_no_plain_get(
    name: str, second: Reply, send: tuple[tuple[str, str], ...], http_origin: ScriptedOrigin, http_node: Node
) -> None:
    """RFC 9110 §15.3.7: a 206 answers requests with Range alone, whoever had the idea to ask for one."""
    path = f"/completion-{name}"
    script = http_origin.script(path)
    script.replies[:] = [part(0, 4, "max-age=60"), second, kept(TAG)]
    assert ask(http_node.port, path, Step(send=[("Range", "bytes=0-4")])).status == 206
    answer = ask(http_node.port, path, Step(send=send))
    assert (answer.status, answer.body) == (200, BODY)
    assert [seen.fields.get("range") for seen in script.seen] == ["bytes=0-4", "bytes=5-", None]


def test_many_gaps_are_filled_by_one_request(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """Five holes once took five requests, and the fourth was one too many: 502."""
    script = http_origin.script("/gaps")
    control = "max-age=60"
    script.replies[:] = [*(part(at, at, control) for at in (0, 2, 4, 6, 8)), part(1, 9, control)]
    for at in (0, 2, 4, 6, 8):
        assert ask(http_node.port, "/gaps", Step(send=[("Range", f"bytes={at}-{at}")])).status == 206
    answer = ask(http_node.port, "/gaps", Step())
    assert (answer.status, answer.body) == (200, BODY)
    assert script.seen[-1].fields["range"] == "bytes=1-"


def test_one_refresh_at_a_time_beside_readers(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 5861 §3: answers to credentials are not kept, so that each hit asked for one more, all at once."""
    path = "/refreshes"
    script = http_origin.script(path)
    held, release = threading.Event(), threading.Event()

    class Waiting(list[Seen]):
        def append(self, seen: Seen) -> None:
            super().append(seen)
            if len(self) == 2:
                held.set()

    script.seen = Waiting()
    script.replies[:] = [
        stale(control="max-age=60, stale-while-revalidate=600"),
        Reply((HOUR,), body=OTHER, until=release),
        *[kept(body=OTHER)] * 20,
    ]
    assert ask(http_node.port, path, Step()).body == BODY
    asks = Step(send=[("Authorization", "me")])
    assert ask(http_node.port, path, asks).body == BODY
    assert held.wait(30)
    for _ in range(10):
        assert ask(http_node.port, path, asks).body == BODY
    assert len(script.seen) == 2
    release.set()
    processes.wait_until(
        "another refresh may begin",
        lambda: ask(http_node.port, path, asks).body == BODY and len(script.seen) > 2,
        timeout_s=30,
    )


def test_a_malformed_date_is_replaced(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9110 §6.6.1."""
    http_origin.script("/bad-date").replies[:] = [kept(("Date", "nonsense"))]
    assert ask(http_node.port, "/bad-date", Step()).fields["date"].endswith(" GMT")
    assert len(date()) == len(ask(http_node.port, "/bad-date", Step()).fields["date"])


def test_via_tells_the_version_of_the_request(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9110 §7.6.3."""
    script = http_origin.script("/via")
    script.replies[:] = [kept()]
    assert ask(http_node.port, "/via", Step(send=[("Via", "1.0 inner")])).status == 200
    assert script.seen[0].fields["via"].startswith("1.0 inner, 1.1 forebay")
