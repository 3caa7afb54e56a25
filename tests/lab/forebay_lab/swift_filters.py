"""Two filters in the pipeline of Swift's proxy; loaded by Swift's own interpreter (Debian's), standard library only.

``front_filter`` is outermost. It knows how many requests are in flight, so that a test can tell when the access
log is complete, and it writes that log (proxy-logging's own lines) to a file.

``anonymous_filter`` gives a request without credentials the identity of a user who owns nothing. What that user
may read is what a bucket's public ACL lets everybody read. Swift's S3 layer has no such requests of its own,
public S3 stores do; all else, errors included, stays Swift's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

#: Answered by the front filter: how many requests began and ended, itself not counted.
STATE_PATH = "/lab/state"

_ACCESS_LOGGER = "proxy-access"


def front_filter(_global_conf: dict[str, str], **local_conf: str) -> Callable[[Application], Application]:
    """paste.filter_factory: ``access_log`` names the file that takes proxy-logging's lines."""
    logger = logging.getLogger(_ACCESS_LOGGER)
    if not any(isinstance(handler, logging.FileHandler) for handler in logger.handlers):
        # Swift loads its pipeline twice, the first time to see whether it can; one line a request is enough.
        handler = logging.FileHandler(local_conf["access_log"])
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
    return _Front


class _Front:
    """One eventlet thread runs all of it, so plain integers count exactly."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._begun = 0
        self._ended = 0

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == STATE_PATH:
            body = json.dumps({"begun": self._begun, "ended": self._ended}).encode()
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
            return [body]
        self._begun += 1
        try:
            answer = self._application(environ, start_response)
        except BaseException:
            self._ended += 1
            raise
        return self._counted(answer)

    def _counted(self, answer: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from answer
        finally:
            close = getattr(answer, "close", None)
            if close:
                close()
            self._ended += 1


def anonymous_filter(_global_conf: dict[str, str], **local_conf: str) -> Callable[[Application], Application]:
    """paste.filter_factory: ``access_key``, ``secret_key`` and ``region`` of the user who stands for everybody."""

    def wrap(application: Application) -> Application:
        def handle(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            if _lacks_credentials(environ):
                _sign(environ, local_conf["access_key"], local_conf["secret_key"], local_conf["region"])
            return application(environ, start_response)

        return handle

    return wrap


def _lacks_credentials(environ: Environ) -> bool:
    query = environ.get("QUERY_STRING", "")
    return not (
        "HTTP_AUTHORIZATION" in environ
        or "HTTP_X_AUTH_TOKEN" in environ
        or "X-Amz-Credential=" in query
        or "AWSAccessKeyId=" in query
        or environ["PATH_INFO"].startswith(("/v1/", "/auth/", "/info", "/healthcheck"))
    )


def _sign(environ: Environ, access_key: str, secret_key: str, region: str) -> None:
    """AWS Signature Version 4 over method, path, query and host; the body is not signed."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    environ["HTTP_X_AMZ_DATE"] = stamp
    environ["HTTP_X_AMZ_CONTENT_SHA256"] = "UNSIGNED-PAYLOAD"
    query = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    )
    canonical = "\n".join(
        [
            environ["REQUEST_METHOD"],
            quote(environ["PATH_INFO"].encode("latin-1"), safe="-_.~/"),
            "&".join(f"{name}={value}" for name, value in query),
            f"host:{environ['HTTP_HOST']}\n",
            "host",
            "UNSIGNED-PAYLOAD",
        ]
    )
    scope = [stamp[:8], region, "s3", "aws4_request"]
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + secret_key.encode()
    for piece in scope:
        key = hmac.digest(key, piece.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    environ["HTTP_AUTHORIZATION"] = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{'/'.join(scope)}, SignedHeaders=host, Signature={signature}"
    )
