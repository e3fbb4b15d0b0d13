"""The tree against an independent collection of cases, and the rules that are ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tocsin.errors import ProofError
from tocsin.record import merkle

Corpus = Callable[[str], Path]


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def test_every_inclusion_case_of_the_corpus_is_judged_as_it_says(corpus: Corpus) -> None:
    files = sorted(corpus("record/merkle/inclusion").rglob("*.json"))
    assert len(files) == 46
    for file in files:
        case = json.loads(file.read_text())
        path = [_bytes(item) for item in case["proof"] or []]
        given = (_bytes(case["leafHash"]), case["leafIdx"], case["treeSize"], path)
        if case["wantErr"]:
            with pytest.raises(ProofError):
                merkle.verify_inclusion(*given, _bytes(case["root"]))
        else:
            merkle.verify_inclusion(*given, _bytes(case["root"]))


def test_every_consistency_case_of_the_corpus_is_judged_as_it_says(corpus: Corpus) -> None:
    files = sorted(corpus("record/merkle/consistency").rglob("*.json"))
    assert len(files) == 54
    for file in files:
        case = json.loads(file.read_text())
        path = [_bytes(item) for item in case["proof"] or []]
        roots = (_bytes(case["root1"]), _bytes(case["root2"]))
        if case["wantErr"]:
            with pytest.raises(ProofError):
                merkle.verify_consistency(case["size1"], case["size2"], *roots, path)
        else:
            merkle.verify_consistency(case["size1"], case["size2"], *roots, path)


def test_leaf_and_node_hashes_are_separated_by_their_first_byte() -> None:
    assert merkle.leaf_hash(b"x") == sha256(b"\x00x").digest()
    assert (
        merkle.node_hash(b"a" * 32, b"b" * 32) == sha256(b"\x01" + b"a" * 32 + b"b" * 32).digest()
    )


def test_an_empty_tree_has_no_root() -> None:
    with pytest.raises(ProofError, match="empty"):
        merkle.Edge().root()


def test_an_edge_with_a_hash_too_many_is_refused() -> None:
    with pytest.raises(ProofError, match="right edge"):
        merkle.Edge.from_list(4, [b"a" * 32, b"b" * 32])
    with pytest.raises(ProofError, match="31 bytes"):
        merkle.Edge.from_list(4, [b"a" * 31])
    with pytest.raises(ProofError, match="-1"):
        merkle.Edge.from_list(-1, [b"a" * 32])


def test_a_copied_edge_grows_alone() -> None:
    edge = merkle.Edge()
    edge.append(merkle.leaf_hash(b"0"))
    other = edge.copy()
    other.append(merkle.leaf_hash(b"1"))
    assert (edge.size, other.size) == (1, 2)
    assert edge.root() == merkle.leaf_hash(b"0")


@pytest.mark.parametrize("size", [0, -1, 2**63])
def test_sizes_no_tree_has_are_refused_everywhere(size: int) -> None:
    some = b"h" * 32

    def get(level: int, index: int) -> bytes:
        raise AssertionError((level, index))

    with pytest.raises(ProofError):
        merkle.root_from_inclusion(some, 0, size, [])
    with pytest.raises(ProofError):
        merkle.verify_consistency(size, size, some, some, [])
    with pytest.raises(ProofError):
        merkle.inclusion_path(0, size, get)
    with pytest.raises(ProofError):
        merkle.consistency_path(size, size, get)


def test_a_consistency_proof_backwards_is_refused() -> None:
    some = b"h" * 32
    with pytest.raises(ProofError, match="after"):
        merkle.verify_consistency(3, 2, some, some, [])
    with pytest.raises(ProofError, match="after"):
        merkle.consistency_path(3, 2, lambda level, index: some)


def test_a_path_longer_than_any_tree_is_refused_before_hashing() -> None:
    with pytest.raises(ProofError, match="longer than any tree"):
        merkle.root_from_inclusion(b"h" * 32, 0, 2, [b"h" * 32] * 65)


def test_only_a_power_of_two_of_hashes_is_a_perfect_subtree() -> None:
    with pytest.raises(ProofError):
        merkle.perfect_root([])
    with pytest.raises(ProofError):
        merkle.perfect_root([b"h" * 32] * 3)
    assert merkle.perfect_root([b"h" * 32]) == b"h" * 32
