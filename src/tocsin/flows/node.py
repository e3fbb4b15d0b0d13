"""What every flow is handed: one party's running tocsin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tocsin.cases.sheet import SheetPage
from tocsin.errors import NotFoundError
from tocsin.importers.interface import Importer
from tocsin.policy import Reader, UserRole, allowed
from tocsin.record.directory import Directory, KeyRing
from tocsin.record.directory import Party as DirectoryParty
from tocsin.record.keys import Signer
from tocsin.record.sequencer import Sequencer
from tocsin.store.interface import Store


@dataclass(frozen=True)
class Node:
    """The ports of one running node. `wiring/node.py` builds it; nothing else does.

    Nothing below reads a clock or a random source of its own: `clock`, `rng` and `new_id` are it.
    """

    party: str
    """The directory id of the party whose node this is."""
    store: Store
    log: Sequencer
    root: bytes
    """The root file: the envelope of directory version 1."""
    keyring: KeyRing
    """Who may sign what, folded in log order by whoever writes the log; readers need no lock."""
    policy_text: str
    """This node's own tlog-policy, what `tocsin verify` takes by default."""
    sheet: SheetPage
    """The files a sheet is made of."""
    signers: Mapping[str, Signer]
    """Signing keys in this data folder, by party. One, but for the exercise."""
    importers: Mapping[str, Importer]
    clock: Callable[[], datetime]
    rng: Callable[[int], bytes]
    new_id: Callable[[str], str]
    registrar: Signer | None = None
    """This party's registrar key, where it holds one: it may publish a directory version."""
    new_token: Callable[[str], str] | None = None
    """Makes an API token for a party that has joined."""
    new_link: Callable[[str, UserRole], str] | None = None
    """Makes a sign-in link (person, user role), where the console is served."""
    exercise: bool = False
    views: dict[Any, Any] = field(default_factory=dict)
    """What readers see, as last decoded, by (audiences, case, log size): a cache, nothing else."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held from reading a chain's head to keeping the statement that follows it."""
    drafting: threading.Lock = field(default_factory=threading.Lock)
    """Held from looking at a report or draft to keeping what became of it: two at once would keep
    the one, or say the other, twice.
    Not `lock`, which nobody holds while waiting for the log."""

    @property
    def directory(self) -> Directory:
        """The newest directory in the log."""
        return self.keyring.directory

    def everything(self) -> frozenset[int]:
        """Every audience: for the node's own bookkeeping, never for an answer to a reader."""
        return frozenset(self.store.audiences())

    def allowed(self, reader: Reader) -> frozenset[int]:
        """The audiences `reader` belongs to: every answer to a reader starts here."""
        return allowed(reader, self.store.audiences())

    def party_entry(self, party: str) -> DirectoryParty:
        """The directory's entry of `party`.

        Raises:
            NotFoundError: the directory lists no such party.
        """
        found = self.directory.party(party)
        if found is None:
            raise NotFoundError(
                f"{party} is not in the directory",
                remedy="invite it: tocsin party invite " + party,
            )
        return found

    def reader(
        self, party: str | None, *, person: str | None = None, role: str = "signer"
    ) -> Reader:
        """A `Reader` for somebody of `party`, with the providers the directory names."""
        if party is None or self.directory.party(party) is None:
            return Reader()
        return self.directory.reader(party, person=person, signer=role in ("signer", "admin"))

    def identity(self, party: str) -> str:
        """The STIX identity that stands for `party` in what it publishes."""
        return self.party_entry(party).identity
