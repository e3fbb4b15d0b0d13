"""What one account may take of this node: a day's objects and bytes, and room for evidence.

An account is whoever shows a credential of the TAXII server, or a guest: a party that speaks
through this node and has none of its own. No account's use takes anything from another's.

Spec: exchange.md §2.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from tocsin.errors import ConflictError, RateError
from tocsin.flows.node import Node
from tocsin.stix.bundle import Received
from tocsin.stix.limits import MIB

DOOR = "taxii"
MAX_EVIDENCE = 100
"""Objects kept as evidence of a version that has two contents, of one account."""
MAX_EVIDENCE_BYTES = 8 * MIB
EVIDENCE_DAYS = 90
_USED = "used-today"
_EVIDENCE = "taxii-evidence"
_HELD = "taxii-evidence-held"


class Share(Struct, frozen=True, kw_only=True):
    """What an account may put in within a day of UTC; 0: as much as it likes."""

    objects: int = 1_000_000
    mib: int = 2_048
    setting: str = ": [taxii] objects_a_day and mib_a_day in tocsin.toml"
    """Where it is set, for a remedy."""

    def left(self, used: _Used, objects: int, size: int) -> str | None:
        """Why so much more is too much, for whoever sent it; None: it is not."""
        if self.objects and used.objects + objects > self.objects:
            return (
                f"{used.objects} objects came from this account today, these {objects} would be "
                f"more than the {self.objects} of a day"
            )
        if self.mib and used.size + size > self.mib * MIB:
            return (
                f"{used.size} bytes came from this account today, these {size} would be more than "
                f"the {self.mib} MiB of a day"
            )
        return None


GUEST = Share(objects=0, mib=2_048, setting="")
"""Of a guest's requests that bring something."""


class _Used(Struct, frozen=True, kw_only=True):
    day: int
    objects: int = 0
    size: int = 0


def take(node: Node, account: str, share: Share, objects: int, size: int) -> None:
    """Count what has come from an account against its day, on this node alone; all or nothing.

    Args:
        objects: how many of them; 0 asks whether the bytes alone are too many, and counts nothing.
        size: bytes of the request.

    Raises:
        RateError: it is more than the day allows, and when the next one begins.
    """
    while True:
        today, left_of_day = divmod(int(node.clock().timestamp()), 86_400)
        row = node.store.local(_USED, account)
        used = msgspec.json.decode(row.value, type=_Used) if row else _Used(day=today)
        if used.day != today:
            used = _Used(day=today)
        why = share.left(used, objects, size)
        if why is not None:
            tomorrow = datetime.fromtimestamp((today + 1) * 86_400, UTC)
            raise RateError(
                f"{why}; nothing of it is taken",
                remedy=f"send it after {tomorrow:%Y-%m-%dT%H:%MZ}, or in agreement with whoever "
                f"runs this node{share.setting}",
                seconds=86_400 - left_of_day,
            )
        if not objects:
            return
        used = _Used(day=today, objects=used.objects + objects, size=used.size + size)
        try:
            node.store.keep_local(
                _USED, account, msgspec.json.encode(used), row.version if row else None
            )
        except ConflictError:
            continue  # another request of this account was first
        return


class _Piece(Struct, frozen=True, array_like=True):
    """An object kept as evidence: of what day, under what key, how many bytes."""

    day: int
    key: str
    size: int


def keep_evidence(node: Node, account: str, party: str | None, item: Received) -> bool:
    """Keep the second content of a version, on this node alone; whether there was room.

    It is kept for `EVIDENCE_DAYS`; what was kept for longer goes first.
    """
    key = f"{item.id}/{item.sha256}"
    if node.store.local(_EVIDENCE, key) is not None:
        return True
    drop_old(node, account)
    row = node.store.local(_HELD, account)
    held = msgspec.json.decode(row.value, type=list[_Piece]) if row else []
    size = len(item.raw)
    if len(held) >= MAX_EVIDENCE or sum(p.size for p in held) + size > MAX_EVIDENCE_BYTES:
        return False
    value = msgspec.json.encode({"from": account, "party": party, "raw": item.raw.decode()})
    held.append(_Piece(_day(node), key, size))
    try:
        node.store.keep_local(
            _HELD, account, msgspec.json.encode(held), row.version if row else None
        )
        node.store.keep_local(_EVIDENCE, key, value, None)
    except ConflictError:
        return False  # two at once; it comes again with the next try
    return True


def drop_old(node: Node, account: str | None = None) -> None:
    """What was kept as evidence for longer than `EVIDENCE_DAYS` goes: of one account, or of all."""
    last = _day(node) - EVIDENCE_DAYS
    rows = [node.store.local(_HELD, account)] if account else node.store.list_local(_HELD)
    for row in rows:
        held = msgspec.json.decode(row.value, type=list[_Piece]) if row else []
        stays = [piece for piece in held if piece.day > last]
        if row is None or len(stays) == len(held):
            continue
        with suppress(ConflictError):  # another request does it
            for piece in held:
                old = node.store.local(_EVIDENCE, piece.key) if piece.day <= last else None
                if old is not None:
                    node.store.keep_local(_EVIDENCE, piece.key, None, old.version)
            value = msgspec.json.encode(stays) if stays else None
            node.store.keep_local(_HELD, row.key, value, row.version)


def _day(node: Node) -> int:
    return int(node.clock().timestamp()) // 86_400
