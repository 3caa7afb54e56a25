"""The scripted client of a scenario."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..node import Node
from ..processes import wait_until
from .grammar import Step, repeated
from .origin import StepError
from .wire import TIMEOUT_S, ClosedError, Message, Wire

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">=": lambda found, wanted: found >= wanted,
    "==": lambda found, wanted: found == wanted,
}


class ScriptedClient:
    """One connection at a time, and the last answer that came on it."""

    def __init__(self, node: Node, asked: Callable[[str], int]) -> None:
        self._node = node
        self._count_asked = asked
        self._wire: Wire | None = None
        self._methods: list[str] = []  #: of requests whose answers have not been read
        self._last: Message | None = None
        self._begun: Message | None = None  #: an answer whose body has not been read

    def step(self, step: Step) -> None:
        try:
            getattr(self, f"_{step.verb}")(step)
        except ClosedError as end:
            raise StepError(str(end)) from end
        except TimeoutError as late:
            raise StepError(f"nothing came within {TIMEOUT_S:.0f} s") from late

    def close(self) -> None:
        if self._wire:
            self._wire.socket.close()
            self._wire = None

    # --- what it does ----------------------------------------------------------------------------------------

    def _connect(self, step: Step | None) -> None:
        """``connect [s3|admin]``: a new connection, which takes the place of the one before."""
        self.close()
        where = step.texts()[0] if step and step.words else "data"
        port = {"data": self._node.port, "s3": self._node.s3_port, "admin": self._node.admin_port}[where]
        self._wire = Wire(socket.create_connection((self._node.address, port), timeout=TIMEOUT_S))
        self._methods = []

    def _send(self, step: Step) -> None:
        data = repeated(step.words)
        self._methods += [line.split(b" ")[0].decode("latin-1") for line in data.split(b"\r\n") if b" HTTP/1." in line]
        # A node that refuses what it has seen so far may have gone; its answer is what counts.
        with contextlib.suppress(ConnectionError):
            self._connected().socket.sendall(data)

    def _request(self, step: Step) -> None:
        method, target, *version = step.texts()
        names = {name.lower() for name, _ in step.fields}
        head = f"{method} {target} {version[0] if version else 'HTTP/1.1'}\r\n"
        if "host" not in names:
            head += "Host: node.test\r\n"
        if step.body is not None and not names & {"content-length", "transfer-encoding"}:
            head += f"Content-Length: {len(step.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in step.fields)
        self._methods.append(method)
        with contextlib.suppress(ConnectionError):
            self._connected().socket.sendall(head.encode("latin-1") + b"\r\n" + (step.body or b""))

    def _until(self, step: Step) -> None:
        """``until STATUS METHOD TARGET``: asks on new connections until this is the answer."""
        wanted, method, target, *_ = step.words

        def holds() -> bool:
            self._connect(None)
            self._request(replace(step, words=[method, target]))
            self._last = self._connected().read_answer(method.text)
            return str(self._last.status) in wanted.text.split("|")

        wait_until(step.rest, holds, timeout_s=TIMEOUT_S)

    def _end_sending(self, _: Step) -> None:
        self._connected().socket.shutdown(socket.SHUT_WR)

    def _leave(self, _: Step) -> None:
        self.close()

    def _reset(self, _: Step) -> None:
        self._connected().socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    # --- what it sees ----------------------------------------------------------------------------------------

    def _answer(self, step: Step) -> None:
        """``answer [STATUS]``: reads the next final answer to its end."""
        method = self._methods.pop(0) if self._methods else "GET"
        while True:
            self._last = self._connected().read_answer(method)
            if self._last.status // 100 != 1:
                break
        if step.words:
            self._check_status(step.words[0].text)

    def _head(self, step: Step) -> None:
        """``head STATUS``: the head of the next answer; its body is still to come."""
        self._begun = self._last = self._connected().read_head()
        self._check_status(step.words[0].text)

    def _interim(self, step: Step) -> None:
        """``interim STATUS``: the next head must be this interim answer."""
        self._last = self._connected().read_head()
        self._check_status(step.words[0].text)

    def _closed(self, _: Step) -> None:
        end = self._connected().read_end()
        if end.reset or end.came:
            raise StepError(f"expected a clean end and nothing before it: {end}")

    def _broken(self, _: Step) -> None:
        """The answer must not look whole: a reset, or an end before its length."""
        method = self._methods.pop(0) if self._methods else "GET"
        begun, self._begun = self._begun, None
        try:
            wire = self._connected()
            answer = wire.read_rest(begun, method) if begun else wire.read_answer(method)
        except ClosedError:
            return
        raise StepError(f"a whole answer came: {answer.start} with {len(answer.body)} bytes")

    def _ended(self, _: Step) -> None:
        """The connection ends, with or without a reset, and no further answer comes before."""
        end = self._connected().read_end()
        if end.came:
            raise StepError(f"something came before the end: {end.came[:200]!r}")

    def _expect(self, step: Step) -> None:
        what, *rest = step.texts()
        if what == "status":
            self._check_status(rest[0])
        elif what == "field":
            self._check_field(step)
        elif what == "no" and rest[:1] == ["field"]:
            if (found := self._answered().value(rest[1])) is not None:
                raise StepError(f"found {rest[1]}: {found}")
        elif what == "body":
            self._check_body(step)
        else:
            raise StepError(f'cannot expect "{what}": status, field, no field, body')

    def _asked(self, step: Step) -> None:
        """``asked ORIGIN N``: how many requests have reached an origin."""
        name, wanted = step.texts()
        if (found := self._count_asked(name)) != int(wanted):
            raise StepError(f"{name} was asked {found} times")

    def _metric(self, step: Step) -> None:
        """``metric NAME[{label="value"}] >= N``: waits until it is so."""
        sample, compare, wanted = step.rest.rsplit(" ", 2)
        name, _, labels = sample.partition("{")
        pairs = dict(one.split("=", 1) for one in labels.rstrip("}").split(",") if one)
        plain = {key: value.strip('"') for key, value in pairs.items()}
        holds = _COMPARE[compare]
        wait_until(step.rest, lambda: holds(self._node.metric(name, **plain), float(wanted)), timeout_s=TIMEOUT_S)

    # --- inside ----------------------------------------------------------------------------------------------

    def _connected(self) -> Wire:
        if self._wire is None:
            self._connect(None)
        assert self._wire
        return self._wire

    def _answered(self) -> Message:
        if self._last is None:
            raise StepError("no answer has been read yet")
        return self._last

    def _check_status(self, wanted: str) -> None:
        answer = self._answered()
        if str(answer.status) not in wanted.split("|"):
            raise StepError(f"the status is {answer.status}, not {wanted}: {answer.body[:300]!r}")

    def _check_field(self, step: Step) -> None:
        name, *rest = step.texts()[1:]
        found = self._answered().value(name)
        if not rest:
            good = found is not None
        elif rest[0] == "has" and not step.words[2].quoted:
            good = found is not None and rest[1] in found
        else:
            good = found == rest[0]
        if not good:
            raise StepError(f"the field is {name}: {found}")

    def _check_body(self, step: Step) -> None:
        body = self._answered().body
        form = step.words[1]
        if form.quoted:
            good = body == repeated(step.words[1:])
        elif form.text == "of":
            good = len(body) == int(step.words[2].text)
        elif form.text in ("has", "lacks"):
            good = (repeated(step.words[2:]) in body) == (form.text == "has")
        else:
            raise StepError(f'body "...", body of N, body has "...", body lacks "..."; found {form.text}')
        if not good:
            raise StepError(f"the body is {len(body)} bytes: {body[:300]!r}")
