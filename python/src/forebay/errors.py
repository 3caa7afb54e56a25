"""What can go wrong between a reader and a node.

Every error is an ``OSError``. Only an object that is certainly absent is a ``FileNotFoundError``: Zarr
turns that one class into fill values, so a failing node or origin must never be mistaken for it.
"""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from typing import Any, Final

# A problem document is a short explanation; what is longer came from something that is no node.
MAX_PROBLEM_BYTES: Final = 64 * 1024

_UNKNOWN_NAMESPACE_WORDS: Final = ("unknown-namespace", "unknown_namespace", "no-such-namespace")


class NodeDownWarning(RuntimeWarning):
    """The node cannot be reached; reads go straight to their origins for a while."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The explanation of an error answer (RFC 9457, ``application/problem+json``).

    Attributes
    ----------
    type : str
        URI or word that names the kind of problem.
    title, detail : str
        For a person to read.
    extra : dict
        All further members, such as ``origin`` and ``cause``.
    """

    type: str = ""
    title: str = ""
    detail: str = ""
    extra: dict[str, Any] | None = None

    @classmethod
    def from_body(cls, content_type: str, body: bytes) -> Problem:
        """Read the body of an error answer; text that is no problem document becomes the detail."""
        if "json" in content_type:
            try:
                fields = json.loads(body)
            except (ValueError, RecursionError):
                fields = None
            if isinstance(fields, dict):
                known = {key: str(fields.pop(key, "") or "") for key in ("type", "title", "detail")}
                fields.pop("status", None)
                return cls(**known, extra=fields or None)
        if content_type.startswith("text/plain"):
            return cls(detail=body[:1000].decode("utf-8", "replace").strip())
        return cls()

    @property
    def is_unknown_namespace(self) -> bool:
        """Whether the node itself has nothing configured at this path."""
        return any(word in self.type for word in _UNKNOWN_NAMESPACE_WORDS)

    def __str__(self) -> str:
        parts = [part for part in (self.title, self.detail) if part]
        parts += [f"{key}: {value}" for key, value in (self.extra or {}).items() if value]
        return "; ".join(parts)


class ForebayError(OSError):
    """Any failure of a request to a node.

    Parameters
    ----------
    message : str
        What happened, in words.
    url : str
        The address that was asked at the node.
    status : int, optional
        HTTP status, when there was an answer.
    problem : Problem, optional
        The explanation of the node.
    retry_after_s : float, optional
        How long the node asked the client to wait.
    retryable : bool
        Whether asking again may help.
    """

    error_number = errno.EIO

    def __init__(
        self,
        message: str,
        url: str = "",
        *,
        status: int | None = None,
        problem: Problem | None = None,
        retry_after_s: float | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(self.error_number, message, url or None)
        self.message = message
        self.url = url
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s
        self.retryable = retryable

    def __str__(self) -> str:
        about = f"{self.message}: {self.problem}" if self.problem and str(self.problem) else self.message
        return f"{about} [{self.url}]" if self.url else about

    def __reduce__(self) -> tuple[Any, ...]:
        state = {
            "status": self.status,
            "problem": self.problem,
            "retry_after_s": self.retry_after_s,
            "retryable": self.retryable,
        }
        return _rebuild, (type(self), self.message, self.url, state)


def _rebuild(cls: type[ForebayError], message: str, url: str, state: dict[str, Any]) -> ForebayError:
    return cls(message, url, **state)


class ObjectNotFoundError(ForebayError, FileNotFoundError):
    """The origin has no such object (404 or 410)."""

    error_number = errno.ENOENT


class AccessDeniedError(ForebayError, PermissionError):
    """The node or the origin refuses (401 or 403)."""

    error_number = errno.EACCES


class UnknownNamespaceError(ForebayError):
    """The node has nothing configured at this path. No ``FileNotFoundError``: no origin was asked."""

    error_number = errno.EINVAL


class NodeUnreachableError(ForebayError, ConnectionError):
    """No answer: the connection was refused, failed, or timed out."""

    error_number = errno.ECONNREFUSED


class ThrottledError(ForebayError):
    """The node or the origin asks for patience (429 or 503), and went on asking."""

    error_number = errno.EBUSY


class BrokenBodyError(ForebayError):
    """A body broke off, or was not the bytes that were asked for."""


class VersionChangedError(ForebayError):
    """The object was replaced while it was being read. Open it again to read the new version."""

    error_number = errno.ESTALE


class EncodedBodyError(ForebayError):
    """The body has a content coding, such as gzip, that the caller would have to undo."""

    error_number = errno.ENOTSUP


class NotListableError(ForebayError):
    """The node cannot list this collection, because its origin cannot."""

    error_number = errno.ENOSYS
