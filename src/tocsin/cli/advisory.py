"""Verbs about an advisory: draft, list, show, freeze, cosign, publish, withdraw."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tocsin.cli import terminal
from tocsin.cli.case import ceiling
from tocsin.cli.terminal import line
from tocsin.client import says
from tocsin.errors import RenderingError, UnreadableError, UsageError

if TYPE_CHECKING:
    from tocsin.client import Client
    from tocsin.record.statement import Statement


@click.group()
def advisory() -> None:
    """One advisory, co-signed k of n."""


@advisory.command("draft")
@click.option("--case", required=True, metavar="CASE", help="The case it comes from.")
@click.option("--title", required=True, help="One line.")
@click.option("--summary", required=True, metavar="TEXT|@FILE", help="What readers should know.")
@terminal.TLP
@click.option("--claim", "claims", multiple=True, metavar="ID", help="A claim to carry; repeat.")
@click.option("--indicator", "indicators", multiple=True, metavar="ID", help="Repeat; default all.")
@click.option("--quorum", default="2", metavar="K[/N]", help="How many must sign, of how many.")
@terminal.AS
@terminal.JSON
def draft(
    case: str,
    title: str,
    summary: str,
    tlp: str | None,
    claims: tuple[str, ...],
    indicators: tuple[str, ...],
    quorum: str,
    as_party: str | None,
    as_json: bool,
) -> None:
    """Draft an advisory from accepted claims and indicators of a case.

    Example: tocsin advisory draft --case case--… --title "LOCKSTEP" --summary @text.md
    """
    k, _, of = quorum.partition("/")
    if not k.isdecimal() or (of and not of.isdecimal()):
        raise UsageError(f"--quorum {quorum!r}", remedy="write it as 2 or 2/3")
    text = terminal.read_text(summary[1:]) if summary.startswith("@") else summary
    with terminal.node() as client:
        found = client.post(
            "/advisories",
            {
                "case": terminal.whole_id(client, "case", case),
                "title": title,
                "summary": text,
                "tlp": (tlp or "AMBER").upper(),
                "k": int(k),
                "of": int(of or 0),
                "claims": list(claims),
                "indicators": list(indicators),
            },
        )
    if as_json:
        terminal.json_out(found)
    else:
        line(f"drafted {found['id']}; nothing is said yet")
        line(f"next  {terminal.again()} advisory show {found['id']} · freeze {found['id']}")


@advisory.command("list")
@terminal.CASE
@terminal.AS
@terminal.JSON
def advisory_list(case: str | None, as_party: str | None, as_json: bool) -> None:
    """Advisories you may see. Example: tocsin advisory list"""
    with terminal.node() as client:
        case = terminal.whole_id(client, "case", case) if case else None
        found = client.get("/advisories", case=case)["items"]
    if as_json:
        terminal.json_out(found)
        return
    if not found:
        click.echo("no advisories here that you may read")
        return
    terminal.table(
        ["ADVISORY", "STATE", "REV", "SIGNED", "TITLE"],
        [[a["id"], a["state"], a["rev"], f"{a['signed']} of {a['k']}", a["title"]] for a in found],
        below=1,
    )


@advisory.command("show")
@click.argument("advisory_id", metavar="ID")
@click.option("--out", metavar="DIR", help="Write the renderings into this folder.")
@terminal.AS
@terminal.JSON
def show(advisory_id: str, out: str | None, as_party: str | None, as_json: bool) -> None:
    """Who signed what, in which capacity; the renderings. Example: tocsin advisory show ID"""
    with terminal.node() as client:
        found = _one(client, advisory_id)
        if out:
            _write(client, found, Path(out))
    if as_json:
        terminal.json_out(found)
        return
    _print(found)


def _one(client: Client, given: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(
        f"/advisories/{terminal.whole_id(client, 'advisory', given)}"
    )
    return found


def _print(found: dict[str, Any]) -> None:
    line(f"{found['title']}   {found['state']}   rev {found['rev']}   TLP:{found['tlp']}")
    line(f"signed {found['signed']} of {found['k']} needed, {found['of']} asked")
    if found["manifest_sha256"]:
        line(f"manifest sha256 {found['manifest_sha256']}")
    if found["cosigns"]:
        terminal.table(
            ["PARTY", "ANSWER", "REV", "REASON"],
            [
                [c["party"]["name"], c["word"], c["rev"] or "-", c["dissent"] or ""]
                for c in found["cosigns"]
            ],
            grow=3,
        )
    for r in found["renderings"]:
        line(f"  {r['path']}  {r['media_type']}  {r['size']} bytes  sha256 {r['sha256'][:16]}…")


def _write(client: Client, found: dict[str, Any], folder: Path) -> None:
    read = _renderings(client, found)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        raise UnreadableError(
            f"cannot make {folder}: {wrong.strerror or wrong}", remedy="choose another folder"
        ) from wrong
    for name, data in read.items():
        terminal.write_output(str(folder / name), data)
        line(f"wrote {folder / name}")


def _renderings(client: Client, found: dict[str, Any]) -> dict[str, bytes]:
    """The frozen renderings by name, once every byte is what the manifest says.

    The node is asked for bytes only: what a signature is for is worked out here.

    Raises:
        RenderingError: the manifest or a rendering is another than was frozen.
    """
    from tocsin.flows.advise import open_manifest

    digest = found["manifest_sha256"]
    if digest is None:
        raise UsageError(
            f"{found['id']} is a draft: there are no bytes yet to sign or to write",
            remedy="freeze it first: tocsin advisory freeze " + found["id"],
        )
    raw = client.call("GET", f"/objects/{digest}")
    if hashlib.sha256(raw).hexdigest() != digest:
        raise RenderingError(
            f"the manifest is not that of {digest[:16]}…", remedy="do not sign; ask its author"
        )
    read = {}
    for r in open_manifest(raw, found["id"], found["rev"]).renderings:
        data = client.call("GET", f"/advisories/{found['id']}/renderings/{r.path}")
        if hashlib.sha256(data).hexdigest() != r.sha256:
            raise RenderingError(
                f"{r.path} is not the frozen rendering", remedy="do not sign; ask its author"
            )
        read[r.path] = data
    return read


@advisory.command("freeze")
@click.argument("advisory_id", metavar="ID")
@click.option("--sign-by", default="72h", show_default=True, help="Sign by: 72h, 3d, or a time.")
@terminal.AS
@terminal.JSON
def freeze(advisory_id: str, sign_by: str, as_party: str | None, as_json: bool) -> None:
    """Fix every byte of it, so that parties can sign. Example: tocsin advisory freeze ID"""
    from tocsin.cli.case import deadline

    _say(
        advisory_id,
        "freeze",
        {"sign_by": deadline(sign_by)},
        as_json,
        "frozen",
    )


@advisory.command("cosign")
@click.argument("advisory_id", metavar="ID")
@click.option(
    "--as-capacity",
    "--as",
    "capacity",
    type=click.Choice(["author", "co-author", "endorses", "no-objection"]),
    help="In which capacity; only author and co-author count to k.",
)
@click.option("--refuse", is_flag=True, help="Refuse, on record.")
@click.option("--dissent", help="Why not, or what you hold against it.")
@click.option("--by", "as_party", metavar="PARTY", help="Act as this party (the exercise).")
@terminal.YES
@terminal.JSON
def cosign(
    advisory_id: str,
    capacity: str | None,
    refuse: bool,
    dissent: str | None,
    as_party: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Sign the frozen bytes, or refuse.

    The manifest's digest is recomputed here from the renderings you can read before anything is
    signed. Example: tocsin advisory cosign ID --as co-author
    """
    if refuse == bool(capacity):
        raise UsageError("sign or refuse?", remedy="--as co-author, or --refuse --dissent WHY")
    with terminal.node() as client:
        found = _one(client, advisory_id)
        digest = found["manifest_sha256"] or ""
        if not refuse:
            _renderings(client, found)
        word = "refuse" if refuse else f"sign as {capacity}"
        terminal.agree(
            f"{word}: {found['title']!r} rev {found['rev']} (manifest {digest[:16]}…)?", yes
        )
        said = {
            "manifest_sha256": digest,
            "capacity": capacity,
            "refuse": refuse or None,
            "dissent": dissent,
        }
        done = client.act(
            f"/advisories/{found['id']}/cosign",
            {"capacity": capacity, "refuse": refuse, "dissent": dissent},
            says("cosign", said, case=found["case"], tlp=ceiling(client, found["case"])),
        )
    if as_json:
        terminal.json_out(done)
    else:
        line(f"{'refused' if refuse else 'signed'}; statement {done['statement']['id']}")


@advisory.command("publish")
@click.argument("advisory_id", metavar="ID")
@click.option("--out", "--to", "folder", metavar="DIR", help="Write the renderings into it.")
@terminal.AS
@terminal.YES
@terminal.JSON
def publish(
    advisory_id: str, folder: str | None, as_party: str | None, yes: bool, as_json: bool
) -> None:
    """Publish what enough parties have signed. Example: tocsin advisory publish ID --out out/"""
    with terminal.node() as client:
        found = _one(client, advisory_id)
        terminal.agree(f"publish {found['title']!r} as TLP:{found['tlp']}?", yes)
        done = client.act(
            f"/advisories/{found['id']}/publish",
            None,
            _expect(found, "advise.publish"),
        )
        if folder:
            _write(client, found, Path(folder))
    if as_json:
        terminal.json_out(done)
    else:
        line(f"published; statement {done['statement']['id']}")


@advisory.command("withdraw")
@click.argument("advisory_id", metavar="ID")
@click.option("--reason", help="Why; goes on record.")
@terminal.AS
@terminal.YES
@terminal.JSON
def advisory_withdraw(
    advisory_id: str, reason: str | None, as_party: str | None, yes: bool, as_json: bool
) -> None:
    """Take an advisory back; what was signed stays. Example: tocsin advisory withdraw ID"""
    terminal.agree(f"take back advisory {advisory_id}?", yes)
    _say(
        advisory_id,
        "withdraw",
        {"reason": reason},
        as_json,
        "withdrawn",
    )


def _say(given: str, verb: str, body: dict[str, Any], as_json: bool, words: str) -> None:
    with terminal.node() as client:
        found = _one(client, given)
        fields = body if verb == "withdraw" else {}
        expect = _expect(found, f"advise.{verb}", **fields)
        done = client.act(f"/advisories/{found['id']}/{verb}", body, expect)
    if as_json:
        terminal.json_out(done)
    else:
        line(f"{words}; statement {done['statement']['id']}")


def _expect(found: dict[str, Any], event: str, **fields: Any) -> Callable[[Statement], bool]:
    """What an event about this advisory must be; what it refers to is the node's to find."""
    body = {"event": event, "item": found["id"], **fields}
    return says("act", body, case=found["case"], chosen=["re"])
