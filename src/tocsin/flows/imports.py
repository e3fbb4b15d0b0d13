"""Objects that were read out of a foreign file, said by a person's decision.

The file is read again when it is accepted: the same bytes give the same objects. What this party
has said already is not said again, what has gone from the file is withdrawn, and the file itself
is kept whole in this party's own record, shown to nobody else.

Spec: exchange.md §3.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

import orjson
from msgspec import Struct

from tocsin.errors import ConflictError, DraftError, ForbiddenError, NotFoundError, TocsinError
from tocsin.flows import drafts as drafting
from tocsin.flows import sayings, sharing
from tocsin.flows.drafts import Accepting
from tocsin.flows.intake import Act, Done, Item, not_found, record_many, stamp, stix_time
from tocsin.flows.intake import withdraw as take_back
from tocsin.flows.node import Node
from tocsin.flows.sayings import LeftOut, Saying
from tocsin.flows.sharing import AS_SAID, Target
from tocsin.importers.interface import Limits, Reading, chosen
from tocsin.policy import TLP_RANK, Tlp
from tocsin.stix.bundle import Received, open_object
from tocsin.stix.markings import TLP_OF_ID, strictest_tlp
from tocsin.store.interface import Attachment, KeptObject

TOGETHER = 250
"""Objects of one statement: their names fit into its 64 KiB."""
SLICE = 4
"""Statements that are made before the log is waited for and the progress is kept."""


class Imported(Struct, frozen=True, kw_only=True):
    """What became of a file's objects."""

    statements: tuple[Done, ...]
    """In which they were said."""
    said: int
    again: int
    """Said by this party already, to the byte: not said again."""
    withdrawn: int
    """Objects taken back, because the file has them no more."""
    originals: int
    """Documents kept whole, for this party alone."""
    left_out: tuple[LeftOut, ...]


def accept(node: Node, report_id: str, how: Accepting) -> Imported:
    """Say the objects of a report of this node, in as many statements as they need.

    An object keeps its own marking where that is stricter than `how.tlp`. Another party's object,
    and one of which a newer version is held, is left out and listed.

    Raises:
        NotFoundError: no such report here.
        DraftError: it has no objects; its drafts are accepted one by one.
        ForbiddenError: `how.by` does not sign here.
        ConflictError: it is being said at this moment.
    """
    if not node.jobs.take(report_id):
        raise ConflictError(
            f"report {report_id} is being said at this moment",
            remedy="look how far it is: tocsin accept --report " + report_id,
        )
    try:
        return _finish(node, begin(node, report_id, how), None)
    finally:
        node.jobs.leave(report_id)


def reached(node: Node, report_id: str, by: str) -> list[sharing.Circle]:
    """Whom the sharing groups in a report reach, if `by` says its objects; [] without any.

    Raises:
        NotFoundError: no such report here.
    """
    kept = drafting.report(node, report_id)
    return sharing.circles(node, kept.groups, kept.held, by)


def begin(node: Node, report_id: str, how: Accepting) -> Saying:
    """Note that a report's objects are to be said, and how; `go_on` says them.

    One that is being said already stays as it was begun.

    Raises:
        As `accept`.
    """
    if how.by not in node.signers:
        raise ForbiddenError(
            f"{how.by} does not sign here, and reports stay on this node",
            remedy="read the file at " + how.by,
        )
    with node.drafting:
        held = sayings.saying(node, report_id)
        if held is None:
            raise DraftError(
                f"report {report_id} holds no objects", remedy="tocsin accept lists its drafts"
            )
        if held.state == "saying":
            return held
        anew = Saying(
            report=held.report, name=held.name, received_at=held.received_at, objects=held.objects
        )
        fields = {name: getattr(anew, name) for name in Saying.__struct_fields__} | {
            "state": "saying",
            "since": stamp(node.clock()),
            "by": how.by,
            "tlp": how.tlp,
            "to": how.to,
            "case": how.case,
            "person": how.person,
        }
        return sayings.change(node, report_id, **fields)


def begun(node: Node, report_id: str, how: Accepting) -> Saying:
    """`begin`, and how it stands: said already where no thread of this node looks for such."""
    held = begin(node, report_id, how)
    if not node.jobs.served:
        return go_on(node, report_id)
    node.jobs.wanted.set()
    return held


def go_on(node: Node, report_id: str, stop: threading.Event | None = None) -> Saying:
    """Say what is left of a report that was begun, if nobody else in this process does.

    What goes wrong stops it, and stands in the row: it can be begun again, and nothing is said
    twice.

    Args:
        stop: once set, what is left stays for the next time.
    """
    if node.jobs.take(report_id):
        try:
            held = sayings.saying(node, report_id)
            if held is not None and held.state == "saying":
                with suppress(TocsinError):
                    _finish(node, held, stop)
        finally:
            node.jobs.leave(report_id)
    found = sayings.saying(node, report_id)
    if found is None:
        raise not_found(f"the objects of report {report_id}")
    return found


def say_waiting(node: Node, stop: threading.Event | None = None) -> None:
    """Go on with every report that was begun: also those that a restart has cut off."""
    for one in reversed(sayings.sayings(node)):
        if one.state == "saying" and not (stop is not None and stop.is_set()):
            with suppress(NotFoundError):  # purged meanwhile
                go_on(node, one.report, stop)


def set_aside(node: Node, report_id: str, why: str) -> Saying:
    """A person wants none of its objects said. It can still be said later.

    Raises:
        NotFoundError: no such report here.
        DraftError: it holds no objects, or is being said.
    """
    with node.drafting:
        held = sayings.saying(node, report_id)
        if held is None or held.state == "saying":
            what = "holds no objects" if held is None else "is being said"
            raise DraftError(f"report {report_id} {what}", remedy="tocsin accept lists what waits")
        return sayings.change(
            node, report_id, state="set-aside", since=stamp(node.clock()), why=why
        )


def _finish(node: Node, held: Saying, stop: threading.Event | None) -> Imported:
    try:
        return _go_on(node, held, stop)
    except Exception as wrong:
        why = wrong.message if isinstance(wrong, TocsinError) else "a fault in this program"
        with suppress(NotFoundError):
            sayings.change(node, held.report, state="stopped", since=stamp(node.clock()), why=why)
        raise


def _go_on(node: Node, held: Saying, stop: threading.Event | None) -> Imported:
    how = Accepting(by=held.by, tlp=held.tlp, to=held.to, case=held.case, person=held.person)
    reading = _reading(node, held.report)
    gone = frozenset(reading.withdrawn)
    definitions = {o.id: o for o in reading.objects if o.type == "marking-definition"}
    done: list[Done] = []
    left_out: list[LeftOut] = []
    # Another version of tocsin may read the file otherwise than the one that began.
    at = held.done if held.objects == len(reading.objects) else 0
    while at < len(reading.objects):
        if stop is not None and stop.is_set():
            break
        batch = reading.objects[at : at + SLICE * TOGETHER]
        at += len(batch)
        # Not for all of them: others want to decide on their drafts meanwhile.
        with node.drafting:
            tied = sharing.Tied(node, reading.groups)
            sorting = _Sorting(node, how, definitions, tied, reading.shared)
            for one in batch:
                if one.id not in gone:
                    sorting.take(one)
            said = record_many(node, _acts(sorting, how))
            for statement, ids in sorting.narrowed.items():
                reason = "said again to fewer readers"
                take_back(node, how.by, statement, objects=sorted(set(ids)), reason=reason)
            held = sayings.change(
                node,
                held.report,
                done=at,
                objects=len(reading.objects),
                said=held.said + len(sorting.say),
                again=held.again + sorting.again,
                statements=held.statements + len(said),
                **sayings.listed(sorting.left_out, held),
            )
        done += said
        left_out += sorting.left_out
    else:
        with node.drafting:
            originals = [a for a in _originals(reading) if not _said(node, how.by, a.sha256)]
            done += record_many(node, _keeping(originals, how, reading.strictest))
            withdrawn = _withdraw(node, how.by, reading.withdrawn)
            held = sayings.change(
                node,
                held.report,
                state="said",
                since=stamp(node.clock()),
                originals=len(originals),
                withdrawn=withdrawn,
            )
    return Imported(
        statements=tuple(done),
        said=held.said,
        again=held.again,
        withdrawn=held.withdrawn,
        originals=held.originals,
        left_out=tuple(left_out),
    )


def _reading(node: Node, report_id: str) -> Reading:
    kept = drafting.report(node, report_id)
    row = node.store.local("report-bytes", report_id)
    if row is None:
        raise not_found(f"the file of report {report_id}")
    name = kept.source.name
    published = date.fromisoformat(kept.source.published) if kept.source.published else None
    importer = node.importers[chosen(row.value, name, kept.columns, as_claims=False)]
    return importer.read(row.value, name, published=published, tlp=kept.tlp, columns=kept.columns)


_OWN_TYPES = frozenset(
    (
        "indicator",
        "observed-data",
        "note",
        "report",
        "grouping",
        "opinion",
        "sighting",
        "vulnerability",
        "relationship",
    )
)
"""What stands for something of one event only, and is under that event's limits."""


def _readers(target: Target, how: Accepting) -> tuple[str, ...]:
    """Whom a target names: of a sharing group those that the acceptance names, if any."""
    if target.limit is None:
        return how.to
    return tuple(sorted(target.limit & set(how.to) if how.to else target.limit))


class _Sorting:
    """Which objects are to be said, which were, which are not ours to say."""

    def __init__(
        self,
        node: Node,
        how: Accepting,
        definitions: Mapping[str, Received],
        tied: sharing.Tied,
        shared: Mapping[str, frozenset[Limits]],
    ) -> None:
        self._node, self._by, self._how = node, how.by, how
        self._tied, self._shared = tied, shared
        self._identity = node.identity(how.by)
        self._readable = node.allowed(node.reader(how.by))
        self._parties = {p.identity: p.id for p in node.directory.parties}
        self.say: dict[str, Received] = {}
        self.targets: dict[str, tuple[Target, ...]] = {}
        """For whom each of `say` is."""
        self.definitions = dict(definitions)
        self.narrowed: dict[str, list[str]] = {}
        """Objects by the statement that showed them to more readers."""
        self.again = 0
        self.left_out: list[LeftOut] = []

    def take(self, one: Received) -> None:
        if one.problem is not None:
            self._leave(one, one.problem)
            return
        if one.type == "marking-definition":
            return  # said in every statement whose objects carry it, so that a reader resolves it
        data = one.data
        creator = data.get("created_by_ref")
        owner = self._parties.get(str(creator)) or self._parties.get(one.id)
        if owner is not None and owner != self._by:
            self._leave(one, f"it is in the name of {owner}, who says it or does not")
            return
        held = self._node.store.versions(one.id, self._readable)
        targets = self._for(one)
        one = self._marked(one, targets)
        same = [v for v in held if self._same(v, one, targets)]
        taken = self._beyond(one, held, targets)
        if same:
            left = targets if taken else self._uncovered(same, targets)
            if left:
                known = any(v.sha256 == one.sha256 for v in same)
                self._say(one if known else open_object(same[0].raw), left)
            else:
                self.again += 1
            return
        if any(v.data.get("created_by_ref") != creator for v in held):
            self._leave(one, "somebody else's object has this id here")
            return
        newest = max((v.modified for v in held if v.modified), default=None)
        if one.modified is not None and newest is not None:
            if newest > one.modified and any(v.modified == newest and self._ours(v) for v in held):
                if not self._only_stamped(one, held):
                    self._leave(one, f"a version of {newest} is held, and this one is older")
                else:
                    self.again += 1
                return
            if newest == one.modified:
                # Its sender changed something without a new time, a marking of the whole event
                # for example: under the same time only the version said first would count.
                one = self._stamped(one)
        self._say(one, targets)
        self._narrow(one, held)

    def _say(self, one: Received, targets: tuple[Target, ...]) -> None:
        self.say[one.sha256] = one
        self.targets[one.sha256] = targets

    def _for(self, one: Received) -> tuple[Target, ...]:
        ways = self._shared.get(one.id)
        return self._tied.targets(ways, self._by) if ways else (AS_SAID,)

    def _marked(self, one: Received, targets: tuple[Target, ...]) -> Received:
        """An object for a group that nobody here is in says so itself; a name does not."""
        if not targets[0].unknown or one.type == "identity":
            return one
        one, markings = self._tied.marked(one, targets[0].unknown)
        self.definitions |= {m.id: m for m in markings}
        return one

    def _same(self, version: KeptObject, one: Received, targets: tuple[Target, ...]) -> bool:
        """Whether we say this already: to the byte, or in a group but for a time we gave it."""
        if version.withdrawn or not self._ours(version):
            return False
        if version.sha256 == one.sha256:
            return True
        timed = version.data | {"modified": one.modified}
        return targets != (AS_SAID,) and timed == one.data

    def _beyond(
        self, one: Received, held: Sequence[KeptObject], targets: tuple[Target, ...]
    ) -> bool:
        """Take back what reached others than its sharing group; whether anything did.

        A name, an observable or a cluster is the same in every file: what another file has shown
        of it stays shown.
        """
        if AS_SAID in targets or one.type not in _OWN_TYPES:
            return False
        limit = frozenset[str]().union(*(t.limit or () for t in targets)) | {self._by}
        found = False
        for version in held:
            for id, reach in self._reaches(version):
                if reach is None or not reach <= limit:
                    self.narrowed.setdefault(id, []).append(one.id)
                    found = True
        return found

    def _uncovered(
        self, same: Sequence[KeptObject], targets: tuple[Target, ...]
    ) -> tuple[Target, ...]:
        """The targets that our statements in force do not reach, all of them together."""
        if targets == (AS_SAID,):
            return ()
        covered: set[str] = set()
        for version in same:
            for _, reach in self._reaches(version):
                if reach is None:
                    return ()
                covered |= reach
        return tuple(t for t in targets if not covered.issuperset(_readers(t, self._how)))

    def _reaches(self, version: KeptObject) -> Iterator[tuple[str, frozenset[str] | None]]:
        """Each statement of ours in force that says it, and to whom; None: to everybody."""
        for id in version.said_by if not version.withdrawn else ():
            kept = self._node.store.statement(id, self._readable)
            if kept is None or kept.author != self._by or kept.withdrawn:
                continue
            level = max(_level(version.data), kept.audience.tlp, key=TLP_RANK.__getitem__)
            open_to_all = level == "CLEAR" or (level == "GREEN" and not kept.audience.to)
            yield id, None if open_to_all else kept.audience.to

    def _narrow(self, one: Received, held: Sequence[KeptObject]) -> None:
        """What this party said of it to more readers is taken back once it is said to fewer."""
        level = _level(one.data)
        for version in held:
            if not version.withdrawn and TLP_RANK[_level(version.data)] < TLP_RANK[level]:
                for id in version.said_by:
                    kept = self._node.store.statement(id, self._readable)
                    if kept is not None and kept.author == self._by and not kept.withdrawn:
                        self.narrowed.setdefault(id, []).append(one.id)

    def _ours(self, version: KeptObject) -> bool:
        return _by(self._node, version, self._by)

    def _only_stamped(self, one: Received, held: Sequence[KeptObject]) -> bool:
        """Whether a version held is this one but for the time we gave it."""
        wanted = one.data | {"modified": None}
        return any(v.data | {"modified": None} == wanted for v in held if not v.withdrawn)

    def _stamped(self, one: Received) -> Received:
        return open_object(orjson.dumps(one.data | {"modified": stix_time(self._node.clock())}))

    def _leave(self, one: Received, why: str) -> None:
        self.left_out.append(LeftOut(id=one.id or "an object without an id", why=why))


def _level(data: Mapping[str, Any]) -> Tlp:
    """The marking an object carries; one without any is as open as its statement."""
    refs = data.get("object_marking_refs")
    found = [TLP_OF_ID[r] for r in refs if r in TLP_OF_ID] if isinstance(refs, list) else []
    return strictest_tlp(found) or "CLEAR"


def _by(node: Node, version: KeptObject, party: str) -> bool:
    everything = node.everything()
    for id in version.said_by:
        kept = node.store.statement(id, everything)
        if kept is not None and kept.author == party and not kept.withdrawn:
            return True
    return False


def _said(node: Node, party: str, sha256: str) -> bool:
    held = node.store.object(sha256, node.allowed(node.reader(party)))
    return held is not None and not held.withdrawn and _by(node, held, party)


def _acts(sorting: _Sorting, how: Accepting) -> Iterator[Act]:
    by_target: dict[Target, list[Received]] = {}
    for sha256, one in sorting.say.items():
        for target in sorting.targets[sha256]:
            by_target.setdefault(target, []).append(one)
    for target, objects in by_target.items():
        tlp, to = how.tlp, _readers(target, how)
        if target.limit is not None:
            tlp = max(tlp, "AMBER+STRICT", key=TLP_RANK.__getitem__)
            to = to or ((how.by,) if tlp == "RED" else ())  # which has to name somebody
        for at in range(0, len(objects), TOGETHER):
            batch = objects[at : at + TOGETHER]
            named = {ref for one in batch for ref in one.refs}
            defined = [d for id, d in sorting.definitions.items() if id in named]
            yield Act(
                author=how.by,
                kind="say",
                tlp=tlp,
                to=to,
                case=how.case,
                objects=(*defined, *batch),
            )


def _originals(reading: Reading) -> list[Attachment]:
    made = [Attachment.of(one.raw, one.media_type) for one in reading.originals]
    return list({one.sha256: one for one in made}.values())


def _keeping(
    originals: Sequence[Attachment], how: Accepting, strictest: Tlp | None
) -> Iterator[Act]:
    """The file as it came, for nobody but whoever read it: it holds what no object shows.

    Who made it and whom its sender correlates with are in there, and the marking of the
    strictest thing in it holds for all of it.
    """
    tlp: Tlp = "RED" if strictest == "RED" else "AMBER+STRICT"
    for one in originals:
        objects: tuple[Item, ...] = (one,)
        to = (how.by,) if tlp == "RED" else ()  # which has to name somebody
        yield Act(author=how.by, kind="say", tlp=tlp, to=to, objects=objects)


def _withdraw(node: Node, author: str, ids: Iterable[str]) -> int:
    """Take back what `author` said of these. The number of objects."""
    readable = node.allowed(node.reader(author))
    chosen: dict[str, list[str]] = {}
    for id in ids:
        for version in node.store.versions(id, readable):
            if version.withdrawn:
                continue
            for statement in version.said_by:
                kept = node.store.statement(statement, readable)
                if kept is not None and kept.author == author and not kept.withdrawn:
                    named = chosen.setdefault(statement, [])
                    if id not in named:
                        named.append(id)
    for statement, objects in chosen.items():
        take_back(node, author, statement, objects=objects, reason="gone at its source")
    return len({id for objects in chosen.values() for id in objects})
