"""The exercise: invented states, said statement by statement with the parties' own keys.

What happens is data (`samples/exercise.toml`); this file only says it, through the same flows that
a real party uses. Nothing here is computed for show: every number a page prints is folded from
these statements. The two sides can be exchanged; then nothing but names changes.
"""

from __future__ import annotations

import base64
import hashlib
import random
import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from tocsin.canonical import encode
from tocsin.claims import write
from tocsin.flows import advise, respond
from tocsin.flows.intake import Act, Item, record, stamp, stix_time, withdraw
from tocsin.flows.node import Node
from tocsin.stix import ids
from tocsin.stix.bundle import open_object
from tocsin.stix.model import make
from tocsin.stix.needles import pattern_for
from tocsin.stix.values import normalise

LOADED_AFTER = timedelta(hours=62)
"""Loading happens this long after T0, when the first operator became aware."""
_NAMESPACE = UUID("2b1f6f1a-6e0c-5d0e-9f39-6c0f2d1f7a11")


class Script:
    """The exercise's data, with the two sides as they are or exchanged."""

    def __init__(self, text: str, *, swap: bool = False) -> None:
        data = tomllib.loads(text)
        self.title: str = data["title"]
        self.tlp: Any = data["tlp"]
        self.steps: list[dict[str, Any]] = sorted(data["step"], key=lambda s: float(s["at"]))
        self.files: dict[str, str] = data["files"]
        self.logs: dict[str, Any] = data["logs"]
        by_key = {p["key"]: p for p in data["party"]}
        other = {"A": "B", "B": "A"} if swap else {}

        def seen_as(key: str) -> str:
            side, _, organ = key.partition(".")
            return f"{other.get(side, side)}.{organ}"

        self.ids: dict[str, str] = {k: by_key[seen_as(k)]["id"] for k in by_key}
        self.names: dict[str, str] = {k: by_key[seen_as(k)]["name"] for k in by_key}
        self.states: dict[str, str] = {
            side: data["states"][other.get(side, side)] for side in data["states"]
        }

    def say(self, text: str) -> str:
        """A text of the script with the names of this run in it."""
        for key, name in self.names.items():
            text = text.replace("{" + key + "}", name).replace("{" + key + ".id}", self.ids[key])
        for side, state in self.states.items():
            text = text.replace("{" + side + ".state}", state)
        return text


def new_id(kind: str, counter: list[int]) -> str:
    """Ids of cases, holds and advisories: the same in every run, so that order never depends on
    who is who."""
    counter[0] += 1
    return f"{kind}--{uuid5(_NAMESPACE, f'{kind} {counter[0]}')}"


def play(node: Node, script: Script, t0: datetime, at: Callable[[datetime], None]) -> int:
    """Say everything the script holds; the number of statements in the log afterwards.

    Args:
        t0: when the first operator became aware.
        at: sets the node's clock.
    """
    _Play(node, script, t0, at).run()
    head = node.store.head()
    return head.size if head else 0


class _Play:
    def __init__(
        self, node: Node, script: Script, t0: datetime, at: Callable[[datetime], None]
    ) -> None:
        self.node, self.script, self.t0, self.at = node, script, t0, at
        self.case = ""
        self.ids: dict[str, str] = {}
        self.said: dict[str, str] = {}
        self.holds: dict[str, tuple[str, str, str]] = {}
        self.advisories: dict[str, str] = {}

    def run(self) -> None:
        for step in self.script.steps:
            self.now = self.t0 + timedelta(hours=float(step["at"]))
            self.at(self.now)
            self.by = self.script.ids[step["by"]]
            self.step(step)

    def hours(self, offset: float) -> str:
        return stamp(self.t0 + timedelta(hours=offset))

    def step(self, step: Mapping[str, Any]) -> None:
        say = self.script.say
        if step.get("open"):
            self.case, _ = respond.open_case(
                self.node,
                self.by,
                say(self.script.title),
                tlp=self.script.tlp,
                quorum=(2, 3),
                to=[p for p in self.script.ids.values() if p != self.by],
            )
            self.introduce()
        elif "invite" in step:
            respond.invite(
                self.node,
                self.by,
                self.case,
                self.script.ids[step["invite"]],
                step["role"],
                self.hours(step["rsvp_by"]),
                say(step["note"]) if "note" in step else None,
            )
        elif "join" in step:
            respond.answer_invitation(self.node, self.by, self.case, accept=True)
            self.introduce()
        elif "stage" in step:
            body = {"event": "case.stage", "item": self.case, "stage": step["stage"]}
            respond.act(self.node, self.by, self.case, {**body, "note": say(step["note"])})
        elif "withdraw" in step:
            for ref in step["withdraw"]:
                withdraw(
                    self.node,
                    self.by,
                    self.said[ref],
                    objects=[self.ids[ref]],
                    reason=say(step["reason"]),
                )
        elif "hold" in step:
            self.propose_hold(step)
        elif "sign_hold" in step:
            item, statement, terms = self.holds[step["sign_hold"]]
            body = {"event": "hold.sign", "item": item, "re": statement, "terms": terms}
            respond.act(self.node, self.by, self.case, body)
        elif "advisory" in step or "revise" in step:
            self.freeze(step)
        elif "cosign" in step:
            advise.cosign(
                self.node,
                self.by,
                self.advisories[step["cosign"]],
                capacity=step.get("capacity"),
                refuse="refuse" in step,
                dissent=say(step["refuse"]) if "refuse" in step else None,
            )
        else:
            self.objects(step)

    def propose_hold(self, step: Mapping[str, Any]) -> None:
        text = self.script.say(step["text"])
        ends, latest = self.hours(step["ends_at"]), self.hours(step["max_at"])
        terms = hashlib.sha256(
            encode({"ends_at": ends, "kind": step["hold"], "max_at": latest, "text": text})
        ).hexdigest()
        item = self.node.new_id("hold")
        done = respond.act(
            self.node,
            self.by,
            self.case,
            {
                "event": "hold.propose",
                "item": item,
                "hold_kind": step["hold"],
                "rev": 1,
                "terms": terms,
                "ends_at": ends,
                "max_at": latest,
                "text": text,
            },
        )
        self.holds[step["ref"]] = (item, getattr(done, "id", ""), terms)

    def freeze(self, step: Mapping[str, Any]) -> None:
        say = self.script.say
        if "revise" in step:
            item = self.advisories[step["revise"]]
            advise.revise(self.node, self.by, item, summary=say(step["summary"]))
        else:
            item = advise.draft(
                self.node,
                self.by,
                case=self.case,
                title=say(step["advisory"]),
                summary=say(step["summary"]),
                tlp=self.script.tlp,
                k=step["k"],
                of=len(step["of"]),
                claims=[self.ids[c] for c in step["claims"]],
            ).id
            self.advisories[step["ref"]] = item
        advise.freeze(self.node, self.by, item, sign_by=self.hours(step["sign_by"]))

    # --- objects ----------------------------------------------------------------------------

    def objects(self, step: Mapping[str, Any]) -> None:
        """Say the objects of a step in one statement."""
        self.items: dict[str, Item] = {}
        for spec in step.get("evidence", ()):
            self.evidence(spec)
        for spec in step.get("claim", ()):
            self.claim(spec)
        for spec in step.get("challenge", ()):
            self.challenge(spec)
        for kind in ("supports", "answers"):
            for spec in step.get(kind, ()):
                self.link(kind, spec)
        for spec in step.get("indicator", ()):
            self.indicator(spec)
        said = self.say_items()
        for ref, object_id in self.ids.items():
            if object_id in self.items:
                self.said[ref] = said

    def say_items(self) -> str:
        act = Act(
            author=self.by,
            kind="say",
            tlp=self.script.tlp,
            case=self.case,
            objects=tuple(self.items.values()),
            to=tuple(p for p in self.script.ids.values() if p != self.by),
        )
        return record(self.node, act).id

    def introduce(self) -> None:
        """Say one's own identity: the name by which claims and answers refer to one."""
        self.items = {}
        self.put(
            write.identity_object(
                id=self.node.identity(self.by),
                name=self.node.party_entry(self.by).name,
                created=stix_time(self.t0),
            )
        )
        self.say_items()

    def put(self, raw: bytes) -> str:
        received = open_object(raw)
        self.items[received.id] = received
        return received.id

    def new(self, kind: str, ref: str) -> str:
        self.ids[ref] = ids.deterministic(kind, "exercise", ref)
        return self.ids[ref]

    @property
    def common(self) -> dict[str, Any]:
        return {
            "created": stix_time(self.now),
            "created_by_ref": self.node.identity(self.by),
        }

    def identity(self, key_or_name: str) -> str:
        """A party by its key in the script, or somebody who is no party, by name."""
        if key_or_name in self.script.ids:
            # Each party says its own identity, when it comes to the case.
            return self.node.identity(self.script.ids[key_or_name])
        name = self.script.say(key_or_name)
        return self.put(
            write.identity_object(
                id=ids.deterministic("identity", "exercise", key_or_name),
                name=name,
                created=stix_time(self.t0),
                created_by_ref=self.node.identity(self.by),
            )
        )

    def words(self, text: str) -> dict[str, Any]:
        said = self.script.say(text)
        return {"text": said, "lang": "en", "source_url": "https://" + self.by + "/statements"}

    def asserted(self) -> dict[str, Any]:
        return {"value": stamp(self.now), "precision": "instant"}

    def evidence(self, spec: Mapping[str, Any]) -> None:
        refs: list[str] = []
        if "file" in spec:
            body = self.script.say(self.script.files[spec["file"]]).encode()
            artifact: dict[str, Any] = {
                "payload_bin": base64.b64encode(body).decode(),
                "hashes": {"SHA-256": hashlib.sha256(body).hexdigest()},
                "mime_type": "text/plain",
            }
            refs.append(self.put(make("artifact", id=ids.sco_id("artifact", artifact), **artifact)))
        self.put(
            write.evidence_object(
                id=self.new("grouping", spec["ref"]),
                name=self.script.say(spec["name"]),
                kind=spec["kind"],
                access=spec["access"],
                producer_refs=[self.node.identity(self.by)],
                object_refs=refs,
                published=self.asserted(),
                **self.common,
            )
        )

    def claim(self, spec: Mapping[str, Any]) -> None:
        own = "speaker" not in spec
        names: dict[str, str] = {}
        if "group" in spec:
            names["actor_ref"] = self.put(
                make(
                    "intrusion-set",
                    id=ids.deterministic("intrusion-set", "exercise", spec["group"]),
                    name=self.script.say(spec["group"]),
                    **self.common,
                )
            )
        if "sponsor" in spec:
            names["sponsor_ref"] = self.identity(spec["sponsor"])
        self.put(
            write.claim_object(
                id=self.new("note", spec["ref"]),
                claim_type=spec["type"],
                asserted_at=self.asserted(),
                speaker_ref=self.node.identity(self.by) if own else self.identity(spec["speaker"]),
                capacity="agency" if own else "unknown",
                addressee_refs=[self.identity(t) for t in spec.get("to", ())],
                about_refs=[self.identity(t) for t in spec.get("about", ())],
                names=names,
                words=self.words(spec["words"]),
                reported_by_ref=self.identity(spec["reported_by"])
                if "reported_by" in spec
                else None,
                speaker_confidence=spec.get("confidence"),
                flags=[{"name": f, "of": "outlet"} for f in spec.get("flags", ())],
                **self.common,
            )
        )

    def challenge(self, spec: Mapping[str, Any]) -> None:
        self.put(
            write.challenge_object(
                id=self.new("opinion", spec["ref"]),
                target=self.ids[spec["on"]],
                form=spec["form"],
                speaker_ref=self.node.identity(self.by),
                capacity="agency",
                asserted_at=self.asserted(),
                target_link=spec.get("link"),
                words=self.words(spec["words"]),
                **self.common,
            )
        )

    def link(self, kind: str, spec: Mapping[str, Any]) -> None:
        source, target = self.ids[spec["from"]], self.ids[spec["to"]]
        self.put(
            write.link_object(
                id=ids.deterministic("relationship", "exercise", kind, spec["from"], spec["to"]),
                kind=kind,
                source_ref=source,
                target_ref=target,
                links=spec.get("links", ()),
                answer=spec.get("answer"),
                **self.common,
            )
        )

    def indicator(self, spec: Mapping[str, Any]) -> None:
        if "pattern" in spec:
            name, pattern = self.script.say(spec["name"]), spec["pattern"]
        else:
            value = spec.get("value")
            if value is None:
                value = hashlib.sha256(self.script.files[spec["file"]].encode()).hexdigest()
            name = normalise(spec["kind"], self.script.say(value))
            pattern = pattern_for(spec["kind"], name)
        self.put(
            make(
                "indicator",
                id=self.new("indicator", spec["ref"]),
                name=name,
                pattern=pattern,
                pattern_type="stix",
                valid_from=stix_time(self.now),
                **self.common,
            )
        )


# --- logs to sweep ------------------------------------------------------------------------------


def log_lines(script: Script, t0: datetime) -> str:
    """5,000 lines of a gateway's log, 7 of them planted, 2 on the withdrawn indicator."""
    rng = random.Random(62)  # noqa: S311 - a made-up log, the same every time
    planted: dict[int, str] = {
        int(n): line for n, line in ((h["line"], h["text"]) for h in script.logs["hit"])
    }
    lines = []
    for n in range(1, script.logs["lines"] + 1):
        at = t0 - timedelta(hours=44) + timedelta(seconds=n * 30)
        host = f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
        what = rng.choice(script.logs["usual"])
        text = planted.get(n, f"gw2 session user=u{rng.randrange(900):03d} from={host} {what}")
        lines.append(f"{stamp(at)} {script.say(text)}")
    return "\n".join(lines) + "\n"
