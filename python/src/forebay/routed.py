"""The filesystems that :func:`forebay.install` puts in place of the origins' own.

Each reads through the node, and is the origin's own filesystem in every other respect: for writes, for
what the node may not or cannot read, and for everything while the node is down.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Awaitable, Callable
from typing import IO, Any, ClassVar, Final, TypeVar

from fsspec.asyn import AsyncFileSystem, get_loop, sync
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.config import apply_config
from fsspec.utils import tokenize

from forebay.batch import limits_of
from forebay.entry import is_switched_off
from forebay.errors import (
    AccessDeniedError,
    EncodedBodyError,
    ForebayError,
    NodeUnreachableError,
    NotListableError,
    UnknownNamespaceError,
    VersionChangedError,
)
from forebay.file import ForebayAsyncFile, ForebayFile, version_of_info
from forebay.filesystem import ForebayFileSystem
from forebay.health import health
from forebay.identity import is_same_object
from forebay.policy import why_direct, why_url_direct
from forebay.scopes import scopes
from forebay.urls import chosen_node_url, is_web, scope_of, split_protocol
from forebay.version import Version
from forebay.writes import WritesToOrigin

T = TypeVar("T")

# A near node accepts a connection at once. Whoever waits here waits for data that the origin could send.
CONNECT_TIMEOUT_S: Final = 2.0

# How long a bucket or host that the node may not read, but the caller may, is read without asking the node.
DIRECT_SCOPE_S: Final = 600.0

# The node said no, or nothing: the origin may say more.
_REFUSALS: Final = (AccessDeniedError, UnknownNamespaceError)


_FileSystemType: Any = type(AsyncFileSystem)


class RoutedType(_FileSystemType):
    """Makes the origin's own filesystem where the options are not for a node."""

    def __call__(cls, *args: Any, **options: Any) -> Any:  # noqa: N805
        """Create or find the filesystem for these options."""
        known = apply_config(cls, options)
        reason = "it was made with positional arguments" if args else cls.why_direct(known)
        if reason is None:
            made = super().__call__(**options)
            made._is_made = True
            return made
        scopes.say_once(f"a filesystem of {cls.origin_class_path} does not use the node: {reason}")
        options.pop("forebay_node", None)
        return cls.origin_class()(*args, **options)


class RoutedFileSystem(WritesToOrigin, AsyncFileSystem, metaclass=RoutedType):
    """Reads through the node; everything else is done by the origin's own filesystem.

    Parameters
    ----------
    forebay_node : str, optional
        URL of the node, where this process has chosen none itself. Pickled filesystems carry it.
    **options
        Options of the origin's own filesystem.
    """

    store: ClassVar[str]
    scheme: ClassVar[str]
    origin_class_path: ClassVar[str]
    decodes: ClassVar[bool] = False  # the origin's own filesystem undoes content codings
    _is_made = False

    def __init__(self, forebay_node: str | None = None, **options: Any) -> None:
        known = (
            "asynchronous",
            "loop",
            "batch_size",
            "use_listings_cache",
            "listings_expiry_time",
            "max_paths",
        )
        base = {name: options[name] for name in known if name in options}
        super().__init__(**base)
        self._forebay_node = forebay_node
        self._origin_options = options
        self._origin_lock = threading.Lock()
        self._origin_fs: Any = None
        self.near = ForebayFileSystem(
            node=forebay_node if chosen_node_url() is None else None,
            target_protocol=self.scheme,
            target_options=self._target_options(),
            connect_timeout_s=CONNECT_TIMEOUT_S,
            connect_attempts=1,
            refuse_encoded=self.decodes,
            **{name: base[name] for name in ("asynchronous", "loop", "batch_size") if name in base},
        )

    # --- Decisions --------------------------------------------------------------------------------

    @classmethod
    def why_direct(cls, options: dict[str, Any]) -> str | None:
        """Return why a filesystem with these options does not use a node."""
        return why_direct(cls.store, options)

    @classmethod
    def origin_class(cls) -> Any:
        """Return the origin's own filesystem class; ImportError when its package is missing."""
        module, _, name = cls.origin_class_path.rpartition(".")
        return getattr(importlib.import_module(module), name)

    @property
    def origin(self) -> Any:
        """The origin's own filesystem, with the caller's options."""
        with self._origin_lock:
            if self._origin_fs is None or self._origin_fs._pid != os.getpid():
                self._origin_fs = self._make_origin()
            return self._origin_fs

    def _make_origin(self) -> Any:
        try:
            cls = self.origin_class()
        except ImportError as error:
            package = self.origin_class_path.partition(".")[0]
            raise ImportError(f"this read is not for the node, and {package} is not installed") from error
        return cls(**self._origin_options)

    def _target_options(self) -> dict[str, Any]:
        return {}

    def _url(self, path: str) -> str:
        path = self._strip_protocol(path)
        return path if is_web(path) else f"{self.scheme}://{path}"

    def _scope(self, path: str) -> str:
        return scope_of(self._url(path))

    def _is_for_node(self, path: str) -> bool:
        if not self._has_node():
            return False
        url = self._url(path)
        node = self.near.node_url
        if scopes.is_direct(self._scope(path)) or not split_protocol(url)[1].strip("/"):
            return False
        reason = why_url_direct(url, node)
        if reason is not None:
            scopes.say_once(f"some URLs of {self._scope(path)} do not go through the node: {reason}")
            return False
        return health.may_try(node)

    async def _either(
        self,
        path: str,
        near: Callable[[ForebayFileSystem], Awaitable[T]],
        far: Callable[[Any], Awaitable[T]],
        is_listing: bool = False,
    ) -> T:
        """Read through the node; where it is down or refuses, ask the origin."""
        if not self._is_for_node(path):
            return await far(self.origin)
        try:
            result = await near(self.near)
        except NodeUnreachableError as error:
            health.note_down(self.near.node_url, error)
        except (NotListableError, EncodedBodyError):
            pass  # this much the origin's own filesystem may do better
        except _REFUSALS as refusal:
            return await self._ask_origin(path, refusal, far, is_listing)
        except OSError:
            health.note_up(self.near.node_url)
            raise
        else:
            health.note_up(self.near.node_url)
            return result
        return await far(self.origin)

    async def _ask_origin(
        self, path: str, refusal: ForebayError, far: Callable[[Any], Awaitable[T]], is_listing: bool
    ) -> T:
        """Read with the caller's own rights what the node may not read, and remember if that works.

        A listing that is refused says nothing about the objects: many public buckets do not list.
        """
        health.note_up(self.near.node_url)
        try:
            origin = self.origin
        except ImportError:
            raise refusal from None
        try:
            result = await far(origin)
        except (FileNotFoundError, PermissionError):
            raise
        except Exception as error:
            raise refusal from error  # no way to the origin, perhaps; what the node said is what matters
        if not is_listing:
            self._remember(path, refusal)
        return result

    def _remember(self, path: str, refusal: ForebayError) -> None:
        said = refusal.problem or refusal.message  # without the URL, whose query may hold a secret
        scopes.make_direct(self._scope(path), f"the node refused ({said})", DIRECT_SCOPE_S)

    def _note_write(self, path: str) -> None:
        """Read what this process writes from where it was written, for the rest of its life."""
        scopes.make_direct(self._scope(path), "this process writes there")

    # --- Reading ----------------------------------------------------------------------------------

    async def read_version(
        self, path: str, start: int | None, stop: int | None, version: Version | None
    ) -> tuple[Version, bytes]:
        """Read a slice of one version of an object, wherever it can be had.

        Raises
        ------
        VersionChangedError
            The node went away, and the origin's object cannot be shown to be the same version.
        """
        return await self._either(
            path,
            lambda fs: fs.read_version(self._strip_protocol(path), start, stop, version),
            lambda fs: self._read_origin_version(fs, path, start, stop, version),
        )

    async def _read_origin_version(
        self, fs: Any, path: str, start: int | None, stop: int | None, version: Version | None
    ) -> tuple[Version, bytes]:
        info = await fs._info(path)
        if version is not None and not is_same_object(version, info):
            raise VersionChangedError(
                "the node no longer gives an object that is open, and the copy at its origin cannot be shown "
                "to be the same version: open it again",
                self._url(path),
            )
        return version or version_of_info(info), await fs._cat_file(path, start=start, end=stop)

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        if kwargs.pop("version_id", None) is not None:
            raise ValueError("a version of an object is read by a filesystem with version_aware=True")
        return await self._either(
            path,
            lambda fs: fs._cat_file(self._strip_protocol(path), start=start, end=end),
            lambda fs: fs._cat_file(path, start=start, end=end, **kwargs),
        )

    async def _cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        firsts, stops = limits_of(starts, len(paths)), limits_of(ends, len(paths))
        results: list[Any] = [None] * len(paths)
        near = [i for i, path in enumerate(paths) if self._is_for_node(path)]
        left = sorted(set(range(len(paths))) - set(near))
        if near:
            answers = await self.near._cat_ranges(
                [self._strip_protocol(paths[i]) for i in near],
                [firsts[i] for i in near],
                [stops[i] for i in near],
                max_gap=max_gap,
                batch_size=batch_size,
            )
            for i, answer in zip(near, answers, strict=True):
                results[i] = answer
            left += self._note_answers(near, results)
        if left:
            await self._cat_ranges_of_origin(left, paths, firsts, stops, results)
        if on_error != "return":
            for result in results:
                if isinstance(result, Exception):
                    raise result
        return results

    def _note_answers(self, near: list[int], results: list[Any]) -> list[int]:
        """Learn from the answers of the node; return which of them the origin must give."""
        node = self.near.node_url
        down = next((results[i] for i in near if isinstance(results[i], NodeUnreachableError)), None)
        if down is None:
            health.note_up(node)
        else:
            health.note_down(node, down)
        return [
            i for i in near if isinstance(results[i], (NodeUnreachableError, EncodedBodyError, *_REFUSALS))
        ]

    async def _cat_ranges_of_origin(
        self,
        left: list[int],
        paths: list[str],
        firsts: list[Any],
        stops: list[Any],
        results: list[Any],
    ) -> None:
        try:
            origin = self.origin
        except ImportError as error:
            for i in left:
                results[i] = results[i] or error
            return
        answers = await origin._cat_ranges(
            [paths[i] for i in left],
            [firsts[i] for i in left],
            [stops[i] for i in left],
            on_error="return",
        )
        for i, answer in zip(left, answers, strict=True):
            refusal = results[i] if isinstance(results[i], _REFUSALS) else None
            results[i] = answer
            if refusal is not None and not isinstance(answer, Exception):
                self._remember(paths[i], refusal)
            elif refusal is not None and not isinstance(answer, (FileNotFoundError, PermissionError)):
                results[i] = refusal

    async def _get_file(
        self,
        rpath: str,
        lpath: str | os.PathLike[str] | IO[bytes],
        callback: Callback = DEFAULT_CALLBACK,
        **kwargs: Any,
    ) -> None:
        await self._either(
            rpath,
            lambda fs: fs._get_file(self._strip_protocol(rpath), lpath, callback=callback),
            lambda fs: fs._get_file(rpath, lpath, callback=callback, **kwargs),
        )

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any) -> Any:
        if mode != "rb":
            self._note_write(path)
        if mode != "rb" or kwargs.get("version_id") is not None:
            return self.origin._open(path, mode=mode, block_size=block_size, **kwargs)
        version: Version | None = kwargs.pop("version", None)
        if version is None:
            info = sync(self.loop, self._info_of_node, path)
            if info is None:
                return self.origin._open(path, mode=mode, block_size=block_size, **kwargs)
            version = version_of_info(info)
        options = {name: kwargs[name] for name in ("cache_type", "cache_options") if kwargs.get(name)}
        return ForebayFile(
            self, self._strip_protocol(path), block_size=block_size, version=version, **options
        )

    async def open_async(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        """Open a file for asynchronous reading or, at the origin, writing."""
        info = await self._info_of_node(path) if mode == "rb" else None
        if info is None:
            return await self.origin.open_async(path, mode=mode, **kwargs)
        return ForebayAsyncFile(self, self._strip_protocol(path), info)

    async def _info_of_node(self, path: str) -> dict[str, Any] | None:
        """Describe an object as the node sees it; None when the origin must be asked."""

        async def ask_node(fs: ForebayFileSystem) -> dict[str, Any] | None:
            return await fs._info(self._strip_protocol(path))

        async def ask_nobody(_origin: Any) -> None:
            return None

        return await self._either(path, ask_node, ask_nobody)

    # --- What is there ----------------------------------------------------------------------------

    async def _ask(
        self, method: str, path: str, near: dict[str, Any], far: dict[str, Any], is_listing: bool = False
    ) -> Any:
        """Call one method of the node's or of the origin's filesystem, each with its own options."""
        return await self._either(
            path,
            lambda fs: getattr(fs, method)(self._strip_protocol(path), **near),
            lambda fs: getattr(fs, method)(path, **far),
            is_listing,
        )

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        if kwargs.get("refresh") or kwargs.get("version_id"):
            return dict(await self.origin._info(path, **kwargs))
        return dict(await self._ask("_info", path, {}, kwargs))

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        found = await self._ask(
            "_ls", path, {"detail": detail}, {"detail": detail, **kwargs}, is_listing=True
        )
        return list(found)

    async def _find(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        options = {"maxdepth": maxdepth, **kwargs}
        return await self._ask("_find", path, options, options, is_listing=True)

    async def _glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        options = {"maxdepth": maxdepth, **kwargs}
        return await self._ask("_glob", path, options, options, is_listing=True)

    async def _exists(self, path: str, **kwargs: Any) -> bool:
        return bool(await self._ask("_exists", path, {}, kwargs))

    async def _isdir(self, path: str) -> bool:
        return bool(await self._ask("_isdir", path, {}, {}))

    async def _isfile(self, path: str) -> bool:
        return bool(await self._ask("_isfile", path, {}, {}))

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget listings that the origin's own filesystem may hold; the node decides for itself."""
        if self._origin_fs is not None:
            self._origin_fs.invalidate_cache(path)
        super().invalidate_cache(path)

    def modified(self, path: str) -> Any:
        """Time of the last change of an object."""
        known = self.info(path).get("LastModified")
        return self.origin.modified(path) if known is None else known

    def ukey(self, path: str) -> str:
        """Return an identifier of the present version of an object."""
        info = self.info(path)
        return str(tokenize(self._url(path), info.get("ETag"), info.get("LastModified"), info.get("size")))

    def checksum(self, path: str) -> int:
        """Return :meth:`ukey` as a number."""
        return int(self.ukey(path), 16)

    # --- The origin's business --------------------------------------------------------------------

    @property
    def fsid(self) -> Any:
        """Identifier of the origin's own filesystem."""
        return self.origin.fsid

    def __getattr__(self, name: str) -> Any:
        # Whatever else a caller knows the origin's own filesystem to have. While fsspec makes a filesystem
        # it looks for many names that nobody has; none of them is worth making another filesystem.
        if name.startswith("_") or not self._is_made:
            raise AttributeError(name)
        try:
            origin = self.origin
        except ImportError as error:
            raise AttributeError(name) from error
        return getattr(origin, name)

    # --- Life -------------------------------------------------------------------------------------

    @property
    def loop(self) -> Any:
        """Event loop of a synchronous filesystem; that of this process also after a fork."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._origin_lock = threading.Lock()
            if not self.asynchronous:
                self._loop = get_loop()
        return self._loop

    def __reduce__(self) -> tuple[Any, ...]:
        node = self.near.node_url if self._has_node() else None
        return _rebuild, (type(self), self.storage_options, node)

    def _has_node(self) -> bool:
        """Whether a node was chosen: for this filesystem, or for this process and not taken back."""
        if self._forebay_node is not None:
            return True
        return chosen_node_url() is not None and not is_switched_off()


def _rebuild(cls: type[RoutedFileSystem], options: dict[str, Any], node: str | None) -> RoutedFileSystem:
    if node is not None and chosen_node_url() is None:
        options = {**options, "forebay_node": node}
    return cls(**options)
