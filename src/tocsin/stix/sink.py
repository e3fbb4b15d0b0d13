"""Takes what a checker says of one object after another, bounds it, and makes findings of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.stix.bundle import Received
from tocsin.stix.findings import CODES, About, Finding, pointer_to, shown
from tocsin.stix.kinds import Path

MOST = 20_000
"""Findings of one run; behind them only an object's first error is still listed."""
MOST_OF_ONE = 50
"""Findings of one object, its errors first."""


class Seen(Struct):
    """What single objects showed that is judged of all of them together."""

    extensions: dict[str, int] = {}
    """Id of an extension definition that is pointed to, and the first object that does."""


class Sink:
    """Takes what is said, bounds it, and makes findings of it."""

    def __init__(self, items: Sequence[Received], within: str | None, most: int) -> None:
        self._items, self._most = items, most
        self.within = within
        """Where the objects stand; None: it is one by itself."""
        self.n = 0
        """Which of the objects is being checked."""
        self.here: list[Finding] = []
        self._errors = 0
        self._left_out = 0
        self._found: list[tuple[int, list[Finding]]] = []
        self._count = 0
        self._unlisted = 0
        self._once: dict[tuple[str, ...], _Once] = {}

    def say(
        self,
        code: str,
        path: Path,
        value: Any,
        detail: str | Callable[[], str],
        clause: str | None = None,
    ) -> None:
        """Something is found in the object at hand."""
        rule = CODES[code]
        error = rule.severity == "error"
        if self._count >= self._most and (self._errors > 0 or not error):
            self._unlisted += 1
            return
        if (self._errors if error else len(self.here) - self._errors) >= MOST_OF_ONE:
            self._left_out += 1
            return
        self._errors += error
        self.here.append(self.finding(self.n, code, path, value, detail, clause))

    def once(
        self,
        key: tuple[str, ...],
        code: str,
        path: Path,
        value: Any,
        detail: str | Callable[[], str],
    ) -> None:
        """Something that is the same in many objects: listed at the first, and counted."""
        known = self._once.get(key)
        if known is not None:
            known.count += 1
        elif len(self._once) < self._most:
            self._once[key] = _Once(self.n, self.finding(self.n, code, path, value, detail, None))
        else:
            self._unlisted += 1

    def count(self, key: tuple[str, ...], more: int) -> None:
        """So many more objects have what was said once."""
        if (known := self._once.get(key)) is not None:
            known.count += more

    def finding(
        self,
        n: int,
        code: str,
        path: Path,
        value: Any,
        detail: str | Callable[[], str],
        clause: str | None,
    ) -> Finding:
        """One finding about the object number `n`; its pointer is one into that object."""
        rule = CODES[code]
        item = self._items[n]
        return Finding(
            code=code,
            severity=rule.severity,
            pointer=pointer_to(*path),
            clause=clause or rule.clause,
            object=About(item.id, item.sha256),
            value=None if value is None else shown(value),
            detail=detail if isinstance(detail, str) else detail(),
            remedy=rule.remedy,
        )

    def next(self) -> None:
        """The object at hand is done."""
        here, left_out = self.here, self._left_out
        if self._errors and len(here) > MOST_OF_ONE:
            here = sorted(here, key=lambda finding: finding.severity != "error")
            left_out += len(here) - MOST_OF_ONE
            here = here[:MOST_OF_ONE]
        if self._count >= self._most:
            # Whoever must not be given to others is still told by its first error.
            first = next((f for f in here if f.severity == "error"), None)
            self._unlisted += len(here) + left_out - (first is not None)
            here = [] if first is None else [first]
        elif left_out:
            more = f"{left_out} more of this object"
            here = [*here, self.finding(self.n, "more", (), None, more, None)]
        self._count += len(here)
        if here:
            self._found.append((self.n, here))
        self.here, self._errors, self._left_out = [], 0, 0

    def all(self) -> list[Finding]:
        """Every finding, by the place of its object."""
        rows = [(n, finding) for n, group in self._found for finding in group]
        rows += [(one.n, one.told()) for one in self._once.values()]
        rows.sort(key=lambda row: row[0])
        found = [self._placed(n, finding) for n, finding in rows]
        if len(found) > self._most:
            errors = [f for f in found[self._most :] if f.severity == "error"]
            self._unlisted += len(found) - self._most - len(errors)
            found = found[: self._most] + errors
        if self._unlisted:
            found.append(
                Finding(
                    code="more",
                    severity="note",
                    pointer=self.within or "",
                    clause=CODES["more"].clause,
                    detail=f"{self._unlisted} more findings in all",
                    remedy=CODES["more"].remedy,
                )
            )
        return found

    def _placed(self, n: int, finding: Finding) -> Finding:
        if self.within is None:
            return finding
        return msgspec.structs.replace(finding, pointer=f"{self.within}/{n}{finding.pointer}")


class _Once(Struct):
    n: int
    finding: Finding
    count: int = 1

    def told(self) -> Finding:
        if self.count == 1:
            return self.finding
        words = f"{self.finding.detail} ({self.count} objects)"
        return msgspec.structs.replace(self.finding, detail=words)
