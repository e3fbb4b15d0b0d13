"""Restricted canonical JSON: the one byte form of everything that is signed.

The profile of RFC 8785 in which three independent encoders agree on every byte: ASCII object
keys, integers with an absolute value under 2**53, no floats, no lone surrogates, depth <= 16.
"""

from __future__ import annotations

import binascii
import re
from typing import Any

import orjson

from tocsin.errors import CanonicalError

MAX_DEPTH = 16
MAX_INTEGER = 2**53 - 1

_REMEDY = "write it as restricted canonical JSON (RFC 8785; ASCII keys, integers only)"


def encode(value: Any) -> bytes:
    """The canonical bytes of `value` (dict, list, str, int, bool, None).

    Raises:
        CanonicalError: `value` holds something outside the profile.

    Spec: RFC 8785 §3.2, restricted as the module says.
    """
    check(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, TypeError) as wrong:
        raise CanonicalError(f"cannot encode: {wrong}", remedy=_REMEDY, offset=0) from wrong


def decode(data: bytes) -> Any:
    """Decode `data`, which must be canonical to the byte.

    Raises:
        CanonicalError: not JSON, outside the profile, or not in canonical form (duplicate keys,
            blanks, needless escapes, wrong key order). `offset` is the first byte that differs.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as wrong:
        offset = len(wrong.doc[: wrong.pos].encode()) if isinstance(wrong.doc, str) else wrong.pos
        raise CanonicalError(
            f"not JSON at byte {offset}: {wrong.msg}", remedy=_REMEDY, offset=offset
        ) from wrong
    try:
        check(value)
    except CanonicalError as wrong:
        offset = _first_outside(data)
        raise CanonicalError(
            f"{wrong.message}, at byte {offset}", remedy=_REMEDY, offset=offset
        ) from None
    again = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    if again != data:
        offset = next(
            (i for i, (a, b) in enumerate(zip(again, data, strict=False)) if a != b),
            min(len(again), len(data)),
        )
        raise CanonicalError(
            f"not in canonical form from byte {offset} on", remedy=_REMEDY, offset=offset
        )
    return value


def check(value: Any, depth: int = 1) -> None:
    """Return if `value` is of the profile; which bytes it is written as is another question.

    Args:
        depth: at which it stands, 1 outermost.

    Raises:
        CanonicalError: it holds something outside the profile; `offset` is 0.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise CanonicalError(
                f"integer {value} is outside ±(2**53 - 1)", remedy=_REMEDY, offset=0
            )
        return
    if depth > MAX_DEPTH:
        raise CanonicalError(f"nested deeper than {MAX_DEPTH}", remedy=_REMEDY, offset=0)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                raise CanonicalError(f"key {key!r} is not ASCII text", remedy=_REMEDY, offset=0)
            if type(item) is not str:  # most are, and a call each is most of the time it takes
                check(item, depth + 1)
    elif kind is list or kind is tuple:
        for item in value:
            if type(item) is not str:
                check(item, depth + 1)
    else:
        raise CanonicalError(
            f"{value!r} is a {kind.__name__}; only objects, lists, text, integers, booleans and "
            "null are allowed",
            remedy=_REMEDY,
            offset=0,
        )


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"(\s*:)?|[\[{]|[\]}]|[-0-9][-+.0-9eE]*')


def _first_outside(data: bytes) -> int:
    """Where the first thing outside the profile stands, in bytes that are known to be JSON."""
    depth = 0
    for token in _TOKEN.finditer(data):
        text = token[0]
        first = text[:1]
        if first == b'"':
            if token[1] and not orjson.loads(text[: -len(token[1])]).isascii():
                return token.start()
        elif first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return token.start()
        elif first in b"]}":
            depth -= 1
        elif not text.lstrip(b"-").isdigit() or len(text) > 17 or abs(int(text)) > MAX_INTEGER:
            return token.start()
    return 0


def b64encode(data: bytes) -> str:
    """Standard, padded base64 (RFC 4648 §4)."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def b64decode(text: str) -> bytes:
    """Decode standard, padded base64, refusing every second spelling of the same bytes.

    Every decoder of Python's takes several spellings (`AB==` for `AA==`, even where it validates),
    so the result is encoded again and compared.

    Raises:
        CanonicalError: not the one standard spelling.
    """
    try:
        data = binascii.a2b_base64(text)
    except ValueError as wrong:
        raise CanonicalError(
            f"not base64: {text[:40]!r}", remedy="use standard, padded base64", offset=0
        ) from wrong
    if b64encode(data) != text:
        raise CanonicalError(
            f"not the standard spelling of its bytes: {text[:40]!r}",
            remedy="use standard, padded base64 with zero pad bits",
            offset=0,
        )
    return data
