"""Which pieces, supports and challenges stand and which have fallen, once every undercut is heard.

Spec: claims.md §2.2.8, 2.3.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tocsin.claims.derivation import Derivation
from tocsin.claims.kept import Kept
from tocsin.claims.model import Challenge

Label = Literal["IN", "OUT"]


class Labels:
    """Labels by id. `of` holds those that are decided; what is missing there is undecided."""

    def __init__(self, kept: Kept, derivation: Derivation) -> None:
        self._kept = kept
        self._derivation = derivation
        self.of: dict[str, Label] = {}
        self._grounds: dict[str, tuple[tuple[str, str], ...]] = {}

    def owner(self, challenge: Challenge) -> bool:
        """Whether a challenge is by whoever made, published or spoke what it is on."""
        speaker = challenge.x.speaker_ref
        if speaker != challenge.publisher and not challenge.urls:
            return False
        target = challenge.target
        evidence = self._kept.evidence(target)
        if evidence is not None:
            return speaker in evidence.x.producer_refs
        link = self._kept.link(target)
        if link is not None and link.kind != "supports":
            # Whom a tie is about may not shake it off by a bare word: only who said it takes it
            # back, and everybody else shows grounds.
            return speaker == link.publisher
        if link is not None:
            source = self._kept.evidence(link.source)
            made = source.x.producer_refs if source is not None else ()
            return speaker == link.publisher or speaker in made
        other = self._kept.challenge(target)
        return other is not None and speaker == other.x.speaker_ref

    def says_something(self, undercut: Challenge) -> bool:
        """Whether more than a bare word: its owner's, or with an open piece of a kind that weighs,
        whatever that piece is said to derive from.
        """
        if not self._kept.in_force(undercut):
            return False
        pieces = (
            self._kept.evidence(link.source) for link in self._kept.supports_into(undercut.id)
        )
        return self.owner(undercut) or any(
            self._kept.is_open(one) and self._derivation.own_class(one) > 0
            for one in pieces
            if one is not None
        )

    def _grounds_of(self, challenge: str) -> tuple[tuple[str, str], ...]:
        """(support, evidence) that could carry a non-owner's undercut: open, strength > 0."""
        if challenge not in self._grounds:
            found = []
            for link in self._kept.supports_into(challenge):
                one = self._kept.evidence(link.source)
                if (
                    one is not None
                    and self._kept.is_open(one)
                    and self._derivation.strength(one) > 0
                ):
                    found.append((link.id, one.id))
            self._grounds[challenge] = tuple(found)
        return self._grounds[challenge]

    def label(self, scope: Iterable[str]) -> None:
        """Label everything in `scope`: the least fixpoint from "undecided", in rounds."""
        nodes = [ref for ref in scope if not ref.startswith(("note--", "identity--"))]
        touched = self._dependents(nodes)
        turn: Iterable[str] = nodes
        while turn:
            new = {ref: label for ref in turn if (label := self._label_of(ref)) is not None}
            self.of.update(new)
            turn = {after for ref in new for after in touched.get(ref, ()) if after not in self.of}

    def _dependents(self, nodes: Iterable[str]) -> dict[str, set[str]]:
        """What has to be looked at again once a node has a label."""
        touched: dict[str, set[str]] = {}
        for ref in nodes:
            challenge = self._kept.challenge(ref)
            link = self._kept.link(ref)
            if challenge is not None:
                if challenge.x.form == "undercut":
                    touched.setdefault(challenge.target, set())
                    touched.setdefault(ref, set()).add(challenge.target)
                for support, piece in self._grounds_of(ref):
                    touched.setdefault(support, set()).add(ref)
                    touched.setdefault(piece, set()).add(ref)
            elif link is not None and link.kind == "supports":
                for tip in self._derivation.tips(link.source):
                    touched.setdefault(tip, set()).add(ref)
                    for same in self._kept.supports(tip, link.target):
                        touched.setdefault(same, set()).add(ref)
            elif self._kept.evidence(ref) is not None:
                for tip in self._derivation.tips(ref):
                    touched.setdefault(tip, set()).add(ref)
        return touched

    def _label_of(self, ref: str) -> Label | None:
        undercuts = [self.of.get(one.id) for one in self._kept.undercuts(ref)]
        if "IN" in undercuts:
            return "OUT"
        standing_up = all(label == "OUT" for label in undercuts)
        challenge = self._kept.challenge(ref)
        if challenge is not None:
            if not self._kept.in_force(challenge):
                return "OUT"
            if challenge.x.form == "undercut" and not self.owner(challenge):
                grounds = [self._both(pair) for pair in self._grounds_of(ref)]
                if all(label == "OUT" for label in grounds):
                    return "OUT"
                standing_up = standing_up and "IN" in grounds
            return "IN" if standing_up else None
        link = self._kept.link(ref)
        if link is None:
            tips = [self.of.get(tip) for tip in self._derivation.tips(ref)]
        else:
            tips = [
                self._tip_of_support(tip, link.target) for tip in self._derivation.tips(link.source)
            ]
        if tips:
            if all(label == "OUT" for label in tips):
                return "OUT"
            standing_up = standing_up and "IN" in tips
        return "IN" if standing_up else None

    def _both(self, pair: tuple[str, str]) -> Label | None:
        labels = {self.of.get(ref) for ref in pair}
        return "OUT" if "OUT" in labels else "IN" if labels == {"IN"} else None

    def _tip_of_support(self, tip: str, target: str) -> Label | None:
        """A tip as a copy's support sees it: down if it, or all its own support here, is down."""
        itself = self.of.get(tip)
        same = [self.of.get(one) for one in self._kept.supports(tip, target)]
        if itself == "OUT" or (same and all(label == "OUT" for label in same)):
            return "OUT"
        return "IN" if itself == "IN" and (not same or "IN" in same) else None

    def out(self, ref: str) -> bool:
        """Whether it has fallen; what is undecided has not."""
        return self.of.get(ref) == "OUT"
