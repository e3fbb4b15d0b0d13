"""Two directory versions of one number: kept as evidence, and an alarm on every page.

What registrars sign decides who may speak. If enough of them sign two versions of one number,
nodes hold different directories, each of them right by its signatures; a person has to ask which
was meant.
Spec: record.md, "Directory and keys".
"""

from __future__ import annotations

import logging

from msgspec import Struct

from tocsin.canonical import b64encode
from tocsin.errors import RecordError
from tocsin.flows.node import Node
from tocsin.flows.witnessing import Alarm, Rows
from tocsin.record.directory import Rival
from tocsin.record.statement import time_text

log = logging.getLogger("tocsin.keys")

KEPT = 16
"""Of one version; registrars can sign any number of them, and more would say nothing new."""


class _Kept(Struct, frozen=True, kw_only=True):
    rival: Rival
    raw: bytes


class RivalRow(Struct, frozen=True, kw_only=True):
    """Two versions of one number, with both envelopes."""

    version: int
    held: str
    other: str
    held_envelope: str
    """Base64; "" where it was purged here."""
    other_envelope: str
    """Base64."""


def note(node: Node, raw: bytes) -> bool:
    """Keep a refused directory version, and raise the alarm, if it is a rival of one held here."""
    try:
        found = node.keyring.rival(raw)
    except RecordError:  # too few signed it: anybody could have made it
        return False
    if found is None:
        return False
    rows = Rows(node.store, "directory-rival", _Kept)
    prefix = f"{found.version} "
    if rows.get(prefix + found.other) is not None or len(rows.items(prefix)) >= KEPT:
        return True
    rows.put(prefix + found.other, _Kept(rival=found, raw=raw))
    detail = (
        f"two versions {found.version} of the directory are signed by enough registrars: this node "
        f"holds {found.held[:16]}…, and another was brought, {found.other[:16]}…"
    )
    log.warning("%s", detail)
    key = f"directory/{found.version} {found.other}"
    Rows(node.store, "alarm", Alarm).put(
        key,
        Alarm(
            key=key,
            kind="directory",
            origin="",
            detail=detail,
            remedy="both are kept: tocsin directory rivals --out FOLDER; ask the registrars by "
            "telephone which one was meant, and the other members which one they hold",
            since=time_text(node.clock()),
        ),
    )
    return True


def rivals(node: Node) -> list[RivalRow]:
    """All that are kept, by version. Directories are CLEAR."""
    found = []
    for _, kept in Rows(node.store, "directory-rival", _Kept).items():
        held = node.store.statement(kept.rival.held, node.everything())
        found.append(
            RivalRow(
                version=kept.rival.version,
                held=kept.rival.held,
                other=kept.rival.other,
                held_envelope=b64encode(held.raw) if held is not None else "",
                other_envelope=b64encode(kept.raw),
            )
        )
    return sorted(found, key=lambda row: (row.version, row.other))
