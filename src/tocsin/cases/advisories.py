"""Advisories: what is frozen, who has co-signed which revision, what is published.

Spec: respond.md §1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from msgspec import structs

from tocsin.cases.happening import Handler, Happening, NoEffect, utc_text
from tocsin.cases.members import Members
from tocsin.cases.model import (
    CAPACITIES,
    COUNTED_CAPACITIES,
    AdvisoryState,
    AdvisoryWord,
    Cosign,
)
from tocsin.claims.times import instant


class Advisories:
    """Every advisory of a case, by item."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._advisories: dict[str, AdvisoryState] = {}
        self._freezes: dict[str, tuple[str, int]] = {}
        """Freezing statement -> item and revision."""
        self._cosigns: dict[str, dict[str, Cosign]] = {}
        """Item -> party -> its latest answer, of whatever revision."""
        self._asked: dict[str, frozenset[str]] = {}
        """Item -> the parties whose signatures count; empty: anybody's."""
        self.handlers: Mapping[str, Handler] = {
            "advise.freeze": self._freeze,
            "advise.publish": self._publish,
            "advise.withdraw": self._withdraw,
        }

    def _freeze(self, event: Happening) -> None:
        self._members.must_be_member(event)
        body = event.body
        old = self._advisories.get(event.item)
        if old is not None:
            event.must_be_by(old.proposer)
            if old.state == "WITHDRAWN" or body["rev"] <= old.rev:
                raise NoEffect("stale")
        of = body["policy"]["of"]
        self._asked[event.item] = frozenset() if isinstance(of, int) else frozenset(of)
        self._freezes[event.id] = (event.item, body["rev"])
        self._cosigns.setdefault(event.item, {})
        self._advisories[event.item] = AdvisoryState(
            item=event.item,
            proposer=event.author,
            rev=body["rev"],
            freeze=event.id,
            manifest_id=body["manifest"]["id"],
            manifest_sha256=body["manifest"]["sha256"],
            k=body["policy"]["k"],
            of=of if isinstance(of, int) else len(of),
            sign_by=utc_text(instant(body["sign_by"])) if body.get("sign_by") else None,
            state="FROZEN",
            since=event.time,
            published_rev=old.published_rev if old else None,
            published_at=old.published_at if old else None,
        )

    def _advised(self, event: Happening) -> AdvisoryState:
        """The advisory, if its proposer speaks of the revision that stands."""
        one = self._advisories.get(event.item)
        if one is None or self._freezes.get(event.re, ("", 0))[0] != event.item:
            raise NoEffect("bad-order")
        event.must_be_by(one.proposer)
        if event.re != one.freeze or one.state == "WITHDRAWN":
            raise NoEffect("stale")
        return one

    def _publish(self, event: Happening) -> None:
        one = self._advised(event)
        if self._signed(one) < one.k:
            raise NoEffect("bad-order")
        self._advisories[event.item] = structs.replace(
            one,
            state="PUBLISHED",
            since=event.time,
            published_rev=one.rev,
            published_at=event.time,
        )

    def _withdraw(self, event: Happening) -> None:
        one = self._advised(event)
        self._advisories[event.item] = structs.replace(
            one, state="WITHDRAWN", since=event.time, reason=event.reason
        )

    def cosign(self, event: Happening, refs: Collection[str]) -> None:
        """A party's answer to the one freeze that it names in `refs`.

        Raises:
            NoEffect: it names none, or one that no longer stands, or is no whole answer.
        """
        frozen = [self._freezes[ref] for ref in refs if ref in self._freezes]
        if len(frozen) != 1:
            raise NoEffect("bad-order")
        [(item, rev)] = frozen
        event.item = item
        one = self._advisories[item]
        body = event.body
        refuse, capacity, dissent = body.get("refuse"), body.get("capacity"), body.get("dissent")
        if (
            (refuse is not True and refuse is not None)
            or bool(refuse) == (capacity is not None)
            or (capacity is not None and capacity not in CAPACITIES)
            or not (dissent is None or isinstance(dissent, str))
        ):
            raise NoEffect("void-field")
        self._members.must_be_member(event)
        if rev != one.rev or one.state == "WITHDRAWN":
            raise NoEffect("stale")
        if body.get("manifest_sha256") != one.manifest_sha256:
            raise NoEffect("void-field")
        before = self._cosigns[item].get(event.author)
        answer = (capacity, bool(refuse), dissent)
        if before is not None and before.rev == rev:
            if (before.capacity, before.refuse, before.dissent) == answer:
                raise NoEffect("duplicate")
            event.changed = True
        event.late = one.sign_by is not None and event.at > instant(one.sign_by)
        self._cosigns[item][event.author] = Cosign(
            party=event.author,
            capacity=capacity,
            refuse=bool(refuse),
            dissent=dissent,
            at=event.time,
            rev=rev,
            id=event.id,
            late=event.late,
            changed=event.changed,
        )

    def take_back(self, author: str, refs: Collection[str]) -> None:
        """Take back the author's co-signatures among the withdrawn statements."""
        for answers in self._cosigns.values():
            mine = answers.get(author)
            if mine is not None and mine.id in refs:
                del answers[author]

    def _signed(self, one: AdvisoryState) -> int:
        asked = self._asked[one.item]
        return sum(
            answer.rev == one.rev
            and answer.capacity in COUNTED_CAPACITIES
            and (not asked or answer.party in asked)
            for answer in self._cosigns[one.item].values()
        )

    def at(self, now: datetime) -> tuple[AdvisoryState, ...]:
        """Every advisory, in the order in which they were first frozen."""
        return tuple(self._advisory_at(one, now) for one in self._advisories.values())

    def _advisory_at(self, one: AdvisoryState, now: datetime) -> AdvisoryState:
        signed = self._signed(one)
        state: AdvisoryWord = one.state
        since = one.since
        if state == "FROZEN":
            if signed >= one.k:
                state = "SIGNED"
            elif one.sign_by is not None and now > instant(one.sign_by):
                state, since = "LAPSED", one.sign_by
        answers = tuple(self._cosigns[one.item].values())
        return structs.replace(one, state=state, since=since, signed=signed, cosigns=answers)
