"""How what was said stands, for one reader: claims, their grounds, and the answers beside them.

`claims/standing.py` computes; this file fetches what the reader may see, hands it over, and puts
names to ids. Everything here is ordered by date, then by id, never by who somebody is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from tocsin.claims.answering import revealed
from tocsin.claims.changes import Change, changes, latest
from tocsin.claims.consistency import FLAG
from tocsin.claims.explain import Sentence, explain
from tocsin.claims.kept import Kept
from tocsin.claims.model import (
    EXTENSION_ID,
    KIND_CLASS,
    NOT_WEIGHED,
    PLANTABLE,
    Challenge,
    Claim,
    Dated,
    Evidence,
    Flag,
    Link,
    SpeakerConfidence,
    View,
    Words,
)
from tocsin.claims.norms import norm
from tocsin.claims.standing import Standing, standing
from tocsin.claims.times import instant
from tocsin.errors import ClaimError, NotFoundError, UsageError
from tocsin.flows.beside import DEMANDS, SIGHTED, Differing, sightings
from tocsin.flows.held import Library, Seen, by_then, seen
from tocsin.flows.intake import not_found, parse_kept
from tocsin.flows.weighed import (
    EFFECT_WORDS,
    LEVEL_WORDS,
    LINK_QUESTIONS,
    REASON_WORDS,
    Answered,
    AnswerTo,
    Borne,
    Cell,
    ClaimPage,
    ClaimRow,
    Ground,
    Happening,
    Invoked,
    LinkGrade,
    LinkStep,
    Marked,
    Matrix,
    MatrixRow,
    Name,
    Position,
    Quoted,
    Said,
    Shown,
    StandingView,
    Step,
    level_words,
)
from tocsin.policy import TLP_RANK, Reader, may_read
from tocsin.store.interface import KeptObject

# --- weighing ---------------------------------------------------------------------------------


def identity_of(node: Library, reader: Reader) -> str | None:
    """The STIX identity for which a reader's own access is looked up."""
    return node.identity(reader.party) if reader.party else None


def weigh(node: Library, reader: Reader, claim_id: str, at: datetime | None = None) -> Standing:
    """One claim's standing for this reader. Raises NotFoundError."""
    have = seen(node, reader)
    claim_in(have, claim_id)
    return standing(have.at(at), claim_id, reader=identity_of(node, reader), at=at)


def claim_in(have: Seen, claim_id: str) -> Claim:
    """A claim among what a reader holds. Raises NotFoundError."""
    claim = have.view.claims.get(claim_id)
    if claim is None:
        raise not_found(f"claim {claim_id}")
    return claim


# --- names --------------------------------------------------------------------------------------


def name_of(node: Library, view: View, ref: str) -> Name:
    """The name an organisation gives itself in the directory, else in its identity object."""
    entry = node.everyone.by_identity(ref)
    if entry is not None:
        return Name(id=ref, name=entry.name, party=entry.id)
    return Name(id=ref, name=view.name(ref))


def party_name(node: Library, party: str) -> Name:
    """A party by its directory id; one the directory does not list keeps its id as name."""
    entry = node.everyone.party(party)
    return Name(
        id=entry.identity if entry else party, name=entry.name if entry else party, party=party
    )


def _dated(dated: Dated) -> str:
    return dated.value if not dated.until else f"{dated.value} to {dated.until}"


# --- one claim ----------------------------------------------------------------------------------


def claims(
    node: Library,
    reader: Reader,
    *,
    query: str = "",
    by: str | None = None,
    about: str | None = None,
    case: str | None = None,
    challenged: bool = False,
    at: datetime | None = None,
) -> list[ClaimRow]:
    """Claims this reader may see, by the date they were said, then by id.

    Args:
        query: words that must all occur in the words, gist or names (any case).
        by: part of the name of the speaker or of whom it speaks for, or an id.
        about: part of an addressee's name, or an id.
        challenged: only claims that somebody answered.
        at: list, count and weigh what was known at this instant instead of now.
    """
    have = seen(node, reader, case)
    wanted = [w.casefold() for w in query.split()]

    def names(found: Iterable[Name | None], part: str) -> bool:
        return any(
            n is not None and (part in (n.id, n.party) or part.casefold() in n.name.casefold())
            for n in found
        )

    def passes(r: ClaimRow) -> bool:
        hay = " ".join(
            [
                r.text,
                r.word,
                r.printed or "",
                *(n.name for n in (r.speaker, r.speaks_for, r.coder, *r.addressees) if n),
            ]
        ).casefold()
        return (
            all(w in hay for w in wanted)
            and (by is None or names([r.speaker, r.speaks_for], by))
            and (about is None or names(r.addressees, about))
            and (not challenged or r.denials + r.rivals + r.critiques > 0)
        )

    rows = (row(node, have, claim, at) for claim in _said_by(have, at))
    return sorted((r for r in rows if passes(r)), key=lambda r: (r.said_at, r.id))


def _said_by(have: Seen, at: datetime | None) -> list[Claim]:
    """The claims that had been said by then, each in the version of then."""
    found = [one for one in have.at(at).claims.values() if by_then(one.known, at)]
    # By their dates, as each is weighed as of its own: views of then are made once, in this order.
    return sorted(found, key=lambda one: one.known)


def row(node: Library, have: Seen, claim: Claim, at: datetime | None = None) -> ClaimRow:
    """One claim as a line of a list."""
    who = identity_of(node, have.reader)
    now = standing(have.at(at), claim.id, reader=who, at=at)
    return _row(node, have, claim, _when_said(have, claim, who), now, at)


def _when_said(have: Seen, claim: Claim, who: str | None) -> Standing:
    """How a claim stood when it was said, by its date as it is given now.

    An earlier version may give a later date, or break the carrier: then the claim was none by that
    version, and the newest one counts.
    """
    try:
        return standing(have.at(claim.known), claim.id, reader=who, at=claim.known)
    except (ClaimError, NotFoundError):
        return standing(have.view, claim.id, reader=who, at=claim.known)


def _row(
    node: Library,
    have: Seen,
    claim: Claim,
    then: Standing,
    now: Standing,
    at: datetime | None = None,
) -> ClaimRow:
    view = have.at(at)
    claim = view.claims.get(claim.id, claim)
    x = claim.x
    kept = _kept(node, have, at)
    on = [one for one in challenges_on(have, claim.id, at) if kept.in_force(one)]
    counts = Counter(_COUNTED_AS.get(one.x.form, "critiques") for one in on)
    resting = {one.x.counter_claim_ref for one in on}
    others = [
        one for one in rivals_of(have, claim.id, at) if one.id not in resting and kept.in_force(one)
    ]
    text = x.words.text if x.words else (x.gist or claim.content)
    return ClaimRow(
        id=claim.id,
        sha256=claim.sha256,
        word=x.claim_type,
        text=text,
        quoted=x.words is not None,
        lang=(x.words.lang if x.words else None) or claim.lang or "en",
        original=x.words_original.text if x.words_original else None,
        original_lang=x.words_original.lang if x.words_original else None,
        gist=_gist(claim) if x.words else None,
        speaker=name_of(node, view, x.speaker_ref) if x.speaker_ref else None,
        printed=_printed(node, view, x.speaker_ref, x.speaker_as_printed),
        capacity=x.capacity,
        speaks_for=name_of(node, view, x.speaks_for_ref) if x.speaks_for_ref else None,
        coder=_coder(node, view, claim.publisher, x.speaker_ref),
        addressees=tuple(name_of(node, view, a) for a in x.addressee_refs),
        said_at=_dated(x.asserted_at),
        level_then=then.level,
        level_now=now.level,
        then_words=level_words(then.level),
        now_words=level_words(now.level),
        denials=counts["denials"],
        rivals=counts["rivals"] + len(others),
        critiques=counts["critiques"],
        answers=len(answers_to(have, claim.id, at)),
        status=kept.status(claim),
        case=have.cases.get(claim.id),
    )


def _printed(node: Library, view: View, ref: str | None, printed: str | None) -> str | None:
    if printed is None or (ref and name_of(node, view, ref).name == printed):
        return None
    return printed


def _coder(node: Library, view: View, publisher: str | None, speaker: str | None) -> Name | None:
    if publisher is None or publisher == speaker:
        return None
    return name_of(node, view, publisher)


_COUNTED_AS = {"denial": "denials", "rebut": "rivals", "alternative": "rivals"}
"""What a row counts a form as; every other says no other thing of the matter."""


def _kept(node: Library, have: Seen, at: datetime | None) -> Kept:
    """What counts for the reader of all that is held, as it was then."""
    return Kept(have.at(at), identity_of(node, have.reader), at, None)


# --- what stands beside a claim, as known at a time ---------------------------------------------


def challenges_on(have: Seen, target: str, at: datetime | None) -> list[Challenge]:
    """Challenges of it that were known by then, each in the version of then."""
    view = have.at(at)
    found = [view.challenges[ref] for ref in view.challenges_on.get(target, ())]
    return [one for one in found if by_then(one.known, at)]


def answers_to(have: Seen, claim: str, at: datetime | None) -> list[tuple[Claim, str | None]]:
    """(claim that answers this one, how) of those that were known by then."""
    view = have.at(at)
    last = have.view.claims
    found = ((view.claims.get(ref, last[ref]), how) for ref, how in have.answers.get(claim, ()))
    return [(one, how) for one, how in found if by_then(one.known, at)]


def rivals_of(have: Seen, claim: str, at: datetime | None) -> list[Claim]:
    """Other accounts of the same matter that were known by then."""
    view = have.at(at)
    last = have.view.claims
    found = (view.claims.get(ref, last[ref]) for ref in have.rivals.get(claim, ()))
    return [one for one in found if by_then(one.known, at)]


def claim_page(
    node: Library, reader: Reader, claim_id: str, *, at: datetime | None = None
) -> ClaimPage:
    """Everything about one claim that `reader` may see. Raises NotFoundError."""
    have = seen(node, reader)
    view = have.at(at)
    claim = view.claims.get(claim_id) or claim_in(have, claim_id)
    who = identity_of(node, reader)
    now = standing(view, claim.id, reader=who, at=at)
    then = _when_said(have, claim, who)
    last = latest(have, claim.id, until=at, reader=who)
    positions = [claim_position(node, have, claim, now, None, at)]
    held_against: set[str] = set()
    effects = {r["ref"]: r["code"] for r in now.to_json()["reasons"] if r["code"] in EFFECT_WORDS}
    for one in challenges_on(have, claim.id, at):
        if one.x.counter_claim_ref is not None:
            held_against.add(one.x.counter_claim_ref)
        positions.append(challenge_position(node, have, one, now, effects.get(one.id), at))
    for reply, how in answers_to(have, claim.id, at):
        effect = "answers: " + how if how else "answers; no effect on the level"
        positions.append(claim_position(node, have, reply, None, effect, at))
    # A rival that stands here as a challenge has its own words in that column.
    listed = {p.id for p in positions} | held_against
    for rival in rivals_of(have, claim.id, at):
        if rival.id not in listed:
            effect = _rival(view, rival.id, claim.id)
            positions.append(claim_position(node, have, rival, None, effect, at))
    positions.sort(key=lambda p: _order(p, claim.id))
    of, names = named(claim), claim.x.names
    spoken = {n.id for p in positions for n in (p.speaker, p.speaks_for) if n}
    shown = tuple(
        Shown(party=name_of(node, view, ref), at=_first_shown(node, have, claim, ref, at))
        for ref in of
        if node.everyone.by_identity(ref) is not None
    )
    return ClaimPage(
        row=_row(node, have, claim, then, now, at),
        later=_later(have, claim.id, at),
        in_answer_to=_in_answer_to(have, claim.id, at),
        positions=tuple(positions),
        silent=tuple(name_of(node, view, ref) for ref in of if ref not in spoken),
        then=standing_view(node, have, claim, then),
        now=standing_view(node, have, claim, now),
        named=shown,
        group=name_of(node, view, names.actor_ref) if names.actor_ref else None,
        behind=name_of(node, view, names.sponsor_ref) if names.sponsor_ref else None,
        history=tuple(h for h in _history(node, have, claim) if by_then(instant(h.at), at)),
        steps=_steps(have, last.changes),
        steps_since=last.since,
        answers=_answered(node, have, claim, at),
        sightings=sightings(view, _sighted(node, have, at), claim)
        if claim.x.claim_type in DEMANDS
        else None,
        marked=marked(node, have.allowed, have.kept[claim.id]) if claim.id in have.kept else None,
        swap=_swap(node, view, claim, of or _other_speakers(have, claim)),
    )


def _rival(view: View, other: str, claim: str) -> str:
    """How another account of the same matter stands beside a claim."""
    for ref in view.challenges_on.get(other, ()):
        if view.challenges[ref].x.counter_claim_ref == claim:
            return "the claim that this one is held against; no effect on the level"
    return "a rival account; no effect on the level"


def _order(p: Position, claim: str) -> tuple[str, bool, int, str]:
    """In order of speaking; of one date the claim itself first, then as they came to the log.

    Where nothing else tells, ids without their types: no form of answer goes behind another.
    """
    return (p.said_at, p.id != claim, p.index or 0, p.id.partition("--")[2])


def _in_answer_to(have: Seen, claim: str, at: datetime | None) -> tuple[AnswerTo, ...]:
    """What was said before, to which this claim is an answer: as known by then, by date."""
    view = have.at(at)
    targets = (
        (view.claims.get(target, have.view.claims[target]), how)
        for target, found in have.answers.items()
        for ref, how in found
        if ref == claim
    )
    known = [(one, how) for one, how in targets if by_then(one.known, at)]
    return tuple(
        AnswerTo(claim=one.id, how=how, name=_called(view, one.id))
        for one, how in sorted(known, key=lambda pair: (_dated(pair[0].x.asserted_at), pair[0].id))
    )


def _later(have: Seen, claim: str, at: datetime | None) -> int:
    """How much stands beside a claim now that was not known then."""
    counts = (
        len(challenges_on(have, claim, t))
        + len(answers_to(have, claim, t))
        + len(rivals_of(have, claim, t))
        for t in (None, at)
    )
    now, then = counts
    return now - then


def _sighted(node: Library, have: Seen, at: datetime | None) -> dict[str, KeptObject]:
    """What is held, as it was then, in the versions of then.

    A sighting that was taken back since is read by nobody any more, and is counted at no time.
    """
    if at is None:
        return {id: one for id, one in have.kept.items() if not one.withdrawn}
    found = {}
    for id, newest in have.kept.items():
        if have.withdrawn(id, at):
            continue
        one = newest
        if one.type in SIGHTED and one.modified != one.created:
            maker = one.data.get("created_by_ref")
            versions = [
                v
                for v in node.store.versions(id, have.allowed)
                if v.data.get("created_by_ref") == maker and by_then(_made(v), at)
            ]
            one = max(versions, key=lambda v: (_made(v), v.sha256), default=newest)
        if one.type not in SIGHTED or by_then(_made(one), at):
            found[id] = one
    return found


def _made(one: KeptObject) -> datetime:
    """When this version of an object was made; what has no date was there from the start."""
    try:
        return instant(one.modified or one.created or "")
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _answered(node: Library, have: Seen, claim: Claim, at: datetime | None) -> tuple[Answered, ...]:
    found = []
    for reply, how in answers_to(have, claim.id, at):
        x = reply.x
        speaker = name_of(node, have.view, x.speaker_ref) if x.speaker_ref else None
        found.append(Answered(claim=reply.id, how=how, speaker=speaker, at=_dated(x.asserted_at)))
    return tuple(sorted(found, key=lambda one: (one.at, one.claim)))


def changed(
    node: Library,
    reader: Reader,
    claim_id: str,
    *,
    after: datetime | None = None,
    until: datetime | None = None,
) -> list[Step]:
    """What changed in a claim's standing between two times, for this reader, and why.

    Raises NotFoundError, and UsageError for times that give no interval.
    """
    have = seen(node, reader)
    claim_in(have, claim_id)
    who = identity_of(node, reader)
    return list(_steps(have, changes(have, claim_id, after=after, until=until, reader=who)))


def _steps(have: Seen, found: Iterable[Change]) -> tuple[Step, ...]:
    view = have.view
    return tuple(
        Step(
            at=one.at,
            came=_bear(view, one.came),
            level_before=one.before,
            level_after=one.after,
            words_before="not said yet" if one.said else level_words(one.before),
            words_after=level_words(one.after),
            links=tuple(
                LinkStep(
                    link=link.link,
                    before=_grade_words(link.before),
                    after=_grade_words(link.after, link.shown),
                )
                for link in one.links
            ),
            sentences=_borne(view, one.sentences),
            no_longer=_borne(view, one.no_longer),
        )
        for one in found
    )


def _grade_words(grade: str | None, shown: bool = True) -> str:
    if grade is None:
        return "not asked for"
    stated = "" if shown or grade == "none-shown" else ", stated, not shown"
    return LEVEL_WORDS.get(grade, grade) + stated


def _borne(view: View, sentences: Iterable[Sentence]) -> tuple[Said, ...]:
    return tuple(Said(text=one.text, refs=_bear(view, one.refs)) for one in sentences)


def _bear(view: View, refs: Iterable[str]) -> tuple[Borne, ...]:
    held = view.objects
    return tuple(
        Borne(id=ref, sha256=held[ref].sha256 if ref in held else None, name=_called(view, ref))
        for ref in refs
    )


def _called(view: View, ref: str) -> str:
    """What an object is called in a list: its name, or what it says and whose word it is."""
    if ref in view.claims:
        claim = view.claims[ref]
        by = _speaker(view, claim.x.speaker_ref) + _for(view, claim.x.speaks_for_ref)
        return f"{claim.x.claim_type} by {by}"
    if ref in view.challenges:
        challenge = view.challenges[ref]
        by = _speaker(view, challenge.x.speaker_ref) + _for(view, challenge.x.speaks_for_ref)
        return f"{challenge.x.form} by {by}"
    if ref in view.links:
        link = view.links[ref]
        return f"{link.kind}: {view.name(link.source)}"
    return view.name(ref)


def _speaker(view: View, ref: str | None) -> str:
    return view.name(ref) if ref else "a speaker not given"


def _for(view: View, ref: str | None) -> str:
    return f" for {view.name(ref)}" if ref else ""


def named(claim: Claim) -> list[str]:
    """Identities the claim's words are about or addressed to, in the carrier's order."""
    x = claim.x
    found = [*x.addressee_refs, x.names.sponsor_ref, x.names.actor_ref]
    own = (x.speaker_ref, x.speaks_for_ref)
    return list(
        dict.fromkeys(r for r in found if r and r.startswith("identity--") and r not in own)
    )


def _other_speakers(have: Seen, claim: Claim) -> list[str]:
    """Who else speaks of the matter, where a claim names nobody: whoever a rival account is of."""
    rivals = [have.view.claims[ref].x for ref in have.rivals.get(claim.id, ())]
    found = [x.speaks_for_ref or x.speaker_ref for x in rivals]
    own = (claim.x.speaker_ref, claim.x.speaks_for_ref)
    return [ref for ref in found if ref is not None and ref not in own]


def _swap(node: Library, view: View, claim: Claim, named: list[str]) -> tuple[Name, Name] | None:
    # Who answers for the words: a spokesman's organisation rather than the person.
    first = claim.x.speaks_for_ref or claim.x.speaker_ref or claim.publisher
    if first is None or not named:
        return None
    return name_of(node, view, first), name_of(node, view, named[0])


def marked(node: Library, allowed: frozenset[int], kept: KeptObject) -> Marked | None:
    """For whom an object was said, by the last statement that said it and by its own marking."""
    found = [node.store.statement(id, allowed) for id in kept.said_by[-1:]]
    last = found[0] if found else None
    if last is None:
        return None
    audience = kept.narrowed.get(last.id, last.audience)
    tlp = audience.tlp
    if audience.unknown and TLP_RANK[tlp] < TLP_RANK["AMBER+STRICT"]:
        tlp = "AMBER+STRICT"  # no level of its own says that only those named read it
    to = {*audience.to, last.author} if audience.to else audience.to
    return Marked(tlp=tlp, to=tuple(sorted(to)), case=last.case)


def _first_shown(
    node: Library, have: Seen, claim: Claim, ref: str, at: datetime | None
) -> str | None:
    """When a party was first among those a claim was said to, by statement and own marking."""
    entry = node.everyone.by_identity(ref)
    if entry is None:
        return None
    party = node.reader(entry.id)
    narrowed = have.kept[claim.id].narrowed if claim.id in have.kept else {}
    for kept in _statements_of(node, have, claim.id):
        if may_read(party, replace(kept, audience=narrowed.get(kept.id, kept.audience))):
            time = parse_kept(kept).time
            return time if by_then(instant(time), at) else None
    return None


def _statements_of(node: Library, have: Seen, ref: str) -> list[Any]:
    kept = have.kept.get(ref)
    found = [node.store.statement(i, have.allowed) for i in (kept.said_by if kept else ())]
    return sorted((s for s in found if s is not None), key=lambda s: s.index)


def _history(node: Library, have: Seen, claim: Claim) -> list[Happening]:
    view = have.view
    supports = view.supports_into.get(claim.id, ())
    about: dict[str, str] = {claim.id: f"said this {claim.x.claim_type}"}
    for ref in supports:
        source = view.links[ref].source
        about.setdefault(source, "published evidence: " + view.name(source))
    for ref in view.challenges_on.get(claim.id, ()):
        about[ref] = "answered: " + view.challenges[ref].x.form
    for ref, _ in have.answers.get(claim.id, ()):
        about[ref] = "answered it: " + view.claims[ref].x.claim_type
    found = []
    for ref, what in about.items():
        for kept in _statements_of(node, have, ref):
            statement = parse_kept(kept)
            found.append(
                Happening(
                    at=statement.time,
                    who=party_name(node, kept.author),
                    what=what,
                    statement=kept.id,
                    index=kept.index,
                )
            )
    withdrawals = node.store.statements(have.allowed, kind="withdraw")
    said = {h.statement: h for h in found}
    for kept in withdrawals:
        statement = parse_kept(kept)
        named = {o.id for o in statement.objects}
        for ref in statement.refs:
            if ref in said and (not named or named & set(about)):
                found.append(
                    Happening(
                        at=statement.time,
                        who=party_name(node, kept.author),
                        what="withdrew: " + said[ref].what,
                        statement=kept.id,
                        index=kept.index,
                    )
                )
    return sorted(found, key=lambda h: (h.index, h.what))


def claim_position(
    node: Library,
    have: Seen,
    claim: Claim,
    computed: Standing | None,
    effect: str | None,
    at: datetime | None = None,
) -> Position:
    """A claim as one column of the Claim page."""
    view, x = have.at(at), claim.x
    if computed is None:
        computed = standing(view, claim.id, reader=identity_of(node, have.reader), at=at)
    base = _position(node, have, claim, x.speaker_ref)
    return Position(
        **base,
        word=x.claim_type,
        printed=_printed(node, view, x.speaker_ref, x.speaker_as_printed),
        capacity=x.capacity,
        speaks_for=name_of(node, view, x.speaks_for_ref) if x.speaks_for_ref else None,
        words=x.words.text if x.words else None,
        lang=(x.words.lang if x.words else None) or claim.lang or "en",
        original=x.words_original.text if x.words_original else None,
        original_lang=x.words_original.lang if x.words_original else None,
        words_from=_quoted(x.words),
        original_from=_quoted(x.words_original),
        gist=_gist(claim),
        said_at=_dated(x.asserted_at),
        reported_by=name_of(node, view, x.reported_by_ref) if x.reported_by_ref else None,
        confidence=_confidence(x.speaker_confidence),
        target_link=None,
        norms=tuple(_invoked(ref) for ref in dict.fromkeys(x.norm_refs)),
        law=x.legal_reference,
        flags=_flags(x.flags, _differing(have, claim.id, at)),
        differing=_differing(have, claim.id, at),
        grounds=grounds(node, have, claim.id, computed, at),
        asked=x.claim_type not in NOT_WEIGHED,
        rests_on=None,
        status=_kept(node, have, at).status(claim),
        effect=effect,
    )


def _differing(have: Seen, claim: str, at: datetime | None) -> tuple[Differing, ...]:
    """Other figures of its speaker in what was known by then."""
    found = have.differing.get(claim, ())
    return tuple(one for one in found if by_then(have.view.claims[one.claim].known, at))


def _flags(coded: Iterable[Flag], differing: tuple[Differing, ...]) -> tuple[str, ...]:
    """What its coder flagged, and what this node sees by itself: for every speaker alike."""
    found = [(f.name, f.of) for f in coded]
    if differing:
        found.append((FLAG, "speaker"))
    return tuple(f"{name} (of the {of})" for name, of in dict.fromkeys(found))


def _confidence(own: SpeakerConfidence | None) -> str | None:
    return f"{own.term} ({own.scale})" if own else None


def _invoked(ref: str) -> Invoked:
    known = norm(ref)
    return Invoked(
        ref=ref,
        title=known.title if known else None,
        clause=known.clause if known else None,
        url=known.url if known else None,
    )


def _quoted(words: Words | None) -> Quoted | None:
    """Where words stand; None where they are said in the statement itself."""
    if words is None or not (words.source_url or words.source_sha256):
        return None
    return Quoted(
        url=words.source_url, sha256=words.source_sha256, start=words.start, end=words.end
    )


def _gist(claim: Claim) -> str | None:
    """The paraphrase, where a reader has nothing better of the same (see `Position.gist`).

    Beside words that can be read it could say more than they do, in their speaker's column.
    """
    x = claim.x
    if x.words is None:
        return x.gist or claim.content
    foreign = (x.words.lang or claim.lang or "en").partition("-")[0].lower() != "en"
    return x.gist if foreign and x.words_original is None else None


def challenge_position(
    node: Library,
    have: Seen,
    challenge: Challenge,
    computed: Standing,
    code: str | None,
    at: datetime | None = None,
) -> Position:
    """A challenge as one column: the same fields, the same size."""
    view, x = have.at(at), challenge.x
    base = _position(node, have, challenge, x.speaker_ref)
    return Position(
        **base,
        word=x.form,
        printed=None,
        capacity=x.capacity,
        speaks_for=name_of(node, view, x.speaks_for_ref) if x.speaks_for_ref else None,
        words=x.words.text if x.words else None,
        lang=(x.words.lang if x.words else None) or "en",
        original=x.words_original.text if x.words_original else None,
        original_lang=x.words_original.lang if x.words_original else None,
        words_from=_quoted(x.words),
        original_from=_quoted(x.words_original),
        gist=None if x.words else challenge.explanation,
        said_at=_dated(x.asserted_at),
        reported_by=name_of(node, view, x.reported_by_ref) if x.reported_by_ref else None,
        confidence=_confidence(x.speaker_confidence),
        target_link=x.target_link,
        norms=tuple(_invoked(ref) for ref in dict.fromkeys(x.norm_refs)),
        law=x.legal_reference,
        flags=_flags(x.flags, ()),
        differing=(),
        grounds=grounds(node, have, challenge.id, computed, at),
        asked=x.form not in ("denial", "request"),
        rests_on=x.counter_claim_ref if x.counter_claim_ref in view.claims else None,
        status=_kept(node, have, at).status(challenge),
        effect=EFFECT_WORDS.get(code or "", "recorded"),
    )


def _position(
    node: Library, have: Seen, item: Claim | Challenge, speaker: str | None
) -> dict[str, Any]:
    said = _statements_of(node, have, item.id)
    return {
        "id": item.id,
        "sha256": item.sha256,
        "speaker": name_of(node, have.view, speaker) if speaker else None,
        "signed": speaker is not None and speaker == item.publisher,
        "coder": _coder(node, have.view, item.publisher, speaker),
        "sources": item.urls,
        "statement": said[0].id if said else None,
        "index": said[0].index if said else None,
    }


_WHY = {"owner": "by-owner", "undercut": "undercut", "source": "source"}


def _saying(view: View, ref: str) -> str:
    """What dropped a piece, with the words it was said in."""
    one = view.challenges.get(ref)
    text = (one.x.words.text if one.x.words else one.explanation) if one else None
    return _called(view, ref) + (f", “{text}”" if text else "")


def grounds(
    node: Library, have: Seen, target: str, computed: Standing, at: datetime | None = None
) -> tuple[Ground, ...]:
    """The evidence that supports a claim or challenge, as this reader may see it.

    Each piece once, however often it is said to support it; what counts of it, and why other
    pieces do not, is what `computed` made of it: the standing of the claim that `target` is or is
    on.
    """
    view, brought = have.at(at), computed.brought.get(target)
    kept = _kept(node, have, at)
    reasons: dict[str, list[str]] = {}
    for r in computed.reasons if brought is None else brought.reasons:
        if r.code in REASON_WORDS and not r.code.startswith("dropped-"):
            reasons.setdefault(r.ref, []).append(REASON_WORDS[r.code])
    dropped = {d.id: d for d in (computed.dropped if brought is None else brought.dropped)}
    counting = brought.pieces if brought is not None else counted(computed)
    weighed = brought is not None or computed.base is not None
    supports: dict[str, list[Link]] = {}
    for ref in view.supports_into.get(target, ()):
        supports.setdefault(view.links[ref].source, []).append(view.links[ref])
    found = []
    for source, links in supports.items():
        evidence = view.evidence.get(source)
        if not by_then(evidence.known if evidence else links[0].known, at):
            continue
        if evidence is None:
            found.append(_not_held(node, view, source, links))
            continue
        access = kept.access_given(evidence)
        why = reasons.get(source, [])
        for fallen in (source, *(link.id for link in links)):
            if fallen in dropped:
                by = ", ".join(_saying(view, b) for b in dropped[fallen].by)
                why.append(f"{REASON_WORDS['dropped-' + _WHY[dropped[fallen].why]]}: {by}")
        strength = KIND_CLASS.get(evidence.x.kind, 0)
        if source not in counting and not why:
            why.append(_why_not(kept, evidence, links, access, weighed))
        publisher = evidence.publisher
        commitment, committed = _committed(node, have, evidence, access, at)
        found.append(
            Ground(
                commitment=commitment,
                committed=committed,
                id=source,
                sha256=evidence.sha256,
                name=evidence.name,
                description=evidence.description,
                kind=evidence.x.kind,
                strength=strength,
                plantable=evidence.x.kind in PLANTABLE,
                access=access,
                producers=tuple(name_of(node, view, p) for p in evidence.x.producer_refs),
                coder=name_of(node, view, publisher)
                if publisher and publisher not in evidence.x.producer_refs
                else None,
                published=_dated(evidence.x.published)
                if evidence.x.published
                else evidence.created[:10],
                undated=evidence.x.published is None,
                links=_speaks_to(links),
                sources=evidence.urls,
                counts=source in counting,
                reasons=tuple(dict.fromkeys(why)),
            )
        )
    return tuple(sorted(found, key=lambda g: (g.published, g.id)))


def counted(computed: Standing) -> frozenset[str]:
    """Ids of the evidence that counts for some link of a claim."""
    return frozenset(ref for link in computed.links.values() for ref in link.pieces)


def _speaks_to(links: Iterable[Link]) -> tuple[str, ...]:
    """The links of a claim that a piece is said to speak to, in the order in which they ask."""
    found = {name for link in links for name in link.x.links}
    return (*(n for n in LINK_QUESTIONS if n in found), *sorted(found - LINK_QUESTIONS.keys()))


def _why_not(
    kept: Kept, evidence: Evidence, links: Iterable[Link], access: str, weighed: bool
) -> str:
    """Why a piece does not count, where the standing gives no reason: it has none for absence."""
    if kept.taken_back(evidence.id) or all(kept.taken_back(link.id) for link in links):
        return "taken back"
    if not weighed:
        return "nothing is weighed here"
    if access not in ("described", "inspectable", "reproduced"):
        return "nothing of it is open to anybody"
    if not KIND_CLASS.get(evidence.x.kind, 0):
        return "somebody's word, which shows nothing by itself"
    return "derives from nothing that shows something by itself"


def _not_held(node: Library, view: View, source: str, links: Sequence[Link]) -> Ground:
    """What is said to support something and is withheld from this reader, or breaks the carrier."""
    held, first = view.objects.get(source), links[0]
    broken = held is not None
    word = "breaks the rules for evidence, and is left out" if broken else "withheld"
    return Ground(
        id=source,
        sha256=held.sha256 if held is not None else None,
        name=view.name(source) if broken else "withheld",
        description=None,
        kind="broken" if broken else "withheld",
        strength=None,
        plantable=False,
        access="none" if broken else "withheld",
        producers=(),
        coder=name_of(node, view, first.publisher) if first.publisher else None,
        published=first.created[:10],
        links=_speaks_to(links),
        sources=tuple(dict.fromkeys(url for link in links for url in link.urls)),
        counts=False,
        reasons=(word,),
    )


def _committed(
    node: Library, have: Seen, evidence: Evidence, access: str, at: datetime | None
) -> tuple[str | None, str | None]:
    """What this piece was first committed to, and in words whether it has been kept.

    Args:
        access: that of this reader: what is shown to some is not yet shown to others.
    """
    view = have.at(at)
    if evidence.x.commitment is None:
        return None, None
    first, when = evidence.x.commitment, ""
    for version in reversed(node.store.versions(evidence.id, have.allowed)):
        data = version.data
        x = (data.get("extensions") or {}).get(EXTENSION_ID) or {}
        given = x.get("commitment")
        if data.get("created_by_ref") != evidence.publisher or not isinstance(given, str):
            continue
        said = node.store.statement(version.said_by[0], have.allowed) if version.said_by else None
        first, when = given, parse_kept(said).time[:10] if said else ""
        break
    since = f"committed on {when}" if when else "committed"
    if first != evidence.x.commitment:
        return first, f"{since}; another digest has been put in its place since"
    materials = [
        (ref.partition("--")[0], view.objects[ref].data, view.objects[ref].sha256)
        for ref in evidence.object_refs
        if ref in view.objects
    ]
    if revealed(first, materials):
        return first, f"{since}; what is shown now is what was committed to"
    if access in ("inspectable", "reproduced"):
        return first, f"{since}; what is shown now is not what was committed to"
    return first, f"{since}; not shown yet"


def standing_view(node: Library, have: Seen, claim: Claim, computed: Standing) -> StandingView:
    """A computed standing in words."""
    plain = computed.to_json()
    links = tuple(
        LinkGrade(
            link=link,
            question=LINK_QUESTIONS.get(link, link),
            grade=grade["grade"],
            words=_grade_words(grade["grade"], grade["shown"]),
            shown=grade["shown"],
        )
        for link, grade in plain["links"].items()
    )
    order = list(LEVEL_WORDS)
    weakest = min(links, key=lambda g: order.index(g.grade), default=None)
    return StandingView(
        level=plain["level"],
        words=level_words(plain["level"]),
        base=plain["base"],
        links=links,
        weakest=weakest.link if weakest else None,
        sentences=_borne(have.view, explain(computed, have.view)),
        by_coder=tuple(
            (name_of(node, have.view, c), level_words(level))
            for c, level in sorted((plain.get("by_coder") or {}).items())
        ),
        at=plain["at"],
        reports=len(counted(computed)),
        roots=computed.roots,
        inputs_sha256=plain["inputs_sha256"],
    )


# --- claims by parties --------------------------------------------------------------------------


def matrix(
    node: Library, reader: Reader, case: str, parties: Iterable[str], asked: Mapping[str, str]
) -> Matrix:
    """Claims of a case by its parties. No cell is blank.

    Args:
        parties: columns, in the order in which they came to the case.
        asked: party → when it was asked to the case and has not answered.
    """
    have = seen(node, reader, case)
    who = identity_of(node, reader)
    columns = [party_name(node, p) for p in parties]
    rows = []
    for claim in sorted(have.view.claims.values(), key=lambda c: (_dated(c.x.asserted_at), c.id)):
        computed = standing(have.view, claim.id, reader=who)
        then = _when_said(have, claim, who)
        rows.append(
            MatrixRow(
                claim=_row(node, have, claim, then, computed),
                cells=tuple(_cell(node, have, claim, c, computed, asked) for c in columns),
            )
        )
    return Matrix(parties=tuple(columns), rows=tuple(rows))


def _cell(
    node: Library,
    have: Seen,
    claim: Claim,
    column: Name,
    computed: Standing,
    asked: Mapping[str, str],
) -> Cell:
    view = have.view
    challenges = [view.challenges[c] for c in view.challenges_on.get(claim.id, ())]
    answers = [view.claims[a] for a, _ in have.answers.get(claim.id, ())]
    # Its own word first; then what somebody says for it, which its own may well contradict.
    for whose in ("speaker_ref", "speaks_for_ref"):
        if getattr(claim.x, whose) == column.id:
            return _of_position(claim_position(node, have, claim, computed, None), column)
        said = [c for c in challenges if getattr(c.x, whose) == column.id]
        if said:
            last = max(said, key=lambda c: (c.known, c.id))
            return _of_position(challenge_position(node, have, last, computed, None), column)
        replies = [a for a in answers if getattr(a.x, whose) == column.id]
        if replies:
            reply = max(replies, key=lambda c: (c.known, c.id))
            return _of_position(claim_position(node, have, reply, None, None), column)
    made = {
        ref: one
        for link in view.supports_into.get(claim.id, ())
        if (one := view.evidence.get(ref := view.links[link].source)) is not None
        and column.id in one.x.producer_refs
    }
    if made:
        own = [g for g in grounds(node, have, claim.id, computed) if g.id in made]
        withheld = all(g.access in ("withheld", "none") for g in own)
        return Cell(
            word="withheld" if withheld else "gives grounds",
            confidence=None,
            grounds=len(own),
            signed=any(one.publisher == column.id for one in made.values()),
            at=own[0].published,
            position=None,
        )
    when = asked.get(column.party or "")
    if when:
        return Cell(
            word=f"asked ({when[:10]})",
            confidence=None,
            grounds=0,
            signed=None,
            at=when,
            position=None,
        )
    return Cell(
        word="no statement", confidence=None, grounds=0, signed=None, at=None, position=None
    )


def _of_position(p: Position, column: Name) -> Cell:
    return Cell(
        through=p.speaker if p.speaker and p.speaker.id != column.id else None,
        word=p.word,
        confidence=p.confidence,
        grounds=len(p.grounds),
        signed=p.signed,
        at=p.said_at,
        position=p.id,
        asked=p.asked,
    )


def as_known(text: str | None) -> datetime | None:
    """An as-known time from outside: RFC 3339 with a zone, or a day (all of it, UTC).

    Raises:
        UsageError: anything else; a naive time above all.
    """
    return _outside(text, "T23:59:59.999999Z")


def since(text: str | None) -> datetime | None:
    """The time after which changes are asked for, as `as_known`; of a day its start, UTC.

    Raises:
        UsageError: as `as_known`.
    """
    return _outside(text, "T00:00:00Z")


def _outside(text: str | None, clock: str) -> datetime | None:
    if not text:
        return None
    value = text + clock if len(text) == 10 else text
    try:
        found = instant(value)
    except ValueError as wrong:
        raise UsageError(
            f"{text!r} is no time", remedy="write 2026-11-22T08:30:00Z or 2026-11-22"
        ) from wrong
    return found
