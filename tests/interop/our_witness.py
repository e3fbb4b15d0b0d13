"""Our witness behind its real door, for other people's clients."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import uvicorn
from starlette.routing import Router

from tocsin.console import public
from tocsin.console.auth import Rates
from tocsin.record.checkpoint import VerifierKey
from tocsin.record.keys import WitnessSigner
from tocsin.record.witness import Held, Witness


class Memory:
    """What a witness holds, kept for as long as the test lasts."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()

    def read(self, origin: str) -> Held | None:
        return self._held.get(origin)

    def advance(self, new: Held, expected: Held | None) -> None:
        with self._lock:
            assert self._held.get(new.origin) == expected
            self._held[new.origin] = new


@contextmanager
def serve_witness(
    signer: WitnessSigner, logs: Mapping[str, Sequence[VerifierKey]]
) -> Iterator[str]:
    """Serve a witness of these logs; its submission prefix."""
    witness = Witness(
        signer,
        Memory(),
        lambda origin: logs.get(origin, ()),
        lambda: datetime.now(UTC),
        lambda _: False,
        lambda _: None,
        origins=lambda: logs,
    )
    node: Any = SimpleNamespace(witness=witness, log=None, watch=None)
    app = Router(public.routes(node, Rates(time.monotonic)))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}/witness"
        finally:
            server.should_exit = True
            thread.join(10)
