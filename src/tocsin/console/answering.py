"""Answering on the Claim page: a person's words beside a claim, and grounds for it."""

from __future__ import annotations

import mimetypes
import re
from typing import Any
from urllib.parse import quote

from tocsin.claims.answering import KINDS, REPLIES, File
from tocsin.claims.model import KIND_CLASS, PLANTABLE
from tocsin.claims.norms import NORMS, named
from tocsin.console.page import Ask, Go
from tocsin.errors import UsageError
from tocsin.flows import answers
from tocsin.flows.weighed import ClaimPage

_REPLIED_TO = frozenset({"call", "demand"})
_FORMS = ("denial", "request", "rebut", "alternative", "method-critique")
"""Those that are aimed at a claim; an undercut is aimed at a piece of evidence."""

_GROUND = "evidence"
MOST_NAME = 300
MOST_WORDS = 20_000
MOST_URL = 2_000
"""Characters, as the fields of the page take them."""
_LANG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
"""As in RFC 5646, as far as a person writes it."""


def controls(ask: Ask, view: ClaimPage) -> dict[str, Any]:
    """What the Claim page offers this person to say; nothing where the key is elsewhere."""
    may = ask.may("publish") and ask.party in ask.node.signers and view.marked is not None
    return {
        "may_answer": may,
        "forms": REPLIES if view.row.word in _REPLIED_TO else _FORMS,
        "links": answers.links_of(ask.node, ask.reader, view.row.id) if may else (),
        "spoken_for": answers.spoken_for(ask.node, ask.reader, view.row.id) if may else (),
        "norms": NORMS,
        "kinds": [(one, KIND_CLASS[one], one in PLANTABLE) for one in KINDS],
        # Anybody may send a link to this page: it says nothing that we did not write ourselves.
        "did": did if (did := ask.query.get("did", "")) in (*_FORMS, *REPLIES, _GROUND) else "",
    }


def answer(ask: Ask) -> Go:
    """A person's words beside a claim."""
    ask.must("publish")
    how, words = ask.form.get("how", ""), ask.form.get("words", "").strip()
    behind = ask.form.get("for", "")
    if behind and not behind.startswith("identity--"):
        raise UsageError(f"{behind!r} is nobody", remedy="choose one on the page itself")
    if not words:
        raise UsageError("an answer without words", remedy="write what your organisation says")
    lang = ask.form.get("lang", "").strip() or "en"
    if _LANG.fullmatch(lang) is None:
        raise UsageError(f"{lang[:40]!r} is no language", remedy="write its tag: en, fr, zh-Hant")
    _bound("words", words, MOST_WORDS)
    if how not in (*_FORMS, *REPLIES):
        raise UsageError(f"{how!r} is no answer", remedy="choose one on the page itself")
    answers.answer(
        ask.node,
        ask.reader,
        ask.path["id"],
        how,
        words,
        lang=lang,
        link=ask.form.get("link") or None,
        speaks_for=behind or None,
        norms=named(ask.form.get("norms", "")),
    )
    return _back(ask, how)


def ground(ask: Ask) -> Go:
    """A piece of evidence for a claim, with a file or an address if there is one to see."""
    ask.must("publish")
    name, url = ask.form.get("name", "").strip(), ask.form.get("url", "").strip()
    if not name:
        raise UsageError("evidence without a name", remedy="say in a few words what it is")
    description = ask.form.get("description", "").strip()
    _bound("a name", name, MOST_NAME)
    _bound("an address", url, MOST_URL)
    _bound("a description", description, MOST_WORDS)
    files = [
        File(
            name=one.name,
            raw=one.raw,
            media_type=mimetypes.guess_type(one.name)[0] or "application/octet-stream",
        )
        for one in ask.uploads
        if one.raw
    ]
    answers.ground(
        ask.node,
        ask.reader,
        ask.path["id"],
        name,
        ask.form.get("kind", ""),
        sorted(key[4:] for key in ask.form if key.startswith("for.")),
        access=ask.form.get("access") or None,
        files=files,
        urls=[url] if url else [],
        description=description or None,
    )
    return _back(ask, _GROUND)


def _bound(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise UsageError(
            f"{what} of {len(text):,} characters, and {most:,} go in",
            remedy="give the rest as a file, or say it from the terminal",
        )


def _back(ask: Ask, did: str) -> Go:
    return Go(f"/claims/{quote(ask.path['id'])}?did={did}#said")
