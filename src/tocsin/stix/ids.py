"""Identifiers that follow from what they identify.

Spec: STIX 2.1 §2.9 (SCO ids), RFC 9562 §5.5 (UUIDv5), RFC 8785.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

import orjson
import rfc8785

from tocsin.errors import BundleError

SCO_NAMESPACE = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""The namespace of STIX 2.1 §2.9."""

TOCSIN_NAMESPACE = uuid5(UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "tocsin.example")
"""The namespace of every id that tocsin derives itself: the DNS namespace and our name."""

CONTRIBUTING: dict[str, tuple[str, ...]] = {
    "artifact": ("hashes", "payload_bin"),
    "autonomous-system": ("number",),
    "directory": ("path",),
    "domain-name": ("value",),
    "email-addr": ("value",),
    "email-message": ("from_ref", "subject", "body"),
    "file": ("hashes", "name", "parent_directory_ref", "extensions"),
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "mac-addr": ("value",),
    "mutex": ("name",),
    "network-traffic": (
        "start",
        "end",
        "src_ref",
        "dst_ref",
        "src_port",
        "dst_port",
        "protocols",
        "extensions",
    ),
    "software": ("name", "cpe", "swid", "vendor", "version"),
    "url": ("value",),
    "user-account": ("account_type", "user_id", "account_login"),
    "windows-registry-key": ("key", "values"),
    "x509-certificate": ("hashes", "serial_number"),
}
"""The properties that an SCO's id is made of, by type. `process` has none."""

_HASHES = ("MD5", "SHA-1", "SHA-256", "SHA-512")


def sco_id(type: str, props: Mapping[str, Any]) -> str:
    """The id of the cyber-observable with these properties.

    Floats are allowed here, unlike in what we sign: a PE section's entropy goes into a file's id.

    Raises:
        BundleError: a type without such an id, or none of the contributing properties is there;
            STIX then asks for a UUIDv4.

    Spec: STIX 2.1 §2.9 and the "ID Contributing Properties" of each type in §6.
    """
    name = {key: props[key] for key in CONTRIBUTING.get(type, ()) if key in props}
    if isinstance(hashes := name.get("hashes"), Mapping) and hashes:
        chosen = next((known for known in _HASHES if known in hashes), min(hashes))
        name["hashes"] = {chosen: hashes[chosen]}
    if not name:
        raise BundleError(
            f"no id follows from a {type} with {sorted(props)}",
            remedy="give it an id of its own, with a UUIDv4",
        )
    return f"{type}--{_uuid5(_canonical(name))}"


def _canonical(name: Mapping[str, Any]) -> bytes:
    """What is hashed (RFC 8785)."""
    if all(_is_plain(value) for value in name.values()):
        # Without floats and with ASCII names this writer gives the same, ten times as fast.
        try:
            return orjson.dumps(name, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
        except TypeError:
            pass  # half a surrogate pair, or too large a number: the exact one says which
    try:
        return rfc8785.dumps(name)
    except rfc8785.CanonicalizationError as wrong:
        raise BundleError(
            f"no id can be made of {name!r}: {wrong}", remedy="use JSON values only"
        ) from wrong


def _is_plain(value: Any) -> bool:
    if type(value) is dict:
        return all(key.isascii() and type(inner) is str for key, inner in value.items())
    return type(value) is str or type(value) is int


_NAMESPACE_BYTES = SCO_NAMESPACE.bytes
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def _uuid5(name: bytes) -> str:
    """As `uuid.uuid5`, without an object in between (RFC 9562 §5.5)."""
    digest = hashlib.sha1(_NAMESPACE_BYTES + name, usedforsecurity=False).hexdigest()
    return (
        f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-"
        f"{_VARIANT[digest[16]]}{digest[17:20]}-{digest[20:32]}"
    )


def deterministic(kind: str, *parts: str) -> str:
    """`kind`, two hyphens and a UUIDv5 of `kind` and `parts`: the same parts, the same id.

    ("a", "bc") and ("ab", "c") give two ids.
    """
    return f"{kind}--{uuid5(TOCSIN_NAMESPACE, rfc8785.dumps([kind, *parts]).decode())}"
