"""The commands that ask a node: get, prefetch, purge, status, and the pages that the program writes about itself."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay_lab.node import Node, namespace
from forebay_lab.origin import EVERY_TIME, Fault, HostileOrigin
from forebay_lab.programs import ROOT, find_program

MakeNode = Callable[..., Node]

RUN_TIMEOUT_S = 60
BODY = os.urandom(3_000_000)
FRESH = (("Cache-Control", "max-age=600"),)

OK, FAILED, USAGE, NOT_FOUND, UNREACHABLE = 0, 1, 2, 3, 4


@pytest.fixture
def node(make_node: MakeNode, origin: HostileOrigin) -> Node:
    origin.put("/big.bin", BODY, headers=FRESH)
    return make_node([namespace("/o", origin.url)], memory="64MiB")


def run(node: Node, *argv: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs ``forebay`` with the node's addresses in its environment."""
    addresses = {"FOREBAY_URL": node.url, "FOREBAY_ADMIN": node.admin_url}
    return subprocess.run(
        [find_program("forebay"), *argv],
        capture_output=True,
        timeout=RUN_TIMEOUT_S,
        cwd=cwd,
        env=os.environ | addresses | environment,
    )


# --- get ---------------------------------------------------------------------------------------------------------


def test_get_writes_the_object_under_its_name(node: Node, tmp_path: Path) -> None:
    done = run(node, "get", "/o/big.bin", cwd=tmp_path)
    assert done.returncode == OK, done.stderr
    assert (tmp_path / "big.bin").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["big.bin"]
    assert b"3000000 bytes" in done.stderr


def test_get_takes_the_nodes_own_url_and_writes_to_standard_output(node: Node) -> None:
    done = run(node, "get", "-q", f"{node.url}/o/big.bin", "-o", "-")
    assert (done.returncode, done.stdout, done.stderr) == (OK, BODY, b"")


@pytest.mark.parametrize(
    ("asked", "part"), [("0-9", slice(0, 10)), ("2999990-", slice(2_999_990, None)), ("-7", slice(-7, None))]
)
def test_get_of_a_range(node: Node, tmp_path: Path, asked: str, part: slice) -> None:
    done = run(node, "get", "/o/big.bin", "-r", asked, "-o", str(tmp_path / "part"))
    assert done.returncode == OK, done.stderr
    assert (tmp_path / "part").read_bytes() == BODY[part]


def test_get_goes_on_where_it_broke_off(make_node: MakeNode, origin: HostileOrigin, tmp_path: Path) -> None:
    patient = {"limits": {"breaker_failures": 1000}}  # the origin recovers at once: it must be asked
    node = make_node([namespace("/o", origin.url)], memory="64MiB", settings=patient)
    origin.put("/cut.bin", BODY, etag='"v1"')
    origin.fail("/cut.bin", Fault(truncate_at=1_000_000))
    origin.fail("/cut.bin", Fault(status=500), times=EVERY_TIME)
    broken = run(node, "get", "-q", "/o/cut.bin", cwd=tmp_path)
    assert broken.returncode in (FAILED, UNREACHABLE)
    part = tmp_path / "cut.bin.part"
    held = part.stat().st_size
    assert 0 < held < len(BODY)
    assert part.read_bytes() == BODY[:held]
    assert not (tmp_path / "cut.bin").exists()
    origin.behave("/cut.bin")
    before = node.metric("forebay_served_bytes_total")
    done = run(node, "get", "-q", "/o/cut.bin", cwd=tmp_path)
    assert done.returncode == OK, done.stderr
    assert (tmp_path / "cut.bin").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["cut.bin"]
    assert node.metric("forebay_served_bytes_total") - before == len(BODY) - held


def test_get_starts_again_on_another_version(node: Node, origin: HostileOrigin, tmp_path: Path) -> None:
    fresh = BODY[::-1]
    (tmp_path / "big.bin.part").write_bytes(BODY[:100_000])
    notes = {"target": "/o/big.bin", "etag": '"of an older version"', "length": len(BODY)}
    (tmp_path / "big.bin.part.json").write_text(json.dumps(notes))
    origin.put("/big.bin", fresh)
    done = run(node, "get", "-q", "/o/big.bin", cwd=tmp_path)
    assert done.returncode == OK, done.stderr
    assert (tmp_path / "big.bin").read_bytes() == fresh


def test_get_takes_a_complete_part(node: Node, origin: HostileOrigin, tmp_path: Path) -> None:
    etag = node.get("/o/big.bin").headers["etag"]
    (tmp_path / "big.bin.part").write_bytes(BODY)
    notes = {"target": "/o/big.bin", "etag": etag, "length": len(BODY)}
    (tmp_path / "big.bin.part.json").write_text(json.dumps(notes))
    assert run(node, "get", "-q", "/o/big.bin", cwd=tmp_path).returncode == OK
    assert (tmp_path / "big.bin").read_bytes() == BODY
    assert origin.bytes_sent("/big.bin") == len(BODY)


def digest_field(body: bytes) -> tuple[str, str]:
    return ("Repr-Digest", f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:")


def test_get_verifies_the_checksum_that_the_store_gives(node: Node, origin: HostileOrigin, tmp_path: Path) -> None:
    origin.put("/good", BODY, headers=(digest_field(BODY),))
    good = run(node, "get", "/o/good", cwd=tmp_path)
    assert good.returncode == OK
    assert b"sha256 verified" in good.stderr
    origin.put("/bad", BODY, headers=(digest_field(b"something else"),))
    bad = run(node, "get", "/o/bad", cwd=tmp_path)
    assert bad.returncode == FAILED
    assert b"sha256" in bad.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["good"]


def test_get_does_not_ask_again_for_what_failed_its_checksum(node: Node, origin: HostileOrigin, tmp_path: Path) -> None:
    origin.put("/bad", BODY[:1000], headers=(digest_field(b"something else"),))  # short: refused before a byte came
    bad = run(node, "get", "/o/bad", cwd=tmp_path)
    assert bad.returncode == FAILED
    assert b"sha256" in bad.stderr
    assert list(tmp_path.iterdir()) == []
    assert origin.bytes_sent("/bad") == 1000


def test_get_verifies_also_what_it_resumed(node: Node, origin: HostileOrigin, tmp_path: Path) -> None:
    origin.put("/x", BODY, etag='"v1"', headers=(digest_field(BODY),))
    (tmp_path / "x.part").write_bytes(b"?" + BODY[1:1_000_000])  # a byte went wrong on the disk
    (tmp_path / "x.part.json").write_text(json.dumps({"target": "/o/x", "etag": '"v1"', "length": len(BODY)}))
    done = run(node, "get", "/o/x", cwd=tmp_path)
    assert done.returncode == FAILED
    assert b"sha256" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert run(node, "get", "/o/x", cwd=tmp_path).returncode == OK


def test_exit_codes_of_get(node: Node, make_node: MakeNode, tmp_path: Path) -> None:
    assert run(node, "get", "/o/none", cwd=tmp_path).returncode == NOT_FOUND
    assert run(node, "get", "/nowhere/x", cwd=tmp_path).returncode == NOT_FOUND
    assert run(node, "get", "gopher://x/y", cwd=tmp_path).returncode == USAGE
    assert run(node, "get", "/o/big.bin", "-r", "9-1", cwd=tmp_path).returncode == USAGE
    assert run(node, "get", "/o/big.bin", "-r", "4000000-", cwd=tmp_path).returncode == FAILED
    down = run(node, "get", "/o/big.bin", "--node", "http://127.0.0.1:1", cwd=tmp_path)
    assert down.returncode == UNREACHABLE
    assert b"http://127.0.0.1:1" in down.stderr
    dead = make_node([namespace("/d", "http://127.0.0.1:1")], memory="16MiB")
    assert run(dead, "get", "/d/x", cwd=tmp_path).returncode == UNREACHABLE
    assert list(tmp_path.iterdir()) == []


# --- prefetch ----------------------------------------------------------------------------------------------------


def put_index(origin: HostileOrigin, path: str, names: list[str]) -> None:
    """A directory as web servers show it."""
    links = "".join(f'<a href="{name}">{name}</a>' for name in names)
    page = f"<title>Index of {path}</title>{links}"
    origin.put(path, page.encode(), headers=(("Content-Type", "text/html"),))


def put_tree(origin: HostileOrigin) -> dict[str, bytes]:
    objects = {f"/t/d{d}/f{f}": os.urandom(1_000 + f) for d in range(3) for f in range(5)}
    for path, body in objects.items():
        origin.put(path, body, headers=FRESH)
    put_index(origin, "/t/", [f"d{d}/" for d in range(3)])
    for d in range(3):
        put_index(origin, f"/t/d{d}/", [f"f{f}" for f in range(5)])
    return objects


def test_prefetch_pulls_a_tree_once(node: Node, origin: HostileOrigin) -> None:
    objects = put_tree(origin)
    first = run(node, "prefetch", "/o/t/", "-j", "4")
    assert first.returncode == OK, first.stderr
    assert first.stdout.startswith(b"15 objects, ")
    assert b"; 0 were held already" in first.stdout
    second = run(node, "prefetch", "/o/t")
    assert b"; 15 were held already" in second.stdout
    for path, body in objects.items():
        assert origin.bytes_sent(path) == len(body)
        assert node.get("/o" + path).headers["cache-status"].startswith("forebay; hit")


def test_prefetch_of_one_object(node: Node) -> None:
    done = run(node, "prefetch", "/o/big.bin")
    assert (done.returncode, done.stdout.split(b" in ")[0]) == (OK, b"1 object, 2.9 MiB")


def test_prefetch_reports_failures_and_the_next_run_goes_on(node: Node, origin: HostileOrigin) -> None:
    put_tree(origin)
    origin.fail("/t/d1/f2", Fault(status=403), times=EVERY_TIME)
    done = run(node, "prefetch", "/o/t/")
    assert done.returncode == FAILED
    assert b"/o/t/d1/f2" in done.stderr
    assert b"14 objects" in done.stdout
    assert b"1 failed" in done.stdout
    origin.behave("/t/d1/f2")
    again = run(node, "prefetch", "/o/t/")
    assert again.returncode == OK
    assert b"; 14 were held already" in again.stdout
    assert run(node, "prefetch", "/o/none").returncode == NOT_FOUND


@pytest.mark.parametrize("version", [2, 3])
def test_prefetch_of_a_zarr_store_that_cannot_be_listed(node: Node, origin: HostileOrigin, version: int) -> None:
    shape, chunks = [5, 4], [2, 4]
    if version == 2:
        array = {"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": "<f4", "order": "C"}
        metadata = {".zmetadata": {"zarr_consolidated_format": 1, "metadata": {".zgroup": {}, "t/.zarray": array}}}
        keys = ["t/0.0", "t/1.0", "t/2.0"]
    else:
        array = {
            "zarr_format": 3, "node_type": "array", "shape": shape,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        }  # fmt: skip
        metadata = {"zarr.json": {"node_type": "group", "consolidated_metadata": {"metadata": {"t": array}}}}
        keys = ["t/c/0/0", "t/c/1/0", "t/c/2/0"]
    for name, document in metadata.items():
        origin.put(f"/z.zarr/{name}", json.dumps(document).encode(), headers=FRESH)
    for key in keys[:-1]:  # the last chunk is all fill value: it is not stored
        origin.put(f"/z.zarr/{key}", os.urandom(100), headers=FRESH)
    done = run(node, "prefetch", "/o/z.zarr")
    assert done.returncode == OK, done.stderr
    assert b"3 objects" in done.stdout  # two chunks and the metadata
    assert b"chunks are not stored" in done.stdout
    for key in keys[:-1]:
        assert len([one for one in origin.requests(f"/z.zarr/{key}") if one.method == "GET"]) == 1


# --- purge and status --------------------------------------------------------------------------------------------


def test_purge(node: Node, origin: HostileOrigin) -> None:
    put_tree(origin)
    run(node, "prefetch", "/o/t/")
    assert run(node, "purge", "/o/t/d0/f0").stdout == b"1 object purged\n"
    assert run(node, "purge", "--prefix", "/o/t/d1/").stdout == b"5 objects purged\n"
    assert node.get("/o/t/d0/f0").headers["cache-status"].startswith("forebay; fwd")
    assert node.get("/o/t/d0/f1").headers["cache-status"].startswith("forebay; hit")
    assert run(node, "purge", "--namespace", "/o").returncode == OK
    assert node.get("/o/t/d0/f1").headers["cache-status"].startswith("forebay; fwd")
    assert run(node, "purge", "/nowhere/x").returncode == NOT_FOUND
    assert run(node, "purge").returncode == USAGE
    assert run(node, "purge", "/o/x", "--tag", "y").returncode == USAGE
    assert "admin: purge of path /o/t/d0/f0 by loopback at 127.0.0.1" in node.log.read_text()


def test_purge_by_tag(node: Node, origin: HostileOrigin) -> None:
    for name in ("a", "b"):
        origin.put(f"/{name}", BODY[:100], headers=(*FRESH, ("Surrogate-Key", f"run-1 only-{name}")))
        node.get(f"/o/{name}")
    assert run(node, "purge", "--tag", "only-a").stdout == b"1 object purged\n"
    assert node.get("/o/b").headers["cache-status"].startswith("forebay; hit")
    assert run(node, "purge", "--tag", "run-1").returncode == OK
    assert node.get("/o/b").headers["cache-status"].startswith("forebay; fwd")


def test_status(node: Node) -> None:
    node.get("/o/big.bin")
    node.get("/o/big.bin")
    text = run(node, "status").stdout.decode()
    for words in ("state        ready", "namespace    /o from", "hits: 50.0 %"):
        assert words in text
    document = json.loads(run(node, "status", "--json").stdout)
    assert document["bytes"]["served_by_tier"] == {"cold": 0, "disk": 0, "memory": len(BODY), "origin": len(BODY)}
    assert document["requests"]["hit_ratio"] == 0.5
    assert run(node, "status", FOREBAY_ADMIN="http://127.0.0.1:1").returncode == UNREACHABLE


def test_the_admin_token(origin: HostileOrigin) -> None:
    guarded = Node([namespace("/o", origin.url)], memory="16MiB", settings={"admin": {"token": "s3cret"}})
    with guarded:
        assert guarded.admin("/status").status == 401
        refused = run(guarded, "status")
        assert refused.returncode == FAILED
        assert b"set FOREBAY_ADMIN_TOKEN" in refused.stderr
        assert run(guarded, "status", FOREBAY_ADMIN_TOKEN="s3cret").returncode == OK
        assert run(guarded, "purge", "--tag", "x", FOREBAY_ADMIN_TOKEN="s3cret").returncode == OK
        assert "s3cret" not in guarded.log.read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "forebay: a command is required; see forebay --help"),
        (("bogus", "x"), 'forebay: "bogus" is no command; see forebay --help'),
        (("config", "shw"), 'forebay: "shw" is no command; see forebay config --help'),
        (("get",), "forebay: url is required; see forebay get --help"),
        (("serve", "--bogus"), "forebay: The following argument was not expected: --bogus; see forebay serve --help"),
    ],
)
def test_wrong_usage_is_said_in_one_line(node: Node, arguments: tuple[str, ...], complaint: str) -> None:
    done = run(node, *arguments)
    assert (done.returncode, done.stderr.decode(), done.stdout) == (USAGE, complaint + "\n", b"")


# --- pages about itself ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "page"), [("config", "configuration.md"), ("metrics", "metrics.md")])
def test_the_reference_pages_are_those_of_this_program(node: Node, command: str, page: str) -> None:
    done = run(node, command, "reference")
    assert done.returncode == OK
    assert (ROOT / "docs/reference" / page).read_text() == done.stdout.decode()


def test_every_command_is_in_its_reference(node: Node) -> None:
    page = (ROOT / "docs/reference/command-line.md").read_text()
    shown = run(node, "--help").stdout.decode().partition("Subcommands:")[2].partition("Exit codes")[0]
    commands = [line.split()[0] for line in shown.splitlines() if line.strip()]
    assert len(commands) == 10
    for name in commands:
        assert f"## `forebay {name}" in page
    for code in range(5):
        assert f"| {code} |" in page
