"""Sealed statements at a node: let in by their outside, logged, handed to those who can open them.

Nothing is opened here, not even what the node's own party may read: its key is used at home
(`wiring/sealing.py`). Spec: record.md, "Sealing"; decisions/0023.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from tocsin.errors import ChainError, ConflictError
from tocsin.flows.intake import Done, logged, not_found, one_sealed, purged, seen_now
from tocsin.flows.node import Node
from tocsin.policy import Reader, Tlp
from tocsin.record.admission import ChainHead
from tocsin.record.seal import Sealed, admit_sealed, check_signature, open_sealed
from tocsin.record.statement import Seen
from tocsin.store.interface import KeptSealed


class Place(Struct, frozen=True, kw_only=True):
    """What a party needs of the node to compose a statement at home."""

    seq: int
    """Of the last statement in its chain; 0: there is none."""
    head: str
    """Id of that one; "": there is none."""
    seen: tuple[Seen, ...]
    """The newest checkpoints this node holds."""


class Row(Struct, frozen=True, kw_only=True):
    """A sealed statement in a list."""

    id: str
    """Of the statement inside, by its author's word: two may have sealed under one."""
    entry: str
    """What the log holds of it, made of author and id: nobody else's is the same."""
    index: int
    author: str
    case: str | None
    seq: int
    tlp: Tlp
    readers: tuple[str, ...]
    """Who can open it, the author among them."""
    withdrawn: bool


def place(node: Node, party: str, case: str | None) -> Place:
    """Where the chain of `party` in this case stands (None: its open chain), pending ones too."""
    last = node.store.chain(party, case or "")
    return Place(seq=last.seq if last else 0, head=last.head if last else "", seen=seen_now(node))


def enter(node: Node, raw: bytes) -> Done:
    """Let a sealed statement in and log it; one that is in the log already stays as it is.

    Raises:
        StatementError: not of the one shape.
        SignatureError: no key of its author that may sign, or a wrong signature.
        ChainError: it does not follow what its author said last, plain or sealed.
        PurgedError: it was in the log, and was purged here.
        ConflictError: its author has sealed something else under this id, or said it in plain.
        LogHalted: the log takes no writes now; nothing is kept.
    """
    envelope, found = open_sealed(raw)
    # Before anything is looked up: a forged one learns nothing of what is here.
    check_signature(envelope, found, node.keyring, None)
    with node.lock:
        there = known(node, found, raw)
        if there is not None:
            return there
        last = node.store.chain(found.author, found.chain)
        head = ChainHead(seq=last.seq, head=last.head) if last else None
        try:
            verified = admit_sealed(envelope, found, keyring=node.keyring, chain=head)
        except ChainError as wrong:
            raise _said_plainly(node, found) or wrong from wrong
        waiting = node.log.keep(verified, (), verified.audience)
    return replace(logged(waiting), id=found.commitment)


def known(node: Node, found: Sealed, raw: bytes) -> Done | None:
    """Where it stands already. To say so of another file would leave its readers without it."""
    gone = purged(node, found.entry)
    if gone is not None:
        raise gone
    held = node.store.sealed(found.entry, node.everything())
    if held is None:
        return None
    kept, file = held
    if file != raw:
        raise ConflictError(
            f"{found.author} has sealed another file under the id {found.commitment}: entry "
            f"{kept.index}",
            remedy="seal what you say anew, in a statement of its own; keep both",
        )
    return Done(id=found.commitment, index=kept.index, quorum=node.log.has_quorum(kept.index))


def _said_plainly(node: Node, found: Sealed) -> ConflictError | None:
    """What to tell an author whose place is taken by the same statement, in plain."""
    plain = node.store.statement(found.commitment, node.everything())
    if plain is None or plain.author != found.author:
        return None
    return ConflictError(
        f"{found.author} has said {found.commitment} in plain here: entry {plain.index}",
        remedy="nothing has to be done; what is said in plain is not sealed afterwards",
    )


def listed(node: Node, reader: Reader, case: str | None = None) -> list[Row]:
    """The sealed statements that `reader` may fetch, in log order."""
    return [_row(kept) for kept in node.store.sealed_in(node.allowed(reader), case=case)]


def _row(kept: KeptSealed) -> Row:
    return Row(
        id=kept.inside,
        entry=kept.id,
        index=kept.index,
        author=kept.author,
        case=kept.case,
        seq=kept.seq,
        tlp=kept.tlp,
        readers=kept.readers,
        withdrawn=kept.withdrawn,
    )


def sealed_file(node: Node, reader: Reader, id: str) -> bytes:
    """The sealed file to the byte.

    Args:
        id: of the statement inside; or its entry, where several have sealed under that.

    Raises:
        NotFoundError: no such, or not for this reader.
        ConflictError: several for this reader; it names them.
    """
    row = one_sealed(node, node.allowed(reader), id)
    found = None if row is None else node.store.sealed(row.id, node.allowed(reader))
    if found is None:
        raise not_found(f"sealed statement {id}")
    return found[1]
