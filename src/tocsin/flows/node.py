"""What every flow is handed: one party's running tocsin."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from tocsin.cases.sheet import SheetPage
from tocsin.errors import NotFoundError, ParserError
from tocsin.exporters.interface import Exporter
from tocsin.importers.interface import Importer
from tocsin.policy import Audience, Reader, UserRole, allowed
from tocsin.reading.parsed import Parser
from tocsin.record.admission import Opener, Verifier, open_all, verify_all
from tocsin.record.directory import Directory, KeyRing
from tocsin.record.directory import Party as DirectoryParty
from tocsin.record.keys import Signer
from tocsin.record.sequencer import Sequencer
from tocsin.record.statement import Seen
from tocsin.store.interface import Store

if TYPE_CHECKING:  # it is handed a `Node` itself
    from tocsin.flows.watch import Watch
    from tocsin.flows.witnessing import Alarm, Witnessing


READERS = 1_000
"""Readers whose audiences are remembered."""


def no_parser(name: str) -> Parser:
    """Where no learned parser can be had."""
    raise ParserError(f"no model {name!r} is known here", remedy="leave out --nlp")


class Belongs:
    """What `policy.allowed` said of readers, as long as there are these very audiences.

    A store gives another mapping when there is another audience. Any thread may ask.
    """

    def __init__(self) -> None:
        self._said: tuple[Mapping[int, Audience], dict[Reader, frozenset[int]]] = {}, {}

    def of(self, reader: Reader, audiences: Mapping[int, Audience]) -> frozenset[int]:
        """The numbers of those `reader` belongs to."""
        given, said = self._said
        if given is not audiences or len(said) >= READERS:
            said = {}
            self._said = audiences, said
        found = said.get(reader)
        if found is None:
            found = said[reader] = allowed(reader, audiences)
        return found


class WitnessRole(Protocol):
    """This node as a witness of other logs; `record.witness.Witness` is one."""

    def add_checkpoint(self, data: bytes) -> bytes:
        """Our two signature lines for a request of another log. Raises WitnessRefused."""

    def checkpoint(self, origin_hash: str) -> bytes:
        """The newest note we cosigned of the log with this hash. Raises WitnessRefused."""


class Jobs:
    """Reports that are being said in this process: each by one thread at a time."""

    def __init__(self) -> None:
        self.served = False
        """Whether a thread looks for reports to be said; otherwise whoever asks says them."""
        self.wanted = threading.Event()
        """Set when there is one more."""
        self._lock = threading.Lock()
        self._taken: set[str] = set()

    def take(self, report: str) -> bool:
        """Whether this report is the caller's to say now; if so, `leave` it afterwards."""
        with self._lock:
            if report in self._taken:
                return False
            self._taken.add(report)
            return True

    def leave(self, report: str) -> None:
        """Whoever took it is through with it."""
        with self._lock:
            self._taken.discard(report)


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
    policy_of: Callable[[], str]
    """See `policy_text`; asked anew each time, because its file may change while the node runs."""
    sheet: SheetPage
    """The files a sheet is made of."""
    signers: Mapping[str, Signer]
    """Signing keys in this data folder, by party. One, but for the exercise."""
    importers: Mapping[str, Importer]
    clock: Callable[[], datetime]
    rng: Callable[[int], bytes]
    new_id: Callable[[str], str]
    exporters: Mapping[str, Exporter] = field(default_factory=dict)
    parser_of: Callable[[str], Parser] = no_parser
    """A learned parser by the name of its model. Raises `ParserError` where there is none."""
    reads_with: str = ""
    """The model that reports are read with where nobody names another; "" for none."""
    organisations: Mapping[str, str] = field(default_factory=dict)
    """Parties by the UUID or name of an organisation in MISP: the operator's own word."""
    registrar: Signer | None = None
    """This party's root key, where it is kept here: it may sign a directory version."""
    new_token: Callable[[str], str] | None = None
    """Makes an API token for a party that has joined."""
    new_link: Callable[[str, UserRole], str] | None = None
    """Makes a sign-in link (person, user role), where the console is served."""
    verifier: Verifier = verify_all
    """Where the signatures of many statements are verified: here, or on other processors too."""
    opener: Opener = open_all
    """Where many envelopes are opened."""
    exercise: bool = False
    witness: WitnessRole | None = None
    """None where this folder has no witness keys."""
    watch: Watch | None = None
    """What this node knows of the logs of others; None: it looks at none."""
    reading: dict[str, tuple[int, int]] = field(default_factory=dict)
    """How far the reports that are being read have come (parts read, of how many), by the mark
    under which their senders ask."""
    views: dict[Any, Any] = field(default_factory=dict)
    """What readers see, as last decoded, by (audiences, case, log size): a cache, nothing else."""
    belongs: Belongs = field(default_factory=Belongs)
    """A cache of `allowed`'s, nothing else."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held from reading a chain's head to keeping the statement that follows it."""
    arrivals: deque[Any] = field(default_factory=deque)
    """Statements at the door, for whoever holds `lock` next: `intake.enter`."""
    drafting: threading.Lock = field(default_factory=threading.Lock)
    """Held from looking at a report or draft to keeping what became of it: two at once would keep
    the one, or say the other, twice.
    Not `lock`, which nobody holds while waiting for the log."""

    jobs: Jobs = field(default_factory=Jobs)
    """Who in this process says which report's objects: `imports.go_on`."""

    @property
    def directory(self) -> Directory:
        """The newest directory in the log."""
        return self.keyring.directory

    @property
    def everyone(self) -> Directory:
        """The same with the last entries of parties that have left, for what they have said."""
        return self.keyring.everyone

    @property
    def policy_text(self) -> str:
        """This node's own tlog-policy in force: what `tocsin verify` takes by default."""
        return self.policy_of()

    def seen_others(self) -> tuple[Seen, ...]:
        """The newest checkpoints held of other logs, for the `seen` of what is signed now."""
        return self.watch.seen_others() if self.watch is not None else ()

    def alarms(self, reader: Reader | None = None) -> list[Alarm]:
        """What is wrong with any log, this one or another's: newest first, for every page.

        Args:
            reader: leaves out what names a statement that this reader may not see. None: all,
                for the node's own owner.
        """
        found = self.watch.alarms() if self.watch is not None else []
        if reader is None or not found:
            return found
        may = self.allowed(reader)
        return [
            alarm
            for alarm in found
            if alarm.statement is None or self.store.statement(alarm.statement, may) is not None
        ]

    def witnessing(self) -> Witnessing | None:
        """Who witnesses this log, and which logs this node witnesses."""
        return self.watch.witnessing() if self.watch is not None else None

    def everything(self) -> frozenset[int]:
        """Every audience: for the node's own bookkeeping, never for an answer to a reader."""
        return frozenset(self.store.audiences())

    def allowed(self, reader: Reader) -> frozenset[int]:
        """The audiences `reader` belongs to: every answer to a reader starts here.

        What `policy` said of a reader and these very audiences is not asked of it again.
        """
        return self.belongs.of(reader, self.store.audiences())

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

    def is_member(self, party: str) -> bool:
        """Whether a party comes in here: the directory lists it, or this is its own node."""
        return party == self.party or self.directory.party(party) is not None

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
