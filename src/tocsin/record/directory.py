"""The directory: which parties there are, and which key may sign what for whom, and when.

Version 1's envelope is the root file that readers compare by fingerprint; each later version is
signed by enough registrars of the one before and of its own. `key` and `revoke` statements are
signed by a party's root keys. All of it is judged at a place in the log, never by a clock.
Spec: record.md, "Directory and keys".
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tocsin import canonical
from tocsin.errors import DirectoryError, SignatureError, StatementError
from tocsin.policy import Reader
from tocsin.record import keys
from tocsin.record.envelope import Envelope, Verified, open_statement, pae
from tocsin.record.keys import PublicKey
from tocsin.record.statement import (
    ROOT_KINDS,
    Hex64,
    KeyBody,
    PartyId,
    RevokeBody,
    Statement,
    enrolled,
    unb64,
)

MAX_PARTIES = 4_096
KeyState = Literal["valid", "suspect", "revoked", "unknown"]

_REMEDY = "take the directory from another member, or ask its registrars to sign a right one"


# --- what a directory holds ---------------------------------------------------------------------


class RegistrarKey(Struct, frozen=True, kw_only=True):
    """A key that signs directory versions, and the party that holds it."""

    party: PartyId
    keyid: Hex64
    public: str
    """32 bytes, standard base64."""


class Registrars(Struct, frozen=True, kw_only=True):
    """Who may make the next version: `threshold` of `keys`."""

    threshold: Annotated[int, Meta(ge=1, le=16)]
    keys: Annotated[tuple[RegistrarKey, ...], Meta(min_length=1, max_length=16)]
    """Sorted by keyid, unique."""


class RootKey(Struct, frozen=True, kw_only=True):
    """A key that signs a party's `key` and `revoke` statements, and no other kind."""

    keyid: Hex64
    public: str


class Root(Struct, frozen=True, kw_only=True):
    """A party's root: `threshold` of `keys` must sign."""

    threshold: Annotated[int, Meta(ge=1, le=16)]
    keys: Annotated[tuple[RootKey, ...], Meta(min_length=1, max_length=16)]
    """Sorted by keyid, unique."""


class NodeEntry(Struct, frozen=True, kw_only=True):
    """One running node of a party. Absent fields: not offered."""

    origin: str = ""
    """`<party>/log`, or `<party>/log/<n>`."""
    url: str = ""
    peer_url: str = ""
    key: str = ""
    """Ed25519, standard base64: signs requests between peers."""
    log_vkeys: tuple[str, ...] = ()
    witness_vkeys: tuple[str, ...] = ()


class Hpke(Struct, frozen=True, kw_only=True):
    """The party's key for sealed statements."""

    id: str
    public: str


class Party(Struct, frozen=True, kw_only=True):
    """One party as the directory lists it."""

    id: PartyId
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    root: Root
    identity: Annotated[
        str, Meta(pattern=r"\Aidentity--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
    ]
    """Its STIX identity; `created_by_ref` of whatever it says."""
    nodes: tuple[NodeEntry, ...] = ()
    hpke: Hpke | msgspec.UnsetType = msgspec.UNSET
    home: str = ""
    """The party at whose node it is at home, where it has none of its own: what others say to it
    is sent there. Its registrar writes it down when it joins."""
    clients: tuple[PartyId, ...] = ()
    """Parties that may read what this one gets under AMBER (TLP 2.0)."""
    contact: str = ""
    kind: str = ""
    languages: tuple[str, ...] = ()
    hours: str = ""
    zone: str = ""
    facets: dict[str, Any] = {}


class Directory(Struct, frozen=True, kw_only=True, dict=True):
    """One version of the directory. What is looked up in it is indexed at the first question."""

    version: Annotated[int, Meta(ge=1, le=canonical.MAX_INTEGER)]
    registrars: Registrars
    parties: Annotated[tuple[Party, ...], Meta(min_length=1, max_length=MAX_PARTIES)]
    """Sorted by id, unique."""
    body: dict[str, Any] = {}
    """The body as signed, with the keys that we do not know."""

    def party(self, party: str) -> Party | None:
        """The party with this id, or None."""
        return self._by_id.get(party)

    def by_identity(self, identity: str) -> Party | None:
        """The party with this STIX identity, or None."""
        return self._by_identity.get(identity)

    def providers(self, party: str) -> frozenset[str]:
        """The parties that name `party` among their clients."""
        return self._providers.get(party, frozenset())

    @cached_property
    def _by_id(self) -> Mapping[str, Party]:
        return {p.id: p for p in self.parties}

    @cached_property
    def _by_identity(self) -> Mapping[str, Party]:
        # The first of two: with those that have left (`with_former`) an identity may come twice.
        return {p.identity: p for p in reversed(self.parties)}

    @cached_property
    def _providers(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for p in self.parties:
            for client in p.clients:
                found.setdefault(client, set()).add(p.id)
        return {client: frozenset(named) for client, named in found.items()}

    def reader(self, party: str, *, person: str | None = None, signer: bool = False) -> Reader:
        """The reader that a door may make of `party`.

        Raises:
            DirectoryError: the directory does not list it.
        """
        if self.party(party) is None:
            raise DirectoryError(f"{party} is not in directory {self.version}", remedy=_REMEDY)
        return Reader(party=party, person=person, providers=self.providers(party), signer=signer)

    def origins(self) -> dict[str, tuple[str, ...]]:
        """Every log's origin with the verifier keys of its checkpoints."""
        return {n.origin: n.log_vkeys for p in self.parties for n in p.nodes if n.origin}


def with_former(versions: Sequence[Directory]) -> Directory:
    """The newest version with the last entry of every party that has left: who said what, by name.

    For showing what was said, never for who may say something now: nobody has signed this list.

    Args:
        versions: from the first on.
    """
    parties = {party.id: party for directory in versions for party in directory.parties}
    return msgspec.structs.replace(
        versions[-1], parties=tuple(parties[name] for name in sorted(parties))
    )


def read_directory(body: Mapping[str, Any]) -> Directory:
    """Read the body of a `directory` statement.

    Raises:
        DirectoryError: a field is missing or wrong, a list is unsorted, a key is not acceptable,
            or one key stands for two parties.
    """
    try:
        found = msgspec.convert(
            {name: body[name] for name in ("version", "registrars", "parties") if name in body},
            Directory,
        )
    except msgspec.ValidationError as wrong:
        raise _wrong(f"directory: {wrong}") from wrong
    _sorted([p.id for p in found.parties], "parties")
    _keys(found.registrars.keys, found.registrars.threshold, "registrars")
    owner: dict[str, str] = {}
    for party in found.parties:
        _keys(party.root.keys, party.root.threshold, f"root of {party.id}")
        _sorted(party.clients, f"clients of {party.id}")
        for key in party.root.keys:
            if owner.setdefault(key.keyid, party.id) != party.id:
                raise _wrong(f"root key {key.keyid} stands for {owner[key.keyid]} and {party.id}")
        for node in party.nodes:
            if node.key:
                _public(node.key, f"node key of {party.id}")
            if node.origin and node.origin.partition("/")[0] != party.id:
                raise _wrong(f"{party.id} lists the log {node.origin}, which bears another's name")
    for registrar in found.registrars.keys:
        if owner.get(registrar.keyid, registrar.party) != registrar.party:
            raise _wrong(
                f"registrar key {registrar.keyid} of {registrar.party} is a root key of "
                f"{owner[registrar.keyid]}"
            )
    _sorted(sorted(p.identity for p in found.parties), "identities")
    _sorted(sorted(n.origin for p in found.parties for n in p.nodes if n.origin), "origins")
    return msgspec.structs.replace(found, body=dict(body))


def _keys(listed: Sequence[RegistrarKey] | Sequence[RootKey], threshold: int, what: str) -> None:
    _sorted([key.keyid for key in listed], what)
    if threshold > len(listed):
        raise _wrong(f"{what}: threshold {threshold} of {len(listed)} keys can never be met")
    for key in listed:
        try:
            enrolled(key.keyid, key.public)
        except StatementError as wrong:
            raise _wrong(f"{what}: {wrong.message}") from wrong


def _public(text: str, what: str) -> None:
    try:
        keys.check_public(unb64(text, "key"))
    except (StatementError, SignatureError) as wrong:
        raise _wrong(f"{what}: {wrong.message}") from wrong


def _sorted(items: Sequence[str], what: str) -> None:
    for before, after in pairwise(items):
        if not before < after:
            raise _wrong(f"{what} are not sorted and unique at {after!r}")


# --- building bodies ----------------------------------------------------------------------------


def root_of(signers: Iterable[PublicKey], threshold: int = 1) -> Root:
    """A party's root from its public keys."""
    return Root(
        threshold=threshold,
        keys=tuple(
            RootKey(keyid=key.keyid, public=canonical.b64encode(key.public))
            for key in sorted(signers, key=lambda key: key.keyid)
        ),
    )


def registrars_of(holders: Iterable[tuple[str, PublicKey]], threshold: int = 1) -> Registrars:
    """The registrars from (party, public key) pairs."""
    return Registrars(
        threshold=threshold,
        keys=tuple(
            RegistrarKey(party=party, keyid=key.keyid, public=canonical.b64encode(key.public))
            for party, key in sorted(holders, key=lambda pair: pair[1].keyid)
        ),
    )


def genesis(registrars: Registrars, parties: Sequence[Party]) -> dict[str, Any]:
    """The body of directory version 1. Its envelope is the root file.

    Raises:
        DirectoryError: what it would hold is not a directory.
    """
    return _body(1, msgspec.to_builtins(registrars), [party_json(p) for p in parties])


def add_party(directory: Directory, party: Party) -> dict[str, Any]:
    """The body of the next version, with `party` added, or replaced if it is listed already.

    Whatever else the signed body holds is carried over as it stands.

    Raises:
        DirectoryError: what it would hold is not a directory.
    """
    body = directory.body
    parties = [p for p in body["parties"] if p["id"] != party.id]
    return {
        **body,
        **_body(directory.version + 1, body["registrars"], [*parties, party_json(party)]),
    }


def party_json(party: Party) -> dict[str, Any]:
    """A party as a directory body writes it: empty optional fields left out."""
    value: dict[str, Any] = msgspec.to_builtins(party)
    value["nodes"] = [
        {name: item for name, item in node.items() if item} for node in value["nodes"]
    ]
    return {name: item for name, item in value.items() if item}


def read_party(value: Any) -> Party:
    """A party from its JSON (an invitation's answer).

    Raises:
        DirectoryError: a field is missing or wrong.
    """
    try:
        return msgspec.convert(value, Party)
    except msgspec.ValidationError as wrong:
        raise _wrong(f"party: {wrong}") from wrong


def _body(version: int, registrars: Any, parties: list[dict[str, Any]]) -> dict[str, Any]:
    body = {
        "version": version,
        "registrars": registrars,
        "parties": sorted(parties, key=lambda p: str(p["id"])),
    }
    # What we sign we must be able to read: tuples become the lists that a reader will see.
    plain: dict[str, Any] = canonical.decode(canonical.encode(body))
    read_directory(plain)
    return plain


# --- from version to version --------------------------------------------------------------------


def open_root(raw: bytes) -> Directory:
    """Open a root file: version 1, signed by enough of its own registrars.

    It anchors nothing by itself: compare its `fingerprint` with one read out by a person.

    Raises:
        StatementError: not a statement.
        DirectoryError: not version 1, or too few registrars signed.
        SignatureError: a signature does not verify.
    """
    envelope, statement = open_statement(raw)
    directory = _directory_of(statement)
    if directory.version != 1:
        raise _wrong(f"a root file holds version 1, and this holds {directory.version}")
    _verify_all(envelope, _registrars(envelope, statement, (directory,)))
    return directory


def advance(directory: Directory, raw: bytes) -> Directory:
    """The next version: one higher, signed by enough registrars of both versions (TUF §5.3).

    Raises:
        StatementError: not a statement.
        DirectoryError: version skipped, or too few registrars of either version signed.
        SignatureError: a signature does not verify.
    """
    envelope, statement = open_statement(raw)
    following = _directory_of(statement)
    _follows(directory, following)
    _verify_all(envelope, _registrars(envelope, statement, (directory, following)))
    return following


def fingerprint(root_envelope: bytes) -> str:
    """What people read to each other: 160 bits of the root file's digest, 8 groups of 4.

    SHA-256("tocsin/root/v1\\n" || envelope), first 20 bytes, base32 (RFC 4648 §6), joined by "-".
    """
    digest = hashlib.sha256(b"tocsin/root/v1\n" + root_envelope).digest()[:20]
    text = base64.b32encode(digest).decode("ascii")
    return "-".join(text[at : at + 4] for at in range(0, 32, 4))


def same_fingerprint(heard: str, root_envelope: bytes) -> bool:
    """Whether what a person typed is the fingerprint, whatever its case, blanks and dashes."""
    plain = "".join(heard.split()).replace("-", "").upper()
    return plain == fingerprint(root_envelope).replace("-", "")


def _directory_of(statement: Statement) -> Directory:
    if statement.kind != "directory":
        raise _wrong(f"a {statement.kind} statement, and a directory was asked for")
    return read_directory(statement.body)


def _follows(before: Directory, after: Directory) -> None:
    if after.version != before.version + 1:
        raise _wrong(f"version {after.version} after {before.version}: versions rise by one")


def _registrars(
    envelope: Envelope, statement: Statement, versions: Sequence[Directory]
) -> list[tuple[bytes, bytes]]:
    """(public, signature) for each signature, if each version's threshold is met by keyid."""
    listed = {key.keyid: key for d in versions for key in d.registrars.keys}
    if all(key.party != statement.author for key in listed.values()):
        raise _wrong(f"{statement.author} is no registrar and authors a directory")
    signed = _known(envelope, {keyid: key.public for keyid, key in listed.items()}, "registrar")
    for d in versions:
        mine = {key.keyid for key in d.registrars.keys}
        count = sum(s.keyid in mine for s in envelope.signatures)
        if count < d.registrars.threshold:
            raise _wrong(
                f"{count} registrars of version {d.version} signed, and it asks for "
                f"{d.registrars.threshold}"
            )
    return signed


def _known(envelope: Envelope, public: Mapping[str, str], what: str) -> list[tuple[bytes, bytes]]:
    # A signature that nobody can check would be a byte that nobody can verify: refused.
    for s in envelope.signatures:
        if s.keyid not in public:
            raise SignatureError(
                f"{s.keyid} signed and is no {what} key here",
                remedy="ask the author which key signed; enrol it, or drop the signature",
            )
    return [(unb64(public[s.keyid], "public"), s.sig) for s in envelope.signatures]


def _all_roots(directory: Directory) -> Iterator[str]:
    yield from (key.keyid for key in directory.registrars.keys)
    yield from (key.keyid for party in directory.parties for key in party.root.keys)


def _verify_all(envelope: Envelope, signed: Sequence[tuple[bytes, bytes]]) -> None:
    message = pae(envelope.payload)
    for public, signature in signed:
        keys.verify(public, signature, message)


# --- the ring -----------------------------------------------------------------------------------


class EnrolledKey(Struct, frozen=True, kw_only=True):
    """One key of one party as the log knows it. Places are log indexes; None: not (yet)."""

    party: str
    keyid: str
    public: bytes
    kinds: dict[str, int]
    """What it may sign, with the index of the `key` statement that first said so."""
    since: int
    """The lowest of these indexes: the key counts above it."""
    until: int | None = None
    """Index of its earliest `revoke` statement: it counts below."""
    suspect_since: str | None = None
    reason: str = ""


class Rival(Struct, frozen=True, kw_only=True):
    """Two versions of one number, each signed by enough registrars."""

    version: int
    held: str
    """Id of the envelope whose version is in force here."""
    other: str
    """Id of the other's."""


class KeyRing:
    """Which key may sign which kind, for which author, at which place in one log.

    A fold over the log's `directory`, `key` and `revoke` statements, in log order. One writer
    (whoever admits to the log) calls `admit_key`; readers need no lock.
    """

    def __init__(self, root_envelope: bytes, root_index: int = 0) -> None:
        """Start from a root file that the caller trusts.

        Raises:
            StatementError, DirectoryError, SignatureError: as `open_root`.
        """
        directory = open_root(root_envelope)
        self.root = root_envelope
        envelope, _ = open_statement(root_envelope)
        # (index from which it counts, envelope id, directory), versions 1, 2, … without a gap.
        self._versions: tuple[tuple[int, str, Directory], ...] = (
            (root_index, envelope.id, directory),
        )
        # Replaced, never changed: others read while a key is admitted.
        self._keys: dict[tuple[str, str], EnrolledKey] = {}
        self._revoked: frozenset[tuple[str, str]] = frozenset()
        # By party: (index from which it counts, lowest directory version whose root it takes).
        self._floors: dict[str, tuple[tuple[int, int], ...]] = {}
        self._everyone = directory

    @property
    def everyone(self) -> Directory:
        """The newest version, and who has left: `with_former`."""
        return self._everyone

    @property
    def directory(self) -> Directory:
        """The newest version."""
        return self._versions[-1][2]

    @property
    def versions(self) -> tuple[tuple[int, str, Directory], ...]:
        """Every version with the index and the id of its envelope."""
        return self._versions

    def copy(self) -> KeyRing:
        """Another ring with the same knowledge."""
        twin = KeyRing.__new__(KeyRing)
        twin.root, twin._versions = self.root, self._versions
        twin._keys, twin._revoked, twin._floors = self._keys, self._revoked, self._floors
        twin._everyone = self._everyone
        return twin

    def directory_at(self, index: int | None) -> Directory:
        """The version in force for a statement at `index`. The root is in force from the start."""
        if index is None:
            return self.directory
        found = self._versions[0][2]
        for at, _, directory in self._versions[1:]:
            if at < index:
                found = directory
        return found

    def key(self, party: str, keyid: str) -> EnrolledKey | None:
        """What is known of this party's key, revoked or not; None if it never was enrolled."""
        return self._keys.get((party, keyid))

    def keys_of(self, party: str) -> list[EnrolledKey]:
        """All ordinary keys the party ever enrolled, oldest first."""
        found = [key for key in self._keys.values() if key.party == party]
        return sorted(found, key=lambda key: (key.since, key.keyid))

    def state(self, party: str, keyid: str, index: int | None, time: str | None = None) -> KeyState:
        """How a signature by `keyid` for `party` at `index` is shown.

        Args:
            time: the statement's cautious time (20 characters); None: as late as can be.
        """
        key = self._keys.get((party, keyid))
        if key is None or (index is not None and index <= key.since):
            return "unknown"
        if self.directory_at(index).party(party) is None:
            return "unknown"
        if key.until is None:
            return "valid"
        if index is None or index > key.until:
            return "revoked"
        suspect = key.suspect_since is not None and (time is None or time >= key.suspect_since)
        return "suspect" if suspect else "valid"

    def signers(
        self, envelope: Envelope, statement: Statement, index: int | None
    ) -> list[tuple[bytes, bytes]]:
        """(public key, signature) to verify, if these keys may sign this at `index`.

        Nothing is verified here; every pair returned must verify.

        Raises:
            SignatureError: author or key unknown, revoked, or not for this kind; too few roots.
            DirectoryError: a directory that is neither known nor the next.
        """
        if statement.kind == "directory":
            return self._directory_signers(envelope, statement)
        directory = self.directory_at(index)
        party = directory.party(statement.author)
        if party is None:
            raise SignatureError(
                f"{statement.author} is not in directory {directory.version}",
                remedy="have a registrar invite it: tocsin party invite PARTY",
            )
        if statement.kind in ROOT_KINDS:
            return self._root_signers(party, envelope, statement, index)
        return [(self._ordinary(statement, index).public, envelope.signatures[0].sig)]

    def publics(self, keyids: frozenset[str]) -> dict[str, bytes]:
        """The public keys of these that any party has enrolled; what they may sign is not said."""
        return {key.keyid: key.public for key in self._keys.values() if key.keyid in keyids}

    def ordinary(self, party: str, keyid: str, index: int | None) -> EnrolledKey:
        """The key of `party` that signs for it at `index`, whatever kinds it may sign.

        Raises:
            SignatureError: unknown or revoked there, or a root or registrar key.
        """
        state = self.state(party, keyid, index)
        key = self._keys.get((party, keyid))
        if key is None or state in ("unknown", "revoked"):
            raise SignatureError(
                f"key {keyid} of {party} is {state} at "
                + ("the log's end" if index is None else f"index {index}"),
                remedy="tocsin key list shows which keys sign; tocsin key rotate makes another",
            )
        if keyid in _all_roots(self.directory_at(index)):
            raise SignatureError(
                f"{keyid} is a root or registrar key, and those sign no other kind",
                remedy="sign with a key of its own for everyday: tocsin key rotate",
            )
        return key

    def _ordinary(self, statement: Statement, index: int | None) -> EnrolledKey:
        key = self.ordinary(statement.author, statement.key, index)
        since = key.kinds.get(statement.kind)
        if since is None or (index is not None and index <= since):
            raise SignatureError(
                f"key {statement.key} may sign {', '.join(sorted(key.kinds))}, and this is a "
                f"{statement.kind}",
                remedy="sign with a key enrolled for this kind: tocsin log show",
            )
        return key

    def _root_signers(
        self, party: Party, envelope: Envelope, statement: Statement, index: int | None
    ) -> list[tuple[bytes, bytes]]:
        standing = self._root_version(envelope, statement, index)
        if standing is not None:
            party = standing[1]
        signed = _known(envelope, {k.keyid: k.public for k in party.root.keys}, "root")
        if len(signed) < party.root.threshold:
            raise SignatureError(
                f"{len(signed)} root keys of {party.id} signed a {statement.kind}, and its root "
                f"asks for {party.root.threshold}",
                remedy="collect the other root signatures over the same payload",
            )
        if standing is None:
            raise SignatureError(
                f"{party.id} signs by the root of directory {statement.body.get('directory')}, "
                f"and {self.directory_at(index).version} is in force here",
                remedy="bring the newer directory first: tocsin directory publish",
            )
        if statement.kind == "key" and statement.body["keyid"] in self._root_keyids():
            raise SignatureError(
                f"{statement.body['keyid']} is a root or registrar key, and those sign no "
                "other kind",
                remedy="enrol a key of its own for everyday signing",
            )
        return signed

    def _root_version(
        self, envelope: Envelope, statement: Statement, index: int | None
    ) -> tuple[int, Party] | None:
        """The first version, from the party's floor on, whose root these signatures are.

        The statement itself may name a higher floor (`directory` of its body).

        A root statement may reach one log before, and another after, the directory version that
        changes the root; where it was refused, the party's chain would stop for ever. So an old
        root counts until the party says something with a newer one, and that is the same place of
        its own chain in every log. Spec: decisions/0027.
        """
        party = statement.author
        floor = 0
        for at, version in self._floors.get(party, ()):
            if index is None or at < index:
                floor = version
        floor = max(floor, statement.body.get("directory", 0))
        signed = {s.keyid for s in envelope.signatures}
        for place, (at, _, directory) in enumerate(self._versions):
            if directory.version < floor or (place and index is not None and at >= index):
                continue
            entry = directory.party(party)
            if entry is None or not signed <= {key.keyid for key in entry.root.keys}:
                continue
            if len(signed) >= entry.root.threshold:
                return directory.version, entry
        return None

    def _root_keyids(self) -> set[str]:
        return {keyid for _, _, d in self._versions for keyid in _all_roots(d)}

    def _directory_signers(
        self, envelope: Envelope, statement: Statement
    ) -> list[tuple[bytes, bytes]]:
        directory = read_directory(statement.body)
        known = {d.version: (place, d) for place, (_, _, d) in enumerate(self._versions)}
        if directory.version in known:
            place, held = known[directory.version]
            # As bytes: to Python, true is 1.
            if canonical.encode(held.body) != canonical.encode(directory.body):
                raise _wrong(f"another version {directory.version} than the one held")
            before = self._versions[place - 1][2] if place else held
        else:
            before = self.directory
            _follows(before, directory)
        versions = (before, directory) if before.version != directory.version else (directory,)
        return _registrars(envelope, statement, versions)

    def rival(self, raw: bytes) -> Rival | None:
        """Whether this is another version of a number that is held, by enough registrars as well.

        Registrars who sign two versions of one number show different directories to different
        nodes. Their signatures prove it; which one was meant they do not tell.

        Raises:
            StatementError: not a statement, or no directory in it.
            DirectoryError, SignatureError: too few signed, or a signature does not verify.
        """
        envelope, statement = open_statement(raw)
        other = _directory_of(statement)
        places = {d.version: place for place, (_, _, d) in enumerate(self._versions)}
        place = places.get(other.version, 0)
        if place == 0:
            return None  # not held yet; or a root of its own, which is another directory altogether
        _, held, directory = self._versions[place]
        if canonical.encode(directory.body) == canonical.encode(other.body):
            return None
        before = self._versions[place - 1][2]
        _verify_all(envelope, _registrars(envelope, statement, (before, other)))
        return Rival(version=other.version, held=held, other=envelope.id)

    def admit_key(self, verified: Verified, index: int) -> None:
        """Take in a `directory`, `key` or `revoke` that the log holds at `index`.

        Other kinds change nothing. Call in log order; the same statement twice changes nothing.
        """
        s = verified.statement
        if s.kind in ("key", "revoke"):
            self._raise_floor(verified, index)
        if s.kind == "directory":
            directory = read_directory(s.body)
            if directory.version == self.directory.version + 1:
                self._versions = (*self._versions, (index, verified.id, directory))
                self._everyone = with_former([self._everyone, directory])
        elif s.kind == "key":
            body = msgspec.convert(s.body, KeyBody)
            held = self._keys.get((s.author, body.keyid))
            revoked = (s.author, body.keyid) in self._revoked
            if revoked or (held is not None and held.until is not None):
                return  # a revoked key stays revoked: enrolling it again would undo history
            enrolled = EnrolledKey(
                party=s.author,
                keyid=body.keyid,
                public=unb64(body.public, "public"),
                kinds={**dict.fromkeys(body.kinds, index), **(held.kinds if held else {})},
                since=held.since if held else index,
            )
            self._keys = self._keys | {(s.author, body.keyid): enrolled}
        elif s.kind == "revoke":
            self._end(s.author, msgspec.convert(s.body, RevokeBody), index)

    def _end(self, party: str, revoke: RevokeBody, index: int) -> None:
        """A key ends at its earliest revocation, and is suspect since the earliest time named."""
        # Also one that was enrolled elsewhere.
        self._revoked = self._revoked | {(party, revoke.keyid)}
        held = self._keys.get((party, revoke.keyid))
        if held is None:
            return
        since = revoke.suspect_since if isinstance(revoke.suspect_since, str) else None
        wider = since is not None and (held.suspect_since is None or since < held.suspect_since)
        first = held.until is None or index < held.until
        ended = msgspec.structs.replace(
            held,
            until=index if first else held.until,
            suspect_since=since if wider else held.suspect_since,
            reason=revoke.reason if wider or held.until is None else held.reason,
        )
        self._keys = self._keys | {(party, revoke.keyid): ended}

    def _raise_floor(self, verified: Verified, index: int) -> None:
        envelope, _ = open_statement(verified.raw)
        party = verified.statement.author
        standing = self._root_version(envelope, verified.statement, None)
        held = self._floors.get(party, ())
        if standing is not None and standing[0] > (held[-1][1] if held else 0):
            self._floors = self._floors | {party: (*held, (index, standing[0]))}


def _wrong(message: str) -> DirectoryError:
    return DirectoryError(message, remedy=_REMEDY)
