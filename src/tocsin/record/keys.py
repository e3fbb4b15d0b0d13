"""Keys: the strict Ed25519 rule, key ids, and the signers of statements and checkpoints.

Of the 914 edge-case signatures of C2SP/CCTV, OpenSSL and libsodium accept different sets. The rule
here accepts exactly one, and every verifier of ours (this file, `verify.py`, `verify.js`) gives
the same answer. Spec: record.md, "Strict Ed25519".
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from msgspec import Struct
from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign_open
from nacl.exceptions import BadSignatureError

from tocsin.errors import SignatureError

PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
SEED_BYTES = 32
MLDSA_PUBLIC_BYTES = 1312
MLDSA_SIGNATURE_BYTES = 2420

NOTE_ED25519 = 0x01
NOTE_COSIGNATURE = 0x04
NOTE_MLDSA44 = 0x06

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493

# The y coordinates of the eight points of small order (RFC 7748's curve in Edwards form).
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _P - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        _P - 2707385501144840649318225287225658788936804267575313519463743609750303402022,
    }
)
_MASK = 2**255 - 1


@lru_cache(maxsize=4096)
def _valid_point(public: bytes) -> bool:
    return bool(crypto_core_ed25519_is_valid_point(public))


def check_public(public: bytes) -> None:
    """Accept an Ed25519 public key: 32 bytes, canonical, on the curve, of prime order.

    Raises:
        SignatureError: it is none of that; such a key verifies more than one message.

    Spec: record.md, "Strict Ed25519"; libsodium `crypto_core_ed25519_is_valid_point`.
    """
    if len(public) != PUBLIC_BYTES:
        raise SignatureError(
            f"a public key of {len(public)} bytes, and Ed25519 has {PUBLIC_BYTES}",
            remedy="ask the party for its raw Ed25519 public key",
        )
    if not _valid_point(public):
        raise SignatureError(
            f"public key {public.hex()} is not a canonical point of prime order",
            remedy="refuse this key; ask the party for one made by ordinary Ed25519 key generation",
        )


def verify(public: bytes, signature: bytes, message: bytes) -> None:
    """Return if `signature` over `message` is good under the strict rule.

    In order: the key is canonical and of prime order; R is canonical and not of small order;
    S < L; then libsodium verifies.

    Args:
        public: 32 bytes.
        signature: 64 bytes, R || S.
        message: what was signed.

    Raises:
        SignatureError: any of these fails.
    """
    check_public(public)
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(
            f"a signature of {len(signature)} bytes, and Ed25519 has {SIGNATURE_BYTES}",
            remedy="fetch the envelope again from another holder",
        )
    y = int.from_bytes(signature[:32], "little") & _MASK
    if y >= _P or y in _SMALL_ORDER_Y:
        raise _bad(public, "R is not canonical, or of small order")
    if int.from_bytes(signature[32:], "little") >= _L:
        raise _bad(public, "S is not below the group order")
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        raise _bad(public, "the equation does not hold") from None


def _bad(public: bytes, why: str) -> SignatureError:
    return SignatureError(
        f"signature by key {keyid(public)} does not verify: {why}",
        remedy="treat the bytes as altered; fetch them again from another holder",
    )


def keyid(public: bytes) -> str:
    """The name of an Ed25519 key: 64 hex digits of SHA-256("tocsin/key/v1\\n" || 0x01 || key)."""
    return hashlib.sha256(b"tocsin/key/v1\n\x01" + public).hexdigest()


class Signer:
    """One Ed25519 private key of one party. Signs statements; knows nothing of what they say."""

    __slots__ = ("_private", "keyid", "party", "public")

    party: str
    keyid: str
    public: bytes

    def __init__(self, private: Ed25519PrivateKey, party: str) -> None:
        self._private = private
        self.party = party
        self.public = private.public_key().public_bytes_raw()
        self.keyid = keyid(self.public)

    @classmethod
    def from_seed(cls, seed: bytes, party: str) -> Signer:
        """The signer whose private key is `seed` (32 bytes, from a real random source).

        Raises:
            SignatureError: `seed` has another length.
        """
        return cls(Ed25519PrivateKey.from_private_bytes(_seed(seed)), party)

    def sign(self, message: bytes) -> bytes:
        """64 bytes over `message`; the same for the same message (RFC 8032)."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"Signer(party={self.party!r}, keyid={self.keyid!r})"


class _TwoKeys:
    """What a log and a witness share: a name and two private keys, Ed25519 and ML-DSA-44.

    They sign bytes; which bytes a note line covers is `checkpoint.py`'s. ML-DSA signatures are
    hedged (FIPS 204 §3.4): two over one message differ and both verify.
    """

    __slots__ = ("_ed25519", "_mldsa", "mldsa_public", "name", "public")

    _KIND = 0

    name: str
    public: bytes
    """Ed25519, 32 bytes."""
    mldsa_public: bytes
    """ML-DSA-44, 1,312 bytes."""

    def __init__(self, name: str, ed25519: Ed25519PrivateKey, mldsa: MLDSA44PrivateKey) -> None:
        self.name = name
        self._ed25519 = ed25519
        self._mldsa = mldsa
        self.public = ed25519.public_key().public_bytes_raw()
        self.mldsa_public = mldsa.public_key().public_bytes_raw()

    @classmethod
    def from_seeds(cls, name: str, ed25519_seed: bytes, mldsa_seed: bytes) -> Self:
        """The signer whose two private keys are these seeds, 32 bytes each.

        Raises:
            SignatureError: a seed has another length.
        """
        return cls(
            name,
            Ed25519PrivateKey.from_private_bytes(_seed(ed25519_seed)),
            MLDSA44PrivateKey.from_seed_bytes(_seed(mldsa_seed)),
        )

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._ed25519.sign(message)

    def sign_mldsa(self, message: bytes) -> bytes:
        """2,420 bytes, with the empty context (FIPS 204 §5.2)."""
        return self._mldsa.sign(message)

    def vkeys(self) -> tuple[str, ...]:
        """The verifier keys to hand out: the Ed25519 one, then the ML-DSA-44 one.

        Spec: C2SP signed-note, "Verifier keys"; tlog-cosignature for types 0x04 and 0x06.
        """
        return (
            vkey(self.name, self._KIND, self.public),
            vkey(self.name, NOTE_MLDSA44, self.mldsa_public),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class LogSigner(_TwoKeys):
    """The two keys of a log, under one name (its origin): kinds 0x01 and 0x06.

    A checkpoint is signed once, stored, and never signed again for the same size.
    """

    __slots__ = ()

    _KIND = NOTE_ED25519


class WitnessSigner(_TwoKeys):
    """The two keys of a witness, under one name (`<party>/witness`): kinds 0x04 and 0x06.

    A type of its own, so that no checker lets a witness sign where a log must. The keys are its
    own too: tlog-cosignature asks one Ed25519 key for each cosigner, as 0x04 does not cover names.
    """

    __slots__ = ()

    _KIND = NOTE_COSIGNATURE


def note_keyid(name: str, kind: int, public: bytes) -> bytes:
    """The four bytes that name a note key: SHA-256(name "\\n" type key)[:4] (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def vkey(name: str, kind: int, public: bytes) -> str:
    """`name "+" hex(keyid4) "+" b64(type || key)` (C2SP signed-note)."""
    text = base64.b64encode(bytes([kind]) + public).decode("ascii")
    return f"{name}+{note_keyid(name, kind, public).hex()}+{text}"


class PublicKey(Struct, frozen=True, kw_only=True):
    """An Ed25519 public key under its id, as a directory and a key statement carry it."""

    keyid: str
    public: bytes
    """32 bytes; canonical, of prime order."""

    @classmethod
    def of(cls, public: bytes) -> PublicKey:
        """The enrolled form of `public`.

        Raises:
            SignatureError: see `check_public`.
        """
        check_public(public)
        return cls(keyid=keyid(public), public=public)


def _seed(seed: bytes) -> bytes:
    if len(seed) != SEED_BYTES:
        raise SignatureError(
            f"a key seed of {len(seed)} bytes, and {SEED_BYTES} are needed",
            remedy="restore the key file from its backup",
        )
    return seed
