"""What the TAXII server shows and takes in: collections by audience, and what is put in as a `say`.

A push is unsigned: this node's party says it, and names in `body.via` by which door it came and
from which party. What that may reach is set with the account; an object's own marking tightens it.

Spec: exchange.md §2.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice

import msgspec
from msgspec import Struct

from tocsin.errors import (
    ConflictError,
    ForbiddenError,
    LogHalted,
    RateError,
    StoreError,
    TocsinError,
)
from tocsin.flows import respond
from tocsin.flows.intake import Act, begin, logged, parse_kept
from tocsin.flows.node import Node
from tocsin.flows.shares import DOOR, Share, drop_old, keep_evidence, take
from tocsin.policy import Reader, Tlp
from tocsin.record.statement import ObjectRef, Statement
from tocsin.stix.bundle import Received
from tocsin.stix.check import TOLERATED, Begun, begin_check
from tocsin.stix.limits import MIB, Limits
from tocsin.store.interface import EVERYTHING, Entry, Page, put_by, time_key
from tocsin.taxii import wire
from tocsin.taxii.wire import Ask, Collection, Outcome, Status

LIMITS = Limits(bytes=wire.MAX_CONTENT, objects=10_000, object_bytes=MIB, section="taxii")
STATUS_DAYS = 30
TOGETHER = 250
"""Objects of one statement: their names fit into its 64 KiB."""
MAX_LOOKED_AT = 10_000
"""Versions of an object that one request to take it back goes through."""


class Who(Struct, frozen=True, kw_only=True):
    """Whoever has shown a credential at the door: what it may open and do."""

    name: str
    reader: Reader
    reads: bool = True
    writes: bool = False
    bound: frozenset[str] | None = None
    """Aliases of the collections it is bound to; None: all."""
    tlp: Tlp = "AMBER+STRICT"
    to: tuple[str, ...] = ()

    def way(self, node: Node) -> dict[str, str]:
        """By which door and from which party something came: `body.via` of what is said for it."""
        return {"door": DOOR, "party": self.reader.party or node.party}


class Opened(Collection, frozen=True, kw_only=True):
    """A collection, and what of the store it shows."""

    feed: str
    own: bool = False
    """Only what this node's party said."""

    def shown(self) -> Collection:
        """Without what is nobody else's business."""
        return Collection(**{n: getattr(self, n) for n in Collection.__struct_fields__})


def secret(node: Node) -> bytes:
    """32 bytes of this node alone, made once: cursors and collection ids come from it."""
    known: bytes | None = node.views.get("taxii secret")
    if known is not None:
        return known
    row = node.store.local(DOOR, "secret")
    if row is None:
        with suppress(ConflictError):  # another request was first
            node.store.keep_local(DOOR, "secret", node.rng(32), None)
        row = node.store.local(DOOR, "secret")
    assert row is not None
    node.views["taxii secret"] = row.value
    return row.value


# --- collections --------------------------------------------------------------------------------


def collections(node: Node, who: Who) -> list[Opened]:
    """What this reader may open: all, each case it sees, and where it may put something in."""
    found = [_everything(node, who)]
    found += [_case(node, who, case, title) for case, title in _cases(node, who.reader)]
    if who.writes:
        found.append(_inbox(node, who))
    return [one for one in found if _may_open(who, one)]


def collection(node: Node, who: Who, name: str) -> Opened:
    """One of them, by its id or alias.

    Raises:
        NotFoundError: unknown, or not for this reader: one answer.
    """
    near = [_everything(node, who), *([_inbox(node, who)] if who.writes else [])]
    for one in near:
        if name in (one.id, one.alias) and _may_open(who, one):
            return one
    for one in collections(node, who):
        if name in (one.id, one.alias):
            return one
    raise wire.nothing()


def _may_open(who: Who, one: Collection) -> bool:
    return (who.bound is None or one.alias in who.bound) and (one.can_read or one.can_write)


def _everything(node: Node, who: Who) -> Opened:
    return Opened(
        id=_id(node, "all"),
        title="Everything you may read",
        alias="all",
        can_read=who.reads,
        can_write=False,
        feed=EVERYTHING,
    )


def _case(node: Node, who: Who, case: str, title: str) -> Opened:
    return Opened(
        id=_id(node, case), title=title, alias=case, can_read=who.reads, can_write=False, feed=case
    )


def _inbox(node: Node, who: Who) -> Opened:
    return Opened(
        id=_id(node, "inbox"),
        title="What you put in",
        description="Objects sent here are said by this node's party, who names you as their way.",
        alias="inbox",
        can_read=who.reads,
        can_write=who.writes,
        feed=put_by(DOOR, who.way(node)["party"]),
        own=True,
    )


def _id(node: Node, name: str) -> str:
    """A UUIDv4 that stays the same, and that nobody works out from a case's id."""
    made = bytearray(hmac.digest(secret(node), b"collection\0" + name.encode(), hashlib.sha256))
    made[6] = made[6] & 0x0F | 0x40
    made[8] = made[8] & 0x3F | 0x80
    return _uuid(bytes(made[:16]))


def _uuid(data: bytes) -> str:
    text = data.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _cases(node: Node, reader: Reader) -> tuple[tuple[str, str], ...]:
    """(id, title) of the cases this reader sees the opening of."""
    head = node.store.head()
    key = ("taxii", node.allowed(reader), head.size if head else 0)
    found: tuple[tuple[str, str], ...] | None = node.views.get(key)
    if found is None:
        found = tuple((row.id, row.title) for row in respond.cases(node, reader))
        if len(node.views) > 32:
            node.views.clear()
        node.views[key] = found
    return found


# --- reading ------------------------------------------------------------------------------------


def page(node: Node, who: Who, opened: Opened, ask: Ask) -> Page:
    """The next objects of a collection that this reader may see, as they came."""
    filters = ask.filters
    return node.store.page(
        opened.feed,
        allowed(node, who, opened),
        after=ask.after,
        limit=ask.limit,
        ids=filters.id,
        types=filters.type,
        spec_versions=filters.spec_version,
        versions=_keys(filters.version or ("last",)),
    )


def glance(node: Node, opened: Opened, allowed: frozenset[int], ask: Ask) -> Page | None:
    """`page` for one id, where it is one small object and at hand.

    Args:
        allowed: as `allowed` gave it for this reader, in this state of the node.
    """
    filters = ask.filters
    [id] = filters.id or ()
    if filters.type is not None:
        return None
    return node.store.glance(
        opened.feed,
        allowed,
        id,
        after=ask.after,
        spec_versions=filters.spec_version,
        versions=_keys(filters.version or ("last",)),
    )


def allowed(node: Node, who: Who, opened: Opened) -> frozenset[int]:
    """The audiences whose objects this reader sees in a collection."""
    its = node.allowed(who.reader)
    if not opened.own:
        return its
    known = node.store.audiences()
    # Anybody may write a `via` into what they say; only of ours it means this door.
    return frozenset(n for n in its if known[n].author == node.party)


def _keys(versions: Iterable[str]) -> list[str]:
    return [
        v
        if v in ("first", "last", "all")
        else time_key(v)
        if v.endswith("Z")
        else time_key(wire.date(wire.instant(v)))
        for v in versions
    ]


def _versions(node: Node, who: Who, opened: Opened, ids: Sequence[str]) -> list[Entry]:
    """Everything readable under these ids in a collection."""
    found: list[Entry] = []
    its, after, more = allowed(node, who, opened), -1, True
    while more:
        page = node.store.page(
            opened.feed, its, after=after, limit=1_000, ids=ids, versions=["all"]
        )
        found += page.entries
        after, more = page.position, page.more
    return found


# --- putting in ---------------------------------------------------------------------------------


def add(node: Node, who: Who, body: bytes, share: Share) -> Status:
    """Take in what can be taken of an envelope or bundle; what became of each object.

    It is noted in the local audit.

    Raises:
        BundleError: its framing is broken, or it is over a limit: nothing is taken.
        RateError: it is more than the account's share of a day: nothing is taken.
        LogHalted, StoreError: nothing more is taken now; what was taken before stays.
    """
    take(node, who.name, share, 0, len(body))
    try:
        checking = begin_check(body, limits=LIMITS)
    except TocsinError:
        take(node, who.name, share, 1, len(body))  # what cannot be read counts too
        raise
    take(node, who.name, share, len(checking.objects), len(body))
    now = node.clock()
    arrived = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond:06d}Z"
    sorting = _Sorting(arrived)
    for item in checking.objects:
        sorting.look(item)
    _compare(node, who, sorting, checking)
    _say(node, who, sorting)
    outcomes = sorting.outcomes
    status = Status(
        id=_status_id(node),
        request_timestamp=arrived,
        successes=tuple([o for o, why in outcomes if why is None]),
        failures=tuple(
            [msgspec.structs.replace(o, message=why) for o, why in outcomes if why is not None]
        ),
    )
    _keep_status(node, who, status)
    return status


class _Sorting:
    """What came in one request, and what has been found of each so far."""

    def __init__(self, arrived: str) -> None:
        self.arrived = arrived
        self.items: list[Received] = []
        self.held: set[str] = set()
        """Digests of what this reader sees here already."""
        self.told: dict[str, str] = {}
        """Digest → what its sender is told, though it is taken."""
        self._why: dict[int, str] = {}
        self._first: dict[tuple[str, str], str] = {}  # (id, version) → sha256

    def look(self, item: Received) -> None:
        """Judge an object by itself, and beside those that came before it."""
        n = len(self.items)
        self.items.append(item)
        if item.problem is not None:
            self._why[n] = item.problem
            return
        place = item.id, self.version(item)
        first = self._first.setdefault(place, item.sha256)
        if first != item.sha256:
            self._why[n] = _conflict(first, item.sha256, "in this request")

    def version(self, item: Received) -> str:
        return item.modified or item.created or self.arrived

    def fail(self, sha256: str, why: str) -> None:
        """No object of these bytes is taken."""
        for n, item in enumerate(self.items):
            if item.sha256 == sha256:
                self._why.setdefault(n, why)

    @property
    def good(self) -> list[Received]:
        """Those nothing is wrong with, each once."""
        found = {item.sha256: item for n, item in enumerate(self.items) if n not in self._why}
        return list(found.values())

    @property
    def outcomes(self) -> list[tuple[Outcome, str | None]]:
        return [
            (
                Outcome(
                    id=item.id or f"object {n + 1}",
                    version=self.version(item),
                    message=self.told.get(item.sha256),
                ),
                self._why.get(n),
            )
            for n, item in enumerate(self.items)
        ]


def _conflict(held: str, came: str, where: str) -> str:
    return (
        f"version-conflict: this id and version has other content {where}: SHA-256 {held} there, "
        f"{came} here; give a changed object a newer modified"
    )


def _compare(node: Node, who: Who, sorting: _Sorting, checking: Begun) -> None:
    """Leave out what breaks STIX, what is held already, and what contradicts a version that is.

    By what this reader may see: hidden and unknown are one answer.
    """
    everything = _everything(node, who)
    ids = iter(sorted({item.id for item in sorting.good}))
    held: dict[str, list[Entry]] = {}
    while some := list(islice(ids, 500)):
        for entry in _versions(node, who, everything, some):
            held.setdefault(entry.id, []).append(entry)
            sorting.held.add(entry.sha256)
    for item in sorting.good:
        time = item.modified or item.created
        same = [e for e in held.get(item.id, ()) if time and _time(e) == time_key(time)]
        if same and item.sha256 not in sorting.held:
            kept = keep_evidence(node, who.name, who.reader.party, item)
            why = _conflict(same[0].sha256, item.sha256, "here")
            sorting.fail(item.sha256, why if kept else why + " (not kept: there is no more room)")
    for finding in checking.findings(held):
        if finding.severity != "error" or finding.object is None:
            continue
        said = f"{finding.code} at {finding.pointer}: {finding.detail}; {finding.remedy}"[:500]
        if finding.code in TOLERATED:
            sorting.told.setdefault(finding.object.sha256, said)
        else:
            sorting.fail(finding.object.sha256, said)


def _time(entry: Entry) -> str:
    return time_key(entry.modified or entry.created or "")


def _say(node: Node, who: Who, sorting: _Sorting) -> None:
    """Say what is good, in as few statements as hold it; what a rule forbids fails by itself."""
    left = [item for item in sorting.good if item.sha256 not in sorting.held]
    parts = [left[i : i + TOGETHER] for i in range(0, len(left), TOGETHER)]
    waiting = []
    try:
        while parts:
            part = parts.pop()
            try:
                waiting.append(begin(node, _act(node, who, part)))
            except (LogHalted, StoreError):
                raise
            except TocsinError as wrong:
                if len(part) == 1:
                    sorting.fail(part[0].sha256, f"{wrong.message}; {wrong.remedy}")
                else:
                    middle = len(part) // 2
                    parts += [part[:middle], part[middle:]]
    finally:
        for one in waiting:
            logged(one)


def _act(node: Node, who: Who, items: Sequence[Received]) -> Act:
    via = who.way(node)
    to = {via["party"], *who.to} - {node.party}
    return Act(
        author=node.party,
        kind="say",
        tlp=who.tlp,
        to=tuple(sorted(to)) if who.tlp not in ("CLEAR", "GREEN") else who.to,
        body={"via": via},
        objects=tuple(items),
    )


# --- statuses -----------------------------------------------------------------------------------


class _KeptStatus(Struct, kw_only=True):
    owner: str
    status: Status


def _day(node: Node) -> int:
    return int(node.clock().timestamp()) // 86_400


def _status_id(node: Node) -> str:
    """A UUIDv4 whose first digits are the day: so old ones are found without an index."""
    made = bytearray(_day(node).to_bytes(2, "big") + node.rng(14))
    made[6] = made[6] & 0x0F | 0x40
    made[8] = made[8] & 0x3F | 0x80
    return _uuid(bytes(made))


def _keep_status(node: Node, who: Who, status: Status) -> None:
    _drop_old(node)
    value = msgspec.json.encode(_KeptStatus(owner=who.name, status=status))
    node.store.keep_noted(
        "taxii-status",
        status.id,
        value,
        time=node.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        actor=who.name,
        act="taxii-add",
        ref=status.id,
    )


def _drop_old(node: Node) -> None:
    """Once a day, what is older than `STATUS_DAYS`."""
    today = _day(node)
    row = node.store.local(DOOR, "swept")
    last = int(row.value) if row else today - 1
    if last >= today:
        return
    try:
        node.store.keep_local(DOOR, "swept", str(today).encode(), row.version if row else None)
    except ConflictError:
        return  # another request does it
    for day in range(max(last, today - 400) - STATUS_DAYS, today - STATUS_DAYS):
        for old in node.store.list_local("taxii-status", day.to_bytes(2, "big").hex()):
            node.store.keep_local("taxii-status", old.key, None, old.version)
    drop_old(node)


def status(node: Node, who: Who, id: str) -> Status:
    """What became of an `add` of this credential's. Raises NotFoundError for another's too."""
    row = node.store.local("taxii-status", id) if len(id) == 36 else None
    kept = msgspec.json.decode(row.value, type=_KeptStatus) if row else None
    if kept is None or kept.owner != who.name:
        raise wire.nothing()
    return kept.status


# --- taking back --------------------------------------------------------------------------------


def delete(node: Node, who: Who, opened: Opened, id: str, versions: Sequence[str]) -> None:
    """Take back what this credential's party put in under an id, or some of its versions.

    Raises:
        NotFoundError: the reader sees no such object here.
        ForbiddenError: it may read it, and another put it in.
        RateError: `MAX_LOOKED_AT` versions were looked at, those of them that it put in are taken
            back, and there are more: the same request goes on.
    """
    its = allowed(node, who, opened)
    looked_at = taken_back = 0
    after, more = -1, True
    while more:
        if looked_at >= MAX_LOOKED_AT and taken_back:
            raise RateError(
                f"{taken_back} versions of {id} are taken back, and there are more of them",
                remedy="send the same request again: it goes on from there",
                seconds=1,
            )
        page = node.store.page(
            opened.feed, its, after=after, limit=1_000, ids=[id], versions=_keys(versions)
        )
        looked_at += len(page.entries)
        if who.writes:
            taken_back += _take_back(node, who, page.entries)
        after, more = page.position, page.more
    if not looked_at:
        raise wire.nothing()
    if not taken_back:
        raise ForbiddenError(
            f"{id} was not put in by {who.reader.party or 'you'}",
            remedy="ask whoever did; their own say is theirs to take back",
        )


def _take_back(node: Node, who: Who, held: Sequence[Entry]) -> int:
    """Withdraw those of them that this credential's party put in; how many those are."""
    acts: dict[str, tuple[Statement, list[ObjectRef]]] = {}
    for entry in held:
        ref = ObjectRef(id=entry.id, sha256=entry.sha256, type=entry.type)
        for statement_id, statement in _put(node, who, entry.sha256):
            acts.setdefault(statement_id, (statement, []))[1].append(ref)
    waiting = []
    try:
        for statement_id, (statement, refs) in acts.items():
            act = Act(
                author=node.party,
                kind="withdraw",
                tlp=statement.tlp,
                to=statement.to,
                case=statement.case,
                body={"via": who.way(node)},
                named=tuple(refs),
                refs=(statement_id,),
            )
            waiting.append(begin(node, act))
    finally:
        for one in waiting:
            logged(one)
    return len({ref.sha256 for _, refs in acts.values() for ref in refs})


def _put(node: Node, who: Who, sha256: str) -> list[tuple[str, Statement]]:
    """The live statements by which this party put these bytes in."""
    everything = node.everything()
    kept = node.store.object(sha256, everything)
    found = []
    for id in kept.said_by if kept is not None and not kept.withdrawn else ():
        said = node.store.statement(id, everything)
        if said is None or said.author != node.party or said.kind != "say":
            continue
        statement = parse_kept(said)
        if statement.body.get("via") == who.way(node):
            found.append((id, statement))
    return found
