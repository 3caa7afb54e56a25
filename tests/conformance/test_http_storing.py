"""What a shared cache keeps, and for how long: RFC 9111 §3, §4.2, §5; RFC 9213; RFC 8246."""

from __future__ import annotations

import pytest
from http_cases import Case, Reply, ScriptedOrigin, Step, date, get, kept, run, stale

from forebay_lab.node import Node


def cc(value: str, *more: tuple[str, str], **options: object) -> Reply:
    return Reply((("Cache-Control", value), *more), **options)  # type: ignore[arg-type]


def reused(name: str, rule: str, reply: Reply, *send: tuple[str, str], **options: object) -> Case:
    status = options.pop("status", reply.status)
    again = Step(None, send, status=status, **options)  # type: ignore[arg-type]
    return Case(name, rule, [Step(reply, send, status=reply.status), again])


def asked_again(name: str, rule: str, reply: Reply, *send: tuple[str, str]) -> Case:
    return Case(name, rule, [Step(reply, send, status=reply.status), Step(kept(), send)])


DIRECTIVES = [
    reused("max-age", "RFC 9111 §5.2.2.1", cc("max-age=60")),
    asked_again("max-age-0", "RFC 9111 §5.2.2.1", cc("max-age=0")),
    asked_again("max-age-negative", "RFC 9111 §4.2.1", cc("max-age=-3600")),
    asked_again("max-age-single-quoted", "RFC 9111 §5.2", cc("max-age='3600'")),
    reused("max-age-quoted", "RFC 9111 §5.2", cc('max-age="3600"')),
    reused("max-age-zeros-in-front", "RFC 9111 §1.2.2", cc("max-age=003600")),
    reused("max-age-2-to-the-31", "RFC 9111 §1.2.2", cc("max-age=2147483648")),
    reused("max-age-beyond-64-bits", "RFC 9111 §1.2.2", cc("max-age=99999999999999999999999")),
    reused("directive-names-know-no-case", "RFC 9111 §5.2", cc("MaX-aGe=60")),
    asked_again("max-age-within-a-quoted-string", "RFC 9111 §5.2", cc('extension="max-age=3600", max-age=0')),
    asked_again("smaller-of-two-max-ages", "RFC 9111 §4.2.1", cc("max-age=3600, max-age=0")),
    reused("unknown-directives-are-ignored", "RFC 9111 §5.2.3", cc("foobar, max-age=60")),
    reused("max-age-over-expires", "RFC 9111 §5.3", cc("max-age=60", ("Expires", date(-100)))),
    asked_again("max-age-0-over-expires", "RFC 9111 §5.3", cc("max-age=0", ("Expires", date(1000)))),
    reused("s-maxage-over-max-age", "RFC 9111 §5.2.2.10", cc("s-maxage=60, max-age=0")),
    asked_again("s-maxage-0-over-max-age", "RFC 9111 §5.2.2.10", cc("max-age=60, s-maxage=0")),
    asked_again("no-store", "RFC 9111 §5.2.2.5", cc("no-store, max-age=60")),
    asked_again("no-store-any-case", "RFC 9111 §5.2.2.5", cc("No-StOrE")),
    asked_again("private", "RFC 9111 §5.2.2.7", cc("private, max-age=60")),
    asked_again("no-cache", "RFC 9111 §5.2.2.4", cc("no-cache, max-age=60")),
    reused("must-revalidate-while-fresh", "RFC 9111 §5.2.2.2", cc("must-revalidate, max-age=60")),
    reused("immutable", "RFC 8246 §2", cc("max-age=60, immutable")),
    reused("must-understand-known-status", "RFC 9111 §5.2.2.3", cc("no-store, must-understand, max-age=60")),
    asked_again("must-understand-unknown", "RFC 9111 §5.2.2.3", cc("must-understand, max-age=60", status=299)),
    asked_again("nothing-said", "RFC 9111 §3", Reply()),
    reused("pragma-of-an-answer", "RFC 9111 §5.4", cc("max-age=60", ("Pragma", "no-cache"))),
    reused("warning-is-ignored", "RFC 9111 §5.5", cc("max-age=60", ("Warning", '110 - "stale"'))),
    Case(
        "no-cache-withholds-named-fields",
        "RFC 9111 §5.2.2.4",
        [
            get(cc('no-cache="a", max-age=60', ("A", "1"), ("B", "2")), has=[("A", "1")]),
            get(has=[("B", "2")], lacks=["A"]),
        ],
    ),
    Case(
        "private-withholds-named-fields",
        "RFC 9111 §5.2.2.7",
        [get(cc('private="a", max-age=60', ("A", "1"))), get(lacks=["A"])],
    ),
]

EXPIRES = [
    reused("expires", "RFC 9111 §5.3", Reply((("Expires", date(1000)),))),
    asked_again("expires-past", "RFC 9111 §5.3", Reply((("Expires", date(-1000)),))),
    asked_again("expires-0", "RFC 9111 §5.3", Reply((("Expires", "0"),))),
    asked_again("expires-repeated", "RFC 9111 §4.2.1", Reply((("Expires", date(1000)), ("Expires", date(2000))))),
    *(
        asked_again(f"expires-malformed-{name}", "RFC 9110 §5.6.7", Reply((("Expires", text),)))
        for name, text in {
            "utc": "Thu, 18 Aug 2050 02:01:18 UTC",
            "zone": "Thu, 18 Aug 2050 02:01:18 AEST",
            "two-digits": "Thu, 18 Aug 50 02:01:18 GMT",
            "no-comma": "Thu 18 Aug 2050 02:01:18 GMT",
            "spaces": "Thu, 18  Aug  2050 02:01:18 GMT",
            "dashes": "Thu, 18-Aug-2050 02:01:18 GMT",
            "periods": "Thu, 18 Aug 2050 02.01.18 GMT",
            "short-hour": "Thu, 18 Aug 2050 2:01:18 GMT",
        }.items()
    ),
    *(
        reused(f"expires-{name}", "RFC 9110 §5.6.7", Reply((("Expires", text),)))
        for name, text in {
            "2038": "Tue, 19 Jan 2038 14:14:08 GMT",
            "far": "Sun, 21 Nov 2286 04:46:39 GMT",
            "rfc850": "Thursday, 18-Aug-50 02:01:18 GMT",
            "asctime": "Thu Aug  8 02:01:18 2050",
            "weekday-case": "THU, 18 Aug 2050 02:01:18 GMT",
            "month-case": "Thu, 18 AUG 2050 02:01:18 GMT",
            "zone-case": "Thu, 18 Aug 2050 02:01:18 gMT",
        }.items()
    ),
]

AGE = [
    asked_again("age-beyond-max-age", "RFC 9111 §4.2.3", stale()),
    *(
        asked_again(f"age-{value}", "RFC 9111 §5.1", cc("max-age=3600", ("Age", value)))
        for value in ("7200", "7200, 0", "2147483647", "2147483648", "2147483649", "99999999999999999999")
    ),
    *(
        reused(f"age-{value}", "RFC 9111 §5.1", cc("max-age=3600", ("Age", value)))
        for value in ("abc", "-7200", "7200.0", "0, 7200", "0, 0", "7200;foo=bar")
    ),
    asked_again("age-two-lines-old-first", "RFC 9111 §5.1", cc("max-age=3600", ("Age", "7200"), ("Age", "0"))),
    reused("age-two-lines-young-first", "RFC 9111 §5.1", cc("max-age=3600", ("Age", "0"), ("Age", "7200"))),
    reused("age-is-added-up", "RFC 9111 §4.2.3", cc("max-age=3600", ("Age", "30")), at_least=[("Age", 30)]),
    reused("age-is-generated", "RFC 9111 §5.1", kept(), at_least=[("Age", 0)]),
    reused("date-counts-as-age", "RFC 9111 §4.2.3", kept(("Date", date(-100))), at_least=[("Age", 99)]),
    asked_again("date-older-than-max-age", "RFC 9111 §4.2.3", cc("max-age=60", ("Date", date(-100)))),
    reused("date-is-left-alone", "RFC 9110 §6.6.1", kept(("Date", THEN := date(-7))), has=[("Date", THEN)]),
]

YESTERDAY = (("Last-Modified", date(-86400)),)
HEURISTIC = [
    *(
        reused(f"heuristic-{status}", "RFC 9111 §4.2.2", Reply(YESTERDAY, status=status))
        for status in (200, 203, 204, 300, 301, 308, 404, 410, 501)
    ),
    *(
        asked_again(f"heuristic-{status}", "RFC 9111 §4.2.2", Reply(YESTERDAY, status=status))
        for status in (201, 202, 302, 307, 403, 500, 502, 503, 504, 599)
    ),
    reused("heuristic-by-public", "RFC 9111 §5.2.2.9", Reply((("Cache-Control", "public"), *YESTERDAY), status=599)),
    asked_again("heuristic-not-for-cookies", "RFC 9111 §7.3", Reply((("Set-Cookie", "a=b"), *YESTERDAY))),
]

CODES = (200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 405, 410, 414, 431, 499, 500, 502, 503, 504, 599)
STATUS = [
    *(reused(f"status-{code}", "RFC 9111 §3", kept(status=code)) for code in CODES),
    *(
        asked_again(f"status-{code}-stale", "RFC 9111 §3", stale(status=code, control="max-age=1"))
        for code in CODES
        if code < 500
    ),
    # An error that a malformed request provokes must not be kept unasked: it would be everybody's (CPDoS).
    *(
        asked_again(f"provoked-{code}-is-not-kept", "RFC 9111 §3", Reply(YESTERDAY, status=code))
        for code in (400, 405, 413, 414, 431)
    ),
    reused("set-cookie-with-a-lifetime", "RFC 9111 §7.3", kept(("Set-Cookie", "a=b")), has=[("Set-Cookie", "a=b")]),
]


def authorised(name: str, control: str, stored: bool) -> Case:
    first = Step(cc(control), [("Authorization", "FOO")], saw=[("Authorization", "FOO")])
    return Case(f"authorization-{name}", "RFC 9111 §3.5", [first, get(None if stored else kept())])


AUTHORIZATION = [
    authorised("alone", "max-age=60", stored=False),
    authorised("public", "max-age=60, public", stored=True),
    authorised("must-revalidate", "max-age=60, must-revalidate", stored=True),
    authorised("s-maxage", "s-maxage=60", stored=True),
]


def targeted(name: str, value: str, fields: dict[str, str], stored: bool, field: str = "CDN-Cache-Control") -> Case:
    reply = Reply(((field, value), *fields.items()))
    return Case(f"targeted-{name}", "RFC 9213 §2", [get(reply, has=[(field, value)]), get(None if stored else kept())])


PAST, FUTURE, LONG = {"Expires": date(-1000)}, {"Expires": date(1000)}, {"Cache-Control": "max-age=3600"}
NO_STORE = {"Cache-Control": "no-store"}
TARGETED = [
    targeted("max-age", "max-age=60", {}, stored=True),
    targeted("max-age-2-to-the-31", "max-age=2147483648", {}, stored=True),
    targeted("max-age-large", "max-age=99999999999", {}, stored=True),
    targeted("max-age-0", "max-age=0", {}, stored=False),
    targeted("age", "max-age=60", {"Age": "70"}, stored=False),
    targeted("extension", "foobar, max-age=60", {}, stored=True),
    targeted("over-past-expires", "max-age=60", PAST, stored=True),
    targeted("over-invalid-expires", "max-age=60", {"Expires": "0"}, stored=True),
    targeted("0-over-expires", "max-age=0", FUTURE, stored=False),
    targeted("over-short-max-age", "max-age=60", {"Cache-Control": "max-age=0"}, stored=True),
    targeted("0-over-long-max-age", "max-age=0", LONG, stored=False),
    targeted("private", "private", {**LONG, **FUTURE}, stored=False),
    targeted("no-cache", "no-cache", {**LONG, **FUTURE}, stored=False),
    targeted("no-store", "no-store", {**LONG, **FUTURE}, stored=False),
    targeted("over-no-store", "max-age=60", NO_STORE, stored=True),
    targeted("invalid-falls-back", "max-age=60, &&&&&", NO_STORE, stored=False),
    targeted("upper-case-falls-back", "MAX-AGE=60", NO_STORE, stored=False),
    targeted("space-before-equals-falls-back", "max-age =60", NO_STORE, stored=False),
    targeted("empty-falls-back", "", LONG, stored=True),
    targeted("wrong-type-is-ignored", 'max-age="60"', NO_STORE, stored=False),
    targeted("own-name", "max-age=60", NO_STORE, stored=True, field="Forebay-Cache-Control"),
    targeted("own-name-first", "no-store", {"CDN-Cache-Control": "max-age=60"}, False, field="Forebay-Cache-Control"),
    targeted("surrogate-control-means-nothing", "max-age=0", LONG, stored=True, field="Surrogate-Control"),
]

ALL = [*DIRECTIVES, *EXPIRES, *AGE, *HEURISTIC, *STATUS, *AUTHORIZATION, *TARGETED]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_storing(case: Case, http_origin: ScriptedOrigin, http_node: Node) -> None:
    run(case, http_origin, http_node.port)
