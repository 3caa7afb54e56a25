"""The routed filesystem of each kind of store: how its URLs and paths are written."""

from __future__ import annotations

import os
import re
from typing import Any, ClassVar, Final

from fsspec.utils import stringify_path

from forebay.routed import RoutedFileSystem
from forebay.urls import azure_place, split_protocol


class RoutedS3FileSystem(RoutedFileSystem):
    """``s3://`` through the node, with s3fs behind it."""

    protocol: ClassVar[tuple[str, ...]] = ("s3", "s3a")
    store = scheme = "s3"
    origin_class_path = "s3fs.S3FileSystem"

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        return {"version_aware": True} if "?versionId=" in path else {}


class RoutedGSFileSystem(RoutedFileSystem):
    """``gs://`` through the node, with gcsfs behind it."""

    protocol: ClassVar[tuple[str, ...]] = ("gs", "gcs")
    store = scheme = "gs"
    origin_class_path = "gcsfs.GCSFileSystem"

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        return {"version_aware": True} if re.search(r"#\d+$|\?generation=\d+", path) else {}


class RoutedAzureFileSystem(RoutedFileSystem):
    """``abfs://`` and ``az://`` through the node, with adlfs behind it."""

    protocol: ClassVar[tuple[str, ...]] = ("abfs", "az", "abfss")
    store = scheme = "az"
    origin_class_path = "adlfs.AzureBlobFileSystem"

    @classmethod
    def why_direct(cls, options: dict[str, Any]) -> str | None:
        """Return why a filesystem with these options does not use a node."""
        if not options.get("account_name") and not os.environ.get("AZURE_STORAGE_ACCOUNT_NAME"):
            return "no storage account is known"
        return super().why_direct(options)

    def _target_options(self) -> dict[str, Any]:
        return {"account_name": self._account_name()}

    def _account_name(self) -> str | None:
        name = self._origin_options.get("account_name") or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
        return None if name is None else str(name)

    def _scope(self, path: str) -> str:
        return f"{super()._scope(path)}@{self._account_name()}"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text: str = stringify_path(path)
        if split_protocol(text)[0] is None:
            return text.strip("/")
        return azure_place(text, account="unused").path.rstrip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        if split_protocol(path)[0] is None:
            return {}
        options: dict[str, Any] = {"version_aware": True} if "?versionid=" in path else {}
        try:
            account = azure_place(path, account="").account
        except ValueError:
            return options
        return {**options, "account_name": account}


class RoutedWebFileSystem(RoutedFileSystem):
    """``https://`` through the node, with fsspec's own filesystem of HTTP behind it."""

    protocol: ClassVar[tuple[str, ...]] = ("http", "https")
    store = "web"
    scheme = "https"
    decodes = True
    origin_class_path = "fsspec.implementations.http.HTTPFileSystem"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return path

    @classmethod
    def _parent(cls, path: str) -> str:
        head = path.rstrip("/").rpartition("/")[0]
        return head if len(head) > len("https://") else ""


ROUTED_CLASSES: Final[dict[str, type[RoutedFileSystem]]] = {
    protocol: cls
    for cls in (RoutedS3FileSystem, RoutedGSFileSystem, RoutedAzureFileSystem, RoutedWebFileSystem)
    for protocol in cls.protocol
}
