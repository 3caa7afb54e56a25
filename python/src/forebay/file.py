"""Open files: buffered and synchronous, or asynchronous. Each reads one version of its object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsspec.asyn import AbstractAsyncStreamedFile, sync
from fsspec.spec import AbstractBufferedFile

from forebay.cache import BLOCK_BYTES, WindowCache
from forebay.version import Version

if TYPE_CHECKING:
    from forebay.filesystem import ForebayFileSystem


class ForebayFile(AbstractBufferedFile):
    """A file on a node, open for reading.

    The first answer pins the version: every further read asks for that one (``If-Match``), and an object
    that was replaced meanwhile is a :class:`~forebay.VersionChangedError`, never a mixture. The pin
    travels with a pickled file.

    Parameters
    ----------
    fs : ForebayFileSystem
        Where the file is.
    path : str
        Its path there.
    block_size : int, optional
        Grain of the buffer.
    cache_type : str
        A cache of fsspec; ``"forebay"`` suits HDF5 and sequential readers alike.
    version : Version, optional
        The version to read; asked of the node when None.
    """

    DEFAULT_BLOCK_SIZE = BLOCK_BYTES

    def __init__(
        self,
        fs: ForebayFileSystem,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        cache_type: str = WindowCache.name,
        cache_options: dict[str, Any] | None = None,
        version: Version | None = None,
        **kwargs: Any,
    ) -> None:
        if mode != "rb":
            raise ValueError("a file on a node is open for reading only")
        self._cache_type = cache_type
        self._cache_options = cache_options
        if version is None:
            self.details = fs.info(path)
            version = version_of_info(self._details)
        self.version = version
        self._whole: bytes | None = None
        size = version.length_bytes
        if size is None:
            # No length, so no place to seek from: an object of unknown length is read once, whole.
            self.version, self._whole = sync(fs.loop, fs.read_version, path, None, None, version)
            size = len(self._whole)
        kwargs.pop("size", None)
        super().__init__(
            fs,
            path,
            mode=mode,
            block_size=block_size,
            cache_type=cache_type,
            cache_options=dict(cache_options or {}),
            size=size,
            **kwargs,
        )

    @property
    def details(self) -> dict[str, Any]:
        """What is known about the file, as ``fs.info`` tells it."""
        if self._details is None:
            self._details = info_of_version(self.path, self.version)
        details: dict[str, Any] = self._details
        return details

    @details.setter
    def details(self, value: dict[str, Any]) -> None:
        self._details = value

    def _fetch_range(self, start: int, end: int) -> bytes:
        if self._whole is not None:
            return self._whole[start:end]
        data: bytes
        version, data = sync(self.fs.loop, self.fs.read_version, self.path, start, end, self.version)
        if not self.version.has_validator:
            self.version = version
        return data

    def __reduce__(self) -> tuple[Any, ...]:
        return reopen, (
            self.fs,
            self.path,
            self.blocksize,
            self.loc,
            self._cache_type,
            self._cache_options,
            self.version,
        )


def reopen(
    fs: ForebayFileSystem,
    path: str,
    block_size: int,
    position: int,
    cache_type: str,
    cache_options: dict[str, Any] | None,
    version: Version,
) -> ForebayFile:
    """Open a pickled file again, at its position and in its version."""
    file: ForebayFile = fs.open(
        path,
        block_size=block_size,
        cache_type=cache_type,
        cache_options=cache_options,
        version=version,
    )
    file.seek(position)
    return file


class ForebayAsyncFile(AbstractAsyncStreamedFile):
    """A file on a node for ``await file.read()``; each read is one request, of one version."""

    def __init__(self, fs: ForebayFileSystem, path: str, info: dict[str, Any], **kwargs: Any) -> None:
        self.size: int | None = info["size"]
        self._details = info
        self.version = version_of_info(info)
        super().__init__(fs, path, mode="rb", cache_type="none", size=info["size"], **kwargs)

    async def read(self, length: int | None = -1) -> bytes:
        """Read up to ``length`` bytes, or all that is left."""
        if self.size is None:
            self.version, data = await self.fs.read_version(self.path, self.loc, None, self.version)
            self.size = self.loc + len(data)
            self.loc = self.size
            return data if length is None or length < 0 else self._give_back(data, length)
        left = max(0, self.size - self.loc)
        wanted = left if length is None or length < 0 else min(length, left)
        data = await super().read(wanted)
        return bytes(data)

    def _give_back(self, data: bytes, length: int) -> bytes:
        self.loc -= len(data) - min(length, len(data))
        return data[:length]

    async def _fetch_range(self, start: int, end: int) -> bytes:
        _, data = await self.fs.read_version(self.path, start, end, self.version)
        return bytes(data)


def version_of_info(info: dict[str, Any]) -> Version:
    """Version of an entry that ``info`` or ``ls`` returned."""
    return Version(info.get("ETag"), info.get("Last-Modified"), info.get("size"))


def info_of_version(name: str, version: Version, content_type: str | None = None) -> dict[str, Any]:
    """Describe a file in the words of fsspec."""
    info: dict[str, Any] = {
        "name": name,
        "size": version.length_bytes,
        "type": "file",
        "ETag": version.etag,
        "LastModified": version.modified,
        "Last-Modified": version.last_modified,
    }
    if content_type:
        info["ContentType"] = content_type
    return info
