"""JSON that nobody can read in another way: proven quickly, or read slowly and exactly.

Two JSON readers rarely agree on hostile input: on a doubled key most keep the last value and some
the first, so two holders of one signature could read two things. What is ambiguous is therefore
refused, with the byte where it stands. The proof is cheap where the producer wrote compact JSON,
as most do: decode, encode again, and compare the bytes. Equal bytes leave no room for a doubled
key, a blank or a second spelling. The same call refuses integers outside ±(2**53 - 1), and, run
inside a nest of lists, anything deeper than we allow. Every object that fails this quick test is
looked at slowly and exactly.

Spec: RFC 7493.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import orjson

from tocsin.errors import BundleError, ObjectLimitError
from tocsin.stix.limits import Limits

MAX_INTEGER = 2**53 - 1
CUT_SHORT = "fetch the file again; it may have been cut short"
"""What to do about a text that ends too early or is damaged."""
STRING = rb'"(?:[^"\\]|\\.)*+"'
"""A regular expression of a JSON text in its quotes; needs `re.S`."""
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


class _Doubled(Exception):
    pass


class _TooBig(Exception):
    pass


class Prover:
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
            if (fault := fault_in(raw, at, self._limits)) is not None:
                raise fault from None
        finally:
            self._inner.clear()
        text = raw.decode().strip()
        try:
            self._decode(text)
        except (_Doubled, _TooBig, ValueError, RecursionError):
            refuse(raw, at, self._limits)
        if self._keys > self._limits.keys:
            refuse(raw, at, self._limits)
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


def refuse(raw: bytes, at: int, limits: Limits) -> NoReturn:
    """Raise for the first thing wrong with `raw`, which is known to have something wrong."""
    fault = fault_in(raw, at, limits)
    if fault is None:
        fault = BundleError(
            f"ambiguous or broken JSON from byte {at} on", remedy=CUT_SHORT, offset=at
        )
    raise fault


def not_utf8(raw: bytes, wrong: UnicodeDecodeError, at: int) -> BundleError:
    """The error for bytes that are no UTF-8."""
    return BundleError(
        f"not UTF-8 at byte {at + wrong.start}: {raw[wrong.start : wrong.start + 4].hex(' ')}",
        remedy="save it as UTF-8; the text may be in another encoding, or no text",
        offset=at + wrong.start,
    )


def doubled_key(key: str, offset: int) -> BundleError:
    """The error for a key that stands twice in one object."""
    return BundleError(
        f"the key {key[:80]!r} stands twice in one object, the second time at byte {offset}",
        remedy="ask its producer which of the two is meant; readers differ on it",
        offset=offset,
    )


_TOKEN = re.compile(STRING + rb"|[\[\]{}:,]|[^\s\[\]{}:,\"]++|\"", re.S)
_INTEGER = re.compile(rb"-?[0-9]++")


def fault_in(raw: bytes, at: int, limits: Limits) -> BundleError | None:
    """The first thing wrong with one JSON text, or None. Slow, iterative, exact."""
    try:
        raw.decode()
    except UnicodeDecodeError as wrong:
        return not_utf8(raw, wrong, at)
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
                return doubled_key(key, offset)
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
            f"not JSON at byte {offset}: {wrong.msg}", remedy=CUT_SHORT, offset=offset
        )
    return None
