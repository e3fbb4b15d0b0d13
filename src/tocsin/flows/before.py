"""That a statement was in a log before its key's revocation was, for a node that hears it after.

A key is rotated, and a node that was away (or is new) learns the revocation before it is brought
what was said with the old key. The log in which the author speaks shows which came first.
Spec: record.md, "Directory and keys"; decisions/0032.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

from tocsin.errors import LogHalted, NoteError, ProofError
from tocsin.flows.homes import host_of
from tocsin.flows.intake import parse_kept
from tocsin.flows.node import Node
from tocsin.record import checkpoint as notes
from tocsin.record import merkle
from tocsin.record.statement import Statement


def proofs(node: Node, author: str, keyid: str, index: int) -> tuple[str, ...]:
    """Of the statement at `index` and of its key's revocation, where that has come since.

    Empty where the key is not revoked, or where the author does not speak in this node's log.
    """
    key = node.keyring.key(author, keyid)
    if key is None or key.until is None or index >= key.until:
        return ()
    if host_of(node.directory, author) != node.party:
        return ()
    with suppress(ProofError, LogHalted):
        return tuple(_text(node.log.proof(at)) for at in (index, key.until))
    return ()


def _text(proof: notes.LogProof) -> str:
    return notes.write_proof(proof.index, proof.path, proof.checkpoint).decode()


def shown(node: Node, peer: str, s: Statement, id: str, given: tuple[str, ...]) -> int | None:
    """The index at which to judge this statement here, if `peer` shows that it came in time.

    What a host shows of its guest's words counts only where the guest has named no time since
    which the key is in doubt: a host and a thief could else agree on an order.

    Args:
        id: of the statement.
        given: what came with it (`Item.proofs`).

    Returns:
        That of the revocation in this log; None: nothing is shown.
    """
    key = node.keyring.key(s.author, s.key)
    if key is None or key.until is None or len(given) != 2:
        return None
    if host_of(node.directory, s.author) != peer:
        return None
    if peer != s.author and key.suspect_since is not None:
        return None
    entry = node.directory.party(peer)
    keys = notes.usable(text for n in (entry.nodes if entry else ()) for text in n.log_vkeys)
    revocations = [
        kept.id
        for kept in node.store.statements(node.everything(), kind="revoke", author=s.author)
        if parse_kept(kept).body.get("keyid") == s.key
    ]
    with suppress(NoteError, ProofError):
        first, second = (notes.open_proof(text.encode()) for text in given)
        origin = _verified(first, [id], keys)
        if origin == _verified(second, revocations, keys) and first.index < second.index:
            return key.until
    return None


def _verified(proof: notes.LogProof, ids: list[str], keys: list[notes.VerifierKey]) -> str:
    """The origin of the log in which one of these statements is at the proof's index.

    Raises:
        NoteError, ProofError: none is, or no known key has signed that.
    """
    note = notes.open_note(proof.checkpoint)
    head = notes.open_checkpoint(note.text)
    notes.verify_note(note, [key for key in keys if key.name == head.origin])
    for id in ids:
        leaf = hashlib.sha256(b"\x00\x01" + bytes.fromhex(id)).digest()
        with suppress(ProofError):
            merkle.verify_inclusion(leaf, proof.index, head.size, proof.path, head.root)
            return head.origin
    raise ProofError(
        f"entry {proof.index} of {head.origin} is none of {len(ids)} statements it may be of",
        remedy=f"ask the operator of {head.origin} for the proof of the statement itself",
    )
