"""The fsspec filesystem of a node."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, ClassVar, Final

from fsspec.asyn import AsyncFileSystem, get_loop, sync_wrapper
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.implementations.chained import ChainedFileSystem
from fsspec.utils import isfilelike, stringify_path, tokenize

from forebay.batch import Batch, limits_of
from forebay.client import ClientOptions, NodeClient
from forebay.errors import NotListableError, ObjectNotFoundError
from forebay.file import ForebayAsyncFile, ForebayFile, info_of_version
from forebay.ranges import DEFAULT_GAP_BYTES, ByteRange
from forebay.sessions import MAX_CONNECTIONS, close_session
from forebay.transfer import WHOLE, CountingFileSink, MemorySink
from forebay.urls import (
    STORES,
    WEB_PROTOCOLS,
    chosen_node_url,
    current_node_url,
    decode_key,
    is_web,
    map_path,
    map_url,
    split_protocol,
)
from forebay.version import Version
from forebay.webdav import Entry, as_collection, may_be_index

_PREFIXES: Final = ("forebay://", "forebay::")
_READ_ONLY: Final = "a node is read through; write to the origin with its own filesystem"


class ForebayFileSystem(AsyncFileSystem, ChainedFileSystem):
    """What a node serves, as a read-only filesystem, for synchronous and asynchronous callers.

    A path is one of

    - a path on the node: ``era5/store.zarr`` or ``forebay://era5/store.zarr``,
    - the URL of an object of the world, which the node's open stores serve: ``s3://bucket/key``,
    - for a chained filesystem (``forebay::s3://bucket/key``), a path of the filesystem behind it.

    Listings name their members in the form in which the collection was named.

    Parameters
    ----------
    node : str, optional
        URL of the node. Without it, what :func:`forebay.install` was given, then ``FOREBAY_URL``, then
        ``http://127.0.0.1:8080``.
    target_protocol : str, optional
        Protocol behind this one in a chain of URLs.
    target_options : dict, optional
        Options of the filesystem behind it; of these ``account_name`` matters here. Credentials are
        never sent to a node.
    fo : str, optional
        Path behind this one in a chain; given by fsspec, not needed.
    headers : dict, optional
        Additional fields of each request, such as ``{"Authorization": "Bearer ..."}``.
    ca_file : str, optional
        File of certificates that may sign the node's.
    connect_timeout_s, read_timeout_s : float
        Longest wait for a connection, and longest silence.
    attempts, connect_attempts : int
        Tries of a request that fails in a way that may pass, and of a connection that is refused.
    refuse_encoded : bool
        Refuse objects with a content coding, such as gzip; else they are read as they are stored.
    gap_bytes : int
        ``cat_ranges`` reads two ranges of a file by one request when at most this lies between them.
    **storage_options
        What every filesystem of fsspec takes, such as ``asynchronous``, ``loop`` and ``batch_size``.

    Examples
    --------
    >>> import fsspec
    >>> fs = fsspec.filesystem("forebay", node="http://node.example.org:8080")  # doctest: +SKIP
    >>> fs.ls("era5")  # doctest: +SKIP
    """

    protocol: ClassVar[str] = "forebay"
    root_marker = ""
    # Each URL of a chain would else be a filesystem of its own.
    _strip_tokenize_options = ("fo",)

    def __init__(
        self,
        node: str | None = None,
        target_protocol: str | None = None,
        target_options: dict[str, Any] | None = None,
        fo: str | None = None,
        headers: dict[str, str] | None = None,
        ca_file: str | None = None,
        connect_timeout_s: float = ClientOptions.connect_timeout_s,
        read_timeout_s: float = ClientOptions.read_timeout_s,
        attempts: int = ClientOptions.attempts,
        connect_attempts: int = ClientOptions.connect_attempts,
        refuse_encoded: bool = False,
        gap_bytes: int = DEFAULT_GAP_BYTES,
        **storage_options: Any,
    ) -> None:
        if target_protocol is not None and target_protocol not in STORES:
            raise ValueError(f"a node serves {', '.join(STORES)}; not {target_protocol!r}")
        super().__init__(**storage_options)
        self._explicit_node = None if node is None else current_node_url(node)
        self.target_protocol = target_protocol
        self.account_name: str | None = (target_options or {}).get("account_name")
        self.gap_bytes = gap_bytes
        options = ClientOptions(
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            attempts=attempts,
            connect_attempts=connect_attempts,
            headers=tuple((headers or {}).items()),
            ca_file=ca_file,
            refuse_encoded=refuse_encoded,
        )
        self.client = NodeClient(lambda: self.node_url, options)

    # --- Where things are -------------------------------------------------------------------------

    @property
    def node_url(self) -> str:
        """URL of the node that the next request goes to."""
        return current_node_url(self._explicit_node)

    @property
    def fsid(self) -> str:
        """Stable identifier of what this filesystem reads."""
        return "_".join(part for part in ("forebay", self.target_protocol, self.node_url) if part)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text: str = stringify_path(path)
        for prefix in _PREFIXES:
            text = text.removeprefix(prefix)
        if is_web(text) and "?" in text:
            return text  # the slash may belong to the query
        if split_protocol(text)[0] is None and not text.startswith("//"):
            text = text.removeprefix("/")
        return text.rstrip("/")

    def unstrip_protocol(self, name: str) -> str:
        """Give a path of this filesystem the form that ``fsspec.open`` understands anywhere."""
        name = self._strip_protocol(name)
        if split_protocol(name)[0] is not None:
            return f"forebay::{name}"
        if self.target_protocol is not None:
            return f"forebay::{self.target_protocol}://{name}"
        return f"forebay://{name}"

    def address(self, path: str) -> str:
        """Address of a path below the node, percent-encoded.

        Parameters
        ----------
        path : str
            Path on the node, URL of the world, or path of the filesystem behind this one.
        """
        path = self._strip_protocol(path)
        protocol, _ = split_protocol(path)
        if protocol is not None:
            return map_url(path, self.account_name)
        if self.target_protocol is None:
            return map_path(path)
        return map_url(f"{self.target_protocol}://{path}", self.account_name)

    @classmethod
    def _parent(cls, path: str) -> str:
        path = cls._strip_protocol(path)
        protocol, rest = split_protocol(path)
        if protocol is None:
            return path.rpartition("/")[0]
        head, _, _ = rest.rpartition("/")
        return f"{protocol}://{head}" if head else ""

    # --- Life -------------------------------------------------------------------------------------

    @property
    def loop(self) -> Any:
        """Event loop of a synchronous filesystem; that of this process also after a fork."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            if not self.asynchronous:
                self._loop = get_loop()
        return self._loop

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker may stand near another node: its own FOREBAY_URL outranks ours, ours its default.
        return _rebuild, (type(self), self.storage_args, self.storage_options, self.node_url)

    async def _close(self) -> None:
        await close_session()

    close = sync_wrapper(_close)

    # --- Reading ----------------------------------------------------------------------------------

    async def read_version(
        self, path: str, start: int | None, stop: int | None, version: Version | None
    ) -> tuple[Version, bytes]:
        """Read a slice of an object, together with the version that it belongs to.

        Parameters
        ----------
        path : str
            The object.
        start, stop : int, optional
            Limits of the slice as Python counts them; both may be negative.
        version : Version, optional
            The only version that will do.

        Returns
        -------
        tuple of Version and bytes
        """
        wanted = await self._range_of(path, start, stop)
        if wanted is None:
            return version or Version(), b""
        sink = MemorySink()
        seen = await self.client.read(self.address(path), wanted, sink, version)
        return seen, sink.take()

    async def _range_of(self, path: str, start: int | None, stop: int | None) -> ByteRange | None:
        """Turn the limits of a slice into a range; None when the slice is empty."""
        if stop is not None and (stop < 0 or (start is not None and start < 0)):
            size = (await self._info(path))["size"]
            if size is None:
                raise OSError(f"a slice from the end of an object of unknown length: {path}")
            start, stop, _ = slice(start, stop).indices(size)
        if start is not None and start < 0:
            return ByteRange(start)
        first = start or 0
        if stop is not None and stop <= first:
            return None
        return ByteRange(first, stop)

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        _, data = await self.read_version(path, start, end, kwargs.get("version"))
        return data

    async def _cat_ranges(
        self,
        paths: list[str],
        starts: int | Sequence[int | None] | None,
        ends: int | Sequence[int | None] | None,
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[bytes | Exception]:
        """Read many ranges; neighbours within a file by one request.

        Ranges of one file that are asked for together come from one version of it.
        """
        if not isinstance(paths, list):
            raise TypeError("paths is a list")
        batch = Batch(paths, limits_of(starts, len(paths)), limits_of(ends, len(paths)))
        gap_bytes = self.gap_bytes if max_gap is None else max_gap
        results = await batch.read(self.read_version, gap_bytes, _concurrency(batch_size or self.batch_size))
        if on_error != "return":
            for result in results:
                if isinstance(result, Exception):
                    raise result
        return results

    async def _get_file(
        self,
        rpath: str,
        lpath: str | os.PathLike[str] | IO[bytes],
        callback: Callback = DEFAULT_CALLBACK,
        **kwargs: Any,
    ) -> None:
        """Copy an object to disk; the file appears when it is complete, or not at all."""
        if isfilelike(lpath):
            await self._copy_into(rpath, lpath, callback)  # type: ignore[arg-type]
            return
        final = Path(str(lpath))
        if final.is_dir():
            return  # a directory of a tree that get() copies; its members come by themselves
        final.parent.mkdir(parents=True, exist_ok=True)
        partial = final.with_name(f".{final.name[:200]}.{secrets.token_hex(4)}.part")
        try:
            with partial.open("xb") as file:
                await self._copy_into(rpath, file, callback)
            partial.replace(final)
        except ObjectNotFoundError:
            partial.unlink(missing_ok=True)
            if not await self._isdir(rpath):
                raise
            final.mkdir(exist_ok=True)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    async def _copy_into(self, path: str, file: IO[bytes], callback: Callback) -> None:
        sink = CountingFileSink(file, callback)
        await self.client.read(self.address(path), WHOLE, sink, on_head=callback.set_size)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        cache_type: str | None = None,
        version: Version | None = None,
        **kwargs: Any,
    ) -> ForebayFile:
        if mode != "rb":
            raise PermissionError(_READ_ONLY)
        options = {"cache_type": cache_type} if cache_type else {}
        return ForebayFile(
            self,
            path,
            block_size=block_size,
            cache_options=cache_options,
            version=version,
            **options,
        )

    async def open_async(self, path: str, mode: str = "rb", **kwargs: Any) -> ForebayAsyncFile:
        """Open an object for asynchronous reading."""
        if mode != "rb" or kwargs.get("compression"):
            raise ValueError("an asynchronous file is read as bytes")
        return ForebayAsyncFile(self, path, await self._info(path))

    # --- What is there ----------------------------------------------------------------------------

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        address = self.address(path)
        missing = ObjectNotFoundError("nothing is served at the root", self.node_url)
        if address.strip("/"):
            try:
                head = await self.client.head(address)
            except ObjectNotFoundError as error:
                missing = error
            else:
                if not may_be_index(address, head.content_type) or not await self._is_collection(address):
                    return info_of_version(path, head.version, head.content_type)
        if await self._is_collection(address):
            return {"name": path, "size": 0, "type": "directory"}
        raise missing

    async def _is_collection(self, address: str) -> bool:
        try:
            entries = await self.client.list_collection(as_collection(address), depth=0)
        except (ObjectNotFoundError, NotListableError, PermissionError):
            return False
        return any(entry.is_collection for entry in entries)

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        path = self._strip_protocol(path)
        address = self.address(path)
        try:
            entries = await self.client.list_collection(as_collection(address), depth=1)
        except ObjectNotFoundError:
            infos = [info_of_version(path, (await self.client.head(address)).version)]
        else:
            infos = self._members(path, address, entries)
        return infos if detail else [info["name"] for info in infos]

    def _members(self, path: str, address: str, entries: Iterable[Entry]) -> list[dict[str, Any]]:
        """Name the members of a collection as the collection was named."""
        own = decode_key(address.partition("?")[0]).rstrip("/")
        web = is_web(path) or self.target_protocol in WEB_PROTOCOLS
        infos: list[dict[str, Any]] = []
        for entry in entries:
            member = entry.path.removeprefix(own + "/")
            if entry.path == own:
                if not entry.is_collection:
                    infos.append(_info_of_entry(path, entry))
            elif member != entry.path and member and "/" not in member:
                shown = map_path(member)[1:] if web else member
                infos.append(_info_of_entry(f"{path}/{shown}" if path else shown, entry))
        return sorted(infos, key=lambda info: str(info["name"]))

    async def _isdir(self, path: str) -> bool:
        return await self._type_of(path) == "directory"

    async def _isfile(self, path: str) -> bool:
        return await self._type_of(path) == "file"

    async def _type_of(self, path: str) -> str | None:
        """Type of a path, None when there is nothing. A failing node is an error, not an absence."""
        try:
            info = await self._info(path)
        except FileNotFoundError:
            return None
        return str(info["type"])

    async def _glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        if is_web(path) and "?" in path:
            if not any(magic in path for magic in "*["):
                return await self._glob_literal(path, **kwargs)
            path = path.replace("?", "[?]")
        return await super()._glob(path, maxdepth=maxdepth, **kwargs)

    async def _glob_literal(self, path: str, detail: bool = False, **kwargs: Any) -> Any:
        """Treat the ``?`` of an HTTP URL as the beginning of its query, not as a wildcard."""
        try:
            info = await self._info(path)
        except FileNotFoundError:
            return {} if detail else []
        return {path: info} if detail else [path]

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **kwargs: Any,
    ) -> Any:
        """List a tree, level by level.

        A level that cannot be listed is an error: a listing with a hole must not look complete.
        """
        path = self._strip_protocol(path)
        found: dict[str, dict[str, Any]] = {}
        if withdirs and path and await self._isdir(path):
            found[path] = {"name": path, "size": 0, "type": "directory"}
        level, depth = [path], 0
        while level and (maxdepth is None or depth < maxdepth):
            members = await self._members_of_all(level)
            level = [info["name"] for info in members if info["type"] == "directory"]
            found.update((i["name"], i) for i in members if withdirs or i["type"] != "directory")
            depth += 1
        names = sorted(found)
        return {name: found[name] for name in names} if detail else names

    async def _members_of_all(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        gate = asyncio.Semaphore(_concurrency(self.batch_size))

        async def members_of(path: str) -> list[dict[str, Any]]:
            async with gate:
                try:
                    return await self._ls(path, detail=True)
                except FileNotFoundError:
                    return []  # absent, or gone since its parent was listed

        listings = await asyncio.gather(*(members_of(path) for path in paths))
        return [info for listing in listings for info in listing]

    # --- Identity of what was read ----------------------------------------------------------------

    def modified(self, path: str) -> datetime:
        """Time of the last change of an object, as its origin tells it."""
        value = self.info(path).get("LastModified")
        if not isinstance(value, datetime):
            raise OSError(f"the origin tells no time of change: {path}")
        return value

    def ukey(self, path: str) -> str:
        """Return an identifier of the present version of an object, for caches of fsspec."""
        info = self.info(path)
        known = [info.get(key) for key in ("ETag", "Last-Modified", "size")]
        return str(tokenize(self.fsid, self.address(path), *known))

    def checksum(self, path: str) -> int:
        """Return :meth:`ukey` as a number."""
        return int(self.ukey(path), 16)


def _concurrency(batch_size: int | None) -> int:
    """Return how many requests one call keeps in flight; more than there are connections would only wait."""
    if batch_size is None or batch_size <= 0:
        return MAX_CONNECTIONS
    return min(batch_size, MAX_CONNECTIONS)


def _info_of_entry(name: str, entry: Entry) -> dict[str, Any]:
    if entry.is_collection:
        return {"name": name, "size": 0, "type": "directory"}
    return info_of_version(name, Version(entry.etag, entry.last_modified, entry.size_bytes))


def _rebuild(
    cls: type[ForebayFileSystem], args: tuple[Any, ...], options: dict[str, Any], node: str
) -> ForebayFileSystem:
    if options.get("node") is None and chosen_node_url() is None:
        options = {**options, "node": node}
    return cls(*args, **options)
