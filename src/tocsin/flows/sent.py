"""Objects that peers brought ahead of the statements that say them: kept for a while, so many.

Spec: exchange.md §5, "Outbound-only nodes".
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from tocsin.errors import RateError, UnreachableError
from tocsin.flows import quarantine
from tocsin.flows.node import Node
from tocsin.flows.pages import Item

SENT = "peer-object"
"""Local rows, by peer/SHA-256."""
MAX_SENT_BYTES = 64 << 20
MAX_SENT = 2_000
"""Of one peer, so many bytes and so many objects."""


class Sent:
    """What waits for the statements that say it, by peer. Guarded by its own lock."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._sizes: dict[str, tuple[int, int]] = {}

    def get(self, peer: str, sha256: str) -> bytes | None:
        """An object that this peer brought."""
        row = self._node.store.local(SENT, f"{peer}/{sha256}")
        return row.value if row is not None else None

    def fetch(self, peer: str) -> Callable[[str, int], bytes]:
        """The way to the objects that this peer brought: see `arrivals.Fetch`."""

        def fetch(sha256: str, _: int) -> bytes:
            raw = self.get(peer, sha256)
            if raw is None:
                raise UnreachableError(f"object {sha256} has not come", remedy="put it first")
            return raw

        return fetch

    def keep(self, peer: str, sha256: str, raw: bytes) -> None:
        """Keep an object that a peer brings ahead of its statement.

        Raises:
            RateError: there is no more room for this peer.
        """
        with self._lock:
            count, size = self._sizes_of(peer)
            if size + len(raw) > MAX_SENT_BYTES or count >= MAX_SENT:
                self._let_go(peer)
                raise RateError(
                    f"{peer} has brought more than {MAX_SENT_BYTES} bytes or {MAX_SENT} "
                    "objects without their statements",
                    remedy="bring the page again",
                )
            key = f"{peer}/{sha256}"
            if self._node.store.local(SENT, key) is None:
                self._node.store.keep_local(SENT, key, raw, None)
                self._sizes[peer] = (count + 1, size + len(raw))

    def drop(self, peer: str) -> None:
        """Let go of what nothing in quarantine needs."""
        with self._lock:
            self._let_go(peer)

    def _sizes_of(self, peer: str) -> tuple[int, int]:
        """How many objects that a peer brought are kept, and their bytes: read once, then known."""
        known = self._sizes.get(peer)
        if known is None:
            rows = self._node.store.list_local(SENT, f"{peer}/")
            known = (len(rows), sum(len(row.value) for row in rows))
            self._sizes[peer] = known
        return known

    def _let_go(self, peer: str) -> None:
        """Let go of objects that a peer brought. What waits in quarantine keeps its own, to half of
        the room: the rest is for what comes."""
        if self._sizes_of(peer) == (0, 0):
            return
        here = {row.key: row for row in self._node.store.list_local(SENT, f"{peer}/")}
        needed: dict[str, None] = {}
        # Nothing is asked any more of what is evidence only.
        for one in quarantine.whole(self._node, peer, evidence=False):
            item = msgspec.json.decode(one.item, type=Item)
            needed.update((f"{peer}/{sha256}", None) for sha256, _ in item.objects)
        count = size = 0
        for key in needed:
            row = here.get(key)
            room = row is not None and size + len(row.value) <= MAX_SENT_BYTES // 2
            if row is not None and room and count < MAX_SENT // 2:
                count, size = count + 1, size + len(row.value)
                del here[key]
        for row in here.values():
            self._node.store.keep_local(SENT, row.key, None, row.version)
        self._sizes[peer] = (count, size)
