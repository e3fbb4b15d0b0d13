"""A small log with one case, for tests of the dossier: everything in memory, nothing random."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import orjson

from tocsin.record import checkpoint as cp
from tocsin.record import keys, merkle
from tocsin.record.directory import NodeEntry, Party, genesis, registrars_of, root_of
from tocsin.record.envelope import sealed_entry, sign, statement_id
from tocsin.record.keys import LogSigner, PublicKey, Signer
from tocsin.record.members import write_dossier
from tocsin.record.statement import (
    ROOT_KINDS,
    ObjectRef,
    Seen,
    chain_of,
    compose,
    key_body,
    revoke_body,
)

NORTH, EAST = "cert.northland.example", "cert.eastmere.example"
ORIGIN = f"{NORTH}/log"
CASE = "case--6f1c0000-0000-4000-8000-000000000001"
LOG = LogSigner.from_seeds(ORIGIN, b"\x01" * 32, b"\x02" * 32)
EAST_LOG = LogSigner.from_seeds(f"{EAST}/log", b"\x0a" * 32, b"\x0b" * 32)
ROOTS = {party: Signer.from_seed(bytes([n]) * 32, party) for n, party in ((3, NORTH), (4, EAST))}
SIGNERS = {party: Signer.from_seed(bytes([n]) * 32, party) for n, party in ((5, NORTH), (6, EAST))}
WITNESSES = {
    name: Signer.from_seed(bytes([n]) * 32, name)
    for n, name in ((7, "portco.example"), (8, "gridco.example"), (9, "westwater.example"))
}
POLICY_TEXT = "".join(f"log {text}\n" for text in LOG.vkeys()) + "quorum none\n"
POLICY = cp.open_policy(POLICY_TEXT.encode())
QUORUM_TEXT = (
    f"log {LOG.vkeys()[0]}\n"
    + "".join(
        f"witness {name} {keys.vkey(name + '/witness', cp.COSIGNATURE, signer.public)}\n"
        for name, signer in WITNESSES.items()
    )
    + f"group two 2 {' '.join(WITNESSES)}\nquorum two\n"
)
QUORUM = cp.open_policy(QUORUM_TEXT.encode())


def note_object(number: int) -> bytes:
    """A STIX-like object's bytes."""
    return orjson.dumps(
        {"type": "note", "id": f"note--0b1e0000-0000-4000-8000-{number:012x}", "content": "x"}
    )


def ref(raw: bytes) -> ObjectRef:
    """How a statement names an object."""
    data = orjson.loads(raw)
    return ObjectRef(id=data["id"], sha256=hashlib.sha256(raw).hexdigest(), type=data["type"])


class Case:
    """A log under construction: directory, keys, then whatever is said."""

    def __init__(self, *, vkeys: bool | int = True, logs: Sequence[LogSigner] = (LOG,)) -> None:
        """A log with its directory and keys.

        Args:
            vkeys: whether the directory lists the log's keys; 1: only the Ed25519 one.
            logs: whose nodes the directory lists; the first is this log.
        """
        self.log = logs[0]
        self.raws: list[bytes] = []
        self.under: dict[int, str] = {}
        """Index → in whose name it is sealed in the log; the others are there in plain."""
        self.objects: dict[str, bytes] = {}
        self._heads: dict[tuple[str, str], tuple[int, str]] = {}
        node = NodeEntry(
            origin=ORIGIN,
            log_vkeys=LOG.vkeys()[: 2 if vkeys is True else vkeys],
            witness_vkeys=tuple(
                keys.vkey(name + "/witness", cp.COSIGNATURE, signer.public)
                for name, signer in WITNESSES.items()
            ),
        )
        parties = [
            Party(
                id=party,
                name=party.split(".")[1].title(),
                root=root_of([PublicKey.of(ROOTS[party].public)]),
                identity=f"identity--0000000{n}-0000-4000-8000-000000000000",
                nodes=(node,)
                if party == NORTH
                else tuple(NodeEntry(origin=one.name, log_vkeys=one.vkeys()) for one in logs[1:]),
            )
            for n, party in enumerate((NORTH, EAST))
        ]
        body = genesis(registrars_of([(NORTH, PublicKey.of(ROOTS[NORTH].public))]), parties)
        self.root = self.enter(NORTH, "directory", body, signer=ROOTS[NORTH])
        for party in (NORTH, EAST):
            body = key_body(SIGNERS[party].public)
            self.enter(party, "key", body, signer=ROOTS[party])

    def enter(
        self,
        author: str,
        kind: str,
        body: Mapping[str, Any],
        *,
        signer: Signer | None = None,
        case: str | None = CASE,
        objects: Sequence[bytes] = (),
        named: Sequence[ObjectRef] = (),
        refs: Sequence[str] = (),
        tlp: str = "CLEAR",
        to: Sequence[str] = (),
        seen: Sequence[Seen] = (),
        seq: int | None = None,
        prev: str | None = None,
        sealed: str | None = None,
    ) -> bytes:
        """Sign a statement and log it; the next in its chain, unless told otherwise.

        Args:
            sealed: in whose name the log holds it sealed; None: it holds it in plain.
        """
        signer = signer or SIGNERS[author]
        case = None if kind in ROOT_KINDS else case
        chain = chain_of(kind, case)
        last, head = self._heads.get((author, chain), (0, ""))
        payload = compose(
            author=author,
            key=signer.keyid,
            kind=kind,
            seq=seq or last + 1,
            prev=head if prev is None else prev,
            time="2026-11-22T08:30:00Z",
            salt=f"{len(self.raws):032x}",
            tlp=tlp,
            body=body,
            case=case,
            objects=[*named, *(ref(raw) for raw in objects)],
            refs=refs,
            to=to,
            seen=seen,
        )
        raw = sign(payload, [signer])
        self._heads[author, chain] = (seq or last + 1, statement_id(raw))
        for item in objects:
            self.objects[hashlib.sha256(item).hexdigest()] = item
        if sealed is None:
            self.raws.append(raw)
        else:
            self.seal(raw, sealed)
        return raw

    def seal(self, raw: bytes, author: str) -> None:
        """Log it, or log it once more, sealed in the name of `author`."""
        self.under[len(self.raws)] = author
        self.raws.append(raw)

    def entry(self, index: int) -> str:
        """What the log holds there."""
        id, author = statement_id(self.raws[index]), self.under.get(index)
        return id if author is None else sealed_entry(author, bytes.fromhex(id)).hex()

    def say(self, author: str, *numbers: int, **rest: Any) -> bytes:
        """Say objects of these numbers."""
        return self.enter(author, "say", {}, objects=[note_object(n) for n in numbers], **rest)

    def attach(self, author: str, named: ObjectRef, data: bytes) -> bytes:
        """Say bytes that are no STIX object."""
        self.objects[named.sha256] = data
        return self.enter(author, "say", {}, named=[named])

    def revoke(self, party: str, suspect_since: str | None = None) -> bytes:
        """Revoke the party's signing key."""
        body = revoke_body(SIGNERS[party].keyid, "stolen", suspect_since)
        return self.enter(party, "revoke", body, signer=ROOTS[party])

    def replica(self, log: LogSigner, order: Sequence[int]) -> Case:
        """The same statements in another log, in this order of their indexes here."""
        twin = copy(self)
        twin.log, twin.raws = log, [self.raws[index] for index in order]
        twin.under = {at: self.under[n] for at, n in enumerate(order) if n in self.under}
        return twin

    @property
    def leaves(self) -> list[bytes]:
        return [
            merkle.leaf_hash(b"\x01" + bytes.fromhex(self.entry(index)))
            for index in range(len(self.raws))
        ]

    def head(self, size: int | None = None) -> cp.Checkpoint:
        """The tree at a size."""
        size = size or len(self.raws)
        return cp.Checkpoint(
            origin=self.log.name, size=size, root=merkle.root_of(self.leaves[:size])
        )

    def note(self, size: int | None = None, witnesses: Mapping[str, int] | None = None) -> bytes:
        """The signed checkpoint at a size, cosigned by these witnesses at these times."""
        head = self.head(size)
        data = cp.sign_checkpoint(head, self.log, 1_795_334_400)
        lines = [
            cp.cosign_ed25519(
                head, name + "/witness", WITNESSES[name].public, WITNESSES[name].sign, time
            )
            for name, time in (witnesses or {}).items()
        ]
        return cp.add_lines(data, lines)

    def get(self, level: int, index: int) -> bytes:
        return merkle.perfect_root(self.leaves[index << level : (index + 1) << level])

    def path(self, index: int, size: int) -> list[bytes]:
        return merkle.inclusion_path(index, size, self.get)

    def dossier(
        self,
        *,
        withhold: Sequence[int] = (),
        drop: Sequence[int] = (),
        note: bytes | None = None,
        older: Sequence[bytes] = (),
        without: Sequence[str] = (),
        case: str | None = CASE,
        bare: Sequence[int] = (),
    ) -> bytes:
        """The case as a file; `withhold` and `drop` are log indexes.

        What is sealed is withheld. `bare`: indexes of what is shown in plain nevertheless.
        """
        size = cp.open_checkpoint(cp.open_note(note).text).size if note else len(self.raws)
        authority: list[tuple[int, bytes]] = []
        statements: list[tuple[int, str, bytes | None]] = []
        named: set[str] = set()
        for index, raw in enumerate(self.raws[:size]):
            if index in drop:
                continue
            kind, its_case, objects = _kind(raw)
            if index in self.under and index not in bare:
                statements.append((index, self.entry(index), None))
            elif kind in ("directory", "key", "revoke"):
                authority.append((index, raw))
            elif its_case == case:
                shown = index not in withhold
                statements.append((index, statement_id(raw), raw if shown else None))
                named |= set(objects) if shown else set()
        return write_dossier(
            case=case,
            origin=self.log.name,
            checkpoint=note or self.note(),
            statements=statements,
            directory=authority,
            path=self.path,
            objects={d: self.objects[d] for d in sorted(named) if d not in without},
            history=[(one, self._consistency(one, size)) for one in older],
        )

    def _consistency(self, note: bytes, size: int) -> list[bytes]:
        old = cp.open_checkpoint(cp.open_note(note).text).size
        return merkle.consistency_path(old, size, self.get)


def _kind(raw: bytes) -> tuple[str, str | None, list[str]]:
    from tocsin.record.envelope import open_statement

    _, s = open_statement(raw)
    return s.kind, s.case, [one.sha256 for one in s.objects]


def usual() -> Case:
    """Two parties talk: what one says, an act, an answer, a withdrawal."""
    made = Case()
    made.enter(NORTH, "act", {"event": "case.open", "item": CASE, "title": "Grid wiper"})
    first = made.say(NORTH, 1, 2)
    made.say(EAST, 3, tlp="GREEN")
    made.enter(NORTH, "withdraw", {"reason": "wrong host"}, refs=[statement_id(first)])
    made.say(EAST, 4, tlp="AMBER", to=[NORTH])
    return made


@dataclass(frozen=True)
class Story:
    """A dossier of a log that holds sealed statements, and what is to be said of it."""

    data: bytes
    root: bytes
    codes: tuple[str, ...] = ()
    withheld: tuple[int, ...] = ()
    """In eastmere's chain."""
    missing: tuple[int, ...] = ()


def sealed_stories() -> dict[str, Story]:
    """What a sealed statement explains in a dossier, and what it does not."""
    found = {}
    for name, author in (("its own", EAST), ("another's", NORTH)):
        told, proven = usual(), usual()
        for case in (told, proven):
            case.say(EAST, 5, tlp="AMBER", to=[NORTH], sealed=author)
            case.say(EAST, 6)
        gap = (3,)
        found[name] = (
            Story(told.dossier(), told.root, withheld=gap)
            if author == EAST
            else Story(told.dossier(), told.root, ("chain-gap",), missing=gap)
        )
        bare = proven.dossier(bare=[len(proven.raws) - 2])
        found[f"shown, with the place of {name}"] = Story(bare, proven.root, ("inclusion",))
    keyed = usual()
    second = key_body(Signer.from_seed(b"\x33" * 32, EAST).public)
    revoked = revoke_body(SIGNERS[EAST].keyid, "stolen")
    keyed.enter(EAST, "revoke", revoked, signer=ROOTS[EAST], sealed=EAST)
    keyed.enter(EAST, "key", second, signer=ROOTS[EAST])
    found["a revocation"] = Story(keyed.dossier(), keyed.root, ("chain-gap",))
    again = usual()
    again.seal(again.raws[-1], EAST)
    again.say(EAST, 5)
    dropped = len(again.raws) - 1
    again.say(EAST, 6, sealed=EAST)
    again.say(EAST, 7)
    found["shown, and sealed again"] = Story(
        again.dossier(drop=[dropped]), again.root, ("chain-gap",), withheld=(4,), missing=(3,)
    )
    return found
