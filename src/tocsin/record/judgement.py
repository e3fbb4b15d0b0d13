"""How a signature stands when several logs speak of its key.

Within one log places decide: a signature counts below the revocation (`KeyRing.state`). A
revocation may be entered at any node, because the home operator may be the adversary; between logs
only cosigned times can be compared, and the cautious side is taken. The verdict is a function of
the set of facts: two nodes that hold the same facts say the same, whatever they learnt first.
Spec: record.md, "Directory and keys"; decisions/0027.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from tocsin.record.directory import KeyState


class Placed(Struct, frozen=True, kw_only=True):
    """Where a statement is logged, and since when witnesses vouch for it."""

    log: str
    """The log's origin."""
    index: int
    cosigned: str | None = None
    """Earliest quorum time that covers the index, 20 characters UTC; None: no quorum covers it."""


class Ended(Struct, frozen=True, kw_only=True):
    """One `revoke` statement of the key, in one log."""

    at: Placed
    suspect_since: str | None = None


def judge(at: Placed, enrolled: Iterable[Placed], ended: Iterable[Ended]) -> KeyState:
    """How a signature logged at `at` is shown, by all that is known of its key.

    - Enrolled below it in its own log; elsewhere, cosigned before it was.
    - Revoked if a revocation is below it in its own log, or is cosigned elsewhere and the
      signature was not cosigned before that. A revocation that no witness has seen ends nothing
      in another log (its author could take back by it whatever was ever said): suspect.
    - Suspect from the earliest `suspect_since` on, by the cosigned time; without one, always.

    Args:
        enrolled: places of its `key` statements for this kind.
        ended: its revocations, in any order; the earliest counts.
    """
    if not any(_before(key, at) for key in enrolled):
        return "unknown"
    suspect = False
    for end in ended:
        if end.at.log == at.log:
            if end.at.index < at.index:
                return "revoked"
        elif end.at.cosigned is None:
            suspect = True
        elif at.cosigned is None or at.cosigned >= end.at.cosigned:
            return "revoked"
        since = end.suspect_since
        suspect = suspect or (since is not None and (at.cosigned is None or at.cosigned >= since))
    return "suspect" if suspect else "valid"


def _before(a: Placed, b: Placed) -> bool:
    if a.log == b.log:
        return a.index < b.index
    return a.cosigned is not None and b.cosigned is not None and a.cosigned <= b.cosigned
