"""Admission: the one door through which a statement comes in, whoever sent it.

Spec: record.md, "Statement".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from tocsin.errors import ChainError, MarkingError, SignatureError, TocsinError
from tocsin.policy import TLP_RANK, Audience
from tocsin.record import keys
from tocsin.record.directory import KeyRing
from tocsin.record.envelope import Envelope, Verified, open_statement, pae
from tocsin.record.statement import KEY_CHAIN, ROOT_KINDS, Statement


class ChainHead(Struct, frozen=True, kw_only=True, gc=False):
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
    return admit_opened(
        envelope, statement, keyring=keyring, chain=chain, index=index, markings=markings
    )


def admit_opened(
    envelope: Envelope,
    statement: Statement,
    *,
    keyring: KeyRing,
    chain: ChainHead | None,
    index: int | None,
    markings: Callable[[str], Audience | None],
) -> Verified:
    """`admit` for an envelope that `open_statement` has opened."""
    signed = keyring.signers(envelope, statement, index)
    check_chain(statement, chain)
    check_markings(statement, markings)
    message = pae(envelope.payload)
    for public, signature in signed:
        keys.verify(public, signature, message)
    return Verified(id=envelope.id, raw=envelope.raw, statement=statement)


Opened: TypeAlias = tuple[Envelope, Statement]
"""What `open_statement` gives."""

Signed: TypeAlias = tuple[bytes, bytes, bytes]
"""(public key, signature, message): what is to be verified."""

Verifier: TypeAlias = Callable[[Sequence[Signed]], Sequence[bool]]
"""Whether each signature is good under the strict rule; it may ask other processors."""

Opener: TypeAlias = Callable[
    [Sequence[bytes], Mapping[str, bytes]], Sequence["tuple[Opened, Signed | None] | TocsinError"]
]
"""(envelopes, keyid → public key) → each opened, with the signature that is already known to be
good under its key, if any; or what `open_statement` raises. It may ask other processors."""


def open_all(
    raws: Sequence[bytes], publics: Mapping[str, bytes]
) -> list[tuple[Opened, Signed | None] | TocsinError]:
    """Open each of these here; nothing is verified."""
    found: list[tuple[Opened, Signed | None] | TocsinError] = []
    for raw in raws:
        try:
            found.append((open_statement(raw), None))
        except TocsinError as wrong:
            found.append(wrong)
    return found


def verify_all(signed: Sequence[Signed]) -> list[bool]:
    """Whether each of these signatures is good (`keys.verify`), one after the other, here."""
    return [_fault(one) is None for one in signed]


def _fault(signed: Signed) -> SignatureError | None:
    try:
        keys.verify(*signed)
    except SignatureError as wrong:
        return wrong
    return None


def admit_many(
    opened: Sequence[Opened],
    *,
    keyring: KeyRing,
    chain: Callable[[Statement], ChainHead | None],
    index: int | None,
    markings: Callable[[Statement, str], Audience | None],
    verifier: Verifier = verify_all,
    check: Callable[[Statement, Verified], None] | None = None,
) -> list[Verified | TocsinError]:
    """Let many envelopes in, as `admit` would one after the other; for each it, or why not.

    What is cheap is done for all of them first, then all signatures at once, so that they can be
    verified side by side. A statement counts for its author's chain as soon as it is let in: the
    next one here follows it. The key ring does not learn from them meanwhile, and no marking of one
    is known to another: such as depend on each other are brought one after the other. Where one is
    wrong twice, `admit` may name the other fault: here a marking is looked up under a good
    signature only.

    Args:
        chain: head of a statement's chain as held before all of these.
        markings: (statement, ref) → audience, as for `admit`.
        check: what else the caller asks of each that would be let in, in order; it raises.
    """
    held: dict[tuple[str, str], ChainHead | None] = {}
    signed = signatures(opened, keyring, index)
    places = [(statement.author, statement.chain) for _, statement in opened]
    for place, (_, statement), asked in zip(places, opened, signed, strict=True):
        if place not in held and not isinstance(asked, TocsinError):
            held[place] = chain(statement)
    good = _good_signatures(_hopeful(opened, places, signed, held), verifier)
    outcomes: list[Verified | TocsinError] = []
    heads = dict(held)
    for place, (envelope, statement), asked in zip(places, opened, signed, strict=True):
        if isinstance(asked, TocsinError):
            outcomes.append(asked)
            continue
        try:
            check_chain(statement, heads[place])
            for one in asked:
                if one not in good:
                    keys.verify(*one)
            if statement.refs:
                check_markings(statement, lambda ref, s=statement: markings(s, ref))  # type: ignore[misc]
            admitted = Verified(id=envelope.id, raw=envelope.raw, statement=statement)
            if check is not None:
                check(statement, admitted)
        except TocsinError as wrong:
            outcomes.append(wrong)
            continue
        heads[place] = ChainHead(seq=statement.seq, head=envelope.id)
        outcomes.append(admitted)
    return outcomes


def signatures(
    opened: Sequence[Opened], keyring: KeyRing, index: int | None
) -> list[list[Signed] | TocsinError]:
    """What is to be verified of each (`KeyRing.signers`), or why its keys may not sign it."""
    found: list[list[Signed] | TocsinError] = []
    known: dict[tuple[str, str, str], bytes] = {}
    for envelope, s in opened:
        # Of an ordinary statement these three decide, and many in a row have the same.
        author = (s.author, s.key, s.kind)
        public = known.get(author)
        if public is not None:
            found.append([(public, envelope.signatures[0].sig, pae(envelope.payload))])
            continue
        try:
            pairs = keyring.signers(envelope, s, index)
        except TocsinError as wrong:
            found.append(wrong)
            continue
        message = pae(envelope.payload)
        found.append([(public, signature, message) for public, signature in pairs])
        if s.kind not in ROOT_KINDS:
            [(known[author], _)] = pairs
    return found


def _hopeful(
    opened: Sequence[Opened],
    places: Sequence[tuple[str, str]],
    signed: Sequence[list[Signed] | TocsinError],
    held: dict[tuple[str, str], ChainHead | None],
) -> list[Signed]:
    """The signatures of those that would follow their chain if every one before were let in."""
    heads = {place: (head.seq, head.head) if head else (0, "") for place, head in held.items()}
    hopeful: list[Signed] = []
    for place, (envelope, s), asked in zip(places, opened, signed, strict=True):
        if not isinstance(asked, TocsinError) and heads[place] == (s.seq - 1, s.prev):
            heads[place] = (s.seq, envelope.id)
            hopeful += asked
    return hopeful


def _good_signatures(signed: Sequence[Signed], verifier: Verifier) -> set[Signed]:
    found = verifier(signed) if signed else ()
    return {one for one, fine in zip(signed, found, strict=True) if fine}


class Placed(Protocol):
    """What has a place in an author's chain: a statement, or a sealed one."""

    @property
    def author(self) -> str: ...
    @property
    def chain(self) -> str: ...
    @property
    def case(self) -> str | None: ...
    @property
    def seq(self) -> int: ...
    @property
    def prev(self) -> str: ...


def check_chain(s: Placed, chain: ChainHead | None) -> None:
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
    # Bytes are compared, not what was read from them: to Python, true is 1.
    return x.kind not in ROOT_KINDS or _payload(a) != _payload(b)


def _payload(verified: Verified) -> bytes:
    return open_statement(verified.raw)[0].payload
