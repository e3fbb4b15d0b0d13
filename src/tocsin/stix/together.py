"""What objects say of each other: versions, references, definitions.

Spec: STIX 2.1 §3.3, §3.6, §7.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import orjson
from msgspec import Struct

from tocsin.stix.bundle import Received
from tocsin.stix.markings import TLP_OF_ID
from tocsin.stix.model import HasBytes
from tocsin.stix.sink import Seen, Sink

MOST_UNRESOLVED = 2_000
"""References that are looked up one by one to say where they stand."""


def check_together(
    items: Sequence[Received], known: Mapping[str, Sequence[HasBytes]], seen: Seen, sink: Sink
) -> None:
    """Judge the versions of each object, and what is pointed to."""
    ids = {item.id for item in items}
    _check_versions(items, ids, known, sink)
    _check_resolved(items, ids, known, sink)
    for id in sorted(seen.extensions, key=lambda id: (seen.extensions[id], id)):
        if id not in ids and id not in known and id not in OWN_EXTENSIONS:
            sink.n = seen.extensions[id]
            detail = f"{id} is not here"
            sink.once(
                ("extension-unknown", id), "extension-unknown", ("extensions", id), None, detail
            )


OWN_EXTENSIONS = frozenset({"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"})
"""Extensions whose content is judged here without their definition: TLP 2.0."""


class _Version(Struct, frozen=True):
    n: int | None
    """Which of the objects; None for one that is held already."""
    created: str | None
    modified: str | None
    creator: Any
    revoked: bool
    raw: bytes


def _check_versions(
    items: Sequence[Received],
    ids: set[str],
    known: Mapping[str, Sequence[HasBytes]],
    sink: Sink,
) -> None:
    if len(ids) == len(items) and not known:
        return
    by_id: dict[str, list[int]] = {}
    for n, item in enumerate(items):
        if item.problem is None:
            by_id.setdefault(item.id, []).append(n)
    found: dict[int, list[tuple[Any, ...]]] = {}
    for id, places in by_id.items():
        held = known.get(id, ()) if known else ()
        if len(places) == 1 and not held:
            continue
        versions = [*(_held(one) for one in held), *(_here(items[n], n) for n in places)]
        for n, said in _compare(versions):
            found.setdefault(n, []).append(said)
    for n in sorted(found):
        sink.n = n
        for said in found[n]:
            sink.say(*said)
        sink.next()


def _here(item: Received, n: int) -> _Version:
    x = item.data
    creator = x.get("created_by_ref")
    return _Version(n, item.created, item.modified, creator, x.get("revoked") is True, item.raw)


def _held(one: HasBytes) -> _Version:
    x = orjson.loads(one.raw)
    x = x if type(x) is dict else {}
    return _Version(
        None,
        x.get("created"),
        x.get("modified"),
        x.get("created_by_ref"),
        x.get("revoked") is True,
        one.raw,
    )


def _compare(versions: list[_Version]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """What is wrong with each of the versions of one object that are being checked."""
    first = min(versions, key=lambda v: (str(v.modified), v.n is not None))
    revoked = min((str(v.modified) for v in versions if v.revoked), default=None)
    same: dict[str, _Version] = {}
    for version in versions:
        n = version.n
        before = same.setdefault(str(version.modified), version)
        if n is None:
            continue
        if before is not version:
            equal = _equal(before.raw, version.raw)
            if version.modified is None and version.created is None and not equal:
                pass  # an observable has no versions: two may say more or less of one thing
            elif equal and before.n is not None:
                yield n, ("object-repeated", (), None, f"it is object {before.n} too")
            elif not equal:
                where = "one held already" if before.n is None else f"object {before.n}"
                words = f"the same id and modified as {where}, and other content"
                yield n, ("version-twice", ("modified",), version.modified, words)
        if version.created != first.created:
            words = f"the first version was created {first.created}"
            yield n, ("version-created", ("created",), version.created, words)
        if version.creator != first.creator:
            words = f"the first version was created by {first.creator or 'nobody it names'}"
            yield n, ("version-creator", ("created_by_ref",), version.creator, words)
        if revoked is not None and str(version.modified) > revoked:
            words = f"it was revoked at {revoked}"
            yield n, ("version-after-revoked", ("modified",), version.modified, words)


def _equal(a: bytes, b: bytes) -> bool:
    return a == b or orjson.loads(a) == orjson.loads(b)


def _check_resolved(
    items: Sequence[Received],
    ids: set[str],
    known: Mapping[str, Sequence[HasBytes]],
    sink: Sink,
) -> None:
    missing = set(chain.from_iterable([item.refs for item in items]))
    missing -= ids
    missing -= TLP_OF_ID.keys()
    if known:
        missing = {ref for ref in missing if ref not in known}
    if not missing:
        return
    left = MOST_UNRESOLVED
    for n, item in enumerate(items):
        if missing.isdisjoint(item.refs) or item.problem is not None:
            continue
        x: dict[str, Any] | None = None
        for ref in item.refs:
            if ref not in missing or not _is_id(ref):
                continue
            sink.n = n
            key = ("reference-unresolved", ref)
            if x is None and left > 0:
                x = item.data
                left -= 1
            sink.once(key, "reference-unresolved", _where(x or {}, ref), ref, f"{ref} is not here")


def _is_id(ref: str) -> bool:
    return len(ref) > 38 and ref[-38:-36] == "--"


def _where(x: Any, ref: str) -> tuple[str | int, ...]:
    """The first place at which a reference stands, in the order of names."""
    # Calls itself no more than `Limits.depth` times.
    if type(x) is dict:
        for name in sorted(x):
            value = x[name]
            if value == ref and name.endswith("_ref"):
                return (name,)
            if (type(value) is list or type(value) is dict) and (inner := _where(value, ref)):
                return (name, *inner)
    elif type(x) is list:
        for n, value in enumerate(x):
            if value == ref:
                return (n,)
            if (type(value) is list or type(value) is dict) and (inner := _where(value, ref)):
                return (n, *inner)
    return ()
