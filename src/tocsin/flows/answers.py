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
from tocsin.flows.intake import Act, Done, not_found, record
from tocsin.flows.node import Node
from tocsin.policy import Reader
from tocsin.stix.bundle import open_object


def links_of(node: Node, reader: Reader, claim_id: str) -> tuple[str, ...]:
    """The links that grounds for this claim may speak to. Raises NotFoundError."""
    return required_links(weigh.claim_in(seen(node, reader), claim_id))


def answer(
    node: Node,
    reader: Reader,
    claim_id: str,
    how: str,
    words: str,
    *,
    lang: str = "en",
    link: str | None = None,
) -> Done:
    """Say an answer to a claim: a form of challenge, or a reply to a call or a demand.

    Raises:
        ClaimError: a form or reply that is none.
        ForbiddenError: this node has no key of the reader's party.
        NotFoundError: no such claim for this reader.
    """
    saying = _saying(node, reader)
    if how in answering.REPLIES:
        objects = answering.reply(saying, claim_id, how, words, lang=lang)
    else:
        objects = answering.answer(saying, claim_id, how, words, lang=lang, link=link)
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


def _saying(node: Node, reader: Reader) -> Saying:
    if reader.party is None or reader.party not in node.signers:
        raise ForbiddenError(
            f"no key of {reader.party or 'nobody'} is on this node",
            remedy="answer from your own terminal: tocsin answer, tocsin evidence",
        )
    return Saying(
        new=lambda type: f"{type}--{uuid4()}",
        now=node.clock(),
        by=node.identity(reader.party),
    )


def _say(node: Node, reader: Reader, claim_id: str, objects: Sequence[bytes]) -> Done:
    have = seen(node, reader)
    weigh.claim_in(have, claim_id)
    marked = weigh.marked(node, have.allowed, have.kept[claim_id])
    if marked is None or reader.party is None:
        raise not_found(f"claim {claim_id}")
    return record(
        node,
        Act(
            author=reader.party,
            kind="say",
            tlp=marked.tlp,
            case=marked.case,
            objects=tuple(open_object(raw) for raw in objects),
            to=tuple(one for one in marked.to if one != reader.party),
        ),
    )
