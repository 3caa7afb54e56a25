"""Runs every scenario of scripts/, and shows that the language tells what is wrong with one, and where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from forebay_lab.node import Node
from forebay_lab.scenario import ScenarioError, parse, run_file

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.scenario"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scenario(script: Path, make_node: Callable[..., Node]) -> None:
    run_file(script, make_node)


def test_there_are_scenarios() -> None:
    assert len(SCRIPTS) >= 25


SOUND = """\
scenario "a hit"
node
  namespace /o web
origin web
  request GET /x
  answer 200
    ETag: "v1"
    Cache-Control: max-age=60
    = "hel" "l" * 1 "o"
client reader
  request GET /o/x
  answer 200
  expect body "hello"
  request GET /o/x
  answer 200
  expect field Cache-Status has "hit"
  asked web 1
"""


def run_text(text: str, folder: Path, make_node: Callable[..., Node]) -> None:
    file = folder / "one.scenario"
    file.write_text(text)
    run_file(file, make_node)


def test_a_sound_scenario(tmp_path: Path, make_node: Callable[..., Node]) -> None:
    run_text(SOUND, tmp_path, make_node)


@pytest.mark.parametrize(
    ("before", "after", "line", "why"),
    [
        ('expect body "hello"', 'expect body "hullo"', 13, "the body is 5 bytes"),
        ("answer 200\n  expect body", "answer 206\n  expect body", 12, "the status is 200, not 206"),
        ("asked web 1", "asked web 2", 17, "web was asked 1 times"),
        ('has "hit"', 'has "fwd"', 16, "the field is Cache-Status: "),
        ("request GET /x", "request GET /y", 12, "it was not asked for GET /y; waiting are ['GET /x']"),
        ("request GET /x\n", "request GET /x\n    If-Match: 1\n", 5, "it was sent If-Match: None, not 1"),
        ("request GET /x\n", "request GET /x\n    !Host\n", 5, "it was sent Host: "),
        (
            "  request GET /o/x\n  answer 200\n  expect field",
            "  request GET /o/z\n  answer 200\n  expect field",
            15,
            "",
        ),
    ],
)
def test_what_goes_otherwise_is_told_with_its_line(
    before: str, after: str, line: int, why: str, tmp_path: Path, make_node: Callable[..., Node],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for module in ("client", "origin", "run", "wire"):
        monkeypatch.setattr(f"forebay_lab.scenario.{module}.TIMEOUT_S", 2.0)
    assert before in SOUND
    with pytest.raises(ScenarioError) as caught:
        run_text(SOUND.replace(before, after), tmp_path, make_node)
    assert why in str(caught.value)
    assert str(caught.value).startswith("one.scenario:")
    if why:
        assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "a scenario begins with"),
        ("node\n", 1, "a scenario begins with"),
        ('scenario "a"\n', 1, "no client"),
        ('scenario "a"\nclent c\n', 2, 'found "clent"; a section is one of'),
        ('scenario "a"\nclient c\n  fetch /x\n', 3, '"fetch" is no step of client'),
        ('scenario "a"\nclient c\n   send "x"\n', 3, "indented by 3"),
        ('scenario "a"\nclient c\n  send "x\n', 3, "cannot read this as words"),
        ('scenario "a"\nclient c\n  send "\\q"\n', 3, "\\q is no escape"),
        ('scenario "a"\nclient c\n  send "\\xg1"\n', 3, "two hexadecimal digits"),
        ('scenario "a"\nclient c\n  leave\n    A: b\n', 4, "fields and bodies belong below"),
        ('scenario "a"\nclient c\n  request GET /\n    A b\n', 4, "expected Name: value"),
        ('scenario "a"\nclient c\n  request GET /\n    = "a" * b\n', 4, "bytes are quoted"),
        ('scenario "a"\nclient c\n  request GET /\n    = "a"\n    = "b"\n', 5, "one body"),
        ('scenario "a"\nclient c\n  barrier b\n', 3, 'nobody else comes to the barrier "b"'),
        ('scenario "a"\nclient c starts\n  barrier b\n  barrier b\nclient d\n  barrier b\n', 3, "equally often"),
        ('scenario "a"\nclient c later\n', 2, "client c starts"),
        ('scenario "a"\nclient c\nclient c\n', 3, 'another section "c"'),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, line: int, why: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse("one.scenario", text)
    assert caught.value.line == line
    assert why in caught.value.why
