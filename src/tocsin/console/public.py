"""The doors that are open to all: the log's tiles, and the node as a witness.

No sign-in, no cookie, no content: checkpoints, hashes and commitments tell nothing about what was
said. Any tlog client and any log of the directory may come; each address has its own rate.
Spec: C2SP tlog-tiles, tlog-witness; record.md, "Log".
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tocsin.canonical import b64encode
from tocsin.console.auth import Cost, Rates
from tocsin.errors import LogHalted, TocsinError, WitnessRefused
from tocsin.flows.node import Node
from tocsin.record.witness import SIZE_TYPE, size_body

log = logging.getLogger("tocsin.public")

TEXT = "text/plain; charset=utf-8"
IMMUTABLE = "public, max-age=31536000, immutable"

STATUS = {
    "malformed": 400,
    "old-size": 400,
    "signature": 403,
    "unknown-origin": 404,
    "conflict": 409,
    "inconsistent": 422,
}
"""What a witness's refusal is over HTTP (C2SP tlog-witness, "add-checkpoint")."""

_HASH = re.compile(r"[0-9a-f]{64}")


def routes(node: Node, rates: Rates) -> list[BaseRoute]:
    """The open doors of one node, for `app.build(extra=…)`."""
    door = _Door(node, rates)
    return [
        Route("/tlog/checkpoint", door.checkpoint, methods=["GET"]),
        Route("/tlog/{path:path}", door.tile, methods=["GET"]),
        Route("/witness/add-checkpoint", door.add_checkpoint, methods=["POST"]),
        Route("/witness/forks", door.forks, methods=["GET"]),
        Route("/witness/{origin}/checkpoint", door.held, methods=["GET"]),
    ]


class _Door:
    """Answers in the thread pool: the store, and two signatures, are no work for the loop."""

    def __init__(self, node: Node, rates: Rates) -> None:
        self._node = node
        self._rates = rates

    async def checkpoint(self, request: Request) -> Response:
        """The newest published checkpoint, with the cosignatures so far."""
        return await self._answer(request, "public", self._checkpoint)

    def _checkpoint(self) -> Response:
        try:
            note = self._node.log.checkpoint
        except LogHalted:
            return _absent()
        return Response(note, media_type=TEXT, headers={"cache-control": "no-cache"})

    async def tile(self, request: Request) -> Response:
        """Hash tiles and entry bundles of the published tree. Spec: C2SP tlog-tiles."""
        path = request.path_params["path"]
        return await self._answer(request, "public", lambda: self._tile(path))

    def _tile(self, path: str) -> Response:
        data = self._node.log.tile(path)
        if data is None:
            return _absent()
        return Response(
            data, media_type="application/octet-stream", headers={"cache-control": IMMUTABLE}
        )

    async def add_checkpoint(self, request: Request) -> Response:
        """Another log asks for our cosignature. Spec: C2SP tlog-witness, "add-checkpoint"."""
        body = await request.body()
        return await self._answer(request, "witness", lambda: self._add(body))

    def _add(self, body: bytes) -> Response:
        if self._node.witness is None:
            return _absent()
        try:
            return Response(self._node.witness.add_checkpoint(body), media_type=TEXT)
        except WitnessRefused as refused:
            status = STATUS[refused.status]
            if refused.size is not None:
                # As a header: a media type of text would be given a charset, which is none of it.
                return Response(
                    size_body(refused.size), status, headers={"content-type": SIZE_TYPE}
                )
            return PlainTextResponse(f"{refused.message}\n", status)

    async def held(self, request: Request) -> Response:
        """What our witness holds of one log, by the hash of its origin."""
        named = request.path_params["origin"]
        return await self._answer(request, "public", lambda: self._held(named))

    def _held(self, named: str) -> Response:
        if self._node.witness is None or not _HASH.fullmatch(named):
            return _absent()
        try:
            note = self._node.witness.checkpoint(named)
        except WitnessRefused:
            return _absent()
        return Response(note, media_type=TEXT, headers={"cache-control": "no-cache"})

    async def forks(self, request: Request) -> Response:
        """The fork proofs this node knows, so that who missed the evidence can check it."""
        return await self._answer(request, "public", self._forks)

    def _forks(self) -> Response:
        watch = self._node.watch
        listed = [b64encode(proof) for proof in watch.forks()] if watch is not None else []
        return Response(
            msgspec.json.encode({"forks": listed}),
            media_type="application/json",
            headers={"cache-control": "no-cache"},
        )

    async def _answer(self, request: Request, cost: Cost, work: Callable[[], Response]) -> Response:
        address = request.client.host if request.client else "-"
        seconds = self._rates.wait(address, cost)
        if seconds:
            return PlainTextResponse(
                "this is asked for too often\n", 429, headers={"retry-after": str(seconds)}
            )
        try:
            return await run_in_threadpool(work)
        except TocsinError as error:
            log.warning("%s", error.message, extra={"path": request.url.path})
            return PlainTextResponse("this node cannot answer now\n", 503)
        except Exception:  # the door's last: a stranger is told that, and no more
            log.exception("failed", extra={"path": request.url.path})
            return PlainTextResponse("something failed inside this node\n", 500)


def _absent() -> Response:
    return PlainTextResponse("there is nothing here\n", 404)
