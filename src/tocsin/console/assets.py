"""Style, scripts and pictures of the console: from memory, gzipped once, under their own hash.

A new version has new addresses, so a browser may keep each for ever; relative imports between
modules inherit the hash because it stands in the path.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tocsin.console.problems import not_found, respond
from tocsin.taxii.wire import takes_gzip

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
    "txt": "text/plain; charset=utf-8",
}


class Asset(Struct, frozen=True):
    """One static file, ready to be sent."""

    media_type: str
    plain: bytes
    packed: bytes
    """gzip of `plain`, or empty if that is no smaller."""
    etag: str


class Assets:
    """All static files of one folder."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        whole = hashlib.sha256()
        self.assets: dict[str, Asset] = {}
        for name, plain in sorted(contents.items()):
            digest = hashlib.sha256(plain).hexdigest()
            whole.update(f"{name}\0{digest}\n".encode())
            packed = gzip.compress(plain, 9, mtime=0)
            self.assets[name] = Asset(
                media_type=_TYPES[name.rpartition(".")[2]],
                plain=plain,
                packed=packed if len(packed) < len(plain) else b"",
                etag=f'"{digest[:32]}"',
            )
        self.hash = whole.hexdigest()[:16]

    @classmethod
    def of_package(cls) -> Assets:
        """The files shipped with the console."""
        folder = files("tocsin.console") / "static"
        return cls({entry.name: entry.read_bytes() for entry in _listed(folder)})

    def path(self, name: str) -> str:
        """The address of one file. KeyError for a name that is not shipped."""
        self.assets[name]
        return f"/static/{self.hash}/{name}"

    async def answer(self, request: Request) -> Response:
        """Serves `/static/{hash}/{name}`."""
        asset = self.assets.get(request.path_params["name"])
        if asset is None or request.path_params["hash"] != self.hash:
            return respond(not_found())
        headers = {
            "etag": asset.etag,
            "cache-control": "public, max-age=31536000, immutable",
            "vary": "accept-encoding",
        }
        if asset.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if asset.packed and takes_gzip(request.headers.get("accept-encoding", "")):
            headers["content-encoding"] = "gzip"
            return Response(asset.packed, headers=headers, media_type=asset.media_type)
        return Response(asset.plain, headers=headers, media_type=asset.media_type)


def _listed(folder: Traversable) -> list[Traversable]:
    return [e for e in folder.iterdir() if e.name.rpartition(".")[2] in _TYPES]
