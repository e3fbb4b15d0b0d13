"""`purge`: drop bytes from this node, and keep what proves that they were there."""

from __future__ import annotations

from typing import Any

import click

from tocsin.cli import terminal
from tocsin.cli.terminal import line


@click.command()
@click.argument("id")
@click.option("--why", required=True, metavar="TEXT", help="Kept in the audit of this node.")
@click.option("--local-only", is_flag=True, help="Do not also take back what you said yourself.")
@click.option("--lift", is_flag=True, help="Let a purged object be said anew.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@terminal.YES
@terminal.JSON
def purge(
    id: str,
    why: str,
    local_only: bool,
    lift: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Drop the bytes of an object or a statement from this node; its commitment stays.

    Chains and proofs verify as before, pages and exports say `withheld`. What your party said
    itself is also withdrawn, with the same reason; others that hold it can only be asked. ID: a
    STIX id (all its versions), a SHA-256, or a statement's id.

    Example: tocsin purge note--… --why "names a patient"
    """
    asked = {"id": id, "why": why, "local_only": local_only}
    with terminal.node() as client:
        if lift:
            found: dict[str, Any] = {"lifted": [], "done": False}
            if not dry_run:
                terminal.agree(f"let {id} be said anew?", yes)
                found = client.post("/purge", asked | {"lift": True})
        else:
            found = client.post("/purge", asked | {"dry_run": True})
            if not dry_run:
                if not as_json:
                    _print(found)
                terminal.agree("drop this for good?", yes)
                found = client.post("/purge", asked)
    if as_json:
        terminal.json_out(found)
    elif lift:
        line(f"{id} may be said anew" if found["done"] else "nothing was changed")
    elif dry_run:
        _print(found)
        line("nothing was changed")
    else:
        size = sum(item["size"] for item in found["items"])
        line(f"purged  {size:,} bytes; the commitment and the reason are kept")
        line(f"next    {terminal.again()} log audit")


def _print(found: dict[str, Any]) -> None:
    for item in found["items"]:
        left = f"{item['size']:,} bytes" if item["size"] else "purged before"
        line(f"{item['what']:9} {item['type']}  {item['name']}  {left}")
        for statement in item["named_by"]:
            line(f"          named by {statement}, which stays")
    for statement in found["withdrawn"]:
        line(f"withdraw  what your party said in {statement}")
    for case in found["opens"]:
        line(f"loses     title, owner and members of {case}, which it opens")
    for kind, count in found["rows"].items():
        line(f"also      {count} {kind} of this node with the same words")
    if found["open_drafts"]:
        line(f"          {found['open_drafts']} of the drafts are still open")
