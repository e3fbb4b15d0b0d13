"""The complete v1 list of case events and the kinds of their fields, as data.

Spec: respond.md §1. Extra fields are ignored; a missing or mistyped one makes the event void.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tocsin.cases.model import CASE_ROLES, STAGES
from tocsin.claims.times import instant
from tocsin.policy import TLP_RANK

Check = Callable[[Any], bool]

_HEX = re.compile(r"[0-9a-f]{64}")


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _time(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        instant(value)
    except ValueError:
        return False
    return True


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _rev(value: Any) -> bool:
    return _count(value) and value >= 1


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_digest(value: Any) -> bool:
    """64 lower hex digits: a statement id or a SHA-256."""
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _object(value: Any) -> bool:
    return isinstance(value, Mapping) and _text(value.get("id")) and is_digest(value.get("sha256"))


def _map(value: Any) -> bool:
    return isinstance(value, Mapping)


def _list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _given(value: Any) -> bool:
    return value is not None


def _k_of(value: Any) -> bool:
    if not isinstance(value, Mapping) or not _rev(value.get("k")):
        return False
    of = value.get("of")
    if isinstance(of, list | tuple):
        return all(_text(party) for party in of) and len(set(of)) >= value["k"]
    return _rev(of) and bool(of >= value["k"])


def _rule(value: Any) -> bool:
    return _object(value) and "rev" in value


def _one_of(*words: str) -> Check:
    return lambda value: isinstance(value, str) and value in words


_TLP = _one_of(*TLP_RANK)
_ASSESSED = _one_of("affected", "not_affected", "investigating", "not_checked")
_ENDED = _one_of("public", "exploit-public", "aware", "leak", "eviction-done", "agreed")
_OUTCOME = _one_of("SUCCEEDED", "FAILED")
_OPTIONAL_REASON: Mapping[str, Check] = {"reason?": _text}

EVENTS: Mapping[str, Mapping[str, Check]] = {
    "case.open": {
        "title": _text,
        "class": _text,
        "tlp": _TLP,
        "pap?": _text,
        "lang": _text,
        "quorum": _k_of,
    },
    "case.stage": {"stage": _one_of(*STAGES), "note?": _text},
    "case.invite": {
        "party": _text,
        "role": _one_of(*CASE_ROLES[1:]),
        "rsvp_by": _time,
        "note?": _text,
    },
    "case.join": {"re": is_digest, "accept": _flag, "reason?": _text},
    "case.leave": _OPTIONAL_REASON,
    "case.remove": {"party": _text, "reason": _text},
    "case.track": {"tracking_id": _text},
    "hold.propose": {
        "hold_kind": _one_of("disclosure", "operational"),
        "rev": _rev,
        "terms": is_digest,
        "ends_at": _time,
        "max_at": _time,
        "go_at?": _time,
        "text": _text,
    },
    "hold.sign": {"re": is_digest, "terms": is_digest, "reason?": _text},
    "hold.refuse": {"re": is_digest, "terms": is_digest, "reason?": _text},
    "hold.free": {"terms": is_digest, "reason": _text},
    "hold.end": {"reason": _ENDED},
    "notice.plan": {
        "rev": _rev,
        "selector": _map,
        "list": _object,
        "count": _count,
        "ack_by": _time,
        "assess_by": _time,
        "tlp": _TLP,
        "text": _object,
    },
    "notice.sent": {"batch": _object, "handed": _count, "bounced": _count},
    "notice.ack": {"re": is_digest, "by": _one_of("human", "machine")},
    "notice.assess": {"re": is_digest, "status": _ASSESSED, "product?": _given, "note?": _text},
    "notice.done": {"re": is_digest, "what": _given},
    "notice.heard": {"recipient": _text, "what": _text, "via": _text, "evidence": _object},
    "notice.escalate": {"recipient": _text, "level": _count, "to": _text, "reason": _text},
    "notice.retract": {"reason": _text},
    "clock.start": {
        "rule": _rule,
        "anchor": _text,
        "anchor_at": _time,
        "due": _time,
        "owed_by": _text,
        "owed_to": _text,
    },
    "clock.anchor": {"anchor_at": _time, "reason": _text},
    "clock.meet": {"at": _time, "evidence?": _given},
    "clock.extend": {"until": _time},
    "clock.waive": {},
    "task.offer": {
        "to": _text,
        "title": _text,
        "text": _text,
        "due": _time,
        "accept_by": _time,
        "criteria": _given,
        "assist?": _map,
    },
    "task.accept": {"re": is_digest, "reason?": _text},
    "task.refuse": {"re": is_digest, "reason?": _text},
    "task.block": {"reason": _text},
    "task.done": {"evidence": _given},
    "task.verify": _OPTIONAL_REASON,
    "task.return": _OPTIONAL_REASON,
    "task.cancel": _OPTIONAL_REASON,
    "task.bid": {"re": is_digest, "terms": _given},
    "task.agree": {"re": is_digest},
    "play.prepare": {
        "playbook": _object,
        "owners": _map,
        "inputs": _map,
        "ceilings": _map,
        "limits": _map,
    },
    "play.approve": {
        "re": is_digest,
        "playbook_sha256": is_digest,
        "steps": _list,
        "targets_sha256": is_digest,
    },
    "play.decline": {"re": is_digest, "reason": _text},
    "play.start": {},
    "play.resume": {},
    "play.pause": {},
    "play.abort": {"reason": _text},
    "play.offer": {
        "inv": _text,
        "step": _text,
        "path": _text,
        "to": _text,
        "in_args": _map,
        "due": _time,
    },
    "play.timeout": {"inv": _text, "due": _time},
    "play.accept": {"re": is_digest, "reason?": _text},
    "play.refuse": {"re": is_digest, "reason?": _text},
    "play.begin": {"inv": _text, "idempotent": _flag, "key": _text},
    "play.end": {
        "inv": _text,
        "outcome": _OUTCOME,
        "out_args": _map,
        "evidence?": _given,
        "error?": _given,
    },
    "play.doubt": {"inv": _text},
    "play.resolve": {"inv": _text, "outcome": _text, "how": _text},
    "advise.freeze": {"rev": _rev, "manifest": _object, "policy": _k_of, "sign_by?": _time},
    "advise.publish": {"re": is_digest, "reason?": _text},
    "advise.withdraw": {"re": is_digest, "reason?": _text},
    "report.agree": {"report": _object, "note?": _text},
    "report.dissent": {"report": _object, "note?": _text},
}
"""Event → field → check. A name with "?" is optional."""

LATER = frozenset(name for name in EVENTS if name.startswith(("clock.", "play.", "report.")))
"""Known, checked, listed, and without state until their rooms are built."""

_FAMILIES = {
    "hold.sign": "hold.answer",
    "hold.refuse": "hold.answer",
    "hold.free": "hold.answer",
    "notice.ack": "notice.answer",
    "notice.assess": "notice.answer",
    "notice.done": "notice.answer",
}


def family(event: str) -> str:
    """Events by which one author answers one thing: only its last word can be said twice."""
    return "task" if event.startswith("task.") else _FAMILIES.get(event, event)


def fits(event: str, body: Mapping[str, Any]) -> bool:
    """Whether `body` has every field of `event`, each of its kind, and an item."""
    if not _text(body.get("item")):
        return False
    for field, check in EVENTS[event].items():
        name = field.removesuffix("?")
        if name not in body:
            if name == field:
                return False
        elif not check(body[name]):
            return False
    return True
