"""What objects say of each other: versions, references, definitions.

Spec: STIX 2.1 §3.3, §3.6, §7.3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

import orjson
from msgspec import Struct

from tocsin.stix.bundle import Received
from tocsin.stix.markings import TLP_OF_ID
from tocsin.stix.model import HasBytes
from tocsin.stix.sink import Seen, Sink


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
    content: bytes
    """A digest of what it says, whatever the order of its keys."""


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
    return _version(item.raw, n)


def _held(one: HasBytes) -> _Version:
    return _version(one.raw, None)


def _version(raw: bytes, n: int | None) -> _Version:
    x = orjson.loads(raw)
    x = x if type(x) is dict else {}
    return _Version(
        n,
        x.get("created"),
        x.get("modified"),
        x.get("created_by_ref"),
        x.get("revoked") is True,
        hashlib.sha256(orjson.dumps(x, option=orjson.OPT_SORT_KEYS)).digest(),
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
            equal = before.content == version.content
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
    for n, item in enumerate(items):
        if item.problem is not None or missing.isdisjoint(item.refs):
            continue
        places: dict[str, Steps] = {}
        _find(item.data, missing, (), places)
        sink.n = n
        for ref in sorted(places):
            key = ("reference-unresolved", ref)
            sink.once(key, key[0], places[ref], ref, f"{ref} is not here")


Steps: TypeAlias = tuple[str | int, ...]


def _find(x: Any, wanted: set[str], path: Steps, places: dict[str, Steps]) -> None:
    """The first place of each wanted reference, in the order of names."""
    # Calls itself no more than `Limits.depth` times.
    inner = sorted(x.items()) if type(x) is dict else enumerate(x)
    for step, value in inner:
        kind = type(value)
        if kind is str:
            name = step if type(step) is str else path[-1]
            if value in wanted and str(name).endswith(("_ref", "_refs")) and _is_id(value):
                places.setdefault(value, (*path, step))
        elif kind is list or kind is dict:
            _find(value, wanted, (*path, step), places)


def _is_id(ref: str) -> bool:
    return len(ref) > 38 and ref[-38:-36] == "--"
