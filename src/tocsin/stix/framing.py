"""Where the objects stand in a bundle, an envelope or a list, byte for byte.

Spec: STIX 2.1 §8, TAXII 2.1 §3.7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NoReturn

import msgspec
import orjson
from msgspec import UNSET, Raw, Struct, UnsetType, structs

from tocsin.errors import BundleError, BundleSizeError
from tocsin.stix.exact import CUT_SHORT, STRING, Prover, doubled_key, fault_in, not_utf8, refuse
from tocsin.stix.limits import MIB, Limits


def slices(data: bytes, max_objects: int, limits: Limits) -> tuple[list[bytes], Places]:
    """What stands in an object's place, and where each starts.

    Their own text is not yet proven to be good JSON; what stands around them is.

    Raises:
        BundleSizeError: more bytes or objects than the door takes.
        BundleError: no JSON, no STIX, or ambiguous around the objects.
    """
    _check_bytes(data, limits)
    raws, kind = _cut(data, max_objects, limits)
    return raws, _places(data, raws, kind, limits)


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


def _cut(data: bytes, max_objects: int, limits: Limits) -> tuple[list[bytes], str]:
    """The slices that stand in an object's place, and what stands around them.

    Their text is not yet proven to be good JSON; that a slice is one is.
    """
    # An array of a hundred million numbers fits into the byte limit and not into memory, so a
    # large input is counted before its slices are made. A small one cannot do much harm.
    if len(data) > 64 * MIB:
        _check_density(data, max_objects)
    try:
        found, kind = _slices(data)
    except RecursionError:
        refuse(data, 0, _around(limits))
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
        raise not_utf8(data, wrong, 0) from wrong
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
    if len(data) <= 32 * MIB and (fault := fault_in(data, 0, _around(limits))) is not None:
        rest = _SCALAR.match(data, fault.offset)
        if not (cut_short and (fault.offset == len(data) or (rest and rest.end() == len(data)))):
            raise fault
    if cut_short:
        raise BundleError(
            f"it ends at byte {len(data)} in the middle of the JSON",
            remedy=CUT_SHORT,
            offset=len(data),
        )
    found = _BYTE.search(why)
    offset = int(found[1]) if found else len(data)
    raise BundleError(f"not JSON at byte {offset}: {why}", remedy=CUT_SHORT, offset=offset)


def _around(limits: Limits) -> Limits:
    """Limits for a bundle as a whole: two levels more than its objects, and any number of keys."""
    return structs.replace(limits, depth=limits.depth + 2, keys=limits.bytes)


_BLANK = (b" ", b"\t", b"\r", b"\n")
_BLANKS = re.compile(rb"[ \t\r\n]*+")
_KEY = re.compile(rb"[ \t\r\n]*+(" + STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+", re.S)
_SCALAR = re.compile(STRING + rb"|[^\s,\]}]++", re.S)
_NESTING = re.compile(STRING + rb"|[\[\]{}]", re.S)


class Places:
    """Where each slice starts, worked out only when an error has to say so."""

    def __init__(self, first: int, raws: Sequence[bytes], starts: Sequence[int] | None) -> None:
        self._first, self._raws, self._starts = first, raws, starts
        self.kind = "object"
        """What was opened: `bundle`, `envelope`, `list` or `object`."""
        self.around: dict[str, Any] = {}
        """The members of a bundle or envelope; of `objects` no more than that it is there."""

    def __getitem__(self, index: int) -> int:
        if self._starts is None:
            lengths = (len(raw) + 1 for raw in self._raws)
            self._starts = list(accumulate(lengths, initial=self._first))
        return self._starts[index]


def _places(data: bytes, raws: list[bytes], kind: str, limits: Limits) -> Places:
    """Where the slices stand, once what stands around them has been proven sound.

    Raises:
        BundleError: the framing is ambiguous or is no STIX.
    """
    if kind == "object":
        return Places(len(data) - len(data.lstrip()), raws, None)
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
            framing = Prover(limits).exact(around, 0)
        except BundleError as wrong:
            if quick and raws:
                continue
            if wrong.offset >= start:
                wrong.offset += end - start
            raise
        _check_framing(framing, kind)
        places = Places(start, raws, starts)
        places.kind = kind
        places.around = framing if kind != "list" else {}
        return places
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
            refuse(member[1], member.start(1), limits)
        if key in seen:
            raise doubled_key(key, member.start(1))
        seen.add(key)
        at = member.end()
        if key == "objects" and data[at : at + 1] == b"[":
            place = _place(data, raws, at + 1, quick)
            if quick and place is None:
                return None  # blanks stand between the objects: walked through once, not twice
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
