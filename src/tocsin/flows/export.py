"""A selection for other people's machines: what may leave, and the count of what may not.

Warninglisted, expired, revoked and withdrawn indicators are left out and counted. Who may have
what is asked of policy alone; what somebody else may not have is counted for the exporter only,
and nothing in the file tells of it.

Spec: exchange.md §3, last two points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from tocsin.errors import IndicatorError, NotFoundError, UsageError
from tocsin.exporters.interface import Line, Loss, Selection, Thing, Written, values_of
from tocsin.flows import respond, sharing
from tocsin.flows.intake import parse_kept, stamp
from tocsin.flows.node import Node
from tocsin.policy import TLP_RANK, Audience, Reader, Tlp, may_leave
from tocsin.stix.markings import TLP_OF_ID, strictest_tlp
from tocsin.stix.values import KINDS
from tocsin.store.interface import KeptObject, time_key
from tocsin.sweep.warninglists import LISTS, listed

FORMS = ("misp", "misp-feed", "csv", "stix", "rpz", "suricata", "zeek", "blocklist")
LINE_FORMS = ("csv", "rpz", "suricata", "zeek", "blocklist")
"""Those that hold values, a line each."""
LAPSING = (*(form for form in LINE_FORMS if form != "csv"), "misp-feed")
"""Those that a machine reads again and again in one place."""
ENDED = ("withdrawn", "revoked", "expired")
MAX_OBJECTS = 500_000


class Wanted(Struct, frozen=True, kw_only=True):
    """What is asked for."""

    form: str
    case: str | None = None
    words: str = ""
    """Words that an object must hold; "" for everything."""
    ceiling: Tlp | None = None
    """Nothing that is marked stricter than this."""
    overrides: tuple[str, ...] = ()
    """Warninglists that are passed over."""
    white: bool = False
    observables: bool = False
    """STIX: with the observables that each indicator's pattern names."""
    kinds: tuple[str, ...] = ()
    """Of values; none: all kinds."""


class Exported(Struct, frozen=True, kw_only=True):
    """A file, and what is not in it."""

    written: Written
    left_out: Mapping[str, int]
    """By reason: expired, revoked, withdrawn, warninglisted, not-for-files, stricter,
    not-for-reader, unlisted, other-kind (values, not indicators)."""
    losses: tuple[Loss, ...]


def export(node: Node, wanted: Wanted, reader: Reader, *, own: Reader) -> Exported:
    """Write a selection for `reader`: at most what both it and `own` may read.

    Raises:
        UsageError: no such form or warninglist.
        NotFoundError: no such case for this reader, or nothing that may leave.
    """
    exporter = node.exporters.get(wanted.form)
    if exporter is None:
        raise UsageError(f"--as {wanted.form!r}", remedy="one of: " + ", ".join(FORMS))
    strange = [name for name in wanted.overrides if name not in LISTS]
    if strange:
        raise UsageError(
            f"{', '.join(strange)}: no warninglist", remedy="one of: " + ", ".join(LISTS)
        )
    _check_kinds(wanted)
    if wanted.observables and wanted.form != "stix":
        raise UsageError(
            f"--observables with --as {wanted.form}, which holds no STIX objects",
            remedy="--as stix; the attributes of MISP are observables already",
        )
    left_out: Counter[str] = Counter()
    chosen = _chosen(node, wanted, reader, own, left_out)
    losses: list[Loss] = []
    selection = _selection(node, wanted, chosen, own, left_out, losses)
    # Where all of it has ended, the list is written empty: else the one from before stays in force.
    lapsed = wanted.form in LAPSING and any(left_out[why] for why in ENDED)
    if not selection.things and not lapsed:
        told = ", ".join(f"{n} {why}" for why, n in sorted(left_out.items())) or "nothing chosen"
        raise NotFoundError(
            f"nothing here may leave as {wanted.form}: {told}",
            remedy="see what you may read: tocsin claims; widen --tlp, or name other words",
        )
    written = exporter.write(selection)
    return Exported(written=written, left_out=dict(left_out), losses=(*losses, *written.losses))


def _check_kinds(wanted: Wanted) -> None:
    if wanted.kinds and wanted.form not in LINE_FORMS:
        raise UsageError(
            f"--kind with --as {wanted.form}, which holds objects and no lines of values",
            remedy="--as " + ", ".join(LINE_FORMS),
        )
    strange = [kind for kind in wanted.kinds if kind not in KINDS]
    if strange:
        raise UsageError(
            f"{', '.join(strange)}: no kind of value", remedy="one of: " + ", ".join(KINDS)
        )


def _chosen(
    node: Node, wanted: Wanted, reader: Reader, own: Reader, left_out: Counter[str]
) -> list[Thing]:
    """The newest version of each object that may leave, with the marking it leaves under."""
    audiences = node.store.audiences()
    mine = node.allowed(own)
    both = mine & node.allowed(reader)
    leaving = frozenset(n for n in both if may_leave(audiences[n]))
    everything = _held(node, wanted, mine, own)
    names = {o.id for o in everything}
    shared = everything if both == mine else node.store.select(both, case=wanted.case)
    readable = {o.id for o in shared}
    ended = _ended(shared, time_key(stamp(node.clock())))
    found = [o for o in _held(node, wanted, leaving, own) if o.id in names]
    left_out["not-for-reader"] += len(names - readable)
    left_out["not-for-files"] += len(readable - {o.id for o in found})
    said: dict[str, Audience] = {}
    chosen = []
    for one in found:
        if one.withdrawn:
            left_out["withdrawn"] += 1
            continue
        data = one.data
        of = _audiences(node, one, said, leaving)
        tlp = _marked(of, data)
        if wanted.ceiling is not None and TLP_RANK[tlp] > TLP_RANK[wanted.ceiling]:
            left_out["stricter"] += 1
            continue
        if why := ended.get(one.id):
            left_out[why] += 1
            continue
        chosen.append(Thing(data=data, raw=one.raw, tlp=tlp, to=_named_by(of, tlp)))
    left_out["withdrawn"] += _taken_back(node, wanted, both, {o.id for o in found})
    for reason in [r for r, n in left_out.items() if not n]:
        del left_out[reason]
    return chosen


def _taken_back(node: Node, wanted: Wanted, allowed: frozenset[int], standing: set[str]) -> int:
    """How many indicators were withdrawn and do not stand any more; of a search none is known.

    By whoever said them: another's withdrawal is none.
    """
    if wanted.words:
        return 0
    gone: set[str] = set()
    for kept in node.store.statements(allowed, case=wanted.case, kind="withdraw"):
        statement = parse_kept(kept)
        named = {o.id for o in statement.objects}
        for ref in statement.refs:
            held = node.store.statement(ref, allowed)
            if held is None or held.author != kept.author:
                continue
            said = (o.id for o in parse_kept(held).objects if o.type == "indicator")
            gone |= {id for id in said if not named or id in named}
    return len(gone - standing)


def _ended(shared: Iterable[KeptObject], now: str) -> dict[str, str]:
    """The indicators that the newest version known to both has ended, and how.

    That version itself may be one that does not leave: then no older one leaves in its place.

    Args:
        now: a `time_key`. Text, as STIX times go up to the sixtieth second of a minute, which no
            `datetime` holds.
    """
    ended = {}
    for one in shared:
        if one.type != "indicator" or one.withdrawn:
            continue
        data = one.data
        until = data.get("valid_until")
        if data.get("revoked") is True:
            ended[one.id] = "revoked"
        elif isinstance(until, str) and time_key(until) <= now:
            ended[one.id] = "expired"
    return ended


def _held(node: Node, wanted: Wanted, allowed: frozenset[int], own: Reader) -> Sequence[KeptObject]:
    if wanted.case is not None:
        respond.case_statements(node, wanted.case, own)
    if wanted.words:
        found = node.store.search(wanted.words, allowed, MAX_OBJECTS)
        if wanted.case is None:
            return _with_what_they_name(node, found, allowed)
        inside = {o.id for o in node.store.select(allowed, case=wanted.case)}
        return [o for o in found if o.id in inside]
    return node.store.select(allowed, case=wanted.case)


def _with_what_they_name(
    node: Node, found: Sequence[KeptObject], allowed: frozenset[int]
) -> list[KeptObject]:
    """Objects found by words, and those they refer to: an observation is nothing without."""
    all_of = {o.id: o for o in found}
    left = list(found)
    for one in left:
        for ref in _named(one.data):
            if ref not in all_of and (held := node.store.versions(ref, allowed)):
                all_of[ref] = held[0]
                left.append(held[0])
    return list(all_of.values())


def _named(data: Mapping[str, Any]) -> list[str]:
    refs: list[str] = []
    for name, value in data.items():
        if name.endswith("_ref") and isinstance(value, str):
            refs.append(value)
        elif name.endswith("_refs") and isinstance(value, list):
            refs += [v for v in value if isinstance(v, str)]
    return refs


def _audiences(
    node: Node, one: KeptObject, said: dict[str, Audience], allowed: frozenset[int]
) -> list[Audience]:
    """Those that the statements of it give it to, as far as they may leave."""
    for id in one.said_by:
        if id not in said and id not in one.narrowed:
            kept = node.store.statement(id, allowed)
            said[id] = kept.audience if kept else Audience(author="", tlp="AMBER+STRICT")
    return [one.narrowed[id] if id in one.narrowed else said[id] for id in one.said_by]


def _marked(of: Sequence[Audience], data: Mapping[str, Any]) -> Tlp:
    """The marking an object leaves under: its own, and that of the most open statement of it."""
    said: Tlp = min((a.tlp for a in of), key=TLP_RANK.__getitem__, default="RED")
    refs = data.get("object_marking_refs")
    own = [TLP_OF_ID[r] for r in refs if r in TLP_OF_ID] if isinstance(refs, list) else []
    return strictest_tlp([said, *own]) or said


def _named_by(of: Sequence[Audience], tlp: Tlp) -> frozenset[str] | None:
    """The parties that may have it: those that any statement of it names, and who said it."""
    if TLP_RANK[tlp] <= TLP_RANK["GREEN"]:
        return None
    return frozenset[str]().union(*(a.to | {a.author} for a in of)) - {""}


def _selection(
    node: Node,
    wanted: Wanted,
    chosen: Sequence[Thing],
    own: Reader,
    left_out: Counter[str],
    losses: list[Loss],
) -> Selection:
    party = own.party or node.party
    now = node.clock()
    names = {
        str(t.data["id"]): str(t.data.get("name")) for t in chosen if t.data["type"] == "identity"
    }
    names |= {p.identity: p.id for p in node.directory.parties}
    lines: list[Line] = []
    things: list[Thing] = []
    listing = wanted.form in LINE_FORMS
    unread = losses if listing else []  # other forms hold the pattern itself
    for thing in chosen:
        if thing.data["type"] != "indicator":
            things.append(thing)
            continue
        made = _lines(thing, names, unread, left_out if listing else Counter())
        off = []
        for line in made:
            hit = listed(line.kind, line.value)
            if hit is None or hit in wanted.overrides:
                off.append(line)
            else:
                why = f"{line.value} is on the warninglist {hit}"
                losses.append(Loss(id=line.indicator, why=why))
        if made and not off:
            left_out["warninglisted"] += 1
            continue
        asked = [line for line in off if not wanted.kinds or line.kind in wanted.kinds]
        if len(asked) < len(off):
            left_out["other-kind"] += len(off) - len(asked)
        things.append(thing)
        lines += asked
    title = _title(node, wanted, own)
    return Selection(
        title=title,
        key=f"{party} {wanted.case or ''} {wanted.words}",
        party=party,
        identity=node.identity(party),
        at=now,
        lines=tuple(sorted(lines, key=lambda x: (x.kind, x.value, x.indicator))),
        things=tuple(things),
        organisations=sharing.organisations(node),
        white=wanted.white,
        observables=wanted.observables,
    )


def _title(node: Node, wanted: Wanted, own: Reader) -> str:
    if wanted.case is not None:
        return respond.state(node, wanted.case, own).title
    return f"what holds {wanted.words}" if wanted.words else "everything held"


def _lines(
    thing: Thing, names: Mapping[str, str], losses: list[Loss], left_out: Counter[str]
) -> list[Line]:
    data = thing.data
    id = str(data["id"])
    kind = data.get("pattern_type", "stix")
    if kind != "stix":
        losses.append(Loss(id=id, why=f"its pattern is written in {str(kind)[:40]}, not in STIX"))
        left_out["unlisted"] += 1
        return []
    try:
        values = values_of(str(data.get("pattern") or ""))
    except IndicatorError as wrong:
        losses.append(Loss(id=id, why=wrong.message))
        left_out["unlisted"] += 1
        return []
    creator = str(data.get("created_by_ref") or "")
    return [
        Line(
            kind=one,
            value=value,
            port=port,
            indicator=id,
            expires=_text(data.get("valid_until")),
            starts=_text(data.get("valid_from")),
            modified=_text(data.get("modified")) or "",
            name=_text(data.get("description")) or _text(data.get("name")) or "",
            tlp=thing.tlp,
            creator=names.get(creator, creator),
        )
        for one, value, port in dict.fromkeys(values)
    ]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
