"""Checks STIX objects, and says what it finds as data. It never changes an object.

Most objects have nothing wrong with them, and that is told quickly (`single.py`, `shapes.py`);
only of the others is it then worked out what (`kinds.py`, `rules.py`). What objects say of each
other is in `together.py`. Time grows with the bytes, and the number of findings is bounded.

Spec: STIX 2.1; exchange.md §1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.stix.bundle import Opened, Received, open_whole
from tocsin.stix.findings import CODES, Finding, Severity, pointer_to, shown
from tocsin.stix.kinds import UUID
from tocsin.stix.limits import FILE_LIMITS, Limits
from tocsin.stix.model import HasBytes
from tocsin.stix.single import Single
from tocsin.stix.sink import MOST, Seen, Sink
from tocsin.stix.together import check_together

TOLERATED = frozenset({"timestamp-precision"})
"""Errors with which an object is taken, and its sender told: exporters write times of whole seconds
where STIX 2.1 §3.2 wants milliseconds at least, and nobody can read one of them in two ways."""

_BUNDLE_ID = re.compile(rf"bundle--{UUID}")


def check_objects(
    items: Sequence[Received],
    *,
    known: Mapping[str, Sequence[HasBytes]] | None = None,
    within: str | None = "/objects",
    most: int = MOST,
    progress: Callable[[int], None] | None = None,
) -> list[Finding]:
    """Everything found in `items`, in their order; what many share stands at the first of them.

    An object may be given to others if no finding of severity `error` is about it: see `refused`.

    Args:
        items: opened objects, as `open_bundle` gives them.
        known: versions of objects held already, by id. They are not checked themselves: a new
            version has to agree with them, and a reference to one is resolved.
        within: where `items` stand, as a JSON pointer; None if it is one object by itself.
        most: how many findings are listed at most.
        progress: told from time to time how many objects are done.

    Returns:
        The same findings whatever the order of keys in an object.
    """
    run = _Run(items, within, most, progress)
    for item in items:
        run.take(item, item.data)
    return run.all(known or {})


def check_bundle(
    data: bytes,
    *,
    limits: Limits = FILE_LIMITS,
    known: Mapping[str, Sequence[HasBytes]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Checked:
    """Open a bundle, a TAXII envelope, a list of objects or one object, and check all of it.

    Raises:
        BundleError: it cannot be opened; see `open_bundle`.
    """
    begun = begin_check(data, limits=limits, progress=progress)
    findings = begun.findings(known or {})
    around = _check_around(begun.whole) if begun.whole.kind == "bundle" else ()
    return Checked(tuple(begun.objects), (*around, *findings))


def begin_check(
    data: bytes,
    *,
    limits: Limits = FILE_LIMITS,
    progress: Callable[[int], None] | None = None,
) -> Begun:
    """`check_bundle` as far as it goes while what is held of these ids is not known yet.

    Raises:
        BundleError: as `check_bundle`.
    """
    items: list[Received] = []
    run = _Run(items, None, MOST, progress)

    def visit(received: list[Received], values: list[Any]) -> None:
        items.extend(received)
        for item, x in zip(received, values, strict=True):
            run.take(item, x)

    # Checked while it is opened: decoding each object once more takes a fifth of the time.
    whole = open_whole(data, limits=limits, visit=visit)
    run.sink.within = {"object": None, "list": ""}.get(whole.kind, "/objects")
    return Begun(whole, run)


class Begun:
    """Objects that are opened, and each checked by itself."""

    def __init__(self, whole: Opened, run: _Run) -> None:
        self.whole = whole
        self._run = run

    @property
    def objects(self) -> list[Received]:
        """In the order they came."""
        return self.whole.objects

    def findings(self, known: Mapping[str, Sequence[HasBytes]]) -> list[Finding]:
        """Every finding, as `check_objects` gives them. To be asked once."""
        return self._run.all(known)


class _Run:
    """One check of many objects, which come one after another."""

    def __init__(
        self,
        items: Sequence[Received],
        within: str | None,
        most: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._items, self._progress = items, progress
        self.sink = Sink(items, within, most)
        self._seen = Seen()
        self._single = Single(self.sink, self._seen)
        self._done = 0

    def take(self, item: Received, x: Any) -> None:
        """Check the next object, of which `x` is the decoded value."""
        sink = self.sink
        sink.n = self._done
        if item.problem is None:
            self._single.check(item, x)
        else:
            sink.say("object-unusable", (), item.id or None, item.problem)
        if sink.here:
            sink.next()
        self._done += 1
        if self._progress is not None and self._done % 4096 == 0:
            self._progress(self._done)

    def all(self, known: Mapping[str, Sequence[HasBytes]]) -> list[Finding]:
        """Check them together, and give every finding."""
        self._single.finish()
        check_together(self._items, known, self._seen, self.sink)
        return self.sink.all()


def refused(findings: Sequence[Finding], *, tolerated: frozenset[str] = frozenset()) -> set[str]:
    """The SHA-256 of each object that has an error, and is therefore not given to others.

    Args:
        tolerated: codes that do not count.
    """
    return {
        finding.object.sha256
        for finding in findings
        if finding.severity == "error"
        and finding.object is not None
        and finding.code not in tolerated
    }


def judged(items: Sequence[Received]) -> list[Received]:
    """`items`, where the `problem` of each says what its first error is; None: it has none.

    For a door that lets objects in: one with a problem is shown to its sender and given to nobody.
    """
    wrong: dict[str, str] = {}
    for found in check_objects(items, within=None):
        if found.severity == "error" and found.object is not None:
            at = f"{found.pointer}: " if found.pointer else ""
            wrong.setdefault(found.object.sha256, f"{at}{found.detail} ({found.code})")
    if not wrong:
        return list(items)
    return [
        msgspec.structs.replace(item, problem=wrong[item.sha256])
        if item.problem is None and item.sha256 in wrong
        else item
        for item in items
    ]


class Checked(Struct, frozen=True):
    """A bundle's objects, and what was found."""

    objects: tuple[Received, ...]
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """How many findings are of this severity."""
        return sum(finding.severity == severity for finding in self.findings)


def _check_around(whole: Opened) -> Iterator[Finding]:
    """What is wrong with a bundle itself (§8)."""
    x = whole.around
    id = x.get("id")
    if type(id) is not str or not _BUNDLE_ID.fullmatch(id):
        said = "it has no id" if id is None else f"{shown(id)} is no id of a bundle"
        yield _around("bundle-id", "id", id, said)
    if "spec_version" in x:
        yield _around("bundle-spec-version", "spec_version", x["spec_version"], "as in STIX 2.0")
    if "objects" in x and not whole.objects:
        yield _around("bundle-empty", "objects", [], "it has an empty list of objects")
    for name in sorted(x.keys() - {"type", "id", "spec_version", "objects"}):
        yield _around("bundle-property", name, x[name], f"a bundle has no {shown(name)[1:-1]}")


def _around(code: str, name: str, value: Any, detail: str) -> Finding:
    rule = CODES[code]
    return Finding(
        code=code,
        severity=rule.severity,
        pointer=pointer_to(name),
        clause=rule.clause,
        value=None if value is None else shown(value),
        detail=detail,
        remedy=rule.remedy,
    )
