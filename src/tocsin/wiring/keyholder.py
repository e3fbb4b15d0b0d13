"""Whoever holds a party's root key: says `key`, `revoke` and `directory` at home, by any node.

The key history comes from a node's feed and is folded here from the root file; the statement is
signed here, kept in `keys/next/` before it leaves, and brought to the node. A party without a node
does the same as one that has one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.canonical import b64decode
from tocsin.client import Client
from tocsin.errors import (
    ConfigError,
    ForbiddenError,
    RecordError,
    TocsinError,
    UnreachableError,
    VerificationError,
)
from tocsin.record.directory import Directory, Party
from tocsin.record.envelope import open_statement, statement_id
from tocsin.record.history import KeyHistory
from tocsin.record.keys import Signer
from tocsin.record.proposal import (
    Proposal,
    envelope_of,
    lacking,
    proposal_of,
    signed_by,
    slots,
    smallest,
)
from tocsin.record.statement import compose, parse
from tocsin.store.files import make_folder, read_secret, write_secret
from tocsin.wiring.keys import ROOT_KEY, load_root, replace_secret, root_file


class NeedsOthers(Exception):
    """The keys at hand are not enough for this statement: `proposal` is what is to be signed.

    Args:
        away: where this party's own root key was looked for and is not; None: it has signed.
    """

    def __init__(self, proposal: Proposal, lacks: list[str], away: Path | None = None) -> None:
        super().__init__("; ".join(lacks))
        self.proposal, self.lacks, self.away = proposal, lacks, away


class _End(Struct, frozen=True):
    """`keys/<party>.chain.json`: the last root-kind statement said here and seen logged."""

    seq: int
    head: str


class Keyholder:
    """One party's root key with the key history of the node it talks to.

    The key itself may be kept elsewhere: what is said then is a proposal, to be signed there.

    Args:
        root: the file of the root key; None: as `wiring.keys.root_file` finds it.
        behind: a node that shows less of this party's key chain than it has shown before is
            refused; True: it is taken as it is, by who brings it the rest (`registrar.catch_up`).

    Raises:
        UnreachableError: the node does not answer.
        VerificationError: its history does not follow from this folder's root, or ends before
            what this party has said already.
    """

    def __init__(
        self,
        home: Path,
        party: str,
        client: Client,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: Callable[[int], bytes] = secrets.token_bytes,
        root: Path | None = None,
        behind: bool = False,
    ) -> None:
        self.home, self.party, self.client = home, party, client
        self.keys = home / "keys"
        self.next = self.keys / "next"
        self.old = self.keys / "old"
        self.said = self.keys / "said"
        self._end = self.keys / f"{party}.chain.json"
        self._root_file = root
        self.clock, self.rng = clock, rng
        self.history = fetch_history(client, (home / "root.json").read_bytes())
        if not behind:
            self.check_end()

    # --- what is known ------------------------------------------------------------------------

    @property
    def directory(self) -> Directory:
        """The version in force at the node."""
        return self.history.ring.directory

    @property
    def entry(self) -> Party:
        """This party's entry. Raises ForbiddenError: the directory does not list it."""
        found = self.directory.party(self.party)
        if found is None:
            raise ForbiddenError(
                f"{self.party} is not in directory {self.directory.version}",
                remedy="join first: tocsin party join INVITATION",
            )
        return found

    @property
    def is_registrar(self) -> bool:
        """Whether a key of this party signs directory versions."""
        return any(key.party == self.party for key in self.directory.registrars.keys)

    def root(self) -> Signer:
        """The root key. Raises ConfigError: it is kept elsewhere."""
        found = self._root()
        if found is None:
            raise ConfigError(
                f"the root key of {self.party} is not at {self._away()}",
                remedy=f"say where it is: --root-key FILE, or {ROOT_KEY}=FILE",
            )
        return found

    def _root(self) -> Signer | None:
        return load_root(self.home, self.party, self._root_file)

    def _away(self) -> Path:
        return root_file(self.home, self.party, self._root_file)

    # --- saying -------------------------------------------------------------------------------

    def say(self, kind: str, body: dict[str, Any]) -> None:
        """Say one root-kind statement, whole: signed, kept, brought, seen.

        What was signed and not brought before is brought again, byte for byte: two statements at
        one place of a chain would be equivocation.

        Raises:
            NeedsOthers: one key is not enough, or it is kept elsewhere.
        """
        raw = self._kept(kind, body)
        if raw is None:
            proposed = self.proposal(kind, body)
            wanted = slots(self.history.ring, proposed.statement)
            own = self._root()
            if own is not None:
                proposed = signed_by(proposed, own, wanted)
            lacks = lacking(proposed, wanted)
            if lacks:
                raise NeedsOthers(proposed, lacks, self._away() if own is None else None)
            raw = envelope_of(proposed, wanted)
        path = self._path(kind)
        if not path.exists():
            write_secret(path, raw)
        self.bring(raw)
        path.unlink()

    def proposal(self, kind: str, body: dict[str, Any], signers: tuple[str, ...] = ()) -> Proposal:
        """The payload of this party's next root-kind statement; nobody has signed it yet.

        Where the party had another root before, a `key` or `revoke` names the version that brought
        the present one: what the older root had more of, or asked less of, ends by that.

        Args:
            signers: the registrars that are to sign; empty: any.

        Raises:
            SignatureError, DirectoryError: this party's key is none that is asked for.
        """
        follows = self.history.follows(self.party)
        since = self._root_since()
        if kind != "directory" and since is not None:
            body = {**body, "directory": since}
        fields: dict[str, Any] = {
            "author": self.party,
            "kind": kind,
            "seq": follows.seq,
            "prev": follows.head,
            "time": self.clock(),
            "salt": self.rng(16).hex(),
            "tlp": "CLEAR",
            "body": body,
        }
        draft = parse(compose(key="0" * 64, **fields))
        wanted = slots(self.history.ring, draft)
        mine = [k for slot in wanted for k, (_, p) in slot.keys.items() if p == self.party]
        if not mine:
            raise ForbiddenError(
                f"{self.party} is no registrar of this directory",
                remedy="ask " + ", ".join(k.party for k in self.directory.registrars.keys),
            )
        root = self._root()
        key = smallest(wanted, own=root.keyid if root else min(mine), parties=signers)
        return proposal_of(compose(key=key, **fields))

    def _root_since(self) -> int | None:
        """The directory version that brought this party's present root; None: it had no other."""
        listed = [(d.version, d.party(self.party)) for _, _, d in self.history.ring.versions]
        roots = [(version, entry.root) for version, entry in listed if entry is not None]
        older = [n for n, (_, root) in enumerate(roots) if root != self.entry.root]
        return roots[older[-1] + 1][0] if older else None

    def bring(self, raw: bytes) -> None:
        """Bring an envelope to the node and take it into this history.

        Raises:
            RecordError: it does not follow here, before it is sent.
        """
        _, s = open_statement(raw)
        self.history.take(raw)
        self.client.call("POST", "/statements", body=raw, media_type="application/vnd.dsse+json")
        if s.author == self.party:
            make_folder(self.said, 0o700)
            replace_secret(self.said / f"{self.party}.{s.seq}.json", raw)
            end = msgspec.json.encode(_End(seq=s.seq, head=statement_id(raw)))
            replace_secret(self._end, end)

    def _path(self, kind: str) -> Path:
        # By party too: the exercise holds several in one folder.
        return self.next / f"{self.party}.{kind}.json"

    def _kept(self, kind: str, body: dict[str, Any]) -> bytes | None:
        """What was signed before it was cut off, if it is the same act at the same place."""
        path = self._path(kind)
        if not path.exists():
            return None
        raw = read_secret(path)
        _, s = open_statement(raw)
        follows = self.history.follows(self.party)
        said = {name: value for name, value in s.body.items() if name != "directory"}
        if said == msgspec.json.decode(msgspec.json.encode(body)) and (s.seq, s.prev) == (
            follows.seq,
            follows.head,
        ):
            return raw
        if (s.seq, s.prev) == (follows.seq, follows.head):
            # It may have reached somebody: whatever was begun is finished first.
            self.bring(raw)
            path.unlink()
            raise ConfigError(
                f"an earlier {s.kind} statement was still on its way, and has been brought now",
                remedy="look at tocsin key list, then say the same again",
            )
        path.unlink()
        return None

    def bring_again(self) -> int:
        """Bring what this party has said and the node has lost, where no other node shows it.

        Two statements at one place of a chain would be equivocation, and who rotates a key after a
        restored backup would make them. So what the root has signed is kept beside it.

        Returns:
            How many the node took.

        Raises:
            RecordError: one does not follow: others show another statement in its place.
        """
        brought = 0
        while True:
            follows = self.history.follows(self.party)
            path = self.said / f"{self.party}.{follows.seq}.json"
            if not path.exists():
                return brought
            self.bring(read_secret(path))
            brought += 1

    def check_end(self) -> None:
        """Refuse a node that shows less of this party's key chain than it has shown before.

        Raises:
            VerificationError: it does.
        """
        path = self._end
        if not path.exists():
            return
        end = msgspec.json.decode(read_secret(path), type=_End)
        head = self.history.heads.get(self.party)
        if head is None or head.seq < end.seq:
            raise VerificationError(
                f"this node shows {head.seq if head else 0} key statements of {self.party}, and "
                f"number {end.seq} was logged there before",
                remedy="take it over from the others: tocsin directory fetch; if nobody shows "
                "it, it is lost: talk to another node (--node URL) before you move "
                f"{path} away",
            )


def fetch_history(client: Client, root: bytes) -> KeyHistory:
    """The key history of a node, each statement judged from `root` on.

    Raises:
        VerificationError: something in it does not follow.
        UnreachableError: what answers is no node.
    """
    history = KeyHistory(root)
    for index, raw in feed_of(client):
        try:
            history.take(raw, index)
        except RecordError as wrong:
            raise VerificationError(
                f"the node's directory feed does not follow at index {index}: {wrong.message}",
                remedy="ask that node's operator; fetch it from another node: --node URL",
            ) from wrong
    return history


def feed_of(client: Client, after: int = -1) -> list[tuple[int, bytes]]:
    """(log index, envelope) of every root-kind statement of a node behind `after`."""
    items: list[tuple[int, bytes]] = []
    while True:
        page = client.get("/directory", after=after)
        try:
            items += [(int(i["index"]), b64decode(str(i["envelope"]))) for i in page["items"]]
            following = page["next"]
        except (KeyError, TypeError, ValueError, TocsinError) as wrong:
            raise UnreachableError(
                f"what answers there gives no directory: {wrong!r}", remedy="check the address"
            ) from wrong
        if following is None:
            return items
        if not isinstance(following, int) or following <= after:
            raise UnreachableError(
                f"the directory feed does not go on behind {after}", remedy="ask its operator"
            )
        after = following
