"""The page of HTTP conformance names tests that exist."""

from __future__ import annotations

import importlib
import re

import pytest
from repo_rules import ROOT

PAGE = ROOT / "docs" / "conformance" / "http.md"
MODULES = ("test_http_storing", "test_http_using", "test_http_combining", "test_http_sharing")


def _known() -> set[str]:
    names = {case.name for module in MODULES for case in importlib.import_module(module).ALL}
    for file in (*(ROOT / "tests" / "conformance").glob("test_*.py"), *(ROOT / "tests" / "scenario").glob("test_*.py")):
        names.update(re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE))
    for file in (ROOT / "src").rglob("*_test.cc"):
        pairs = re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", file.read_text(), re.MULTILINE)
        names.update(f"{suite}.{name}" for suite, name in pairs)
    return names


def _rows() -> list[tuple[str, list[str]]]:
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("|")]
    table = [row for row in rows if len(row) == 5 and row[1].strip() not in ("section", "RFC") and "---" not in row[1]]
    return [(row[1].strip(), re.findall(r"`([^`]+)`", row[3])) for row in table]


def test_every_requirement_has_a_proof() -> None:
    rows = _rows()
    assert len(rows) > 40
    assert [section for section, proofs in rows if not proofs] == []


@pytest.mark.parametrize("section", sorted({section for section, _ in _rows()}))
def test_named_tests_exist(section: str) -> None:
    known = _known()
    named = {proof for where, proofs in _rows() if where == section for proof in proofs}
    assert named - known == set()


def test_names_of_cases_are_single() -> None:
    names = [case.name for module in MODULES for case in importlib.import_module(module).ALL]
    assert len(names) == len(set(names))
