"""Whether a text is the address of a cryptocurrency: told by its own checksum, not by its looks."""

from __future__ import annotations

import hashlib

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def is_wallet(text: str) -> bool:
    """Base58Check (25 bytes), Bech32 and Bech32m (BIP 173, BIP 350), or `0x` and 40 hex digits."""
    if text[:2] == "0x":
        return len(text) == 42 and all(char in "0123456789abcdefABCDEF" for char in text[2:])
    if "1" in text[1:6] and (text.islower() or text.isupper()):
        return _bech32(text.lower())
    return _base58check(text)


def _base58check(text: str) -> bool:
    if not 25 <= len(text) <= 36:
        return False
    number = 0
    for char in text:
        place = _BASE58.find(char)
        if place < 0:
            return False
        number = number * 58 + place
    try:
        raw = number.to_bytes(25, "big")
    except OverflowError:
        return False
    twice = hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()
    zeros = len(raw) - len(raw.lstrip(b"\x00"))
    return twice[:4] == raw[-4:] and len(text) - len(text.lstrip("1")) == zeros


def _bech32(text: str) -> bool:
    prefix, one, data = text.rpartition("1")
    if not one or not 14 <= len(text) <= 90 or any(char not in _BECH32 for char in data):
        return False
    values = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    check = 1
    for value in [*values, *(_BECH32.index(char) for char in data)]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit in range(5):
            if top >> bit & 1:
                check ^= _GENERATOR[bit]
    return check in (1, 0x2BC830A3)
