"""Verbs of the dispute: answer a claim, give grounds, show later what was committed to."""

from __future__ import annotations

import functools
import hashlib
import mimetypes
import secrets
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import orjson
from msgspec import Struct

from tocsin.cli import terminal
from tocsin.cli.terminal import line
from tocsin.client import says
from tocsin.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tocsin.claims.answering import File, Saying
    from tocsin.client import Client

FORMS = ("denial", "request", "rebut", "alternative", "method-critique", "undercut")
REPLIES = ("accepted", "refused", "partly", "premise-denied")
LINKS = ("activity", "actor", "sponsor", "statement")
CAPACITIES = ("personal", "spokesperson", "agency", "vendor", "court", "press", "unknown")


class Publishing(Struct, frozen=True, kw_only=True):
    """Whose words are said, and for whom: what both verbs are told in the same way."""

    speaker: str | None
    url: str | None
    said_on: str | None
    tlp: str | None
    to: tuple[str, ...]
    case: str | None
    dry_run: bool
    yes: bool
    as_json: bool


_PUBLISHING = (
    click.option(
        "--speaker",
        metavar="PARTY",
        help="Whose words these are, where they stand at --url and you pass them on.",
    ),
    click.option("--url", metavar="URL", help="Where it stands."),
    click.option("--on", "said_on", metavar="DATE", help="When it was said, if not now."),
    terminal.TLP,
    terminal.TO,
    terminal.CASE,
    terminal.AS,
    click.option("--dry-run", is_flag=True, help="Show what would be said, and say nothing."),
    terminal.YES,
    terminal.JSON,
)


def _published(verb: Callable[..., None]) -> Any:
    """Add the options of `Publishing`, and hand them to the verb as `how`."""

    @functools.wraps(verb)
    def command(**given: Any) -> None:
        del given["as_party"]  # `terminal.node` has it from the context
        how = Publishing(**{name: given.pop(name) for name in Publishing.__struct_fields__})
        verb(**given, how=how)

    for option in reversed(_PUBLISHING):
        option(command)
    return command


@click.command()
@click.argument("target", metavar="CLAIM|EVIDENCE|LINK")
@click.argument("words", metavar="WORDS|-")
@click.option("--form", type=click.Choice(FORMS), help="To a claim of fact. Default: denial.")
@click.option("--reply", type=click.Choice(REPLIES), help="To a call or a demand.")
@click.option("--link", type=click.Choice(LINKS), help="The link of the claim it speaks to.")
@click.option("--rival", metavar="CLAIM", help="Your own claim that it rests on.")
@click.option(
    "--norm", "norms", multiple=True, metavar="REF", help="A norm it invokes: un-13f; repeat."
)
@click.option("--lang", default="en", show_default=True, metavar="TAG", help="Of the words.")
@click.option("--speaks-for", metavar="PARTY", help="On whose behalf the speaker says it.")
@click.option("--capacity", type=click.Choice(CAPACITIES), help="As what the speaker says it.")
@_published
def answer(
    target: str,
    words: str,
    form: str | None,
    reply: str | None,
    link: str | None,
    rival: str | None,
    norms: tuple[str, ...],
    lang: str,
    speaks_for: str | None,
    capacity: str | None,
    how: Publishing,
) -> None:
    """Deny, rebut, ask for grounds, undercut: your words beside the claim, at the same size.

    Said for those its target was said for, unless --tlp, --to or --case say otherwise. A denial
    changes no level; a rebuttal counts once it has grounds (tocsin evidence OPINION ...).

    Example: tocsin answer note--9e78b78 "We run no such group." --form denial
    """
    from tocsin.claims import answering

    if reply is not None and (form or link or rival):
        raise UsageError("--reply together with --form, --link or --rival", remedy="give one")
    invoked = _norms(norms)
    text = (terminal.read_text(words) if words == "-" else words).strip()
    if not text:
        raise UsageError("no words", remedy="write what is said, or - to read it from stdin")
    with terminal.node() as client:
        target, held = _target(client, target)
        rival = _target(client, rival)[0] if rival else None
        saying = msgspec.structs.replace(
            _saying(client, how),
            capacity=capacity,
            speaks_for=_identity(client, speaks_for) if speaks_for else None,
        )
        if reply is not None:
            objects = answering.reply(saying, target, reply, text, lang=lang, norms=invoked)
        else:
            objects = answering.answer(
                saying, target, form or "denial", text,
                lang=lang, link=link, rival=rival, norms=invoked,
            )  # fmt: skip
        what = f"this {'reply' if reply else form or 'denial'}"
        _say(client, objects, what, held, how)


def _norms(given: Sequence[str]) -> list[str]:
    """Norms as they were given; one we do not know is told, and kept."""
    if not given:
        return []
    from tocsin.claims import norms

    refs = norms.named(",".join(given))
    for one in norms.findings(refs):
        click.echo(f"note: {one.message}; tocsin norms lists them", err=True)
    return refs


@click.command()
@click.option("--sectors", is_flag=True, help="Lists of critical infrastructure instead.")
@terminal.JSON
def norms(sectors: bool, as_json: bool) -> None:
    """The UN norms a claim can invoke, and lists of critical infrastructure; each with its source.

    What is named in a claim is invoked by its speaker; nothing here judges it.

    Example: tocsin norms --sectors
    """
    from tocsin.claims import norms as table
    from tocsin.claims.sectors import LISTS

    if as_json:
        plain = msgspec.to_builtins({"sectors": LISTS} if sectors else {"norms": table.NORMS})
        terminal.json_out(plain)
    elif sectors:
        for one in LISTS:
            line(f"{one.ref}  {one.maker}: {one.text}")
            line(f"  {', '.join(one.sectors)}")
            line(f"  {one.url}")
    else:
        rows = [(one.ref, one.title, one.words) for one in table.NORMS]
        terminal.table(("REF", "NORM", "IN OUR WORDS"), rows, below=1)
        for text, url in table.SOURCES:
            line(f"{text}: {url}")


def _kinds(ctx: click.Context, _: Any, asked: bool) -> None:
    if not asked:
        return
    from tocsin.claims.answering import KINDS
    from tocsin.claims.model import KIND_CLASS, PLANTABLE

    rows = [(one, KIND_CLASS[one], "can be planted" if one in PLANTABLE else "") for one in KINDS]
    terminal.table(("kind", "class", ""), rows)
    ctx.exit()


@click.command()
@click.argument("target", metavar="CLAIM|OPINION|EVIDENCE")
@click.option("--name", metavar="TEXT", help="What it is, in a few words.")
@click.option("--kind", metavar="KIND", help="What sort of evidence: tocsin evidence --kinds.")
@click.option("--for", "links", multiple=True, type=click.Choice(LINKS), help="Repeat.")
@click.option("--file", "files", multiple=True, metavar="FILE", help="Material to attach; repeat.")
@click.option("--object", "objects", multiple=True, metavar="ID", help="STIX objects; repeat.")
@click.option("--page", "urls", multiple=True, metavar="URL", help="Where it can be seen; repeat.")
@click.option("--made-by", multiple=True, metavar="PARTY", help="Who made it, if not you; repeat.")
@click.option(
    "--access",
    type=click.Choice(("described", "inspectable", "withheld")),
    help="Default: inspectable with material, else described.",
)
@click.option("--describe", metavar="TEXT", help="What it shows, in plain words.")
@click.option("--court", metavar="TEXT", help="Court and state, of a court-finding.")
@click.option(
    "--commit",
    metavar="FILE",
    help="Show it later: give only a digest now; FILE.committed is kept.",
)
@click.option("--reveal", metavar="FILE", help="Show what EVIDENCE was committed to.")
@click.option(
    "--kinds",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_kinds,
    help="List the kinds of evidence, and stop.",
)
@_published
def evidence(
    target: str,
    name: str | None,
    kind: str | None,
    links: tuple[str, ...],
    files: tuple[str, ...],
    objects: tuple[str, ...],
    urls: tuple[str, ...],
    made_by: tuple[str, ...],
    access: str | None,
    describe: str | None,
    court: str | None,
    commit: str | None,
    reveal: str | None,
    how: Publishing,
) -> None:
    """Give grounds for a claim or a challenge; or commit to them now and show them later.

    Without --for it counts for no link. Said for those its target was said for, unless --tlp, --to
    or --case say otherwise.

    Example: tocsin evidence note--9e78b78 --name "Flow records" --kind telemetry --for actor
    --file flows.csv
    """
    from tocsin.claims import answering

    given = (name, kind, links, files, objects, urls, made_by, access, describe, court, commit)
    if reveal is not None and any(given):
        raise UsageError(
            "--reveal together with what describes evidence",
            remedy="give --reveal FILE alone: it shows what was described then",
        )
    with terminal.node() as client:
        target, held = _target(client, target)
        saying = _saying(client, how)
        if reveal is not None:
            piece = orjson.loads(client.call("GET", f"/objects/{held['sha256']}"))
            made = answering.reveal(saying, piece, _file(reveal))
            _say(client, made, "what was committed to", held, how)
            return
        if not name or not kind:
            raise UsageError(
                "no --name or no --kind",
                remedy="say what it is; tocsin evidence --kinds lists them",
            )
        commitment = keep = None
        if commit is not None:
            if files or objects or urls:
                raise UsageError(
                    "--commit together with material", remedy="what is shown now needs no digest"
                )
            kept, commitment = answering.opening(
                terminal.read_input(commit), secrets.token_bytes(32)
            )
            keep = functools.partial(_keep, Path(commit + ".committed"), kept)
        shown = bool(files or objects or urls)
        made = answering.grounds(
            saying,
            target,
            name,
            kind,
            links,
            access="committed"
            if commitment
            else access or ("inspectable" if shown else "described"),
            files=[_file(one) for one in files],
            objects=objects,
            urls=urls,
            made_by=[_identity(client, one) for one in made_by],
            commitment=commitment,
            description=describe,
            court=court,
        )
        if not links:
            click.echo("note: without --for it counts for no link", err=True)
        _say(client, made, f"“{name}” as evidence", held, how, keep)
        if commitment is not None and not how.dry_run:
            piece = next(one["id"] for one in map(orjson.loads, made) if one["type"] == "grouping")
            click.echo(
                f"keep {commit}.committed and show it with:"
                f" {terminal.again()} evidence {piece} --reveal {commit}.committed",
                err=True,
            )


def _target(client: Client, given: str) -> tuple[str, dict[str, Any]]:
    """(id, its newest version as the node lists it: digest, and for whom it was said)."""
    if not given.startswith("note--"):
        return given, _newest(client, given)
    near = [r["id"] for r in client.get("/claims")["items"] if r["id"].startswith(given)]
    if len(near) > 1:
        raise UsageError(f"{given} fits {len(near)} claims", remedy="give more of its characters")
    if not near:
        raise NotFoundError(
            f"no claim {given} is known here", remedy=f"{terminal.again()} claims lists them"
        )
    return near[0], _newest(client, near[0])


def _newest(client: Client, id: str) -> dict[str, Any]:
    found = client.get("/objects", id=id)["items"]
    if not found:
        raise NotFoundError(
            f"no object {id} is held here",
            remedy="give all of the id; the Claim page and tocsin evidence name them",
        )
    newest: dict[str, Any] = found[0]
    return newest


def _saying(client: Client, how: Publishing) -> Saying:
    from tocsin.claims.answering import Saying

    me = client.get("/me")
    if me["identity"] is None:
        raise UsageError("nobody's word: no party is behind this token", remedy="use a party's own")
    return Saying(
        new=lambda type: f"{type}--{uuid.uuid4()}",
        now=datetime.now(UTC),
        by=me["identity"],
        speaker=_identity(client, how.speaker) if how.speaker else None,
        url=how.url,
        said_on=how.said_on,
    )


def _identity(client: Client, given: str) -> str:
    """The STIX identity of a party, by its directory id; an identity as it is."""
    if given.startswith("identity--"):
        return given
    for party in client.get("/parties")["items"]:
        if given in (party["id"], party["name"]):
            return str(party["identity"])
    raise NotFoundError(
        f"{given}: no party of the directory",
        remedy=f"{terminal.again()} party list; or give an identity--… id",
    )


def _file(name: str) -> File:
    from tocsin.claims.answering import File

    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return File(name=name, raw=terminal.read_input(name), media_type=guessed)


def _keep(path: Path, raw: bytes) -> None:
    if path.exists():
        raise UsageError(f"{path} is there already", remedy="move it away: it may be needed")
    terminal.write_output(str(path), raw)


def _say(
    client: Client,
    objects: Sequence[bytes],
    what: str,
    held: dict[str, Any],
    how: Publishing,
    keep: Callable[[], None] | None = None,
) -> None:
    """Say these objects, for those the target was said for unless it is said otherwise.

    `keep`: what has to be on this disk before anything is said.
    """
    from tocsin.flows.weighed import Marked

    me = client.get("/me")["party"]
    unmarked = {"tlp": "AMBER+STRICT", "to": [], "case": None, "author": me}
    marked = msgspec.convert(held["marked"] or unmarked, Marked)
    level = how.tlp.upper() if how.tlp else marked.tlp
    rounds = marked.rounds(me, level, how.to)
    readers, persons = rounds[0]
    where = terminal.whole_id(client, "case", how.case) if how.case else marked.case
    bundle = b'{"type":"bundle","id":"bundle--%s","objects":[%s]}' % (
        str(uuid.uuid4()).encode(),
        b",".join(objects),
    )
    whom = f"TLP:{level}" + (f" for {', '.join(readers)}" if readers else "")
    whom += f", there for {', '.join(persons)}" if persons else ""
    whom += f", and for who signs at {marked.author}" if len(rounds) > 1 else ""
    if how.dry_run:
        if how.as_json:
            terminal.json_out(orjson.loads(bundle))
        else:
            click.echo(f"would say {what}, {whom}; nothing was published")
        return
    terminal.agree(f"say {what} in your party's name, {whom}?", how.yes)
    if keep is not None:
        keep()
    statements = []
    for readers, persons in rounds:
        query = {"tlp": level, "to": ",".join(readers), "case": where}
        query["persons"] = ",".join(persons) or None
        done = msgspec.json.decode(client.call("POST", "/say", query=query, body=bundle))
        expect = says(
            "say",
            {"persons": list(persons) or None},
            case=where,
            tlp=level,
            to=readers if readers or not where else None,
            refs=(),
            objects=[hashlib.sha256(one).hexdigest() for one in objects],
        )
        statements += client.sign_if_asked(done, expect)["statements"]
    ids = [orjson.loads(one)["id"] for one in objects]
    if how.as_json:
        terminal.json_out({"statements": statements, "objects": ids})
        return
    for one in statements:
        line(f"statement {one['id']}  log index {one['index']}  TLP:{level}")
    for id in ids:
        line(f"  {id}")
