"""What a table of steps cannot say: interim answers, revalidation beside the reader, collapsing, namespaces without
writing, what the node says of itself."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

import h2.events
import pytest
from http_cases import BODY, Answer, Reply, ScriptedOrigin, Step, ask, kept, stale

from forebay_lab import processes
from forebay_lab.frames import FrameClient
from forebay_lab.node import Node
from forebay_lab.programs import find_program

OTHER = b"abcdefghij"
JSON = [("Content-Type", "application/json")]


def send_raw(node: Node, text: str) -> bytes:
    with socket.create_connection(("127.0.0.1", node.port), timeout=30) as connection:
        connection.sendall(text.encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_interim_answers_are_passed_on(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9110 §15.2: a proxy passes 1xx on; the final answer alone is kept."""
    hints = (103, (("Link", "</s.css>; rel=preload"), ("Connection", "x"), ("X", "1")))
    http_origin.script("/interim").replies[:] = [kept(interim=[(102, ()), hints])]
    request = "GET /interim HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    first = send_raw(http_node, request)
    assert first.startswith(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n")
    head = first.split(b"\r\n\r\n")[1]
    assert b"Link: </s.css>; rel=preload" in head
    assert b"X: 1" not in head
    assert first.endswith(BODY)
    second = send_raw(http_node, request)
    assert second.startswith(b"HTTP/1.1 200")
    assert b"Link" not in second
    assert len(http_origin.script("/interim").seen) == 1


def test_interim_answers_are_passed_on_by_http_2(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9113 §8.1."""
    hints = (103, (("Link", "</s.css>; rel=preload"), ("Connection", "x"), ("X", "1")))
    http_origin.script("/interim-2").replies[:] = [kept(interim=[(102, ()), hints])]
    with FrameClient(http_node.port) as client:
        stream = client.ask("/interim-2")
        heads = []
        for event in client.events():
            if isinstance(event, h2.events.InformationalResponseReceived | h2.events.ResponseReceived):
                heads.append(dict(event.headers))
            if isinstance(event, h2.events.StreamEnded) and event.stream_id == stream:
                break
    assert [head[b":status"] for head in heads] == [b"102", b"103", b"200"]
    assert heads[1] == {b":status": b"103", b"link": b"</s.css>; rel=preload"}


def test_interim_answers_are_not_sent_to_http_1_0(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9110 §15.2."""
    http_origin.script("/interim-old").replies[:] = [kept(interim=[(103, ())])]
    assert send_raw(http_node, "GET /interim-old HTTP/1.0\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200")


TRAILERS = (("X-Sum", "45"), ("Content-Length", "3"), ("Set-Cookie", "a=b"), ("Repr-Digest", "md5=:AAAA:"))
PASSED = b"\r\n0\r\nX-Sum: 45\r\nRepr-Digest: md5=:AAAA:\r\n\r\n"


def test_trailers_are_passed_on_and_kept(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9110 §6.5: behind chunks, and of what is kept only for who takes them."""
    http_origin.script("/trailers").replies[:] = [kept(chunked=True, trailers=TRAILERS)]
    request = "GET /trailers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    assert send_raw(http_node, f"{request}\r\n").endswith(BODY + PASSED)
    hit = send_raw(http_node, f"{request}\r\n")
    assert b"Content-Length: 10\r\n" in hit
    assert hit.endswith(b"\r\n\r\n" + BODY)
    assert send_raw(http_node, f"{request}TE: trailers\r\n\r\n").endswith(BODY + PASSED)
    assert len(http_origin.script("/trailers").seen) == 1


def test_trailers_of_what_is_not_kept_are_passed_on(http_origin: ScriptedOrigin, http_node: Node) -> None:
    unkept = (("Cache-Control", "no-store"),)
    http_origin.script("/passing").replies[:] = [Reply(unkept, chunked=True, trailers=TRAILERS)]
    request = "GET /passing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert send_raw(http_node, request).endswith(BODY + PASSED)


def test_stale_while_revalidate(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 5861 §3: the stale answer now, the new one for who comes next."""
    script = http_origin.script("/swr")
    script.replies[:] = [stale(control="max-age=60, stale-while-revalidate=60"), kept(body=OTHER)]
    assert ask(http_node.port, "/swr", Step()).body == BODY
    assert ask(http_node.port, "/swr", Step()).body == BODY
    processes.wait_until("the origin was asked beside the reader", lambda: len(script.seen) == 2, timeout_s=30)
    processes.wait_until(
        "the new answer is used", lambda: ask(http_node.port, "/swr", Step()).body == OTHER, timeout_s=30
    )
    assert len(script.seen) == 2


def test_requests_for_one_uri_are_collapsed(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9111 §4: one exchange serves all who ask meanwhile."""
    release = threading.Event()
    http_origin.script("/collapsed").replies[:] = [kept(body=OTHER, until=release)]
    answers: list[Answer] = []
    readers = [
        threading.Thread(target=lambda: answers.append(ask(http_node.port, "/collapsed", Step()))) for _ in range(8)
    ]
    before = http_node.metric("forebay_collapsed_requests_total")
    for one in readers:
        one.start()
    processes.wait_until(
        "all others wait", lambda: http_node.metric("forebay_collapsed_requests_total") == before + 7, timeout_s=30
    )
    release.set()
    for one in readers:
        one.join()
    bodies = [one.body for one in answers]
    # RFC 9211 §2.6: who waited did not go forward and did not hit; he says why he would have gone.
    told = sorted(one.fields["cache-status"] for one in answers)
    assert told.count('forebay; fwd=uri-miss; fwd-status=200; stored; key="/collapsed"') == 1, told
    assert sum("; collapsed" in one and "; fwd=uri-miss" in one and "; hit" not in one for one in told) == 7, told
    assert bodies == [OTHER] * 8
    assert len(http_origin.script("/collapsed").seen) == 1


def test_requests_that_meet_on_two_loops_are_collapsed(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """Found by CI: of two requests that both saw nobody asking, both asked."""
    for at in range(60):
        script = http_origin.script(f"/met{at}")
        script.replies[:] = [kept(body=OTHER)]
        readers = [socket.create_connection(("127.0.0.1", http_node.port), timeout=30) for _ in range(8)]
        for one in readers:
            one.sendall(f"GET /met{at} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        for one in readers:
            with one, one.makefile("rb") as answer:
                assert answer.read().endswith(b"\r\n\r\n" + OTHER)
        assert len(script.seen) == 1, at


def test_what_the_cache_did_is_told(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9211, RFC 9110 §7.6.3, RFC 8586."""
    script = http_origin.script("/told")
    script.replies[:] = [kept(("Cache-Status", "inner; hit"), ("Vary", "Foo")), kept()]
    first = ask(http_node.port, "/told", Step())
    assert first.fields["cache-status"] == 'inner; hit, forebay; fwd=uri-miss; fwd-status=200; stored; key="/told"'
    assert first.fields["via"].endswith("1.1 forebay")
    assert "forebay" in script.seen[0].fields["cdn-loop"]
    assert "forebay" in script.seen[0].fields["via"]
    second = ask(http_node.port, "/told", Step())
    assert second.fields["cache-status"].startswith("inner; hit, forebay; hit; ttl=")
    third = ask(http_node.port, "/told", Step(send=[("Foo", "1")]))
    assert third.fields["cache-status"].startswith("forebay; fwd=vary-miss")
    script.replies[:] = [kept(), Reply((("Cache-Control", "no-store"),))]
    assert "; key=" not in ask(http_node.port, "/told?signature=x", Step()).fields["cache-status"]
    assert "; detail=uncacheable" in ask(http_node.port, "/told/unkept", Step()).fields["cache-status"]


def test_cors_is_the_origins(http_origin: ScriptedOrigin, http_node: Node) -> None:
    http_origin.script("/cors").replies[:] = [kept()]
    assert "access-control-allow-origin" not in ask(http_node.port, "/cors", Step()).fields


def test_methods_are_refused_where_nobody_may_write(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9110 §15.5.6."""
    for method in ("POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "TRACE"):
        answer = ask(http_node.port, "/read-only/x", Step(method=method, content=b"abc"))
        assert answer.status == 405
        assert answer.fields["allow"] == "GET, HEAD, OPTIONS"
    assert http_origin.script("/x").seen == []


def test_trace_is_refused_everywhere(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9110 §9.3.8 lets it; it would show what other fields a request carries."""
    assert ask(http_node.port, "/traced", Step(method="TRACE")).status == 405
    assert http_origin.script("/traced").seen == []


def test_a_post_that_names_its_uri_is_kept(http_origin: ScriptedOrigin, http_node: Node) -> None:
    """RFC 9110 §9.3.3: with explicit freshness and a Content-Location of the same URI."""
    script = http_origin.script("/posted")
    script.replies[:] = [kept(("Content-Location", "/posted"), body=OTHER)]
    assert ask(http_node.port, "/posted", Step(method="POST", content=b"abc")).body == OTHER
    assert ask(http_node.port, "/posted", Step()).body == OTHER
    assert [each.method for each in script.seen] == ["POST"]


def test_purges_reach_messages(http_origin: ScriptedOrigin, http_node: Node) -> None:
    script = http_origin.script("/purged")
    script.replies[:] = [kept(), kept(body=OTHER)]
    assert ask(http_node.port, "/purged", Step()).body == BODY
    assert (
        ask(http_node.admin_port, "/purge", Step(method="POST", send=JSON, content=b'{"path": "/purged"}')).status < 300
    )
    assert ask(http_node.port, "/purged", Step()).body == OTHER


def test_an_origin_that_is_gone_is_no_404(http_origin: ScriptedOrigin, http_node: Node) -> None:
    http_origin.script("/gone").replies[:] = [Reply(drop=True)]
    assert ask(http_node.port, "/gone", Step()).status in (502, 504)


@pytest.mark.parametrize(
    ("origin", "semantics", "told"),
    [
        ("s3://bucket", "http", "a store that is no web server"),
        ("https://x.example", "web", '"objects" or "http"'),
    ],
)
def test_semantics_are_checked(origin: str, semantics: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "forebay.toml"
    file.write_text(f'[[namespace]]\npath = "/x"\norigins = ["{origin}"]\nsemantics = "{semantics}"\n')
    done = subprocess.run([find_program("forebay"), "config", "check", file], capture_output=True, text=True)
    assert done.returncode != 0
    assert told in done.stdout + done.stderr
