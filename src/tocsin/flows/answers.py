"""What a person says about a claim on its own page: composed here, said for the same readers.

A party whose key is at home answers from its terminal instead (`cli.answering`): what it signs it
has made itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from tocsin.claims import answering
from tocsin.claims.answering import File, Saying
from tocsin.claims.standing import required_links
from tocsin.errors import ForbiddenError
from tocsin.flows import weigh
from tocsin.flows.held import seen
from tocsin.flows.intake import Act, Done, addressed, not_found, record_many
from tocsin.flows.known import claim_in, name_of
from tocsin.flows.node import Node
from tocsin.flows.weighed import Name
from tocsin.policy import Reader
from tocsin.stix.bundle import open_object


def links_of(node: Node, reader: Reader, claim_id: str) -> tuple[str, ...]:
    """The links that grounds for this claim may speak to. Raises NotFoundError."""
    return required_links(claim_in(seen(node, reader), claim_id))


def spoken_for(node: Node, reader: Reader, claim_id: str) -> tuple[Name, ...]:
    """Those a claim names, on whose behalf an answer may be: without the reader's own party."""
    have = seen(node, reader)
    own = node.identity(reader.party) if reader.party else None
    found = weigh.named(claim_in(have, claim_id))
    return tuple(name_of(node, have.view, ref) for ref in found if ref != own)


def answer(
    node: Node,
    reader: Reader,
    claim_id: str,
    how: str,
    words: str,
    *,
    lang: str = "en",
    link: str | None = None,
    speaks_for: str | None = None,
    norms: Sequence[str] = (),
) -> Done:
    """Say an answer to a claim: a form of challenge, or a reply to a call or a demand.

    Args:
        speaks_for: the identity on whose behalf it is said, where that is another than the party.
        norms: what it invokes (`claims.norms`).

    Raises:
        ClaimError: a form or reply that is none.
        ForbiddenError: this node has no key of the reader's party.
        NotFoundError: no such claim for this reader.
    """
    saying = _saying(node, reader, speaks_for)
    if how in answering.REPLIES:
        objects = answering.reply(saying, claim_id, how, words, lang=lang, norms=norms)
    else:
        objects = answering.answer(saying, claim_id, how, words, lang=lang, link=link, norms=norms)
    return _say(node, reader, claim_id, objects)


def ground(
    node: Node,
    reader: Reader,
    claim_id: str,
    name: str,
    kind: str,
    links: Sequence[str],
    *,
    access: str | None = None,
    files: Sequence[File] = (),
    urls: Sequence[str] = (),
    description: str | None = None,
) -> Done:
    """Say a piece of evidence for a claim. Raises as `answer`."""
    shown = "inspectable" if files or urls else "described"
    objects = answering.grounds(
        _saying(node, reader),
        claim_id,
        name,
        kind,
        links,
        access=access or shown,
        files=files,
        urls=urls,
        description=description,
    )
    return _say(node, reader, claim_id, objects)


def _saying(node: Node, reader: Reader, speaks_for: str | None = None) -> Saying:
    if reader.party is None or reader.party not in node.signers:
        raise ForbiddenError(
            f"no key of {reader.party or 'nobody'} is on this node",
            remedy="answer from your own terminal: tocsin answer, tocsin evidence",
        )
    return Saying(
        new=lambda type: f"{type}--{uuid4()}",
        now=node.clock(),
        by=node.identity(reader.party),
        speaks_for=speaks_for,
    )


def _say(node: Node, reader: Reader, claim_id: str, objects: Sequence[bytes]) -> Done:
    have = seen(node, reader)
    claim_in(have, claim_id)
    marked = weigh.marked(node, have.allowed, have.kept[claim_id])
    if marked is None or reader.party is None:
        raise not_found(f"claim {claim_id}")
    act = Act(
        author=reader.party,
        kind="say",
        tlp=marked.tlp,
        case=marked.case,
        objects=tuple(open_object(raw) for raw in objects),
    )
    rounds = marked.rounds(reader.party, marked.tlp)
    return record_many(node, [addressed(act, to, persons) for to, persons in rounds])[0]
