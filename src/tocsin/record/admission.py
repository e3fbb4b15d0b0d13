"""Admission: the one door through which a statement comes in, whoever sent it.

Spec: record.md, "Statement".
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from tocsin.errors import ChainError, MarkingError
from tocsin.policy import TLP_RANK, Audience
from tocsin.record import keys
from tocsin.record.directory import KeyRing
from tocsin.record.envelope import Verified, open_statement, pae
from tocsin.record.statement import KEY_CHAIN, ROOT_KINDS, Statement


class ChainHead(Struct, frozen=True, kw_only=True):
    """The newest statement held of one of an author's chains (`Statement.chain`)."""

    seq: int
    head: str


def admit(
    raw: bytes,
    *,
    keyring: KeyRing,
    chain: ChainHead | None,
    index: int | None,
    markings: Callable[[str], Audience | None],
) -> Verified:
    """Let one envelope in, or say why not; cheapest checks first, signatures last.

    Size, canonical form, schema; author and key in the directory; chain; marking; signatures.
    Whether it is held already is the caller's question (`statement_id`), between schema and key.

    Args:
        keyring: the keys as the log knows them.
        chain: head of (author, chain) as held; None if nothing of that chain is held.
        index: place in the log at which to judge the key; None: at its present end.
        markings: audience of the statement with this id, None if it is not held. Where its
            author has since said the same objects wider, the wider one.

    Raises:
        StatementError: size, canonical form or schema.
        SignatureError: author or key unknown, key may not sign this, too few or bad signatures.
        DirectoryError: a directory that does not follow the one before.
        ChainError: does not follow `chain`.
        MarkingError: looser than what it refers to.
    """
    envelope, statement = open_statement(raw)
    signed = keyring.signers(envelope, statement, index)
    check_chain(statement, chain)
    check_markings(statement, markings)
    message = pae(envelope.payload)
    for public, signature in signed:
        keys.verify(public, signature, message)
    return Verified(id=envelope.id, raw=raw, statement=statement)


def check_chain(s: Statement, chain: ChainHead | None) -> None:
    """Return if `s` is the next of its chain.

    Raises:
        ChainError: it is not; the error says what the next must carry.
    """
    seq, head = (1, "") if chain is None else (chain.seq + 1, chain.head)
    if (s.seq, s.prev) == (seq, head):
        return
    names = {"": "in its open chain", KEY_CHAIN: "in its key chain"}
    where = names.get(s.chain, f"in {s.case}")
    raise ChainError(
        f"{s.author} signed number {s.seq} after {s.prev or 'nothing'} {where}, and the next "
        f"here is number {seq} after {head or 'nothing'}",
        remedy="fetch the author's chain, and sign again on top of its head",
        seq=seq,
        head=head,
    )


def check_markings(s: Statement, markings: Callable[[str], Audience | None]) -> None:
    """Return if `s` is marked at least as strictly as everything it refers to.

    One way down: the originator says its own objects again with the wider marking.

    Raises:
        MarkingError: names the reference and both markings.
    """
    for ref in s.refs:
        above = markings(ref)
        if above is None or TLP_RANK[s.tlp] >= TLP_RANK[above.tlp]:
            continue
        if s.kind == "say" and s.objects and above.author == s.author:
            continue
        raise MarkingError(
            f"TLP:{s.tlp} is looser than TLP:{above.tlp} of {ref}, which it refers to",
            remedy=f"mark it TLP:{above.tlp}, or ask {above.author} to say it again wider",
        )


def equivocates(a: Verified, b: Verified) -> bool:
    """Whether the two prove that one author signed two statements for one place in its chain.

    Of the kinds that carry several signatures, anybody can drop one and so make another id over
    the same payload; that proves nothing against the author.
    """
    x, y = a.statement, b.statement
    if a.id == b.id or (x.author, x.chain, x.seq) != (y.author, y.chain, y.seq):
        return False
    return x.kind not in ROOT_KINDS or x != y
