"""The words of a text, cut the same way for every store: nobody's built-in tokenizer is asked.

A word is casefolded and in NFC. Ids, hosts, URLs and addresses are one word each, and their parts
are words too, so that `evil.example` finds `https://evil.example/a`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from tocsin.record.ports import Keepable

CUT = 1
"""Raise it with any change in how words are cut: every index is then cut anew."""
MAX_WORD = 512
"""Code points; a longer word is cut, in texts and in questions alike."""
MAX_TEXT = 1024 * 1024
"""Code points of one object that are cut into words."""

_TEXTUAL = ("text/", "application/json", "application/xhtml+xml")
# Blanks, control characters and what quotes, lists and patterns put around a value.
_BETWEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\"'<>()\[\]{}|,;=`“”‘’«»„]+")
_AROUND = ".:!?*-_/\\…–—"
_DOTTED = re.compile(r"[\w.@-]+")
_WORD = re.compile(r"\w+")


def asked(text: str) -> list[str]:
    """The words of a question, each once; all of them must be found."""
    return list(dict.fromkeys(_pieces(text)))


def words(text: str) -> set[str]:
    """Every word that finds this text."""
    found = set(_pieces(text))
    for piece in tuple(found):
        if piece.isalnum():  # it has no parts but itself
            continue
        for part in (*_DOTTED.findall(piece), *_WORD.findall(piece)):
            whole = part.strip(_AROUND)
            if whole:
                found.add(whole)
    return found


def words_of(item: Keepable) -> set[str]:
    """The words of an object's text values, or of an attachment that is text."""
    return words("\n".join(_texts(item))[:MAX_TEXT])


def number_of(word: str) -> int:
    """A word as 32 bits, signed: four bytes where the word takes dozens.

    Several words have one number: whoever finds something by numbers looks whether the words are
    in it (`has`).
    """
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big", signed=True)


def numbers_of(item: Keepable) -> list[int]:
    """The words of an object as numbers, in order."""
    return sorted(set(map(number_of, words_of(item))))


def has(item: Keepable, wanted: Iterable[str]) -> bool:
    """Whether all these words are in it."""
    return words_of(item).issuperset(wanted)


def line_of(item: Keepable) -> str:
    """The words of an object in one order: what an index is given, and given again to forget."""
    return " ".join(sorted(words_of(item)))


def _pieces(text: str) -> Iterator[str]:
    # Casefolding can undo NFC, so it comes first and last.
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    for piece in _BETWEEN.split(folded):
        word = piece.strip(_AROUND)[:MAX_WORD]
        if word:
            yield word


def _texts(item: Keepable) -> Iterator[str]:
    if item.id.startswith("urn:sha256:"):
        yield item.id
        if item.type.startswith(_TEXTUAL):
            yield item.raw[: 4 * MAX_TEXT].decode("utf-8", "replace")
        return
    try:
        waiting: list[Any] = [orjson.loads(item.raw)]
    except orjson.JSONDecodeError:
        return
    while waiting:
        value = waiting.pop()
        if type(value) is str:
            yield value
        elif type(value) is dict:
            waiting.extend(reversed(value.values()))
        elif type(value) is list:
            waiting.extend(reversed(value))
