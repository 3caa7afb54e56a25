"""The text of a scenario, taken apart: sections of steps, each of which knows its line."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

#: What may begin a line at the margin, and how many words (after it) it takes.
SECTIONS = {"scenario": (1, 99), "node": (0, 0), "origin": (1, 2), "objects": (1, 1), "files": (1, 1),
            "client": (1, 2)}  # fmt: skip

#: The steps of each kind of section.
STEPS = {
    "node": {"namespace", "serve", "set"},
    "origin": {"request", "answer", "send", "close", "reset", "barrier", "down", "up"},
    "objects": {"put"},
    "files": {"put", "link"},
    "client": {
        "connect", "send", "request", "answer", "head", "interim", "expect", "closed", "broken", "ended",
        "end_sending", "leave", "reset", "barrier", "asked", "metric", "until",
    },
}  # fmt: skip

#: Steps below which fields and bodies may be written.
WITH_MESSAGE = {
    "origin": {"request", "answer"}, "client": {"request", "until"}, "objects": {"put"}, "files": {"put"},
}  # fmt: skip

_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\", '"': '"'}
_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"(?=\s|$)|(\{.*)|([^\s"{]\S*))')


class ScenarioError(Exception):
    """What is wrong with a scenario, or what went otherwise than it says, and where."""

    def __init__(self, name: str, line: int, why: str) -> None:
        super().__init__(f"{name}:{line}: {why}")
        self.line = line
        self.why = why


@dataclass(frozen=True)
class Word:
    """A word of a step. ``quoted`` ones are bytes, in which every character is one."""

    text: str
    quoted: bool = False


@dataclass
class Step:
    line: int
    verb: str
    words: list[Word]
    rest: str  #: of the line, as it was written
    fields: list[tuple[str, str]] = field(default_factory=list)  #: ``Name: value`` below it
    absent: list[str] = field(default_factory=list)  #: ``!Name`` below it
    body: bytes | None = None  #: ``= "..."`` below it

    def texts(self) -> list[str]:
        return [word.text for word in self.words]


@dataclass
class Section:
    line: int
    kind: str
    name: str
    starts: bool = False  #: a client that runs beside those after it
    address: str = "127.0.0.1"  #: of an origin
    steps: list[Step] = field(default_factory=list)


@dataclass
class Scenario:
    name: str  #: of the file
    title: str
    sections: list[Section]
    parties: dict[str, int]  #: of each barrier

    def of_kind(self, kind: str) -> list[Section]:
        return [one for one in self.sections if one.kind == kind]


def parse(name: str, text: str) -> Scenario:
    """Takes a file apart. Raises ScenarioError with the line of the first mistake."""
    return _Parser(name).parse(text)


class _Parser:
    def __init__(self, name: str) -> None:
        self._name = name
        self._line = 0
        self._title = ""
        self._sections: list[Section] = []

    def parse(self, text: str) -> Scenario:
        for number, raw in enumerate(text.split("\n"), start=1):
            self._line = number
            line = raw.rstrip()
            if not line or line.lstrip().startswith("#"):
                continue
            indent = len(line) - len(line.lstrip(" "))
            if indent == 0:
                self._take_section(line)
            elif indent == 2:
                self._take_step(line.strip())
            elif indent == 4:
                self._take_message_line(line.strip())
            else:
                raise self._error(f"indented by {indent}: steps stand at 2, what belongs to a message at 4")
        self._line = 1
        if not self._title:
            raise self._error('a scenario begins with: scenario "what it shows"')
        if not any(one.kind == "client" for one in self._sections):
            raise self._error("no client: nothing would happen")
        return Scenario(self._name, self._title, self._sections, self._count_parties())

    def _error(self, why: str, line: int | None = None) -> ScenarioError:
        return ScenarioError(self._name, line or self._line, why)

    def _take_section(self, line: str) -> None:
        verb, words, _ = self._split(line)
        if verb not in SECTIONS:
            raise self._error(f'found "{verb}"; a section is one of: {", ".join(SECTIONS)}')
        fewest, most = SECTIONS[verb]
        if not fewest <= len(words) <= most:
            raise self._error(f"{verb} takes {fewest} to {most} words, found {len(words)}")
        if verb == "scenario":
            if self._title or self._sections:
                raise self._error("the title is said once, and first")
            self._title = words[0].text
            return
        if not self._title:
            raise self._error('a scenario begins with: scenario "what it shows"')
        name = words[0].text if words else verb
        if any(one.name == name for one in self._sections):
            raise self._error(f'there is another section "{name}"')
        section = Section(self._line, verb, name)
        if verb == "origin" and len(words) == 2:
            section.address = words[1].text
        elif len(words) == 2:
            if words[1].text != "starts":
                raise self._error(f'found "{words[1].text}"; a client that runs beside others: client {name} starts')
            section.starts = True
        self._sections.append(section)

    def _take_step(self, line: str) -> None:
        if not self._sections:
            raise self._error("a step that belongs to no section")
        section = self._sections[-1]
        verb, words, rest = self._split(line)
        if verb not in STEPS[section.kind]:
            known = ", ".join(sorted(STEPS[section.kind]))
            raise self._error(f'"{verb}" is no step of {section.kind}; those are: {known}')
        section.steps.append(Step(self._line, verb, words, rest))

    def _take_message_line(self, line: str) -> None:
        section = self._sections[-1] if self._sections else None
        step = section.steps[-1] if section and section.steps else None
        if section is None or step is None or step.verb not in WITH_MESSAGE.get(section.kind, ()):
            raise self._error("fields and bodies belong below a request, an answer or an object")
        if line.startswith("= "):
            if step.body is not None:
                raise self._error("a message has one body")
            step.body = repeated(self._words(line[2:]), self._error)
        elif line.startswith("!"):
            if (section.kind, step.verb) != ("origin", "request"):
                raise self._error("!Name says what an origin must not be sent")
            step.absent.append(line[1:].strip())
        else:
            name, colon, value = line.partition(":")
            if not colon or not name:
                raise self._error(f'found "{line}"; expected Name: value, or = "body"')
            step.fields.append((name, value.strip()))

    def _split(self, line: str) -> tuple[str, list[Word], str]:
        verb, _, rest = line.partition(" ")
        return verb, [] if verb in ("set", "metric") else self._words(rest), rest.strip()

    def _words(self, text: str) -> list[Word]:
        words, at, text = [], 0, text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise self._error(f"cannot read this as words: {text[at:].strip()}")
            if found.group(1) is not None:
                words.append(Word(self._unescape(found.group(1)), quoted=True))
            else:
                words.append(Word(found.group(2) or found.group(3)))
            at = found.end()
        return words

    def _unescape(self, text: str) -> str:
        pieces: list[str] = []
        letters = iter(text)
        for letter in letters:
            if letter != "\\":
                pieces.append(letter)
                continue
            code = next(letters)
            if code == "x":
                digits = next(letters, "") + next(letters, "")
                if not re.fullmatch("[0-9a-fA-F]{2}", digits):
                    raise self._error(f"\\x wants two hexadecimal digits, found {digits!r}")
                pieces.append(chr(int(digits, 16)))
            elif code in _ESCAPES:
                pieces.append(_ESCAPES[code])
            else:
                raise self._error(f"\\{code} is no escape; those are: \\xNN \\" + " \\".join(_ESCAPES))
        return "".join(pieces)

    def _count_parties(self) -> dict[str, int]:
        """Who meets at a barrier: every section that names it, each equally often."""
        visits: dict[str, Counter[str]] = {}
        places: dict[str, int] = {}
        for section in self._sections:
            for step in section.steps:
                if step.verb != "barrier":
                    continue
                if len(step.words) != 1:
                    raise self._error("barrier NAME", step.line)
                barrier = step.words[0].text
                visits.setdefault(barrier, Counter())[section.name] += 1
                places.setdefault(barrier, step.line)
        for barrier, counts in visits.items():
            if len(counts) < 2:
                raise self._error(f'nobody else comes to the barrier "{barrier}"', places[barrier])
            if len(set(counts.values())) > 1:
                told = ", ".join(f"{name} {count} times" for name, count in counts.items())
                why = f'not everybody comes to the barrier "{barrier}" equally often: {told}'
                raise self._error(why, places[barrier])
        return {barrier: len(counts) for barrier, counts in visits.items()}


def repeated(words: list[Word], error: object = None) -> bytes:
    """The bytes of ``"a" "b" * 3 "c"``: a quoted word, and how often the one before it comes."""
    pieces: list[bytes] = []
    rest = iter(words)
    for word in rest:
        if word.quoted:
            pieces.append(word.text.encode("latin-1"))
            continue
        count = next(rest, Word(""))
        if word.text != "*" or not pieces or not count.text.isdigit():
            why = f'found "{word.text}"; bytes are quoted, and "..." * 3 repeats them'
            raise error(why) if callable(error) else ValueError(why)
        pieces[-1] *= int(count.text)
    return b"".join(pieces)
