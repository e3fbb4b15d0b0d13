"""The HPKE key of a party: one seed, one key, one name."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tocsin.errors import SignatureError
from tocsin.record.hpke import PUBLIC_BYTES, HpkeKey, hpke_id, open_public


def test_one_seed_is_one_key() -> None:
    one, again, other = HpkeKey(b"\x01" * 32), HpkeKey(b"\x01" * 32), HpkeKey(b"\x02" * 32)
    assert one.public == again.public != other.public
    assert len(one.public) == PUBLIC_BYTES
    assert one.id == hpke_id(one.public) != other.id
    assert len(one.id) == 32


def test_what_is_wrapped_to_the_listed_key_opens_with_the_seed() -> None:
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    key = HpkeKey(b"\x01" * 32)
    wrapped = suite.encrypt(b"key", open_public(key.public), b"info")
    assert suite.decrypt(wrapped, HpkeKey(b"\x01" * 32).private, b"info") == b"key"


@pytest.mark.parametrize("public", [b"", b"\x00" * (PUBLIC_BYTES - 1), b"\xff" * PUBLIC_BYTES])
def test_bytes_that_are_no_key_are_refused(public: bytes) -> None:
    with pytest.raises(SignatureError, match="HPKE key"):
        open_public(public)


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(SignatureError, match="31 bytes"):
        HpkeKey(b"\x01" * 31)
