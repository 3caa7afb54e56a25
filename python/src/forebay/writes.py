"""What a routed filesystem never does through the node: change things."""

from __future__ import annotations

from typing import Any


class WritesToOrigin:
    """Hands every change to the origin's own filesystem, and remembers where.

    What a process wrote it reads from where it was written: a node may hold the version before for as long as
    its freshness allows.
    """

    @property
    def origin(self) -> Any:
        """The origin's own filesystem, with the caller's options."""
        raise NotImplementedError

    def _note_write(self, path: str) -> None:
        raise NotImplementedError

    async def _put_file(self, lpath: Any, rpath: str, **kwargs: Any) -> Any:
        self._note_write(rpath)
        return await self.origin._put_file(lpath, rpath, **kwargs)

    async def _pipe_file(self, path: str, value: bytes, **kwargs: Any) -> Any:
        self._note_write(path)
        return await self.origin._pipe_file(path, value, **kwargs)

    async def _rm(self, path: Any, **kwargs: Any) -> Any:
        for one in path if isinstance(path, list) else [path]:
            self._note_write(one)
        return await self.origin._rm(path, **kwargs)

    async def _rm_file(self, path: str, **kwargs: Any) -> Any:
        self._note_write(path)
        return await self.origin._rm_file(path, **kwargs)

    async def _cp_file(self, path1: str, path2: str, **kwargs: Any) -> Any:
        self._note_write(path2)
        return await self.origin._cp_file(path1, path2, **kwargs)

    async def _mkdir(self, path: str, *args: Any, **kwargs: Any) -> Any:
        return await self.origin._mkdir(path, *args, **kwargs)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> Any:
        return await self.origin._makedirs(path, exist_ok=exist_ok)

    def rmdir(self, path: str) -> Any:
        """Remove a directory or bucket at the origin."""
        return self.origin.rmdir(path)

    def sign(self, path: str, expiration: int = 100, **kwargs: Any) -> Any:
        """Create a signed URL of the origin."""
        return self.origin.sign(path, expiration=expiration, **kwargs)

    def created(self, path: str) -> Any:
        """Time when the object was created, as the origin's own filesystem knows it."""
        return self.origin.created(path)
