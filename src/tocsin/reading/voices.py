"""Who speaks in an English text: names learned as it is read, and whom a later word means.

A surname is the last full name with it, "the minister" the last one with that office, "she" the
last fitting one who spoke; none of them is guessed where several may be meant. Spec: claims.md
§3.4.
"""

from __future__ import annotations

from msgspec import Struct

from tocsin.reading import cues
from tocsin.reading.brings import Event
from tocsin.reading.layout import WORD, Token, reworded
from tocsin.reading.mentions import Mention, apposition, base, mention, named


class Speaker(Struct):
    """Somebody who speaks, as printed. gender: "f", "m" or None, where the text does not say."""

    name: str
    role: str | None
    gender: str | None
    person: bool
    human: bool = True  # may a "he" or "she" mean this one?


class Voices:
    """Whom one text has named and heard so far."""

    def __init__(self) -> None:
        self.names: set[str] = set()  # printed with a capital where no sentence begins
        self.people: dict[str, Speaker] = {}  # by surname or first name, newest wins
        self.full: dict[str, Speaker] = {}  # the same by full name
        self.bare: set[str] = set()  # single names printed before any longer name with them
        self.recent: list[Speaker] = []  # speakers since the last heading, newest last
        self.here: dict[str, int] = {}  # persons named in this paragraph, and where first
        self.spoke_here = False
        self.topic: Speaker | None = None  # the known person whom the sentence opens with

    def heading(self) -> None:
        """A heading ends whom a pronoun may mean."""
        self.recent.clear()

    def paragraph(self) -> None:
        """A new paragraph: nobody is named in it yet."""
        self.here.clear()
        self.spoke_here = False

    def learn(self, sentence: list[Token]) -> None:
        """Remember full names, so that a later surname is that person."""
        at = 0
        while at < len(sentence):
            if not named(sentence[at], at):
                at += 1
                continue
            end = at
            while end < len(sentence) and named(sentence[end], end) and end - at < 8:
                end += 1
            first = at
            while first > 0 and sentence[first - 1].low in cues.ROLES and at - first < 4:
                first -= 1
            one = mention(sentence, first, end)
            if one is not None and one.kind == "name":
                if at:
                    self.names.add(one.name)
                role: str | None = None
                if end < len(sentence) and sentence[end].text == ",":
                    role, _ = apposition(sentence, end)
                if role is None and first > 1 and sentence[first - 1].text == ",":
                    office = sentence[first - 2].low  # "NAME's deputy, NAME"
                    role = office if office in cues.ROLES else None
                self.remember(one, role)
                if one.name in self.people or one.person or role is not None:
                    known = self.people.get(one.name)
                    self.here.setdefault(one.name if known is None else known.name, one.start)
            at = end + 1 if end == at else end

    def turn_to(self, sentence: list[Token]) -> None:
        """ "NAME disagreed." and "NAME's office": whom a sentence opens with is its topic.

        A later "she" of the paragraph means that person, unless others are named there too.
        """
        self.topic = None
        the = int(bool(sentence) and sentence[0].low in cues.DETERMINERS)
        end = the
        if len(sentence) > 2 and sentence[0].low == "for" and sentence[2].text == ",":
            self._turn_for(sentence[1])
            return
        while end < len(sentence) and end < 8:
            if not named(sentence[end], end) and sentence[end].low not in cues.ROLES:
                break
            end += 1
            if sentence[end - 1].text.endswith(("'s", "’s")):
                break
        if end == the:
            self.turn_to_aside(sentence)
            return
        last = sentence[end - 1]
        plain = reworded(last, base(last.text))
        one = mention([*sentence[: end - 1], plain], 0, end)
        if one is None or one.kind != "name":
            return
        if (the and sentence[0].low == "the") or {
            part.lower() for part in one.name.split()
        } & cues.ORGANS:
            if not one.person and one.name not in self.people:
                self.heard(Speaker(one.name, None, None, False, human=False))
            return
        known = self.people.get(one.name) or self.people.get(one.name.rsplit(" ", 1)[-1])
        if known is not None and (known.name == one.name or " " not in one.name):
            spoke = self.spoke_here
            speaker = Speaker(known.name, None, known.gender, True)
            self.topic = None if base(last.text) != last.text else speaker
            self.heard(speaker)
            self.spoke_here = spoke

    def _turn_for(self, token: Token) -> None:
        """ "For NAME, it is simple.": a person known by that name."""
        known = self.people.get(token.text)
        if known is not None:
            spoke = self.spoke_here
            self.heard(Speaker(known.name, None, known.gender, True))
            self.spoke_here = spoke

    def turn_to_aside(self, sentence: list[Token]) -> None:
        """ "The operator's chief engineer, NAME, disagreed.": the one named in the aside."""
        comma = next((k for k in range(1, min(9, len(sentence))) if sentence[k].text == ","), 0)
        if not comma or sentence[comma - 1].low not in cues.ROLES:
            return
        end = comma + 1
        while end < len(sentence) and end - comma < 6 and named(sentence[end], end):
            end += 1
        if end == comma + 1 or end >= len(sentence) or sentence[end].text != ",":
            return
        one = mention(sentence, comma + 1, end)
        known = None if one is None else self.full.get(one.name)
        if one is not None:
            spoke = self.spoke_here
            gender = None if known is None else known.gender
            self.topic = Speaker(one.name, None, gender, True)
            self.heard(Speaker(one.name, None, gender, True))
            self.spoke_here = spoke

    def before_colon(self, sentence: list[Token], at: int) -> Speaker | None:
        """ "NAME's deputy, NAME, was more careful: Q": the person that the sentence is about."""
        if any(
            token.kind != WORD and token.text not in (",", "-", "—") for token in sentence[: at - 1]
        ):
            return None
        owner = self.topic.name if self.topic is not None else None
        first = sentence[0].start
        stop = sentence[at].start
        inside = [n for n, place in self.here.items() if first <= place < stop and n in self.full]
        others = [name for name in inside if name != owner]
        if len(others) > 1 or (owner is None and not others):
            return None
        name = others[0] if others else owner
        known = self.full.get(name or "")
        return None if known is None else Speaker(known.name, None, known.gender, True)

    def remember(self, one: Mention, role: str | None) -> None:
        parts = one.name.split()
        organ = any(part.lower() in cues.ORGANS for part in parts)
        if len(parts) == 1:
            if one.name not in self.people:
                self.bare.add(one.name)
            return
        if len(parts) > 4 or organ or any(part[0].isdigit() for part in parts):
            return
        if any(not part[0].isupper() for part in parts):
            return
        if not one.person and role is None:
            return
        gender = one.gender or _gender_of(role)
        speaker = self.full.setdefault(one.name, Speaker(one.name, one.role or role, gender, True))
        for part in (parts[0], parts[-1]):
            if part not in self.bare:
                self.people.setdefault(part, speaker)

    def resolve(self, event: Event) -> tuple[Speaker | None, list[str]]:
        one = event.subject
        if one is None:
            return None, []
        if one.kind == "pronoun":
            return self.pronoun(one)
        if one.kind == "author":
            return None, [f"{one.name!r} is whoever wrote this text"]
        if one.kind == "role":
            for speaker in reversed(self.recent):
                known = self.full.get(speaker.name)
                office = speaker.role or (known.role if known is not None else None)
                if office is None and speaker.name.split()[0].lower() in cues.ROLES:
                    office = speaker.name  # "a spokesman for the department"
                same = _same_office(one.name, office)
                if speaker.person and same and _agree(one.gender, speaker.gender):
                    note = f"speaker from {one.name!r}: the last person speaking before"
                    return speaker, [note]
        role = one.role
        if role is None:
            role = event.role
        if one.kind == "name" and " " not in one.name and one.name in self.people:
            full = self.people[one.name]
            if full.name != one.name:
                note = f"speaker from {one.name!r}: the full name printed before"
                return Speaker(full.name, one.role, full.gender, True), [note]
        gender = one.gender or _gender_of(role)
        if one.kind == "name" and gender is None and one.name in self.full:
            gender = self.full[one.name].gender
        human = one.person or role is not None
        if one.kind == "name" and not human:
            own = one.name.split(" of ")[0].split(" for ")[0]
            human = not any(part.lower() in cues.ORGANS for part in own.split())
        return Speaker(one.name, role, gender, one.person or role is not None, human), []

    def pronoun(self, one: Mention) -> tuple[Speaker | None, list[str]]:
        low = one.name.lower()
        if low in ("he", "she"):
            fitting = (
                speaker
                for speaker in reversed(self.recent)
                if speaker.human and _agree(one.gender, speaker.gender)
            )
            speaker = next(fitting, None)
            if speaker is not None:
                others = [name for name, at in self.here.items() if at < one.start]
                if not self.spoke_here and any(name != speaker.name for name in others):
                    return None, [f"{low!r} may be several of those named before"]
                note = f"speaker from {low!r}: the last one speaking before"
                return Speaker(speaker.name, None, one.gender, True), [note]
        elif self.recent and not self.recent[-1].person:
            note = f"speaker from {low!r}: the last one speaking before"
            last = self.recent[-1]
            return Speaker(last.name, None, None, False), [note]
        return None, [f"{low!r} stands for nobody named before"]

    def heard(self, speaker: Speaker) -> None:
        self.spoke_here = self.spoke_here or speaker.human
        if self.recent and self.recent[-1].name == speaker.name:
            last = self.recent[-1]
            last.gender = last.gender or speaker.gender
            last.person = last.person or speaker.person
            return
        self.recent.append(speaker)
        if len(self.recent) > 12:
            del self.recent[0]


def _gender_of(role: str | None) -> str | None:
    if role is None:
        return None
    words = role.lower().split()[:6]
    if any(word in cues.FEMALE for word in words):
        return "f"
    return "m" if any(word in cues.MALE for word in words) else None


def _same_office(noun: str, role: str | None) -> bool:
    """May "the minister" be the one whose role is printed so?"""
    word = noun.lower().split()[-1]
    if word.startswith("spokes"):
        return role is None or "spokes" in role.lower()
    if role is None:
        return False
    return word in role.lower().split() or word in ("official", "leader")


def _agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other
