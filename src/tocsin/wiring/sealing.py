"""Sealing at home: composed, signed and sealed in a party's own folder, and opened there.

The node that logs it is given the sealed file and nothing else. Whose keys are whose comes from
the node's directory feed, judged from this folder's root file and never on the node's word.
Spec: record.md, "Sealing"; decisions/0023.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.canonical import b64decode, b64encode
from tocsin.claims.model import EXTENSION_ID
from tocsin.client import Client, segment
from tocsin.errors import (
    ChainError,
    ConflictError,
    MarkingError,
    NotFoundError,
    PurgedError,
    SealError,
    SpeakerError,
    StatementError,
    UnreachableError,
    UsageError,
    VerificationError,
)
from tocsin.policy import TLP_RANK, Audience, Tlp
from tocsin.record import keys
from tocsin.record.admission import check_markings
from tocsin.record.directory import Party
from tocsin.record.envelope import open_envelope, open_statement, pae, sign, statement_id
from tocsin.record.hpke import HpkeKey
from tocsin.record.seal import check_signature, open_sealed, seal, unseal
from tocsin.record.statement import Hex64, ObjectRef, Seen, Statement, compose
from tocsin.stix.bundle import Received, open_bundle, open_object
from tocsin.stix.check import judged
from tocsin.stix.markings import tlp_of
from tocsin.store.files import make_folder, read_secret
from tocsin.wiring.keyholder import fetch_history
from tocsin.wiring.keys import load_hpke_all, load_signer, replace_secret

ATTEMPTS = 3
"""Where the same party says something else meanwhile, by another way."""
MEDIA_TYPE = "application/vnd.dsse+json"


class Said(Struct, frozen=True, kw_only=True):
    """A sealed statement that is in the log."""

    id: Hex64
    index: int
    quorum: bool = True


class Row(Struct, frozen=True, kw_only=True):
    """A sealed statement as a node lists it: its word, until it is opened."""

    id: Hex64
    """Of the statement inside. Files are named by it: nothing else gets in."""
    entry: Hex64
    """What the log holds of it: two may have sealed under one id, and each has its own."""
    index: int
    author: str
    seq: int
    tlp: Tlp
    readers: tuple[str, ...]
    withdrawn: bool
    case: str | None = None


class Unsealed(Struct, frozen=True, kw_only=True):
    """What was inside, with its author's signature verified."""

    id: str
    envelope: bytes
    """The statement's own: with a proof from the log it stands by itself."""
    statement: Statement
    objects: tuple[tuple[ObjectRef, bytes], ...]
    key: str
    """valid; revoked: since then, and that the statement stood in the log before is the node's
    word; suspect: revoked too, and said at a time that its owner does not vouch for."""
    problems: tuple[str, ...]
    """What no node could refuse, as none saw it, in words; it is shown all the same."""


class _Last(Struct, frozen=True, kw_only=True):
    """The last thing sealed at home in one chain; `raw` until it is known to be logged."""

    seq: int
    id: str
    raw: str = ""


class Sealing:
    """One party's signing and HPKE keys with the key history of the node it talks to.

    Raises:
        UnreachableError: the node does not answer.
        VerificationError: its history does not follow from this folder's root.
    """

    def __init__(
        self,
        home: Path,
        party: str,
        client: Client,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.home, self.party, self.client = home, party, client
        self.clock, self.rng = clock, rng
        self.ring = fetch_history(client, (home / "root.json").read_bytes()).ring

    # --- saying -------------------------------------------------------------------------------

    def say(self, bundle: bytes, *, tlp: Tlp, to: Sequence[str], case: str | None) -> Said:
        """Seal the objects of a STIX bundle for the parties named, and have it logged.

        What was sealed before and never reached the log is brought first, byte for byte: two
        statements at one place of a chain would be equivocation.

        Raises:
            BundleError, StatementError: an object has a problem; SpeakerError: or is another's.
            MarkingError: an object is marked stricter than `tlp`.
            SealError: a reader has no HPKE key in the directory, or it is too large.
            VerificationError: the node shows an older end of this party's chain than was signed.
        """
        items = self._items(bundle, tlp)
        readers = {party: self._public(party) for party in sorted({*to, self.party})}
        self._bring_left(case)
        for attempt in range(1, ATTEMPTS + 1):
            sealed, last = self._sealed(items, tlp, readers, case)
            self._remember(case, last)
            try:
                return self._bring(sealed, case, last)
            except ChainError:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _items(self, bundle: bytes, tlp: Tlp) -> list[Received]:
        items = {item.sha256: item for item in judged(open_bundle(bundle))}
        known = {i.id: i.data for i in items.values() if i.type == "marking-definition"}
        identity = self._entry(self.party).identity
        for item in items.values():
            if item.problem is not None:
                raise StatementError(
                    f"{item.id or 'an object'}: {item.problem}",
                    remedy="mend or leave out that object, then say the rest",
                )
            if not _speaks_for(identity, item.data):
                raise SpeakerError(
                    f"{item.id} was created by {item.data.get('created_by_ref')}, and {self.party} "
                    f"signs as {identity}",
                    remedy="say only your own claims, evidence and challenges",
                )
            own, unknown = tlp_of(item.data, known)
            if unknown or (own is not None and TLP_RANK[own] > TLP_RANK[tlp]):
                marked = f"TLP:{own}" if own and not unknown else "in a way that is not known here"
                raise MarkingError(
                    f"{item.id} is marked {marked}, and this would say it as TLP:{tlp}",
                    remedy="seal it with its own marking: --tlp RED",
                )
        return sorted(items.values(), key=lambda item: item.id)

    def _sealed(
        self, items: Sequence[Received], tlp: Tlp, readers: dict[str, bytes], case: str | None
    ) -> tuple[bytes, _Last]:
        place = self.client.get("/chains", case=case)
        signer = load_signer(self.home, self.party, "signing")
        try:
            seq, head = int(place["seq"]) + 1, str(place["head"])
            seen = msgspec.convert(place["seen"], tuple[Seen, ...])
        except (KeyError, TypeError, ValueError) as wrong:
            raise UnreachableError(
                f"what answers there tells no chain: {wrong}", remedy="check the address"
            ) from wrong
        before = self._last(case)
        if before is not None and seq <= before.seq:
            raise VerificationError(
                f"the node shows {seq - 1} statements of {self.party} in this chain, and number "
                f"{before.seq} was signed here before; another for its place would be equivocation",
                remedy="ask its operator; nothing was signed now",
            )
        payload = compose(
            author=self.party,
            key=signer.keyid,
            kind="say",
            seq=seq,
            prev=head,
            time=self.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            salt=self.rng(16).hex(),
            tlp=tlp,
            body={},
            case=case,
            objects=tuple(ObjectRef(id=o.id, sha256=o.sha256, type=o.type) for o in items),
            to=tuple(party for party in readers if party != self.party),
            seen=seen,
        )
        envelope = sign(payload, [signer])
        raw = seal(envelope, {o.sha256: o.raw for o in items}, readers, signer, self.rng)
        return raw, _Last(seq=seq, id=statement_id(envelope), raw=b64encode(raw))

    def _public(self, party: str) -> bytes:
        """A party's HPKE key as the directory lists it."""
        listed = self._entry(party).hpke
        if listed is msgspec.UNSET:
            raise SealError(
                f"the directory lists no HPKE key of {party}",
                remedy=f"ask {party} to publish one: tocsin key rotate --hpke",
            )
        if party == self.party and listed.id not in {key.id for key in self._keys()}:
            raise SealError(
                f"the directory lists HPKE key {listed.id} of {party}, and it is not in this "
                "folder: you could not read your own words again",
                remedy="restore keys/ from its backup, or publish another: tocsin key rotate "
                "--hpke",
            )
        return b64decode(listed.public)

    def _entry(self, party: str) -> Party:
        found = self.ring.directory.party(party)
        if found is None:
            # A mistyped reader would be nobody, and whoever was meant would never know.
            raise UsageError(f"{party}: no party of the directory", remedy="see: tocsin party list")
        return found

    def _keys(self) -> list[HpkeKey]:
        return [HpkeKey(seed) for seed in load_hpke_all(self.home, self.party)]

    # --- on its way ---------------------------------------------------------------------------

    def _bring(self, raw: bytes, case: str | None, last: _Last) -> Said:
        body = self.client.call("POST", "/sealed", body=raw, media_type=MEDIA_TYPE)
        try:
            said = msgspec.json.decode(body, type=Said)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise UnreachableError(
                f"what answers there is no node of tocsin: {wrong}", remedy="check the address"
            ) from wrong
        self._remember(case, _Last(seq=last.seq, id=last.id))
        return said

    def _bring_left(self, case: str | None) -> None:
        last = self._last(case)
        if last is None or not last.raw:
            return
        raw = b64decode(last.raw)
        if self.ring.state(self.party, open_sealed(raw)[1].key, None) != "valid":
            # No log lets it in any more, and so its place is free.
            self._path(case).unlink()
            return
        try:
            self._bring(raw, case, last)
        except (ChainError, ConflictError, PurgedError):
            # Its place is another's, said by another way; or it was there, and is gone.
            self._remember(case, _Last(seq=last.seq, id=last.id))

    def _path(self, case: str | None) -> Path:
        name = hashlib.sha256((case or "").encode()).hexdigest()[:32]
        return self.home / "keys" / "sealed" / f"{self.party}.{name}.json"

    def _last(self, case: str | None) -> _Last | None:
        path = self._path(case)
        return msgspec.json.decode(read_secret(path), type=_Last) if path.exists() else None

    def _remember(self, case: str | None, last: _Last) -> None:
        path = self._path(case)
        make_folder(path.parent, 0o700)
        replace_secret(path, msgspec.json.encode(last))

    # --- opening ------------------------------------------------------------------------------

    def listed(self, case: str | None = None) -> list[Row]:
        """What is sealed for this party, or by it, as the node tells it, in log order."""
        try:
            return msgspec.convert(self.client.get("/sealed", case=case)["items"], list[Row])
        except (KeyError, TypeError, msgspec.ValidationError) as wrong:
            raise UnreachableError(
                f"what answers there tells nothing of what is sealed: {wrong}",
                remedy="check the address",
            ) from wrong

    def named(self, given: str) -> Row:
        """The one whose id, or entry, begins with `given`.

        Raises:
            NotFoundError: none here is for this party; UsageError: several.
        """
        near = [
            row
            for row in self.listed()
            if given and given in (row.id[: len(given)], row.entry[: len(given)])
        ]
        if len({row.id for row in near}) > 1:
            raise UsageError(f"{given} fits {len(near)}", remedy="give more of its characters")
        if len(near) > 1:
            raise UsageError(
                f"{', '.join(row.author for row in near)} have sealed under the id {near[0].id}",
                remedy="name one by its entry: "
                + ", ".join(f"{row.entry[:16]} ({row.author})" for row in near),
            )
        if not near:
            raise NotFoundError(
                f"nothing of the id {given} is sealed for {self.party} here",
                remedy="tocsin open lists what is",
            )
        return near[0]

    def fetch(self, row: Row) -> bytes:
        """The sealed file, as the node gives it."""
        return self.client.call("GET", f"/sealed/{segment(row.entry)}")

    def judge(self, row: Row, raw: bytes) -> Unsealed:
        """Open a sealed file and verify what is inside.

        Raises:
            StatementError: not of the one shape.
            SealError: not the one asked for, not for this party's keys, altered, or saying other
                things inside than outside.
            SignatureError: its author did not sign it with a key the history knows.
        """
        envelope, outside = open_sealed(raw)
        given = (outside.author, outside.commitment, outside.entry)
        if given != (row.author, row.id, row.entry):
            raise SealError(
                f"the node gave {outside.commitment} by {outside.author} where {row.id} by "
                f"{row.author} was asked for",
                remedy="ask its operator, and keep what it gave",
            )
        state = self.ring.state(outside.author, outside.key, None)
        at = row.index if state == "revoked" else None
        check_signature(envelope, outside, self.ring, at)
        mine = {one.hpke for one in outside.to if one.party == self.party}
        own = self._keys()
        key = next((key for key in own if key.id in mine), own[0] if own else None)
        if key is None:
            raise SealError(
                f"{self.party} has no HPKE key in this folder",
                remedy="open it in the folder that holds keys/hpke, or ask for it to be sealed "
                "again after: tocsin key rotate --hpke",
            )
        opened = unseal(raw, self.party, key)
        inner, s = open_statement(opened.envelope)
        for public, signature in self.ring.signers(inner, s, at):
            keys.verify(public, signature, pae(open_envelope(opened.envelope).payload))
        return Unsealed(
            id=row.id,
            envelope=opened.envelope,
            statement=s,
            objects=opened.objects,
            key=self._state(s, row.index),
            problems=tuple(self._problems(s, opened.objects)),
        )

    def _state(self, s: Statement, index: int) -> str:
        now = self.ring.state(s.author, s.key, None)
        there = self.ring.state(s.author, s.key, index, s.time)
        return there if now == "revoked" and there == "suspect" else now

    def _problems(self, s: Statement, objects: Sequence[tuple[ObjectRef, bytes]]) -> list[str]:
        """Another's claims in this author's name; a marking that is loosened."""
        author = self.ring.directory.party(s.author)
        found: list[str] = []
        try:
            check_markings(s, lambda ref: self._marking(s.author, ref))
        except MarkingError as wrong:
            found.append(wrong.message)
        for ref, raw in objects:
            if ref.id.startswith("urn:sha256:"):
                continue
            item = open_object(raw)
            if (item.id, item.type) != (ref.id, ref.type):
                found.append(f"{ref.id} is named, and {item.id or 'no object'} is there")
            elif item.problem is not None:
                found.append(f"{ref.id}: {item.problem}")
            elif author is None or not _speaks_for(author.identity, item.data):
                found.append(f"{ref.id} is by {item.data.get('created_by_ref')}, not by {s.author}")
        return found

    def _marking(self, author: str, ref: str) -> Audience | None:
        """How what `author` refers to is marked; None where this party is not shown it.

        As a node judges it: in plain it is what its id says, and of what is only sealed under that
        id the author's own counts, or else the strictest.
        """
        try:
            raw = self.client.call("GET", f"/statements/{segment(ref)}")
        except NotFoundError:
            raw = b""
        if statement_id(raw) == ref:
            return open_statement(raw)[1].audience
        rows = [row for row in self.listed() if row.id == ref]
        own = [row for row in rows if row.author == author]
        row = max(own or rows, key=lambda row: TLP_RANK[row.tlp], default=None)
        if row is None:
            return None
        return Audience(author=row.author, tlp=row.tlp, to=frozenset(row.readers))


def _speaks_for(identity: str, data: dict[str, Any]) -> bool:
    """Whether a party with this identity may say it: of the claim carrier, only its own."""
    carried = data.get("extensions")
    if not isinstance(carried, dict) or EXTENSION_ID not in carried:
        return True
    return data.get("created_by_ref") == identity
