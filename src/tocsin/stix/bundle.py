"""Opens STIX as it arrives: limits first, then every object with its own bytes and digest.

A bundle, a TAXII envelope, a list of objects and one object all open. Nothing is rewritten: `raw`
is the exact slice of what came, and everything else is read from it.

Spec: STIX 2.1 §2 and §8.
"""

from __future__ import annotations

import gc
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, TypeAlias

import msgspec
import orjson
from msgspec import Struct

from tocsin.errors import BundleError, ObjectLimitError
from tocsin.stix.exact import Prover
from tocsin.stix.framing import Places, slices
from tocsin.stix.limits import FILE_LIMITS, Limits


# Not kw_only: keyword arguments cost a tenth of the time it takes to open a bundle.
class Received(Struct, frozen=True, gc=False):
    """One object as it came.

    A bad object among good ones is kept too: `problem` says what is wrong with it, and `id` and
    `type` are empty where it has none. It is shown to its sender and not served to others.
    """

    raw: bytes
    """The exact bytes, without the blanks around them."""
    sha256: str
    id: str
    type: str
    spec_version: str | None
    created: str | None
    modified: str | None
    refs: tuple[str, ...]
    """Every identifier in a property named `…_ref` or `…_refs`, at any depth, each once, sorted.
    What STIX defines as plain text or as an external reference is not searched for any."""
    problem: str | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The decoded object, made anew at each access: hold on to it, and nobody else has it.

        What stands in a bundle in an object's place and is none gives an empty dict.
        """
        value = orjson.loads(self.raw)
        return value if type(value) is dict else {}


def open_bundle(
    data: bytes, *, max_objects: int | None = None, limits: Limits = FILE_LIMITS
) -> list[Received]:
    """Every object in `data`, in the order it came.

    Args:
        data: a bundle, a TAXII envelope, a list of objects, or one object, as UTF-8 JSON.
        max_objects: takes the place of `limits.objects`.

    Raises:
        BundleSizeError: more bytes or objects than the door takes.
        ObjectLimitError: one object is too large, too deep or has too many keys.
        BundleError: not UTF-8, not JSON, not STIX, or ambiguous JSON: a doubled key, an integer
            past ±(2**53 - 1), a number without a value, half a surrogate pair. In each case
            nothing is taken, and `offset` is the first byte at fault.
    """
    if max_objects is not None:
        limits = msgspec.structs.replace(limits, objects=max_objects)
    return open_whole(data, limits=limits).objects


class Opened(Struct, frozen=True):
    """What was opened: its objects, and what stands around them."""

    objects: list[Received]
    kind: str
    """`bundle`, `envelope`, `list` or `object`."""
    around: dict[str, Any]
    """The members of a bundle or an envelope; of `objects` no more than that it is there."""


Visit: TypeAlias = Callable[[list[Received], list[Any]], None]
"""Told of some objects in their order, and what they decode to; not to be changed or kept."""


def open_whole(data: bytes, *, limits: Limits = FILE_LIMITS, visit: Visit | None = None) -> Opened:
    """Every object in `data` as `open_bundle` gives it, and what stands around them.

    Args:
        visit: shown the objects as they are opened. What it was shown counts for nothing if
            an error follows.

    Raises:
        BundleError: as `open_bundle`.
    """
    # Nothing made while opening is part of a cycle, and a collector that keeps looking for one
    # among a hundred thousand new objects takes a tenth of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        raws, places = slices(data, limits.objects, limits)
        return Opened(_receive(raws, places, limits, visit), places.kind, places.around)
    finally:
        if collecting:
            gc.enable()


def open_object(raw: bytes, *, limits: Limits = FILE_LIMITS) -> Received:
    """The one object in `raw`.

    Raises:
        BundleError: as `open_bundle`; also when `raw` holds none or several.
    """
    opened = open_bundle(raw, limits=limits)
    if len(opened) != 1:
        raise BundleError(
            f"{len(opened)} objects where one is expected", remedy="give one object", offset=0
        )
    return opened[0]


def write_bundle(raws: Iterable[bytes], bundle_id: str) -> bytes:
    """A bundle around `raws`, each of which stands in it byte for byte.

    Args:
        raws: JSON objects, for instance `Received.raw`.
        bundle_id: `bundle--` and a UUID.

    Raises:
        BundleError: `bundle_id` is no identifier of a bundle.

    Spec: STIX 2.1 §8. A bundle has no `spec_version` since 2.1, and no empty `objects`.
    """
    if not (bundle_id.startswith("bundle--") and _TAIL.fullmatch(bundle_id, 6)):
        raise BundleError(
            f"{bundle_id!r} is no identifier of a bundle", remedy="use bundle-- and a UUID"
        )
    head = b'{"type":"bundle","id":"' + bundle_id.encode() + b'"'
    whole = list(raws)
    if not whole:
        return head + b"}"
    # Joined once: to put a frame around what is joined would copy all of it again.
    whole[0] = b'%b,"objects":[%b' % (head, whole[0])
    whole[-1] += b"]}"
    return b",".join(whole)


_BATCH_BYTES = 64 * 1024
_BATCH = 48


def _receive(
    raws: list[bytes], places: Places, limits: Limits, visit: Visit | None
) -> list[Received]:
    prover = Prover(limits)
    maker = _Maker()
    received: list[Received] = []
    for first, after in _batches(raws, limits, places):
        batch = raws[first:after]
        values = prover.plain(b"[%b]" % b",".join(batch), batch)
        if values is None:
            values = _one_by_one(prover, batch, places, first)
        made = maker.make(batch, values)
        received += made
        if visit is not None:
            visit(made, values)
    return received


def _one_by_one(prover: Prover, raws: list[bytes], places: Places, first: int) -> list[Any]:
    """The values of objects of which some are not compact: blanks between tokens change nothing.

    Without them the same proof holds as for compact ones, at a tenth of the cost of the exact one.
    """
    try:
        packed = [msgspec.json.format(raw, indent=-1) for raw in raws]
    except (msgspec.DecodeError, RecursionError):
        packed = []
    values = prover.plain(b"[%b]" % b",".join(packed), raws) if packed else None
    if values is not None:
        return values
    found: list[Any] = []
    for n, raw in enumerate(raws):
        alone = prover.plain(b"[%b]" % packed[n], [raw]) if packed else None
        found.append(prover.exact(raw, places[first + n]) if alone is None else alone[0])
    return found


def _batches(raws: list[bytes], limits: Limits, places: Places) -> Iterator[tuple[int, int]]:
    """Runs of slices small enough to stay in the processor's cache."""
    first = size = 0
    for n, raw in enumerate(raws):
        length = len(raw)
        if length > limits.object_bytes:
            raise ObjectLimitError(
                f"an object of {length} bytes at byte {places[n]}, and at most "
                f"{limits.object_bytes} fit",
                remedy="send what is large as an attachment, or raise "
                f"[{limits.section}] max_object_bytes in tocsin.toml",
                offset=places[n],
            )
        if n > first and (size + length > _BATCH_BYTES or n - first >= _BATCH):
            yield first, n
            first, size = n, 0
        size += length
    if first < len(raws):
        yield first, len(raws)


_HEX = "[0-9a-fA-F]"
_TAIL = re.compile(f"--{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}")
_TYPE = re.compile("[a-z0-9][a-z0-9-]{0,249}")
_HEAD = ("id", "type", "spec_version", "created", "modified")
_PLAIN = frozenset(
    {
        *_HEAD,
        "abstract", "aliases", "authors", "confidence", "content", "context", "description",
        "external_references", "goals", "indicator_types", "is_family", "kill_chain_phases",
        "labels", "lang", "malware_types", "name", "opinion", "pattern", "pattern_type",
        "relationship_type", "revoked", "valid_from", "valid_until",
    }
)  # fmt: skip
"""Common properties in which STIX has no reference at any depth. They are not searched."""

_UUID_HYPHENS = (0, 1, 10, 15, 20, 25)
_HEX_DIGITS = b"0123456789abcdefABCDEF"


class _Maker:
    """Turns proven objects into `Received`, many of one shape at a time.

    Neighbours in a bundle mostly are of one type and have their references in the same
    properties. Those of the first are fetched from all of them at once. That is right if no other
    property of any of them holds an object, which might hold a reference. Whatever does not fit
    is looked at one by one.
    """

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._one: tuple[str, ...] = ()
        self._many: tuple[str, ...] = ()
        self._head: tuple[str, ...] = ()
        self._fetch: Callable[[dict[str, Any]], tuple[Any, ...]] = itemgetter("id", "type")
        self._known: frozenset[str] = _PLAIN

    def make(self, raws: list[bytes], values: list[Any]) -> list[Received]:
        """What the proven `values` of `raws` say of themselves."""
        return self._together(raws, values) or self._by_kind(raws, values)

    def _by_kind(self, raws: list[bytes], values: list[Any]) -> list[Received]:
        kinds: dict[Any, list[int]] = {}
        for n, x in enumerate(values):
            kind = x.get("type") if type(x) is dict else None
            kinds.setdefault(kind if type(kind) is str else None, []).append(n)
        found: dict[int, Received] = {}
        for places in kinds.values():
            some, theirs = [raws[n] for n in places], [values[n] for n in places]
            made = self._together(some, theirs) if len(places) > 3 else None
            if made is None:
                made = [self._alone(raw, x) for raw, x in zip(some, theirs, strict=True)]
            found.update(zip(places, made, strict=True))
        return [found[n] for n in range(len(raws))]

    def _together(self, raws: list[bytes], values: list[Any]) -> list[Received] | None:
        """All of them, or None if one is not of the shape of the first, or is bad."""
        try:
            return self._columns(raws, values, walk=False)
        except (KeyError, TypeError, AttributeError):
            pass
        if type(values[0]) is not dict or not self._plan(values[0]):
            return None
        try:
            return self._columns(raws, values, walk=True)
        except (KeyError, TypeError, AttributeError):
            return None

    def _plan(self, x: dict[str, Any]) -> bool:
        """Take `x` as the shape to expect. False if it is bad itself."""
        if _problem(x) is not None:
            return False
        self._kinds.add(x["type"])
        names = sorted(x)
        self._head = tuple(name for name in _HEAD if name in x)
        self._one = tuple(name for name in names if name.endswith("_ref"))
        self._many = tuple(name for name in names if name.endswith("_refs"))
        fetched = self._head + self._one + self._many
        self._fetch = itemgetter(*fetched)
        self._known = _PLAIN.union(fetched)
        return True

    def _columns(self, raws: list[bytes], values: list[Any], *, walk: bool) -> list[Received]:
        columns = list(zip(*map(self._fetch, values), strict=True))
        ones = len(self._head) + len(self._one)
        for column in columns[:ones]:
            # A quick way to ask whether all of them are text.
            "".join(column)
        said: dict[str, Iterable[str | None]] = dict(zip(self._head, columns, strict=False))
        for name in _HEAD:
            if name not in said:
                if any(name in x for x in values):
                    raise KeyError
                said[name] = repeat(None, len(values))
        ids, kinds = columns[0], columns[1]
        if not (self._kinds.issuperset(kinds) and _are_ids(ids, kinds)):
            raise KeyError
        if self._holds_no_other(values):
            rows = _rows(columns[len(self._head) : ones], columns[ones:], len(values))
        elif walk:
            rows = map(_references, values)
        else:
            raise KeyError
        sha256 = hashlib.sha256
        return list(
            map(
                Received,
                raws,
                [sha256(raw).hexdigest() for raw in raws],
                ids,
                kinds,
                said["spec_version"],
                said["created"],
                said["modified"],
                rows,
            )
        )

    def _holds_no_other(self, values: list[dict[str, Any]]) -> bool:
        """Whether no object in `values` can have a reference but in the fetched properties."""
        for name in set().union(*values) - self._known:
            if name.endswith(("_ref", "_refs")):
                return False
            held = [x[name] for x in values if name in x]
            kinds = {*map(type, held)}
            if dict in kinds:
                return False
            if list in kinds:
                inside = {*map(type, chain.from_iterable(v for v in held if type(v) is list))}
                if dict in inside or list in inside:
                    return False
        return True

    def _alone(self, raw: bytes, x: Any) -> Received:
        digest = hashlib.sha256(raw).hexdigest()
        if type(x) is not dict:
            shown = raw[:40].decode(errors="replace")
            return Received(raw, digest, "", "", None, None, None, (), f"not an object: {shown}")
        said = {name: value for name in _HEAD if type(value := x.get(name)) is str}
        return Received(
            raw,
            digest,
            said.get("id", ""),
            said.get("type", ""),
            said.get("spec_version"),
            said.get("created"),
            said.get("modified"),
            _references(x),
            _problem(x),
        )


def _are_ids(ids: Sequence[str], kinds: Sequence[str]) -> bool:
    """Whether each id is its type, two hyphens and a UUID, asked of all of them at once."""
    if [id[:-38] for id in ids] != list(kinds):
        return False
    ends = "".join([id[-38:] for id in ids])
    hyphens = "-" * len(ids)
    return (
        len(ends) == 38 * len(ids)
        and ends.isascii()
        and all(ends[place::38] == hyphens for place in _UUID_HYPHENS)
        and len(ends.encode().translate(None, _HEX_DIGITS)) == len(_UUID_HYPHENS) * len(ids)
    )


def _rows(
    ones: Sequence[Sequence[str]], manys: Sequence[Sequence[list[str]]], count: int
) -> Iterable[tuple[str, ...]]:
    """Each object's references from columns of single ones and columns of lists of them."""
    columns = list(ones)
    for many in manys:
        if not {*map(type, many)} <= {list}:
            raise TypeError
    if all({*map(len, many)} == {1} for many in manys):
        for many in manys:
            column = [refs[0] for refs in many]
            "".join(column)
            columns.append(column)
        if not columns:
            return repeat((), count)
        return map(tuple, map(sorted, map(set, zip(*columns, strict=True))))
    singles = zip(*ones, strict=True) if ones else repeat((), count)
    rows = [
        tuple(sorted({*chain(single, *lists)}))
        for single, lists in zip(singles, zip(*manys, strict=True), strict=True)
    ]
    "".join(chain.from_iterable(rows))
    return rows


def _references(x: dict[str, Any]) -> tuple[str, ...]:
    """The distinct identifiers in properties named `…_ref` and `…_refs`, sorted."""
    if x.get("type") == "observed-data" and type(x.get("objects")) is dict:
        # Those inside an observed-data of STIX 2.0 refer to each other by "0", "1" …
        x = {name: value for name, value in x.items() if name != "objects"}
    found: set[str] = set()
    left: list[dict[str, Any]] = [x]
    # Grows while it is read. Lists are opened at once, so that what is left are objects.
    for inner in left:
        for name, value in inner.items():
            if name in _PLAIN:
                continue
            kind = type(value)
            if kind is str:
                if name.endswith("_ref"):
                    found.add(value)
            elif kind is list:
                if name.endswith("_refs"):
                    found.update([ref for ref in value if type(ref) is str])
                _open_list(value, left)
            elif kind is dict:
                left.append(value)
    return tuple(sorted(found))


def _open_list(values: list[Any], left: list[dict[str, Any]]) -> None:
    # Calls itself no more than `Limits.depth` times: what gets here has been proven.
    for value in values:
        if type(value) is dict:
            left.append(value)
        elif type(value) is list:
            _open_list(value, left)


def _problem(x: dict[str, Any]) -> str | None:
    """Why an object cannot be taken as STIX at all; None if it can. Findings are check's work."""
    for name in ("type", "id"):
        value = x.get(name)
        if type(value) is not str:
            return f"{name} is missing" if value is None else f"{name} is not text"
    kind, id = x["type"], x["id"]
    if kind == "bundle":
        return "a bundle inside a bundle"
    for name in ("spec_version", "created", "modified"):
        if name in x and type(x[name]) is not str:
            return f"{name} is not text"
    if not _TYPE.fullmatch(kind):
        return f"type {kind[:80]!r} is not lower-case letters, digits and hyphens"
    if not _TAIL.fullmatch(id, max(0, len(id) - 38)):
        return f"id {id[:80]!r} is not a type, two hyphens and a UUID"
    if id[:-38] != kind:
        return f"id {id[:80]!r} is not of the type {kind[:80]!r}"
    return None
