"""Laws of the tree: a proof holds for its own leaf, index, size and root, and for nothing else."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ProofError
from tocsin.record import merkle

LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(300)]


def _plain_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(_plain_root(leaves[:split]), _plain_root(leaves[split:]))


def _get(level: int, index: int) -> bytes:
    return merkle.perfect_root(LEAVES[index << level : (index + 1) << level])


sizes = st.integers(1, len(LEAVES))


@given(sizes)
def test_the_edge_gives_the_root_of_the_definition(size: int) -> None:
    edge = merkle.Edge()
    for leaf in LEAVES[:size]:
        edge.append(leaf)
    assert edge.root() == merkle.root_of(LEAVES[:size]) == _plain_root(LEAVES[:size])
    assert merkle.range_root(0, size, _get) == edge.root()
    again = merkle.Edge.from_list(size, edge.to_list())
    assert again.root() == edge.root()


@given(sizes, st.data())
def test_a_proof_holds_only_for_its_own_leaf_index_and_root(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = merkle.root_of(LEAVES[:size])
    path = merkle.inclusion_path(index, size, _get)
    merkle.verify_inclusion(LEAVES[index], index, size, path, root)
    other = data.draw(st.integers(0, len(LEAVES) - 1).filter(lambda n: n != index))
    with pytest.raises(ProofError):
        merkle.verify_inclusion(LEAVES[other], index, size, path, root)
    if other < size:
        with pytest.raises(ProofError):
            merkle.verify_inclusion(LEAVES[index], other, size, path, root)
    with pytest.raises(ProofError):
        merkle.verify_inclusion(LEAVES[index], index, size, [*path, b"h" * 32], root)
    if path:
        with pytest.raises(ProofError):
            merkle.verify_inclusion(LEAVES[index], index, size, path[:-1], root)
        place = data.draw(st.integers(0, len(path) - 1))
        bit = data.draw(st.integers(0, 255))
        bent = bytearray(path[place])
        bent[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProofError):
            merkle.verify_inclusion(
                LEAVES[index], index, size, [*path[:place], bytes(bent), *path[place + 1 :]], root
            )


@given(sizes, sizes, st.data())
def test_consistency_holds_between_prefixes_and_breaks_with_any_change(
    one: int, two: int, data: st.DataObject
) -> None:
    old, new = min(one, two), max(one, two)
    old_root, new_root = merkle.root_of(LEAVES[:old]), merkle.root_of(LEAVES[:new])
    path = merkle.consistency_path(old, new, _get)
    merkle.verify_consistency(old, new, old_root, new_root, path)
    with pytest.raises(ProofError):
        merkle.verify_consistency(old, new, old_root, new_root, [*path, b"h" * 32])
    with pytest.raises(ProofError):
        merkle.verify_consistency(old, new, b"h" * 32, new_root, path)
    with pytest.raises(ProofError):
        merkle.verify_consistency(old, new, old_root, b"h" * 32, path)
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        bent = bytes([path[place][0] ^ 1]) + path[place][1:]
        with pytest.raises(ProofError):
            merkle.verify_consistency(
                old, new, old_root, new_root, [*path[:place], bent, *path[place + 1 :]]
            )


@given(sizes, sizes)
def test_a_rewritten_leaf_breaks_consistency(one: int, two: int) -> None:
    old, new = min(one, two), max(one, two)
    forged = [merkle.leaf_hash(b"forged"), *LEAVES[1:new]]
    path = merkle.consistency_path(
        old, new, lambda level, i: merkle.perfect_root(forged[i << level : (i + 1) << level])
    )
    with pytest.raises(ProofError):
        merkle.verify_consistency(
            old, new, merkle.root_of(LEAVES[:old]), merkle.root_of(forged), path
        )


@given(
    st.binary(max_size=40),
    st.integers(-5, 2**65),
    st.integers(-5, 2**65),
    st.lists(st.binary(max_size=33) | st.binary(min_size=32, max_size=32), max_size=70),
)
def test_any_proof_is_judged_or_refused_never_worse(
    leaf: bytes, index: int, size: int, path: list[bytes]
) -> None:
    with suppress(ProofError):
        merkle.root_from_inclusion(leaf, index, size, path)
    with suppress(ProofError):
        merkle.verify_consistency(index, size, leaf, leaf, path)
