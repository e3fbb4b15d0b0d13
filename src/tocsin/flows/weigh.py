"""How what was said stands, for one reader: claims in lists, one claim's page, what changed it.

`claims/standing.py` computes; this file fetches what the reader may see and hands it over.
Everything here is ordered by date, then by id, never by who somebody is.

Spec: claims.md §2.4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec.structs import replace

from tocsin.claims.changes import Change, changes, latest
from tocsin.claims.explain import Sentence, explain
from tocsin.claims.model import Claim
from tocsin.claims.standing import Standing
from tocsin.claims.times import instant
from tocsin.flows.beside import DEMANDS, SIGHTED, sightings
from tocsin.flows.grounds import counted
from tocsin.flows.held import Library, by_then
from tocsin.flows.intake import parse_kept
from tocsin.flows.known import Known, claim_in, dated, known, party_name
from tocsin.flows.positions import challenge_position, claim_position, gist
from tocsin.flows.weighed import (
    EFFECT_WORDS,
    LEVEL_WORDS,
    LINK_QUESTIONS,
    Answered,
    AnswerTo,
    ClaimPage,
    ClaimRow,
    Happening,
    LinkGrade,
    LinkStep,
    Marked,
    Name,
    Position,
    Said,
    Shown,
    StandingView,
    Step,
    level_words,
)
from tocsin.policy import TLP_RANK, Reader, may_read
from tocsin.store.interface import Kept as KeptStatement
from tocsin.store.interface import KeptObject

_COUNTED_AS = {"denial": "denials", "rebut": "rivals", "alternative": "rivals"}
"""What a row counts a form as; every other says no other thing of the matter."""


def weigh(node: Library, reader: Reader, claim_id: str, at: datetime | None = None) -> Standing:
    """One claim's standing for this reader. Raises NotFoundError."""
    then = known(node, reader, at=at)
    claim_in(then.have, claim_id)
    return then.standing(claim_id)


# --- lists --------------------------------------------------------------------------------------


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
    then = known(node, reader, case, at)
    wanted = [word.casefold() for word in query.split()]

    def passes(r: ClaimRow) -> bool:
        named = (r.speaker, r.speaks_for, r.coder, *r.addressees)
        hay = " ".join([r.text, r.word, r.printed or "", *(n.name for n in named if n)]).casefold()
        return (
            all(word in hay for word in wanted)
            and (by is None or _one_is(by, [r.speaker, r.speaks_for]))
            and (about is None or _one_is(about, r.addressees))
            and (not challenged or r.denials + r.rivals + r.critiques > 0)
        )

    rows = (row(then, claim) for claim in then.claims())
    return sorted((r for r in rows if passes(r)), key=lambda r: (r.said_at, r.id))


def _one_is(part: str, names: Iterable[Name | None]) -> bool:
    """Whether one of these is meant by part of its name, or by an id of it."""
    return any(
        n is not None and (part in (n.id, n.party) or part.casefold() in n.name.casefold())
        for n in names
    )


def row(
    known: Known,
    claim: Claim,
    computed: Standing | None = None,
    when_said: Standing | None = None,
) -> ClaimRow:
    """One claim as a line of a list.

    Args:
        computed: its standing, where it has been computed.
        when_said: and how it stood when it was said.
    """
    x = claim.x
    now = computed.level if computed else known.level(claim.id)
    then = when_said.level if when_said else known.level_when_said(claim)
    on = [one for one in known.challenges_on(claim.id) if known.kept.in_force(one)]
    counts = Counter(_COUNTED_AS.get(one.x.form, "critiques") for one in on)
    resting = {one.x.counter_claim_ref for one in on}
    others = [
        one
        for one in known.rivals_of(claim.id)
        if one.id not in resting and known.kept.in_force(one)
    ]
    return ClaimRow(
        id=claim.id,
        sha256=claim.sha256,
        word=x.claim_type,
        text=x.words.text if x.words else (x.gist or claim.content),
        quoted=x.words is not None,
        lang=(x.words.lang if x.words else None) or claim.lang or "en",
        original=x.words_original.text if x.words_original else None,
        original_lang=x.words_original.lang if x.words_original else None,
        gist=gist(claim) if x.words else None,
        speaker=known.name_if(x.speaker_ref),
        printed=known.printed(claim),
        capacity=x.capacity,
        speaks_for=known.name_if(x.speaks_for_ref),
        coder=known.coder(claim.publisher, x.speaker_ref),
        addressees=tuple(known.name(ref) for ref in x.addressee_refs),
        said_at=dated(x.asserted_at),
        level_then=then,
        level_now=now,
        then_words=level_words(then),
        now_words=level_words(now),
        denials=counts["denials"],
        rivals=counts["rivals"] + len(others),
        critiques=counts["critiques"],
        answers=len(known.answers_to(claim.id)),
        status=known.kept.status(claim),
        case=known.have.cases.get(claim.id),
    )


# --- one claim ----------------------------------------------------------------------------------


def claim_page(
    node: Library, reader: Reader, claim_id: str, *, at: datetime | None = None
) -> ClaimPage:
    """Everything about one claim that `reader` may see. Raises NotFoundError."""
    then = known(node, reader, at=at)
    have, claim = then.have, then.claim(claim_id)
    computed, when_said = then.standing(claim.id), then.standing_when_said(claim)
    positions = _positions(then, claim, computed)
    spoken = {n.id for p in positions for n in (p.speaker, p.speaks_for) if n}
    of, names = named(claim), claim.x.names
    last = latest(have, claim.id, until=at, reader=then.who)
    return ClaimPage(
        row=row(then, claim, computed, when_said),
        later=_beside(Known(node, have), claim.id) - _beside(then, claim.id),
        in_answer_to=tuple(
            AnswerTo(claim=one.id, how=how, name=then.called(one.id))
            for one, how in then.answered_by(claim.id)
        ),
        positions=positions,
        silent=tuple(then.name(ref) for ref in of if ref not in spoken),
        then=standing_view(then, when_said),
        now=standing_view(then, computed),
        named=tuple(
            Shown(party=then.name(ref), at=_first_shown(then, claim, ref))
            for ref in of
            if node.everyone.by_identity(ref) is not None
        ),
        group=then.name_if(names.actor_ref),
        behind=then.name_if(names.sponsor_ref),
        history=tuple(h for h in _history(then, claim) if by_then(instant(h.at), at)),
        steps=_steps(then, last.changes),
        steps_since=last.since,
        answers=_answered(then, claim),
        sightings=sightings(then.view, _sighted(then), claim)
        if claim.x.claim_type in DEMANDS
        else None,
        marked=marked(node, have.allowed, have.kept[claim.id]) if claim.id in have.kept else None,
        swap=_swap(then, claim, of or _other_speakers(then, claim)),
    )


def _positions(known: Known, claim: Claim, computed: Standing) -> tuple[Position, ...]:
    """The claim and what stands beside it: challenges, answers and rival accounts."""
    found = [claim_position(known, claim, computed=computed)]
    held_against: set[str] = set()
    effects = {one.ref: one.code for one in computed.reasons if one.code in EFFECT_WORDS}
    for one in known.challenges_on(claim.id):
        if one.x.counter_claim_ref is not None:
            held_against.add(one.x.counter_claim_ref)
        found.append(challenge_position(known, one, computed, effects.get(one.id)))
    for reply, how in known.answers_to(claim.id):
        effect = "answers: " + how if how else "answers; no effect on the level"
        found.append(claim_position(known, reply, effect=effect))
    # A rival that stands here as a challenge has its own words in that column.
    listed = {p.id for p in found} | held_against
    found += [
        claim_position(known, rival, effect=_rival(known, rival.id, claim.id))
        for rival in known.rivals_of(claim.id)
        if rival.id not in listed
    ]
    return tuple(sorted(found, key=lambda p: _order(p, claim.id)))


def _rival(known: Known, other: str, claim: str) -> str:
    """How another account of the same matter stands beside a claim."""
    for ref in known.view.challenges_on.get(other, ()):
        if known.view.challenges[ref].x.counter_claim_ref == claim:
            return "the claim that this one is held against; no effect on the level"
    return "a rival account; no effect on the level"


def _order(p: Position, claim: str) -> tuple[str, bool, int, str]:
    """In order of speaking; of one date the claim itself first, then as they came to the log.

    Where nothing else tells, ids without their types: no form of answer goes behind another.
    """
    return (p.said_at, p.id != claim, p.index or 0, p.id.partition("--")[2])


def _beside(known: Known, claim: str) -> int:
    """How much stands beside a claim."""
    found = (known.challenges_on(claim), known.answers_to(claim), known.rivals_of(claim))
    return sum(len(one) for one in found)


def _answered(known: Known, claim: Claim) -> tuple[Answered, ...]:
    found = (
        Answered(
            claim=reply.id,
            how=how,
            speaker=known.name_if(reply.x.speaker_ref),
            at=dated(reply.x.asserted_at),
        )
        for reply, how in known.answers_to(claim.id)
    )
    return tuple(sorted(found, key=lambda one: (one.at, one.claim)))


def _sighted(known: Known) -> list[KeptObject]:
    """Sightings and relationships that are held, as they were then, in the versions of then.

    A sighting that was taken back since is read by nobody any more, and is counted at no time.
    """
    have, at = known.have, known.at
    held = [one for one in have.kept.values() if one.type in SIGHTED]
    held = [one for one in held if not have.withdrawn(one.id, at)]
    if at is None:
        return held
    return [one for newest in held if by_then(_made(one := _version(known, newest)), at)]


def _version(known: Known, newest: KeptObject) -> KeptObject:
    """The version of then of what its maker said again; the newest where there was none."""
    if newest.modified == newest.created:
        return newest
    maker = newest.data.get("created_by_ref")
    versions = [
        one
        for one in known.node.store.versions(newest.id, known.have.allowed)
        if one.data.get("created_by_ref") == maker and by_then(_made(one), known.at)
    ]
    return max(versions, key=lambda one: (_made(one), one.sha256), default=newest)


def _made(one: KeptObject) -> datetime:
    """When this version of an object was made; what has no date was there from the start."""
    try:
        return instant(one.modified or one.created or "")
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def named(claim: Claim) -> list[str]:
    """Identities the claim's words are about or addressed to, in the carrier's order."""
    x = claim.x
    found = [*x.addressee_refs, x.names.sponsor_ref, x.names.actor_ref]
    own = (x.speaker_ref, x.speaks_for_ref)
    return list(
        dict.fromkeys(r for r in found if r and r.startswith("identity--") and r not in own)
    )


def _other_speakers(known: Known, claim: Claim) -> list[str]:
    """Who else speaks of the matter, where a claim names nobody: whoever a rival account is of."""
    rivals = [one.x for one in known.rivals_of(claim.id)]
    found = [x.speaks_for_ref or x.speaker_ref for x in rivals]
    own = (claim.x.speaker_ref, claim.x.speaks_for_ref)
    return [ref for ref in found if ref is not None and ref not in own]


def _swap(known: Known, claim: Claim, named: list[str]) -> tuple[Name, Name] | None:
    # Who answers for the words: a spokesman's organisation rather than the person.
    first = claim.x.speaks_for_ref or claim.x.speaker_ref or claim.publisher
    if first is None or not named:
        return None
    return known.name(first), known.name(named[0])


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
    persons = tuple(sorted(audience.persons)) if tlp == "RED" else ()
    return Marked(
        tlp=tlp, to=tuple(sorted(to)), case=last.case, author=last.author, persons=persons
    )


def _first_shown(known: Known, claim: Claim, ref: str) -> str | None:
    """When a party was first among those a claim was said to, by statement and own marking."""
    entry = known.node.everyone.by_identity(ref)
    if entry is None:
        return None
    party = known.node.reader(entry.id)
    narrowed = {id: to for one in known.versions_of(claim.id) for id, to in one.narrowed.items()}
    for one in known.statements_of(claim.id):
        if may_read(party, replace(one, audience=narrowed.get(one.id, one.audience))):
            time = parse_kept(one).time
            return time if by_then(instant(time), known.at) else None
    return None


def _history(known: Known, claim: Claim) -> list[Happening]:
    """Who said or withdrew what of a claim, its grounds and its answers, as it came to the log."""
    view = known.view
    about: dict[str, str] = {claim.id: f"said this {claim.x.claim_type}"}
    for ref in view.supports_into.get(claim.id, ()):
        source = view.links[ref].source
        about.setdefault(source, "published evidence: " + view.name(source))
    for ref in view.challenges_on.get(claim.id, ()):
        about[ref] = "answered: " + view.challenges[ref].x.form
    for ref, _ in known.have.answers.get(claim.id, ()):
        about[ref] = "answered it: " + view.claims[ref].x.claim_type
    came = [(kept, what) for ref, what in about.items() for kept in known.statements_of(ref)]
    # One statement may say very many of them, and is read once.
    times = {id: parse_kept(one).time for id, one in {k.id: k for k, _ in came}.items()}
    found = [_happening(known, kept, times[kept.id], what) for kept, what in came]
    said = {kept.id: (kept.author, what) for kept, what in came}
    authors = {kept.author for kept, _ in came}
    for kept in known.node.store.statements(known.have.allowed, kind="withdraw"):
        if kept.author not in authors:
            continue  # nobody takes back what another has said
        statement = parse_kept(kept)
        named = {o.id for o in statement.objects}
        if not named or named & about.keys():
            taken = [said[ref] for ref in statement.refs if ref in said]
            found += [
                _happening(known, kept, statement.time, "withdrew: " + what)
                for author, what in taken
                if author == kept.author
            ]
    return sorted(found, key=lambda h: (h.index, h.what))


def _happening(known: Known, kept: KeptStatement, at: str, what: str) -> Happening:
    return Happening(
        at=at,
        who=party_name(known.node, kept.author),
        what=what,
        statement=kept.id,
        index=kept.index,
    )


# --- its standing ------------------------------------------------------------------------------


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
    now = known(node, reader)
    claim_in(now.have, claim_id)
    found = changes(now.have, claim_id, after=after, until=until, reader=now.who)
    return list(_steps(now, found))


def _steps(known: Known, found: Iterable[Change]) -> tuple[Step, ...]:
    return tuple(
        Step(
            at=one.at,
            came=known.borne(one.came),
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
            sentences=_sentences(known, one.sentences),
            no_longer=_sentences(known, one.no_longer),
        )
        for one in found
    )


def standing_view(known: Known, computed: Standing) -> StandingView:
    """A computed standing in words."""
    links = tuple(
        LinkGrade(
            link=link,
            question=LINK_QUESTIONS.get(link, link),
            grade=found.grade,
            words=_grade_words(found.grade, found.shown),
            shown=found.shown,
        )
        for link, found in computed.links.items()
    )
    order = list(LEVEL_WORDS)
    weakest = min(links, key=lambda g: order.index(g.grade), default=None)
    return StandingView(
        level=computed.level,
        words=level_words(computed.level),
        base=computed.base,
        links=links,
        weakest=weakest.link if weakest else None,
        sentences=_sentences(known, explain(computed, known.view)),
        by_coder=tuple(
            (known.name(coder), level_words(level))
            for coder, level in sorted((computed.by_coder or {}).items())
        ),
        at=computed.at,
        reports=len(counted(computed)),
        roots=computed.roots,
        inputs_sha256=computed.inputs_sha256,
    )


def _grade_words(grade: str | None, shown: bool = True) -> str:
    if grade is None:
        return "not asked for"
    stated = "" if shown or grade == "none-shown" else ", stated, not shown"
    return LEVEL_WORDS.get(grade, grade) + stated


def _sentences(known: Known, found: Iterable[Sentence]) -> tuple[Said, ...]:
    return tuple(Said(text=one.text, refs=known.borne(one.refs)) for one in found)
