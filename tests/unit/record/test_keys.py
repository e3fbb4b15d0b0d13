"""The strict Ed25519 rule and the signers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import SignatureError
from tocsin.record.keys import (
    LogSigner,
    PublicKey,
    Signer,
    WitnessSigner,
    check_public,
    keyid,
    note_keyid,
    verify,
)

SIGNER = Signer.from_seed(b"\x07" * 32, "cert.northland.example")
L = 2**252 + 27742317777372353535851937790883648493


def accepts(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        verify(public, signature, message)
    except SignatureError:
        return False
    return True


def test_of_914_edge_vectors_exactly_one_passes(corpus: Callable[[str], Path]) -> None:
    vectors = json.loads(corpus("record/ed25519/ed25519vectors.json").read_bytes())
    expected = json.loads(corpus("record/ed25519/expected.json").read_bytes())
    passed = [
        v["number"]
        for v in vectors
        if accepts(bytes.fromhex(v["key"]), bytes.fromhex(v["sig"]), v["msg"].encode())
    ]
    assert len(vectors) == expected["total"] == 914
    assert passed == expected["strict_accepts"]
    assert len(passed) == 1


def test_our_own_signatures_pass() -> None:
    for message in (b"", b"tocsin", b"x" * 100_000):
        verify(SIGNER.public, SIGNER.sign(message), message)


def test_a_signature_is_the_same_for_the_same_message() -> None:
    assert SIGNER.sign(b"tocsin") == SIGNER.sign(b"tocsin")


@given(st.integers(0, 511), st.binary(max_size=40))
def test_a_changed_signature_is_refused(bit: int, message: bytes) -> None:
    signature = bytearray(SIGNER.sign(message))
    signature[bit // 8] ^= 1 << (bit % 8)
    assert not accepts(SIGNER.public, bytes(signature), message)


def test_a_signature_with_the_order_added_to_s_is_refused() -> None:
    signature = SIGNER.sign(b"tocsin")
    larger = int.from_bytes(signature[32:], "little") + L
    assert not accepts(SIGNER.public, signature[:32] + larger.to_bytes(32, "little"), b"tocsin")


@pytest.mark.parametrize(
    "public",
    [
        b"",
        b"\x01" + bytes(31),  # the neutral element
        bytes(32),  # order 4
        b"\xff" * 32,  # y is not below the field's prime
        (b"\xed" + b"\xff" * 30 + b"\x7f"),  # y = p
        SIGNER.public + b"\x00",
        SIGNER.public[:31],
    ],
)
def test_a_key_that_is_no_canonical_point_of_prime_order_is_refused(public: bytes) -> None:
    with pytest.raises(SignatureError):
        check_public(public)


def test_a_key_with_a_torsion_part_is_refused(corpus: Callable[[str], Path]) -> None:
    vectors = json.loads(corpus("record/ed25519/ed25519vectors.json").read_bytes())
    mixed = {v["key"] for v in vectors if "low_order_component_A" in (v["flags"] or ())}
    assert mixed
    for key in mixed:
        with pytest.raises(SignatureError):
            check_public(bytes.fromhex(key))


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=20))
def test_any_bytes_are_refused_with_a_typed_error(a: bytes, b: bytes, c: bytes) -> None:
    with suppress(SignatureError):
        verify(a, b, c)
    with suppress(SignatureError):
        verify(SIGNER.public, b, c)
    with suppress(SignatureError):
        verify(a[:32].ljust(32, b"\x00"), b[:64].ljust(64, b"\x00"), c)


def test_the_key_id_is_the_digest_under_a_label() -> None:
    wanted = hashlib.sha256(b"tocsin/key/v1\n" + b"\x01" + SIGNER.public).hexdigest()
    assert SIGNER.keyid == keyid(SIGNER.public) == PublicKey.of(SIGNER.public).keyid == wanted


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(SignatureError, match="31 bytes"):
        Signer.from_seed(b"x" * 31, "cert.northland.example")
    with pytest.raises(SignatureError, match="33 bytes"):
        LogSigner.from_seeds("cert.northland.example/log", b"x" * 32, b"x" * 33)


def test_a_log_signer_is_made_from_its_seeds_alone() -> None:
    one = LogSigner.from_seeds("cert.northland.example/log", b"a" * 32, b"b" * 32)
    two = LogSigner.from_seeds("cert.northland.example/log", b"a" * 32, b"b" * 32)
    assert one.vkeys() == two.vkeys()
    ed25519, mldsa = one.vkeys()
    four = note_keyid(one.name, 1, one.public).hex()
    assert ed25519.startswith(f"cert.northland.example/log+{four}+A")
    assert mldsa.split("+", 2)[1] == note_keyid(one.name, 6, one.mldsa_public).hex()
    verify(one.public, one.sign_ed25519(b"note"), b"note")
    MLDSA44PublicKey.from_public_bytes(two.mldsa_public).verify(one.sign_mldsa(b"note"), b"note")


def test_a_witness_signs_with_keys_of_other_kinds_than_a_log() -> None:
    log = LogSigner.from_seeds("cert.northland.example/log", b"a" * 32, b"b" * 32)
    one = WitnessSigner.from_seeds("cert.northland.example/witness", b"a" * 32, b"b" * 32)
    ed25519, mldsa = one.vkeys()
    four = note_keyid(one.name, 4, one.public).hex()
    assert ed25519.startswith(f"cert.northland.example/witness+{four}+B")
    assert mldsa.split("+", 2)[1] == note_keyid(one.name, 6, one.mldsa_public).hex()
    assert not isinstance(one, LogSigner)
    assert not isinstance(log, WitnessSigner)
    assert repr(one) == "WitnessSigner(name='cert.northland.example/witness')"


def test_a_signer_does_not_show_its_key() -> None:
    assert "0707" not in repr(SIGNER)
    assert repr(LogSigner.from_seeds("x.example/log", b"a" * 32, b"b" * 32)) == (
        "LogSigner(name='x.example/log')"
    )
