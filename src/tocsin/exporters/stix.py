"""STIX out: the objects as the bytes they came in, and the definition of every TLP level on them.

Asked for, the observables that the patterns of indicators name are written beside them.

Spec: STIX 2.1 §6, §7.2, §8; decisions/0068.
"""

from __future__ import annotations

from tocsin.errors import BundleError, IndicatorError
from tocsin.exporters.interface import Loss, Selection, Thing, Written
from tocsin.policy import TLP_ORDER, TLP_RANK
from tocsin.stix.bundle import write_bundle
from tocsin.stix.ids import deterministic
from tocsin.stix.markings import MARKING_ID, TLP_OF_ID, marking_definition
from tocsin.stix.model import make
from tocsin.stix.named import Observable, observables


def write(selection: Selection) -> Written:
    """One bundle."""
    held = {thing.data["id"] for thing in selection.things}
    named = {
        ref for thing in selection.things for ref in thing.data.get("object_marking_refs") or ()
    }
    beside = _Beside(selection)
    if selection.observables:
        beside.write()
        named |= beside.marked
    raws = [
        marking_definition(level)
        for level in TLP_ORDER
        if MARKING_ID[level] in named and MARKING_ID[level] not in held
    ]
    raws += [thing.raw for thing in selection.things]
    raws += beside.raws
    return Written(
        raw=write_bundle(raws, deterministic("bundle", selection.key)),
        media_type="application/stix+json;version=2.1",
        suffix=".json",
        count=len(raws),
        losses=tuple(beside.losses),
    )


class _Beside:
    """The observables of a selection's indicators, and what ties each to them.

    The same selection gives the same bytes, whenever it is made: an import of two exports holds
    each once. Ids of observables are STIX's own, so that what two parties name is one object.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._held = {str(thing.data["id"]) for thing in selection.things}
        self._tied = {
            (str(thing.data.get("source_ref")), str(thing.data.get("target_ref")))
            for thing in selection.things
            if thing.data.get("relationship_type") == "based-on"
        }
        self._made: dict[str, tuple[Observable, list[str]]] = {}
        self.raws: list[bytes] = []
        self.losses: list[Loss] = []
        self.marked: set[str] = set()

    def write(self) -> None:
        """Make all of it."""
        # The most open first: a value that leaves under several markings bears the widest.
        ties: list[bytes] = []
        indicators = [t for t in self._selection.things if t.data["type"] == "indicator"]
        for thing in sorted(indicators, key=lambda t: (TLP_RANK[t.tlp], str(t.data["id"]))):
            try:
                ties += self._one(thing)
            except (IndicatorError, BundleError) as wrong:
                self.losses.append(Loss(id=str(thing.data["id"]), why=wrong.message))
        for one, marks in self._made.values():
            self.raws.append(make(one.type, id=one.id, object_marking_refs=marks, **one.props))
        self.raws += ties

    def _one(self, thing: Thing) -> list[bytes]:
        data = thing.data
        id = str(data["id"])
        if data.get("pattern_type", "stix") != "stix":
            raise IndicatorError("its pattern is not written in STIX", remedy="read its pattern")
        groups = observables(str(data.get("pattern") or ""))
        marks = _marks(thing)
        self.marked.update(marks)
        ties = [
            make(
                "relationship",
                id=deterministic(
                    "relationship", self._selection.identity, id, "based-on", group[0].id
                ),
                # The indicator's own: a time of ours would make another version of it each day.
                created=str(data.get("created")),
                created_by_ref=self._selection.identity,
                relationship_type="based-on",
                source_ref=id,
                target_ref=group[0].id,
                object_marking_refs=marks,
            )
            for group in groups
            if (id, group[0].id) not in self._tied
        ]
        for group in groups:
            for one in group:
                if one.id not in self._held:
                    self._made.setdefault(one.id, (one, marks))
        return ties


def _marks(thing: Thing) -> list[str]:
    """What the indicator leaves under, with whatever else is marked on it."""
    refs = thing.data.get("object_marking_refs")
    others = [r for r in refs if isinstance(r, str)] if isinstance(refs, list) else []
    return [MARKING_ID[thing.tlp], *(r for r in others if r not in TLP_OF_ID)]
