"""bench/hits: it measures what it says, and a server that gives wrong bytes, or no hits, gets no figure."""

import csv
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from forebay_lab.programs import ROOT, find_program

sys.path.insert(0, str(ROOT))  # `bench` is a package of the repository, not of the tests

from bench.hits import report
from bench.hits.lab import Cores
from bench.hits.load import Told
from bench.hits.objects import PATTERN, PERIOD, Objects
from bench.hits.servers import all_servers, installed
from bench.hits.turns import Plan, Results, Row, run
from bench.hits.workloads import Asked, all_workloads
from bench.hits.workloads._hits import counted

OBJECTS = 20
COLD_BYTES = 4 << 20
FAKE = Path(__file__).with_name("fake_server.py")
#: Honest until every object is taken in and compared: each pass but the last meets misses.
HONEST = 2 * OBJECTS


@pytest.fixture(scope="module", autouse=True)
def _programs(tmp_path_factory):
    """The node under test, and what bench/ adds to it, built here: a sanitizer build has no benchmarks."""
    build = tmp_path_factory.mktemp("bench-build")
    for name in ("forebay", "forebay_link"):
        (build / name).symlink_to(find_program(name))
    for name, source in (("forebay_floor", "floor.cc"), ("forebay_hits_load", "hits/load.cc")):
        command = ["g++", "-std=c++20", "-O1", "-o", build / name, ROOT / "bench" / source]
        subprocess.run(command, check=True, timeout=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOREBAY_BENCH_BUILD", str(build))
        yield


def workload(name, **changes):
    found = next(each for each in all_workloads() if each.name == name)
    return replace(found, memory_bytes=64 << 20, **changes)


def run_with(servers, what, directory, seconds=1):
    """One round over HTTP/1.1, on the cores that there are."""
    cores = sorted(os.sched_getaffinity(0))
    results = Results()
    plan = Plan(servers, ("h1",), 1, Asked(seconds), Cores(cores[0], cores[-1]), directory)
    run(what, plan, results)
    return results


def named(*names):
    return [each for each in all_servers() if each.NAME in names and installed(each)]


def fake(mode):
    def command(scene):
        return [sys.executable, str(FAKE), str(scene.port), scene.origin, mode, str(HONEST)]

    return SimpleNamespace(
        NAME=mode, PACKAGES=(), SPEAKS=("h1",), CACHES=True, command=command, __name__=f"fake.{mode}"
    )


def test_small_hits_are_measured_beside_the_floor_and_nginx(tmp_path):
    what = workload("small", objects=OBJECTS)
    servers = named("forebay", "floor", "nginx cache", "nginx static")
    assert {"forebay", "floor"} <= {each.NAME for each in servers}
    results = run_with(servers, what, tmp_path)
    assert results.refused == []
    for server in servers:
        (cpu_us,) = results.values("small", "h1", server.NAME, "cpu_us_per_hit")
        (rate,) = results.values("small", "h1", server.NAME, "rate")
        assert cpu_us > 0
        assert rate > 0
    assert list(tmp_path.iterdir()) == []  # nothing is left behind

    path = report.write(results, [what], tmp_path / "out", ["- about"])
    page = path.read_text()
    assert "**forebay**" in page
    assert "ours, of the floor's" in page
    assert (tmp_path / "out/small.svg").read_text().startswith("<svg")
    with (tmp_path / "out/results.csv").open() as rows:
        assert {row["server"] for row in csv.DictReader(rows)} == {each.NAME for each in servers}


@pytest.mark.parametrize(
    ("mode", "why"),
    [("lying", "has wrong bytes"), ("short", "has another length"), ("forgetful", "these were no hits")],
)
def test_a_server_that_cheats_under_load_gets_no_figure(tmp_path, mode, why):
    results = run_with([fake("honest"), fake(mode)], workload("small", objects=OBJECTS), tmp_path)
    assert {row.server for row in results.rows} == {"honest"}
    (refusal,) = results.refused
    assert refusal.server == mode
    assert why in refusal.why


def test_a_cold_object_comes_once_and_stays_over_a_restart(tmp_path):
    results = run_with(named("forebay", "direct"), workload("cold", object_bytes=COLD_BYTES), tmp_path)
    assert results.refused == []
    assert results.values("cold", "h1", "forebay", "origin_share") == [1]
    assert results.values("cold", "h1", "forebay", "again_origin_share") == [0]
    assert results.values("cold", "h1", "direct", "origin_requests") == [1]


def test_bytes_of_objects_are_those_of_the_files(tmp_path):
    objects = Objects(3, PERIOD * 65 + 17)
    objects.write(tmp_path)
    for number in range(objects.count):
        whole = (tmp_path / "o" / str(number)).read_bytes()
        assert whole == objects.body(number)
        assert whole[PERIOD * 64 - 5 :][:4000] == objects.body(number, PERIOD * 64 - 5, 4000)
    assert objects.body(0)[:PERIOD] == PATTERN
    assert objects.body(1)[:100] not in objects.body(2)[:8000]


def test_spreads_that_overlap_are_ties():
    assert report.ratio([1.0, 2.0, 3.0], [2.5, 2.6, 2.7]) == "0.77 (tie)"
    assert report.ratio([1.0, 1.1], [2.0, 2.2]) == "0.50"
    assert report.ratio([], [1.0]) == "-"
    assert report.ratio([0.0], [0.0]) == "1.00"


def test_a_figure_that_does_not_count_is_left_out():
    results = Results()
    results.rows += [
        Row("small", "h1", "forebay", turn, "hits_per_s", value) for turn, value in ((0, math.nan), (1, 5.0))
    ]
    assert results.values("small", "h1", "forebay", "hits_per_s") == [5]
    assert results.values("small", "h2", "forebay", "hits_per_s") == []


def test_a_rate_counts_where_the_server_was_the_limit():
    told = Told(answers=100, seconds=2, cpu_s=1.9, compared=2, p99_ms=1, times_ms=[])
    assert math.isnan(counted(told, server_busy=0.5))
    assert counted(told, server_busy=0.95) == 50


def test_every_server_and_workload_says_what_it_is():
    for server in all_servers():
        assert server.__doc__, server.__name__
        assert set(server.SPEAKS) <= {"h1", "tls12", "tls13", "h2", "h2c"}
    names = [each.name for each in all_workloads()]
    assert len(set(names)) == len(names) >= 9
    for each in all_workloads():
        assert all(one.better in ("low", "high") and one.meaning for one in each.measures.values())
        assert not each.rate_from or each.rate_from == "rate"
