"""The page of security names tests that exist: scenarios, test functions, unit tests as suite.name."""

from __future__ import annotations

import re

import pytest
from repo_rules import ROOT

PAGE = ROOT / "docs" / "security.md"


def _known() -> set[str]:
    names = {file.stem for file in (ROOT / "tests/scenario/scripts").glob("*.scenario")}
    for file in (ROOT / "tests").rglob("test_*.py"):
        names.update(re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE))
    for file in (ROOT / "src").rglob("*_test.cc"):
        pairs = re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", file.read_text(), re.MULTILINE)
        names.update(f"{suite}.{name}" for suite, name in pairs)
    return names


def _attacks() -> list[tuple[str, list[str]]]:
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("|")]
    tables = [row for row in rows if len(row) == 5 and "---" not in row[1]]
    heads = [row for row in tables if row[3].strip() == "proof"]
    assert len(heads) >= 5
    trust = ("who", "a client", "a trusted proxy", "an origin", "whoever", "the operator")
    proven = [row for row in tables if (row not in heads and not row[1].strip().startswith(trust)) or "`" in row[3]]
    return [(row[1].strip(), re.findall(r"`([^`]+)`", row[3])) for row in proven]


def test_every_attack_has_a_proof() -> None:
    attacks = _attacks()
    assert len(attacks) > 35
    assert [attack for attack, proofs in attacks if not proofs] == []


@pytest.mark.parametrize(("attack", "proofs"), _attacks(), ids=lambda value: value if isinstance(value, str) else "")
def test_named_tests_exist(attack: str, proofs: list[str]) -> None:
    assert set(proofs) - _known() == set(), attack


def test_every_scenario_of_an_attack_is_on_the_page() -> None:
    named = {proof for _, proofs in _attacks() for proof in proofs}
    kinds = ("smuggling", "poisoning", "cpdos", "deception", "traversal", "ssrf")
    scripts = {file.stem for file in (ROOT / "tests/scenario/scripts").glob("*.scenario")}
    assert {name for name in scripts if name.startswith(kinds)} - named == set()
