"""How what is stored is used, refreshed, combined and made invalid: RFC 9111 §3.3, §4; RFC 9110 §13-15; RFC 5861."""

from __future__ import annotations

import pytest
from http_cases import BODY, Case, Reply, ScriptedOrigin, Step, date, get, kept, not_modified, run, stale, whole

from forebay_lab.node import Node

OTHER = b"abcdefghij"
TAG, WEAK = ("ETag", '"one"'), ("ETag", 'W/"one"')
MODIFIED = ("Last-Modified", date(-86400))


REQUEST_DIRECTIVES = [
    whole(
        "request-max-age",
        "RFC 9111 §5.2.1.1",
        get(kept(("Age", "1800"))),
        get(kept(), ("Cache-Control", "max-age=600")),
    ),
    whole("request-max-stale", "RFC 9111 §5.2.1.2", get(stale()), get(None, ("Cache-Control", "max-stale=100"))),
    whole("request-max-stale-any", "RFC 9111 §5.2.1.2", get(stale()), get(None, ("Cache-Control", "max-stale"))),
    whole(
        "request-max-stale-too-old", "RFC 9111 §5.2.1.2", get(stale()), get(kept(), ("Cache-Control", "max-stale=1"))
    ),
    whole("request-min-fresh", "RFC 9111 §5.2.1.3", get(kept()), get(kept(), ("Cache-Control", "min-fresh=7200"))),
    whole("request-no-cache", "RFC 9111 §5.2.1.4", get(kept()), get(kept(), ("Cache-Control", "no-cache"))),
    whole("request-pragma", "RFC 9111 §5.4", get(kept()), get(kept(), ("Pragma", "no-cache"))),
    whole("request-pragma-unknown", "RFC 9111 §5.4", get(kept()), get(None, ("Pragma", "foo"))),
    whole("request-no-store", "RFC 9111 §5.2.1.5", get(kept(), ("Cache-Control", "no-store")), get(kept())),
    whole("request-no-transform", "RFC 9111 §5.2.1.6", get(kept()), get(None, ("Cache-Control", "no-transform"))),
    whole(
        "request-only-if-cached-miss", "RFC 9111 §5.2.1.7", get(None, ("Cache-Control", "only-if-cached"), status=504)
    ),
    whole(
        "request-only-if-cached-hit", "RFC 9111 §5.2.1.7", get(kept()), get(None, ("Cache-Control", "only-if-cached"))
    ),
    whole(
        "request-no-cache-validates",
        "RFC 9111 §5.2.1.4",
        get(kept(TAG)),
        get(not_modified(TAG), ("Cache-Control", "no-cache"), saw=[("If-None-Match", '"one"')], body=BODY),
    ),
]

CONDITIONAL = [
    *(
        whole(
            f"if-none-match-{name}",
            "RFC 9110 §13.1.2",
            get(kept(tag)),
            get(None, ("If-None-Match", sent), status=304, has=[tag]),
        )
        for name, tag, sent in [
            ("strong", TAG, '"one"'),
            ("weak", WEAK, 'W/"one"'),
            ("first-of-several", TAG, '"one", "two", "three"'),
            ("middle-of-several", TAG, '"two", "one", "three"'),
            ("last-of-several", TAG, '"two", "three", "one"'),
            ("any", TAG, "*"),
        ]
    ),
    whole(
        "if-none-match-another", "RFC 9110 §13.1.2", get(kept(TAG)), get(None, ("If-None-Match", '"two"'), status=200)
    ),
    whole(
        "if-none-match-before-if-modified-since",
        "RFC 9110 §13.2.2",
        get(kept(TAG, MODIFIED)),
        get(None, ("If-None-Match", '"two"'), ("If-Modified-Since", date()), status=200),
    ),
    whole(
        "if-modified-since",
        "RFC 9110 §13.1.3",
        get(kept(MODIFIED)),
        get(None, ("If-Modified-Since", MODIFIED[1]), status=304),
    ),
    whole(
        "if-modified-since-by-date",
        "RFC 9111 §4.3.2",
        get(kept(("Date", date(-50)))),
        get(None, ("If-Modified-Since", date(-20)), status=304),
    ),
    whole(
        "if-modified-since-before",
        "RFC 9110 §13.1.3",
        get(kept(MODIFIED)),
        get(None, ("If-Modified-Since", date(-99999)), status=200),
    ),
    whole(
        "condition-of-a-miss-is-the-origins",
        "RFC 9110 §13.1.2",
        get(not_modified(TAG), ("If-None-Match", '"one"'), status=304, saw=[("If-None-Match", '"one"')]),
        get(kept()),
    ),
    whole(
        "if-match-is-the-origins",
        "RFC 9111 §4.3.2",
        get(kept(TAG)),
        get(Reply(status=412), ("If-Match", '"two"'), status=412, saw=[("If-Match", '"two"')]),
        get(None),
    ),
    whole(
        "validated-by-tag",
        "RFC 9111 §4.3.1",
        get(stale(TAG)),
        get(not_modified(TAG), saw=[("If-None-Match", '"one"')], body=BODY, status=200),
    ),
    whole(
        "validated-by-weak-tag",
        "RFC 9111 §4.3.1",
        get(stale(WEAK)),
        get(not_modified(WEAK), saw=[("If-None-Match", 'W/"one"')], body=BODY),
    ),
    whole(
        "validated-by-date",
        "RFC 9111 §4.3.1",
        get(stale(MODIFIED)),
        get(not_modified(), saw=[("If-Modified-Since", MODIFIED[1])], body=BODY),
    ),
    whole(
        "no-cache-is-validated",
        "RFC 9111 §5.2.2.4",
        get(kept(TAG, ("Cache-Control", "no-cache"))),
        get(not_modified(TAG), saw=[("If-None-Match", '"one"')], body=BODY),
    ),
    whole(
        "304-to-our-validator-answers-the-readers",
        "RFC 9111 §4.3.3",
        get(stale(MODIFIED)),
        get(not_modified(), ("If-Modified-Since", MODIFIED[1]), status=304),
    ),
    whole(
        "changed-after-all",
        "RFC 9111 §4.3.3",
        get(stale(TAG)),
        get(kept(("ETag", '"two"'), body=OTHER), body=OTHER),
        get(body=OTHER),
    ),
    whole(
        "stale-without-validator",
        "RFC 9111 §4.3.1",
        get(stale()),
        get(kept(body=OTHER), saw_not=["If-None-Match"], body=OTHER),
    ),
]

UPDATES = [
    whole(
        "304-updates-fields",
        "RFC 9111 §3.2",
        get(stale(TAG, ("A", "1"), ("B", "1"), ("Content-Foo", "1"), ("Content-Type", "text/plain"))),
        get(
            not_modified(
                TAG, ("Cache-Control", "max-age=60"), ("A", "2"), ("Content-Foo", "2"), ("Content-Type", "a/b")
            ),
            has=[("A", "2"), ("B", "1"), ("Content-Type", "a/b")],
        ),
        get(has=[("A", "2"), ("B", "1"), ("Content-Foo", "2"), ("Content-Type", "a/b")], body=BODY),
    ),
    whole(
        "304-updates-cookies",
        "RFC 9111 §3.2",
        get(stale(TAG, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=1"))),
        get(
            not_modified(TAG, ("Cache-Control", "max-age=60"), ("Set-Cookie", "a=2"), ("Set-Cookie", "c=2")),
            has=[("Set-Cookie", "a=2, c=2")],
        ),
        get(has=[("Set-Cookie", "a=2, c=2")]),
    ),
    whole(
        "304-leaves-content-length",
        "RFC 9111 §3.2",
        get(stale(TAG)),
        get(
            not_modified(TAG, ("Content-Length", "3"), ("Cache-Control", "max-age=60")), has=[("Content-Length", "10")]
        ),
        get(has=[("Content-Length", "10")], body=BODY),
    ),
    whole(
        "head-updates-get",
        "RFC 9111 §4.3.5",
        get(stale(TAG, ("A", "1"))),
        Step(kept(TAG, ("A", "2")), method="HEAD"),
        get(has=[("A", "2")], body=BODY),
    ),
    whole(
        "head-puts-under-suspicion",
        "RFC 9111 §4.3.5",
        get(kept(TAG)),
        Step(kept(("ETag", '"two"')), [("Cache-Control", "no-cache")], method="HEAD"),
        get(kept(body=OTHER), body=OTHER),
    ),
    whole(
        "head-from-get",
        "RFC 9110 §9.3.2",
        get(kept(TAG)),
        Step(None, method="HEAD", has=[TAG, ("Content-Length", "10")], body=b""),
    ),
    whole(
        "head-of-a-miss",
        "RFC 9110 §9.3.2",
        Step(kept(TAG), method="HEAD", has=[("Content-Length", "10")], body=b""),
        get(kept()),
    ),
]


def vary(name: str, first: str, second: str | None, stored: bool, field: str = "Foo", *more: tuple[str, str]) -> Case:
    reply = kept(("Vary", field), *more)
    again = [] if second is None else [(field, second)]
    steps = [get(reply, (field, first)), Step(None if stored else kept(), again)]
    return Case(f"vary-{name}", "RFC 9111 §4.1", steps)


VARY = [
    vary("same", "1", "1", True),
    vary("other", "1", "2", False),
    vary("absent", "1", None, False),
    vary("white-space", "1,2", "1 ,  2", True),
    vary("quoted-white-space-counts", '"a, b"', '"a,b"', False),
    vary("language-order", "en, de", "de, en", True, "Accept-Language"),
    vary("language-case", "en, de", "eN, De", True, "Accept-Language"),
    vary("language-white-space", "en, de", " en ,   de", True, "Accept-Language"),
    vary("language-of-choice", "en, de", "fr;q=0.5, de;q=1.0", True, "Accept-Language", ("Content-Language", "de")),
    vary(
        "language-not-of-choice", "en, de", "fr;q=1.0, de;q=0.5", False, "Accept-Language", ("Content-Language", "de")
    ),
    whole(
        "vary-lines-combined",
        "RFC 9110 §5.3",
        get(kept(("Vary", "Foo")), ("Foo", "1, 2")),
        get(None, ("Foo", "1"), ("Foo", "2")),
    ),
    whole(
        "vary-other-fields-do-not-matter",
        "RFC 9111 §4.1",
        get(kept(("Vary", "Foo")), ("Foo", "1")),
        get(None, ("Foo", "1"), ("Bar", "9")),
    ),
    whole(
        "vary-absent-both-times",
        "RFC 9111 §4.1",
        get(kept(("Vary", "Foo, Bar")), ("Foo", "1")),
        get(None, ("Foo", "1")),
    ),
    whole(
        "vary-two-variants",
        "RFC 9111 §4.1",
        get(kept(("Vary", "Foo")), ("Foo", "1")),
        get(kept(("Vary", "Foo"), body=OTHER), ("Foo", "2")),
        get(None, ("Foo", "1"), body=BODY),
        get(None, ("Foo", "2"), body=OTHER),
    ),
    whole(
        "vary-three-fields",
        "RFC 9111 §4.1",
        get(kept(("Vary", "Foo, Bar, Baz")), ("Foo", "1"), ("Bar", "2"), ("Baz", "3")),
        get(None, ("Baz", "3"), ("Foo", "1"), ("Bar", "2")),
        get(kept(), ("Foo", "1"), ("Bar", "9"), ("Baz", "3")),
    ),
    whole(
        "vary-304-tells-the-variant",
        "RFC 9111 §4.3.4",
        get(kept(("Vary", "Foo"), TAG), ("Foo", "1")),
        get(not_modified(TAG, ("Vary", "Foo")), ("Foo", "2"), saw=[("If-None-Match", '"one"')], body=BODY),
        get(None, ("Foo", "2"), body=BODY),
    ),
    whole(
        "vary-variants-are-bounded",
        "limits.variants_per_message",
        *(get(kept(("Vary", "Foo")), ("Foo", str(n))) for n in range(5)),
        get(None, ("Foo", "4")),
        get(kept(("Vary", "Foo")), ("Foo", "0")),
    ),
    *(
        whole(f"vary-any-{name}", "RFC 9111 §4.1", get(kept(*(("Vary", line) for line in lines))), get(kept()))
        for name, lines in {
            "alone": ["*"],
            "twice": ["*, *"],
            "lines": ["*", "*"],
            "empty-first": [", *"],
            "empty-line": ["", "*"],
            "first": ["*, Foo"],
            "last": ["Foo, *"],
        }.items()
    ),
]

SENT = (
    "Cache-Control",
    "Content-Encoding",
    "Content-Location",
    "Content-MD5",
    "Content-Security-Policy",
    "Content-Type",
    "Clear-Site-Data",
    "Expires",
    "Public-Key-Pins",
    "Set-Cookie",
    "Set-Cookie2",
    "X-Frame-Options",
    "X-XSS-Protection",
    "Test-Header",
    "Content-Foo",
    "Content-Range",
    "Accept-Ranges",
    "Access-Control-Allow-Origin",
    "Repr-Digest",
    "Server",
)
HOP = (
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Upgrade",
)
FIELDS = [
    *(
        whole(
            f"field-{name}-is-kept",
            "RFC 9111 §3.1",
            get(kept((name, "max-age=99"))),
            get(None, has=[(name, "max-age=99")]),
        )
        for name in SENT
        if name != "Cache-Control"
    ),
    *(
        whole(f"field-{name}-is-not-kept", "RFC 9110 §7.6.1", get(kept((name, "x")), lacks=[name]), get(lacks=[name]))
        for name in HOP
    ),
    whole(
        "fields-that-connection-names",
        "RFC 9110 §7.6.1",
        get(kept(("Connection", "a, b"), ("A", "1"), ("B", "2"), ("C", "3")), lacks=["A", "B"]),
        get(lacks=["A", "B"], has=[("C", "3")]),
    ),
    whole(
        "request-fields-that-connection-names",
        "RFC 9110 §7.6.1",
        get(kept(), ("Connection", "a"), ("A", "1"), ("B", "2"), saw=[("B", "2")], saw_not=["A"]),
    ),
    whole(
        "unkeyed-fields-stay-here",
        "RFC 9111 §7.1",
        get(
            kept(),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Original-URL", "/admin"),
            ("X-HTTP-Method-Override", "POST"),
            ("Forwarded", "host=x"),
            saw_not=["X-Forwarded-Host", "X-Original-URL", "X-HTTP-Method-Override", "Forwarded"],
        ),
    ),
    whole(
        "content-of-a-get-goes-no-further",
        "RFC 9110 §9.3.1",
        get(kept(), content=b"poison", saw_not=["Content-Length"]),
        get(),
    ),
    whole(
        "query-is-of-the-key", "RFC 9111 §2", get(kept(), below="?a=1"), get(kept(), below="?a=2"), get(below="?a=1")
    ),
    whole("cookie-does-not-matter", "RFC 9111 §7.3", get(kept()), get(None, ("Cookie", "a=b"))),
    whole("chunked-bodies", "RFC 9112 §7.1", get(kept(chunked=True), body=BODY), get(body=BODY)),
    whole(
        "cdn-loop-and-via-are-sent",
        "RFC 8586 §2",
        get(kept(), ("CDN-Loop", "other"), ("User-Agent", "me"), saw=[("User-Agent", "me")]),
    ),
]


ALL = [*REQUEST_DIRECTIVES, *CONDITIONAL, *UPDATES, *VARY, *FIELDS]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_using(case: Case, http_origin: ScriptedOrigin, http_node: Node) -> None:
    run(case, http_origin, http_node.port)
