"""What one door takes: how many bytes and objects, how large, how deep.

Spec: RFC 8259 §9.
"""

from __future__ import annotations

from msgspec import Struct

MIB = 1024 * 1024


class Limits(Struct, frozen=True, kw_only=True):
    """What one door takes. Sizes in bytes; `keys` and `depth` are of one object as a whole."""

    bytes: int
    objects: int
    object_bytes: int
    depth: int = 32
    keys: int = 10_000
    section: str
    """The section of `tocsin.toml` in which these may be raised."""


FILE_LIMITS = Limits(bytes=256 * MIB, objects=200_000, object_bytes=8 * MIB, section="ingest")
