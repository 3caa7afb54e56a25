"""Runs a scenario: its origins, its node and its clients, each in a thread of its own."""

from __future__ import annotations

import re
import threading
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..node import Node
from ..origin import HostileOrigin
from ..processes import make_directory, remove_directory
from .client import ScriptedClient
from .grammar import Scenario, ScenarioError, Section, Step, Word, parse
from .origin import ScriptedOrigin, StepError
from .wire import TIMEOUT_S

_VARIABLE = re.compile(r"\$\{([\w.]+)\}")

MakeNode = Callable[..., Node]


def run_file(path: Path, make_node: MakeNode) -> None:
    """Runs the scenario of a file. Raises ScenarioError where it goes otherwise than it says."""
    _Run(parse(path.name, path.read_text()), make_node).run()


class _Run:
    def __init__(self, scenario: Scenario, make_node: MakeNode) -> None:
        self._scenario = scenario
        self._make_node = make_node
        self._failures: list[ScenarioError] = []
        self._barriers = {name: threading.Barrier(count) for name, count in scenario.parties.items()}
        self._origins: dict[str, ScriptedOrigin | HostileOrigin] = {}
        self._variables: dict[str, str] = {}
        self._trees: list[Path] = []  #: directories to be removed

    def run(self) -> None:
        try:
            self._open_origins()
            node = self._start_node()
            scripts = [
                self._spawn(section, self._origins[section.name]) for section in self._scenario.of_kind("origin")
            ]
            clients: list[threading.Thread] = []
            for section in self._scenario.of_kind("client"):
                client = ScriptedClient(node, self._count_asked)
                thread = self._spawn(section, client, at_end=client.close)
                clients.append(thread)
                if not section.starts:
                    thread.join()
                if self._failures:
                    break
            for thread in clients + scripts:
                thread.join(TIMEOUT_S * 2)
            self._check_left_over()
        finally:
            for origin in self._origins.values():
                origin.close()
            for tree in self._trees:
                remove_directory(tree)
        if self._failures:
            first, *others = self._failures
            # What the others wait for tells why.
            told = "".join(f"\n  line {one.line}: {one.why}" for one in others)
            raise ScenarioError(self._scenario.name, first.line, first.why + told)

    # --- parts -----------------------------------------------------------------------------------------------

    def _open_origins(self) -> None:
        for section in self._scenario.of_kind("origin") + self._scenario.of_kind("objects"):
            origin: ScriptedOrigin | HostileOrigin
            origin = ScriptedOrigin(section.address) if section.kind == "origin" else HostileOrigin()
            self._origins[section.name] = origin
            self._variables |= {f"{section.name}.url": origin.url, f"{section.name}.port": str(origin.port)}
        for section in self._scenario.of_kind("objects"):
            origin = self._origins[section.name]
            assert isinstance(origin, HostileOrigin)
            for step in section.steps:
                filled = self._fill_in(step)
                origin.put(filled.words[0].text, filled.body or b"", headers=tuple(filled.fields))
        for section in self._scenario.of_kind("files"):
            self._make_tree(section)

    def _make_tree(self, section: Section) -> None:
        """A directory with what its steps put there: ``put below/it`` with a body, ``link below/it TARGET``."""
        root = make_directory("forebay-tree-")
        self._trees.append(root)
        self._variables[f"{section.name}.path"] = str(root)
        for step in section.steps:
            filled = self._fill_in(step)
            file = root / filled.words[0].text
            file.parent.mkdir(parents=True, exist_ok=True)
            if step.verb == "link":
                file.symlink_to(filled.words[1].text)
            else:
                file.write_bytes(filled.body or b"")

    def _start_node(self) -> Node:
        spaces: list[dict[str, Any]] = []
        settings: dict[str, Any] = {}
        serve: tuple[str, ...] = ("data",)
        s3 = False
        for section in self._scenario.of_kind("node"):
            for raw in section.steps:
                step = self._fill_in(raw)
                if step.verb == "serve":
                    serve = tuple(one for one in step.texts() if one != "s3")
                    s3 = "s3" in step.texts()
                elif step.verb == "set":
                    _merge(settings, self._toml(raw, self._substitute(step.rest)))
                else:
                    spaces.append(self._namespace(step))
        node = self._make_node(spaces, memory="64MiB", settings=settings, serve=serve, s3=s3)
        self._variables |= {"node.url": node.url, "node.port": str(node.port)}
        return node

    def _namespace(self, step: Step) -> dict[str, Any]:
        """``namespace PATH ORIGIN [{ ... }]``: an origin's name, with a path behind it perhaps, or a URL."""
        path, where, *more = step.texts()
        name, slash, below = where.partition("/")
        url = self._origins[name].url + slash + below if name in self._origins else where
        table = self._toml(step, f"x = {more[0]}")["x"] if more else {}
        return {"path": path, "origins": [url], **table}

    def _toml(self, step: Step, text: str) -> dict[str, Any]:
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self._error(step, f"no TOML: {error}") from error

    def _count_asked(self, name: str) -> int:
        origin = self._origins[name]
        return origin.count if isinstance(origin, ScriptedOrigin) else len(origin.requests())

    # --- steps -----------------------------------------------------------------------------------------------

    def _spawn(self, section: Section, part: Any, at_end: Callable[[], None] = lambda: None) -> threading.Thread:
        thread = threading.Thread(target=self._follow, args=(section, part, at_end), daemon=True)
        thread.start()
        return thread

    def _follow(self, section: Section, part: Any, at_end: Callable[[], None]) -> None:
        """Takes the steps of a section one after the other, in its thread."""
        for step in section.steps:
            try:
                if step.verb == "barrier":
                    self._barriers[step.words[0].text].wait(TIMEOUT_S)
                else:
                    part.step(self._fill_in(step))
            except threading.BrokenBarrierError:
                self._fail(step, f'nobody came to the barrier "{step.words[0].text}"')
                break
            except StepError as error:
                self._fail(step, f"{section.name}: {step.verb} {step.rest}: {error}")
                break
            except Exception as error:
                self._fail(step, f"{section.name}: {step.verb} {step.rest}: {error!r}")
                break
        at_end()

    def _fail(self, step: Step, why: str) -> None:
        self._failures.append(self._error(step, why))
        for barrier in self._barriers.values():
            barrier.abort()
        for origin in self._origins.values():
            if isinstance(origin, ScriptedOrigin):
                origin.give_up()

    def _check_left_over(self) -> None:
        for section in self._scenario.of_kind("origin"):
            origin = self._origins[section.name]
            assert isinstance(origin, ScriptedOrigin)
            if not self._failures and (left := origin.left_over()):
                self._failures.append(
                    ScenarioError(self._scenario.name, section.line, f"{section.name} was asked once more: {left}")
                )

    def _error(self, step: Step, why: str) -> ScenarioError:
        return ScenarioError(self._scenario.name, step.line, why)

    def _fill_in(self, step: Step) -> Step:
        """The step with the addresses of this run in it."""
        words = [Word(self._substitute(word.text), word.quoted) for word in step.words]
        fields = [(name, self._substitute(value)) for name, value in step.fields]
        body = step.body and self._substitute(step.body.decode("latin-1")).encode("latin-1")
        return replace(step, words=words, fields=fields, body=body)

    def _substitute(self, text: str) -> str:
        return _VARIABLE.sub(lambda found: self._variables.get(found.group(1), found.group(0)), text)


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
