"""How the logs of one party are numbered: `<party>/log`, then `<party>/log/<n>`.

An origin is never used twice: what two stores sign under one name is a fork.
Spec: record.md, "Log".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tocsin.record.directory import KeyRing


def log_origin(party: str, number: int) -> str:
    """The name of a party's n-th log."""
    return f"{party}/log" if number == 1 else f"{party}/log/{number}"


def log_number(party: str, origin: str) -> int:
    """Which of the party's logs this is; 0: none of them."""
    found = re.fullmatch(r"(.+)/log(?:/([1-9][0-9]{0,8}))?", origin)
    if found is None or found[1] != party or found[2] == "1":
        return 0
    return int(found[2] or 1)


def newest_log(party: str, origins: Iterable[str]) -> int:
    """The highest number among the party's logs; 0: it has none there."""
    return max((log_number(party, origin) for origin in origins), default=0)


def listed_logs(ring: KeyRing, party: str) -> dict[str, tuple[str, ...]]:
    """Every log that any version of the directory listed for a party, with its verifier keys.

    Of one whose keys were listed twice, all of them, the newest last.
    """
    found: dict[str, tuple[str, ...]] = {}
    for _, _, directory in ring.versions:
        entry = directory.party(party)
        for node in entry.nodes if entry is not None else ():
            if node.origin:
                keys = (*found.get(node.origin, ()), *node.log_vkeys)
                found[node.origin] = tuple(dict.fromkeys(keys))
    return found
