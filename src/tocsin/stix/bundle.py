"""Opens STIX as it arrives: limits first, then every object with its own bytes and digest.

A bundle, a TAXII envelope, a list of objects and one object all open. Nothing is rewritten: `raw`
is the exact slice of what came, and everything else is read from it.

Two JSON readers rarely agree on hostile input: on a doubled key most keep the last value and some
the first, so two holders of one signature could read two things. What is ambiguous is therefore
refused, with the byte where it stands. The proof is cheap where the producer wrote compact JSON,
as most do: decode, encode again, and compare the bytes. Equal bytes leave no room for a doubled
key, a blank or a second spelling. The same call refuses integers outside ±(2**53 - 1), and, run
inside a nest of lists, anything deeper than we allow. Every object that fails this quick test is
looked at slowly and exactly.

Spec: STIX 2.1 §2 and §8, TAXII 2.1 §3.7, RFC 7493.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, repeat
from operator import itemgetter
from typing import Any, NoReturn

import msgspec
import orjson
from msgspec import UNSET, Raw, Struct, UnsetType, structs

from tocsin.errors import BundleError, BundleSizeError, ObjectLimitError

MAX_INTEGER = 2**53 - 1
_MIB = 1024 * 1024


class Limits(Struct, frozen=True, kw_only=True):
    """What one door takes. Sizes in bytes; `keys` and `depth` are of one object as a whole."""

    bytes: int
    objects: int
    object_bytes: int
    depth: int = 32
    keys: int = 10_000
    section: str
    """The section of `tocsin.toml` in which these may be raised."""


FILE_LIMITS = Limits(bytes=256 * _MIB, objects=200_000, object_bytes=8 * _MIB, section="ingest")
UPLOAD_LIMITS = Limits(bytes=64 * _MIB, objects=200_000, object_bytes=8 * _MIB, section="console")
PEER_LIMITS = Limits(bytes=32 * _MIB, objects=10_000, object_bytes=_MIB, section="peers")


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
    limit = limits.objects if max_objects is None else max_objects
    _check_bytes(data, limits)
    # Nothing made while opening is part of a cycle, and a collector that keeps looking for one
    # among a hundred thousand new objects takes a tenth of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _open(data, limit, limits)
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
    body = b",".join(raws)
    head = b'{"type":"bundle","id":"' + bundle_id.encode() + b'"'
    return b'%b,"objects":[%b]}' % (head, body) if body else head + b"}"


# --- the outside ------------------------------------------------------------------------------


def _check_bytes(data: bytes, limits: Limits) -> None:
    if len(data) > limits.bytes:
        raise BundleSizeError(
            f"{len(data)} bytes, and this door takes at most {limits.bytes}",
            remedy=f"ask for it in parts, or raise [{limits.section}] max_bytes in tocsin.toml",
            offset=limits.bytes,
        )
    if not data.strip():
        raise BundleError(
            f"nothing in it: {len(data)} bytes, all of them blank"
            if data
            else "nothing in it: 0 bytes",
            remedy="give a STIX bundle, a TAXII envelope, a list of objects or one object",
        )
    if data[:3] == b"\xef\xbb\xbf":
        raise BundleError(
            "it starts with a byte order mark (EF BB BF)",
            remedy="save it as UTF-8 without byte order mark",
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise BundleError(
            f"it starts with {data[:4].hex(' ').upper()}, which is UTF-16, UTF-32 or no text",
            remedy="save it as UTF-8 JSON",
        )


def _open(data: bytes, max_objects: int, limits: Limits) -> list[Received]:
    raws, kind = _cut(data, max_objects, limits)
    places = _places(data, raws, kind, limits)
    return _receive(raws, places, limits)


class _Framing(Struct):
    objects: list[Raw] | UnsetType = UNSET
    type: Raw | UnsetType = UNSET


class _Head(Struct):
    type: Raw | UnsetType = UNSET


_framing = msgspec.json.Decoder(_Framing)
_head = msgspec.json.Decoder(_Head)
_list = msgspec.json.Decoder(list[Raw])
_BYTE = re.compile(r"\(byte (\d+)\)")
_NEITHER = "give a STIX bundle, a TAXII envelope, a list of objects or one object"
_CUT_SHORT = "fetch the file again; it may have been cut short"


def _cut(data: bytes, max_objects: int, limits: Limits) -> tuple[list[bytes], str]:
    """The slices that stand in an object's place, and what stands around them.

    Their text is not yet proven to be good JSON; that a slice is one is.
    """
    # An array of a hundred million numbers fits into the byte limit and not into memory, so a
    # large input is counted before its slices are made. A small one cannot do much harm.
    if len(data) > 64 * _MIB:
        _check_density(data, max_objects)
    try:
        found, kind = _slices(data)
    except RecursionError:
        _refuse(data, 0, _around(limits))
    except msgspec.DecodeError as wrong:
        _refuse_framing(data, limits, str(wrong))
    if len(found) > max_objects:
        raise BundleSizeError(
            f"{len(found)} objects, and this door takes at most {max_objects}",
            remedy=f"ask for it in parts, or raise [{limits.section}] max_objects in tocsin.toml",
        )
    return [bytes(raw) for raw in found], kind


def _slices(data: bytes) -> tuple[Sequence[Raw | bytes], str]:
    if data.lstrip()[:1] == b"[" if data[:1] in _BLANK else data[:1] == b"[":
        return _list.decode(data), "list"
    try:
        framing = _framing.decode(data)
    except msgspec.ValidationError:
        # `objects` is no list: an observed-data of STIX 2.0, or a broken bundle.
        kind = _head.decode(data).type
        framing = _Framing(type=kind)
        if kind is UNSET or _text(kind) == "bundle":
            raise
    if framing.type is not UNSET and _text(framing.type) != "bundle":
        return [data.strip()], "object"
    if framing.objects is UNSET:
        return [], "bundle" if framing.type is not UNSET else "envelope"
    return framing.objects, "bundle" if framing.type is not UNSET else "envelope"


def _text(raw: Raw) -> Any:
    try:
        return orjson.loads(bytes(raw))
    except orjson.JSONDecodeError:
        return None


def _check_density(data: bytes, max_objects: int) -> None:
    # An element needs a comma before it; an object needs braces, anything else is no STIX.
    if data.count(b",") > max_objects and data.count(b"{") < data.count(b",") // 256:
        raise BundleSizeError(
            f"{data.count(b',') + 1} values with hardly an object among them",
            remedy=_NEITHER,
        )


def _refuse_framing(data: bytes, limits: Limits, why: str) -> NoReturn:
    try:
        data.decode()
    except UnicodeDecodeError as wrong:
        raise _not_utf8(data, wrong, 0) from wrong
    start = _blanks(data, 0)
    if data[start : start + 1] not in (b"{", b"["):
        raise BundleError(
            f"not a JSON object or list: it starts with {data[start : start + 12]!r}",
            remedy=_NEITHER,
            offset=start,
        )
    if "Expected `" in why:
        raise BundleError(f"its framing is no STIX: {why}", remedy=_NEITHER, offset=start)
    cut_short = "truncated" in why
    # The exact reader names the place better, and takes a second for every few megabytes.
    if len(data) <= 32 * _MIB and (fault := _fault(data, 0, _around(limits))) is not None:
        rest = _SCALAR.match(data, fault.offset)
        if not (cut_short and (fault.offset == len(data) or (rest and rest.end() == len(data)))):
            raise fault
    if cut_short:
        raise BundleError(
            f"it ends at byte {len(data)} in the middle of the JSON",
            remedy=_CUT_SHORT,
            offset=len(data),
        )
    found = _BYTE.search(why)
    offset = int(found[1]) if found else len(data)
    raise BundleError(f"not JSON at byte {offset}: {why}", remedy=_CUT_SHORT, offset=offset)


def _around(limits: Limits) -> Limits:
    """Limits for a bundle as a whole: two levels more than its objects, and any number of keys."""
    return structs.replace(limits, depth=limits.depth + 2, keys=limits.bytes)


# --- the framing ------------------------------------------------------------------------------

_BLANK = (b" ", b"\t", b"\r", b"\n")
_BLANKS = re.compile(rb"[ \t\r\n]*+")
_STRING = rb'"(?:[^"\\]|\\.)*+"'
_KEY = re.compile(rb"[ \t\r\n]*+(" + _STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+", re.S)
_SCALAR = re.compile(_STRING + rb"|[^\s,\]}]++", re.S)
_NESTING = re.compile(_STRING + rb"|[\[\]{}]", re.S)


class _Places:
    """Where each slice starts, worked out only when an error has to say so."""

    def __init__(self, first: int, raws: Sequence[bytes], starts: Sequence[int] | None) -> None:
        self._first, self._raws, self._starts = first, raws, starts

    def __getitem__(self, index: int) -> int:
        if self._starts is None:
            lengths = (len(raw) + 1 for raw in self._raws)
            self._starts = list(accumulate(lengths, initial=self._first))
        return self._starts[index]


def _places(data: bytes, raws: list[bytes], kind: str, limits: Limits) -> _Places:
    """Where the slices stand, once what stands around them has been proven sound.

    Raises:
        BundleError: the framing is ambiguous or is no STIX.
    """
    if kind == "object":
        return _Places(len(data) - len(data.lstrip()), raws, None)
    for quick in (True, False):
        if kind == "list":
            place = _place(data, raws, _blanks(data, 0) + 1, quick)
        else:
            place = _place_in_envelope(data, raws, quick, limits)
        if place is None:
            continue
        start, end, starts = place
        around = data[:start] + data[end:]
        if len(around) > limits.object_bytes:
            raise BundleSizeError(
                f"{len(around)} bytes around the objects, and at most {limits.object_bytes} fit",
                remedy=_NEITHER,
            )
        try:
            framing = _Prover(limits).exact(around, 0)
        except BundleError as wrong:
            if quick and raws:
                continue
            if wrong.offset >= start:
                wrong.offset += end - start
            raise
        _check_framing(framing, kind)
        return _Places(start, raws, starts)
    raise BundleError(
        "the objects cannot be told from what stands around them",
        remedy="write the key objects once and plainly",
    )


def _check_framing(framing: Any, kind: str) -> None:
    if kind == "envelope" and not framing.keys() <= {"objects", "more", "next"}:
        raise BundleError(
            f"neither bundle, envelope nor object: no type, and the keys {sorted(framing)[:5]}",
            remedy=_NEITHER,
        )


_Place = tuple[int, int, list[int] | None]


def _place_in_envelope(
    data: bytes, raws: list[bytes], quick: bool, limits: Limits
) -> _Place | None:
    """Walk the envelope's own members to where `objects` stands."""
    at = _blanks(data, 0) + 1
    place: _Place | None = None
    seen: set[str] = set()
    while (member := _KEY.match(data, at)) is not None:
        try:
            key = orjson.loads(member[1])
        except orjson.JSONDecodeError:
            _refuse(member[1], member.start(1), limits)
        if key in seen:
            raise _doubled(key, member.start(1))
        seen.add(key)
        at = member.end()
        if key == "objects" and data[at : at + 1] == b"[":
            place = _place(data, raws, at + 1, quick)
        at = place[1] + 1 if key == "objects" and place else _after(data, at)
        at = _blanks(data, at)
        if data[at : at + 1] != b",":
            break
        at += 1
    return place if place or raws else (at, at, None)


def _place(data: bytes, raws: list[bytes], at: int, quick: bool) -> _Place | None:
    """From the first slice to the closing bracket, and where each starts if blanks stand between.

    `quick` guesses from the lengths that no blanks do; what is left around them tells.
    """
    if not raws:
        return at, at, None
    if quick:
        end = at + sum(map(len, raws)) + len(raws) - 1
        fits = data.startswith(raws[0], at) and data.startswith(raws[-1], end - len(raws[-1]))
        return (at, end, None) if fits and data[end : end + 1] == b"]" else None
    start = at
    starts: list[int] = []
    for raw in raws:
        at = _blanks(data, at)
        if not data.startswith(raw, at):
            return None
        starts.append(at)
        at = _blanks(data, at + len(raw)) + 1
    return start, at - 1, starts


def _blanks(data: bytes, at: int) -> int:
    found = _BLANKS.match(data, at)
    return found.end() if found else at


def _after(data: bytes, at: int) -> int:
    """The byte after the JSON value that starts at `at`."""
    if data[at : at + 1] not in (b"{", b"["):
        scalar = _SCALAR.match(data, at)
        return scalar.end() if scalar else at
    depth = 0
    for token in _NESTING.finditer(data, at):
        byte = data[token.start()]
        depth += (byte in b"[{") - (byte in b"]}")
        if depth == 0:
            return token.end()
    return len(data)


# --- the objects ------------------------------------------------------------------------------

_BATCH_BYTES = 64 * 1024
_BATCH = 48
_KEY_BYTES = 5
"""No key with its value takes less: two quotes, a colon, a digit and a comma or brace."""


def _deepest() -> int:
    """How many lists within each other orjson encodes, the innermost being empty."""
    deep: list[Any] = []
    for levels in range(1, 2_000):
        try:
            orjson.dumps(deep)
        except TypeError:
            return levels - 1
        deep = [deep]
    return 0


_DEEPEST = _deepest()


def _receive(raws: list[bytes], places: _Places, limits: Limits) -> list[Received]:
    prover = _Prover(limits)
    maker = _Maker()
    received: list[Received] = []
    for first, after in _batches(raws, limits, places):
        batch = raws[first:after]
        text = b"[%b]" % b",".join(batch)
        values = prover.plain(text, batch)
        if values is None:
            values = [prover.exact(raw, places[n]) for n, raw in enumerate(batch, first)]
        received += maker.make(batch, values)
    return received


def _batches(raws: list[bytes], limits: Limits, places: _Places) -> Iterator[tuple[int, int]]:
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


# --- the slow and exact way -------------------------------------------------------------------


class _Doubled(Exception):
    pass


class _TooBig(Exception):
    pass


class _Prover:
    """Decodes texts, and proves that nobody can read them in another way."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # What is put into the innermost list may be `depth` deep, and the encoder refuses more.
        self._lead = _DEEPEST - 1 - limits.depth
        self._inner: list[Any] = []
        self._nest = self._inner
        for _ in range(self._lead):
            self._nest = [self._nest]
        self._keys = 0
        self._decode = json.JSONDecoder(
            object_pairs_hook=self._pairs, parse_int=_integer
        ).raw_decode

    def plain(self, text: bytes, raws: list[bytes]) -> list[Any] | None:
        """The values of a compact list of `raws`, or None if one of them needs `exact`."""
        try:
            self._inner[:] = values = orjson.loads(text)
            again = orjson.dumps(self._nest, option=orjson.OPT_STRICT_INTEGER)
        except (orjson.JSONDecodeError, TypeError):
            return None
        finally:
            self._inner.clear()
        if len(again) != len(text) + 2 * self._lead or not again.startswith(text, self._lead):
            return None
        if len(max(raws, key=len)) > _KEY_BYTES * self._limits.keys and any(
            _keys(value) > self._limits.keys for value in values
        ):
            return None
        return values  # type: ignore[no-any-return]

    def exact(self, raw: bytes, at: int) -> Any:
        """The value of one text, compact or not.

        Raises:
            BundleError: what is wrong with it; `offset` counts from `at`.
        """
        self._keys = 0
        try:
            value = orjson.loads(raw)
            self._inner.append(value)
            orjson.dumps(self._nest)
        except (orjson.JSONDecodeError, TypeError):
            # Not JSON, or so deep that the encoder's own way of counting matters.
            if (fault := _fault(raw, at, self._limits)) is not None:
                raise fault from None
        finally:
            self._inner.clear()
        text = raw.decode().strip()
        try:
            self._decode(text)
        except (_Doubled, _TooBig, ValueError, RecursionError):
            _refuse(raw, at, self._limits)
        if self._keys > self._limits.keys:
            _refuse(raw, at, self._limits)
        return value

    def _pairs(self, pairs: list[tuple[str, Any]]) -> None:
        self._keys += len(pairs)
        if len(dict(pairs)) != len(pairs):
            raise _Doubled


def _keys(value: Any) -> int:
    """How many keys there are in a value, at all depths."""
    count, left = 0, [value]
    while left:
        one = left.pop()
        if type(one) is dict:
            count += len(one)
            left.extend(one.values())
        elif type(one) is list:
            left.extend(one)
    return count


def _integer(text: str) -> None:
    if len(text) > 17 or not -MAX_INTEGER <= int(text) <= MAX_INTEGER:
        raise _TooBig


def _refuse(raw: bytes, at: int, limits: Limits) -> NoReturn:
    """Raise for the first thing wrong with `raw`, which is known to have something wrong."""
    fault = _fault(raw, at, limits)
    if fault is None:
        fault = BundleError(
            f"ambiguous or broken JSON from byte {at} on", remedy=_CUT_SHORT, offset=at
        )
    raise fault


def _not_utf8(raw: bytes, wrong: UnicodeDecodeError, at: int) -> BundleError:
    return BundleError(
        f"not UTF-8 at byte {at + wrong.start}: {raw[wrong.start : wrong.start + 4].hex(' ')}",
        remedy="save it as UTF-8; the text may be in another encoding, or no text",
        offset=at + wrong.start,
    )


def _doubled(key: str, offset: int) -> BundleError:
    return BundleError(
        f"the key {key[:80]!r} stands twice in one object, the second time at byte {offset}",
        remedy="ask its producer which of the two is meant; readers differ on it",
        offset=offset,
    )


_TOKEN = re.compile(_STRING + rb"|[\[\]{}:,]|[^\s\[\]{}:,\"]++|\"", re.S)
_INTEGER = re.compile(rb"-?[0-9]++")


def _fault(raw: bytes, at: int, limits: Limits) -> BundleError | None:
    """The first thing wrong with one JSON text, or None. Slow, iterative, exact."""
    try:
        raw.decode()
    except UnicodeDecodeError as wrong:
        return _not_utf8(raw, wrong, at)
    keys = 0
    seen: list[set[str] | None] = []  # per level: an object's keys so far, None for a list
    key_next = False
    for match in _TOKEN.finditer(raw):
        token, offset = match[0], at + match.start()
        lead = token[:1]
        if lead in b"{[":
            seen.append(set() if lead == b"{" else None)
            key_next = lead == b"{"
            if len(seen) > limits.depth:
                return ObjectLimitError(
                    f"nested deeper than {limits.depth} at byte {offset}",
                    remedy="ask its producer for a flatter one; STIX needs a handful of levels",
                    offset=offset,
                )
        elif lead in b"}]":
            if seen:
                seen.pop()
            key_next = False
        elif lead == b",":
            key_next = bool(seen) and seen[-1] is not None
        elif lead == b":":
            key_next = False
        elif (wrong_value := _wrong_value(token, offset)) is not None:
            return wrong_value
        elif key_next and lead == b'"' and seen and (names := seen[-1]) is not None:
            key = orjson.loads(token)
            if key in names:
                return _doubled(key, offset)
            names.add(key)
            keys += 1
            if keys > limits.keys:
                return ObjectLimitError(
                    f"more than {limits.keys} keys in one object, the next at byte {offset}",
                    remedy="send it in parts",
                    offset=offset,
                )
    return _not_json(raw, at)


def _wrong_value(token: bytes, offset: int) -> BundleError | None:
    try:
        orjson.loads(token)
    except orjson.JSONDecodeError as wrong:
        shown = token[:40].decode(errors="replace")
        what = "text" if token[:1] == b'"' else "value"
        return BundleError(
            f"no JSON {what} at byte {offset}: {shown} ({wrong.msg})",
            remedy="write numbers with a value and text in whole characters",
            offset=offset,
        )
    if _INTEGER.fullmatch(token) and (
        len(token) > 17 or not -MAX_INTEGER <= int(token) <= MAX_INTEGER
    ):
        return BundleError(
            f"integer {token[:40].decode()} at byte {offset} is outside ±(2**53 - 1)",
            remedy="write large integers as text; readers differ on them",
            offset=offset,
        )
    return None


def _not_json(raw: bytes, at: int) -> BundleError | None:
    """What the decoder says of a text whose every token is good."""
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as wrong:
        offset = at + len(wrong.doc[: wrong.pos].encode()) if wrong.doc else at + wrong.pos
        return BundleError(
            f"not JSON at byte {offset}: {wrong.msg}", remedy=_CUT_SHORT, offset=offset
        )
    return None
