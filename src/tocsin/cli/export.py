"""The verb that takes things away: a case as one file, or its indicators for machines and tools."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from tocsin.canonical import b64decode
from tocsin.cli import terminal
from tocsin.cli.terminal import line
from tocsin.errors import NotFoundError, UnreadableError, UsageError

if TYPE_CHECKING:
    from tocsin.client import Client

CASE_FORMS = ("dossier", "sheet", "stix")
MANIFEST = "manifest.json"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LIST_FORMS = ("misp", "misp-feed", "csv", "rpz", "suricata", "zeek", "blocklist")


@click.command()
@click.argument("what", metavar="CASE|WORDS|all")
@click.option(
    "--as",
    "as_",
    type=click.Choice([*CASE_FORMS, *LIST_FORMS]),
    default="dossier",
    show_default=True,
    help="dossier: all proofs; sheet: one HTML page that checks itself; the rest: indicators.",
)
@click.option("--for", "party", metavar="PARTY", help="What this party may read.")
@click.option("--out", metavar="FILE", help="Where to (default: in this folder; - is stdout).")
@click.option("--tlp", type=terminal.LEVEL, help="Of indicators: none marked stricter than this.")
@click.option(
    "--override", multiple=True, metavar="LIST", help="Pass over this warninglist; repeat."
)
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND", help="Of lists: only domain, ipv4, …; repeat."
)
@click.option("--observables", is_flag=True, help="STIX: write what each indicator is based on.")
@click.option("--white", is_flag=True, help="MISP: tag TLP:CLEAR as tlp:white too.")
@click.option("--by", "as_party", metavar="PARTY", help="Act as this party (the exercise).")
@terminal.JSON
def export(
    what: str,
    as_: str,
    party: str | None,
    out: str | None,
    tlp: str | None,
    override: tuple[str, ...],
    kinds: tuple[str, ...],
    observables: bool,
    white: bool,
    as_party: str | None,
    as_json: bool,
) -> None:
    """A case as one file, or indicators as MISP, CSV, DNS zone, rules or plain list.

    Of indicators only what may leave: nothing RED, nothing for named parties only; expired,
    withdrawn and warninglisted ones are counted, not written. --json: the losses.

    Example: tocsin export case--… --as suricata --out tocsin.rules
    """
    listing = as_ in LIST_FORMS or tlp is not None or observables or not _is_case(what)
    if listing and as_ in ("dossier", "sheet"):
        raise UsageError(
            f"{what!r} is no case, and a {as_} is of a case",
            remedy="name a case: tocsin case list; or say --as " + ", ".join(LIST_FORMS),
        )
    with terminal.node() as client:
        case = terminal.whole_id(client, "case", what) if _is_case(what) else None
        if listing:
            _list(
                client,
                case,
                what,
                as_,
                party,
                out,
                as_json,
                {
                    "tlp": tlp.upper() if tlp else None,
                    "override": ",".join(override),
                    "kind": ",".join(kinds),
                    "observables": "1" if observables else None,
                    "white": "1" if white else None,
                },
            )
        else:
            _case_file(client, str(case), as_, party, out, as_json)


def _is_case(what: str) -> bool:
    return what.startswith("case--")


def _stem(case: str | None) -> str:
    # A case's id is whoever's opened it, and no path.
    plain = "".join(c for c in (case or "").removeprefix("case--") if c.isascii() and c.isalnum())
    return plain[:8] or ("case" if case else "tocsin")


def _case_file(
    client: Client, case: str, as_: str, party: str | None, out: str | None, as_json: bool
) -> None:
    data = client.call("GET", "/exports", query={"case": case, "as": as_, "for": party})
    waiting = 0 if as_ == "stix" else _waiting(client)
    suffix = {"dossier": ".tocsin", "sheet": ".html", "stix": ".json"}[as_]
    target = out or _stem(case) + suffix
    terminal.write_output(target, data)
    if as_json and target != "-":
        terminal.json_out({"file": target, "bytes": len(data), "waiting": waiting})
        return
    if target != "-":
        line(f"wrote {target} ({len(data):,} bytes)")
        if as_ in ("dossier", "sheet"):
            line(f"next  {terminal.again()} verify {target}")
    if waiting:
        click.echo(
            f"the newest {waiting} of the log wait for a quorum of witnesses; what is of this case "
            "among them is for the next export",
            err=True,
        )


def _waiting(client: Client) -> int:
    """Entries that no quorum has cosigned yet, where the policy asks for one."""
    head = client.get("/log")
    if head["quorum"] == "none" or head["cosigned"] is None:
        return 0
    return int(head["size"]) - int(head["cosigned"])


_LEFT_OUT = {
    "expired": "expired",
    "revoked": "revoked by their author",
    "withdrawn": "withdrawn",
    "warninglisted": "on a warninglist (--override LIST)",
    "not-for-files": "RED, for named parties, or under a marking nobody can read",
    "stricter": "marked stricter than --tlp",
    "not-for-reader": "not for this reader",
    "other-kind": "of another --kind",
    "unlisted": "with a pattern that no list of values stands for",
}


def _list(
    client: Client,
    case: str | None,
    what: str,
    as_: str,
    party: str | None,
    out: str | None,
    as_json: bool,
    narrowed: dict[str, str | None],
) -> None:
    asked = {
        "as": as_,
        "case": case,
        "q": "" if case or what == "all" else what,
        "for": party,
        **narrowed,
    }
    try:
        found = client.get("/exports/lists", **asked)
    except NotFoundError as wrong:
        what = "nothing is said here" if what == "all" else f"nothing that is said here is {what!r}"
        raise NotFoundError(
            f"{what}, or nothing that you may see",
            remedy=f"{terminal.again()} accept lists what was ingested and is not said yet",
        ) from wrong
    data = b64decode(found.pop("data"))
    target = out or _stem(case) + ("-feed" if as_ == "misp-feed" else found["suffix"])
    if as_ == "misp-feed" and target != "-" and not target.endswith(".zip"):
        _unpack(data, target)
    else:
        terminal.write_output(target, data)
    told = {"file": target, **found}
    if as_json and target != "-":
        terminal.json_out(told)
        return
    err = target == "-"
    where = "to standard output" if err else terminal.clip(target, 60)
    click.echo(f"wrote {where}: {found['count']} in it", err=err)
    for why, count in sorted(found["left_out"].items()):
        click.echo(f"  left out: {count} {_LEFT_OUT.get(why, why)}", err=err)
    _print_losses(found["losses"], err=err)


def _print_losses(losses: list[dict[str, Any]], *, err: bool) -> None:
    for one in losses[:20]:
        click.echo(f"  {terminal.clip(one['id'], 30)}: {terminal.clip(one['why'], 44)}", err=err)
    if len(losses) > 20:
        click.echo(f"  and {len(losses) - 20} more: --json", err=err)


def _unpack(data: bytes, name: str) -> None:
    """Write a feed's files into a folder, its manifest last; of what is there, only its own.

    Events that the manifest before named and this one does not are taken away: they hold what was
    taken back or has ended since, and whoever knows their names would go on reading them.
    """
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = _events_of(folder / MANIFEST)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.namelist()
            for member in members:
                terminal.write_output(str(folder / Path(member).name), archive.read(member))
        for gone in sorted(before - {Path(member).name for member in members}):
            (folder / gone).unlink(missing_ok=True)
    except OSError as wrong:
        raise UnreadableError(
            f"{name}: {wrong.strerror or wrong}", remedy="name a folder you may write to"
        ) from wrong


def _events_of(manifest: Path) -> set[str]:
    """The names of the event files of a feed that was written here before."""
    try:
        found = orjson.loads(manifest.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return set()
    named = found if isinstance(found, dict) else {}
    return {f"{uuid}.json" for uuid in named if _UUID.fullmatch(uuid)}
