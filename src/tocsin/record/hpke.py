"""The key to which a party's sealed statements are wrapped: HPKE with MLKEM768-X25519.

The private key is a seed of 32 bytes; both halves come out of SHAKE256 over it, as X-Wing expands
its decapsulation key (draft-connolly-cfrg-xwing-kem §5.2) and the hybrid KEMs of HPKE do
(draft-ietf-hpke-pq, MLKEM768-X25519). Spec: record.md, "Sealing", "Directory and keys".
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey

from tocsin.errors import SignatureError

SEED_BYTES = 32
_MLKEM_PUBLIC = 1184
PUBLIC_BYTES = _MLKEM_PUBLIC + 32
"""ML-KEM-768 (FIPS 203 §8), then X25519 (RFC 7748 §6.1)."""


class HpkeKey:
    """A party's private HPKE key with what the directory says of it."""

    __slots__ = ("id", "private", "public")

    private: MLKEM768X25519PrivateKey
    public: bytes
    """1,216 bytes."""
    id: str

    def __init__(self, seed: bytes) -> None:
        """The key that `seed` (32 bytes, from a real random source) stands for.

        Raises:
            SignatureError: the seed has another length.
        """
        if len(seed) != SEED_BYTES:
            raise SignatureError(
                f"an HPKE seed of {len(seed)} bytes, and {SEED_BYTES} are needed",
                remedy="restore the key file from its backup",
            )
        expanded = hashlib.shake_256(seed).digest(96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        self.private = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        self.id = hpke_id(self.public)


def hpke_id(public: bytes) -> str:
    """The name of an HPKE key: the first 32 hex digits of SHA-256("tocsin/hpke/v1\\n" || key)."""
    return hashlib.sha256(b"tocsin/hpke/v1\n" + public).hexdigest()[:32]


def open_public(public: bytes) -> MLKEM768X25519PublicKey:
    """The public key whose 1,216 bytes a directory lists.

    Raises:
        SignatureError: another length, or no canonical ML-KEM encapsulation key (FIPS 203 §7.2).
    """
    try:
        if len(public) != PUBLIC_BYTES:
            raise ValueError(f"{len(public)} bytes")
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC]),
            X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:]),
        )
    except (ValueError, UnsupportedAlgorithm) as wrong:
        raise SignatureError(
            f"HPKE key {hpke_id(public)} is none of MLKEM768-X25519 ({wrong})",
            remedy="ask the party for its key: tocsin key rotate --hpke makes another",
        ) from wrong
