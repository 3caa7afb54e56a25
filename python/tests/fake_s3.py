"""An origin in memory that stands for s3fs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.memory import MemoryFile


class FakeS3(AsyncFileSystem):
    """Stands for s3fs: an origin in memory that counts what it is asked."""

    protocol = ("s3", "s3a")
    objects: dict[str, bytes] = {}
    etags: dict[str, str] = {}
    calls: list[tuple[str, Any]] = []

    def __init__(self, key: str | None = None, **options: Any) -> None:
        super().__init__(**{k: v for k, v in options.items() if k in ("asynchronous", "loop")})
        self.options = {"key": key, **options}

    async def _cat_file(self, path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
        path = self._strip_protocol(path)
        self.calls.append(("cat", path))
        if path not in self.objects:
            raise FileNotFoundError(path)
        if path.startswith("secret"):
            raise PermissionError(path)
        return self.objects[path][start:end]

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        self.calls.append(("info", path))
        if path not in self.objects:
            raise FileNotFoundError(path)
        etag = self.etags.get(path, '"1"')
        return {"name": path, "size": len(self.objects[path]), "type": "file", "ETag": etag}

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        path = self._strip_protocol(path)
        self.calls.append(("ls", path))
        infos = [await self._info(name) for name in self.objects if name.startswith(path + "/")]
        return infos if detail else [info["name"] for info in infos]

    async def _get_file(self, rpath: str, lpath: str, **kwargs: Any) -> None:
        Path(lpath).write_bytes(await self._cat_file(rpath))

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        self.calls.append(("pipe", path))
        self.objects[self._strip_protocol(path)] = value

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        self.objects.pop(self._strip_protocol(path))

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        self.calls.append(("open", mode))
        return MemoryFile(data=self.objects.get(path, b""))

    def flavour(self) -> str:
        return "only the origin has this"
