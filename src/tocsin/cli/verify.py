"""The verb `verify`: files judged offline; the verdict in a few lines, or by statement."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from tocsin.cli import terminal
from tocsin.cli.terminal import line
from tocsin.console.i18n import plural
from tocsin.console.untrusted import terminal as safe
from tocsin.errors import (
    DossierError,
    InputError,
    UnreadableError,
    UsageError,
    VerificationError,
)

if TYPE_CHECKING:
    from tocsin.wiring.offline import Checked


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE [FILE]")
@click.option("--policy", metavar="FILE", help="Your tlog-policy (default on a node: its own).")
@click.option(
    "--root", metavar="FILE", help="Your root file, or none (default on a node: its own)."
)
@click.option(
    "--directory",
    metavar="FILE",
    help="Key statements you hold, one envelope a line: a revocation among them counts too "
    "(default on a node: its own).",
)
@click.option(
    "--fork-proof-out", metavar="FILE", help="Where to write the proof of a fork that was found."
)
@click.option("--verbose", is_flag=True, help="List each statement, also what is as it should be.")
@terminal.JSON
@click.pass_context
def verify(
    ctx: click.Context,
    files: tuple[str, ...],
    policy: str | None,
    root: str | None,
    directory: str | None,
    fork_proof_out: str | None,
    verbose: bool,
    as_json: bool,
) -> int:
    """Check a dossier, two of them, or a sheet, offline; a verdict for each statement.

    Also a .tlog-proof, alone or with its envelope, and a fork proof. Two dossiers are merged and
    compared: what one withholds the other may show, and two histories of one log show as a fork.

    Verified means: who said it and when it was logged, and that nobody changed it; not that it is
    true. Exit 0 verified, 3 something fails, 2 unreadable.

    Example: tocsin verify case.tocsin --policy policy.txt --root root.json
    """
    from tocsin.wiring.offline import verify_files

    if len(files) > 2:
        raise UsageError(f"{len(files)} files", remedy="one file, or two to compare")
    settings = ctx.find_root().obj
    bodies = [(name, terminal.read_input(name)) for name in files]
    try:
        found = verify_files(
            bodies,
            policy=terminal.read_input(policy) if policy else None,
            root=root if root == "none" else terminal.read_input(root) if root else None,
            home=settings["home"],
            directory=terminal.read_input(directory) if directory else None,
        )
    except (UsageError, UnreadableError, DossierError):
        raise
    except InputError as wrong:
        # Exit 1 is never the answer to "is this right?": what cannot be judged has failed.
        raise VerificationError(wrong.message, remedy=wrong.remedy) from wrong
    verdict = found.verdict
    if fork_proof_out:
        _write_fork(verdict, fork_proof_out)
    if as_json:
        terminal.json_out(verdict)
    else:
        _name_trust(settings["home"], policy=policy, root=root)
        show = _SHOWN.get(verdict.get("kind", ""))
        if show is not None:
            show(found)
        else:
            _print_verdict(found, verbose)
    return 0 if verdict["ok"] else 3


def _write_fork(verdict: dict[str, Any], name: str) -> None:
    """The first proven fork as a file that everybody can check."""
    from tocsin.canonical import encode

    proof = next((one["proof"] for one in verdict.get("forks", ()) if "proof" in one), None)
    if proof is None:
        click.echo("no fork proof to write: none was found, or no path shows it", err=True)
        return
    terminal.write_output(name, encode(proof))
    click.echo(f"wrote {safe(name)}: anybody can check it with tocsin verify", err=True)


def _name_trust(home: str | None, *, policy: str | None, root: str | None) -> None:
    """Say whose policy and root are taken where the reader gave none: another's would fail."""
    from tocsin.wiring.folder import find_home, load_config

    missing = [n for n, given in (("policy", policy), ("root", root)) if given is None]
    if not missing:
        return
    with suppress(UnreadableError):  # nobody's: the verdict says so
        folder = find_home(home)
        named = f"{' and '.join(missing)}: those of {load_config(folder).party}, {folder}"
        click.echo(f"{named}; give others with --policy FILE --root FILE", err=True)


_MARK = {True: "ok", False: "FAILS", None: "not checked"}


def _print_verdict(found: Checked, verbose: bool) -> None:
    verdict = found.verdict
    line(f"case  {verdict['case'] or '(none)'}")
    for log in verdict["logs"]:
        _print_log(log)
    known = verdict["directory"]
    line(f"directory version {known['version']}: {_MARK[known['ok']]}")
    if found.sheet:
        line(f"sheet {found.sheet}")
    if verdict["statements"]:
        if not verbose:
            _print_count(verdict["statements"])
        rows = verdict["statements"]
        listed = rows if verbose else [s for s in rows if not _as_it_should(s)]
        if listed:
            _print_statements(listed, found.said)
    if verdict["chains"]:
        click.echo()
        click.echo("Heads, to compare with their authors: a tail that was cut does not show here.")
        _print_chains(verdict["chains"])
    for fork in verdict["forks"]:
        word = "fork " if fork["explained"] else "unexplained"
        line(f"{word} {fork['origin'] or '(no log)'}: {fork['detail']}")
    _print_problems(verdict)
    if verdict["ok"]:
        click.echo("VERIFIED: who said it and when it was logged; nobody changed it.")
        click.echo("That does not mean that it is true.")


def _print_log(log: dict[str, Any]) -> None:
    signed = ", ".join(log["signatures"]) or "by nobody known"
    # A policy that asks for nobody is met by nobody: that is not to read as if witnesses agreed.
    met = _MARK[log["quorum"]] if log["witnesses"] or not log["quorum"] else "not asked for"
    line(f"log   {log['origin']}  size {log['size']}")
    line(f"      signed {signed}  quorum {met}  witnesses {len(log['witnesses'])}")
    for witness in log["witnesses"]:
        line(f"      cosigned by {witness['name']} at {witness['time']}")


def _as_it_should(s: dict[str, Any]) -> bool:
    """Whether all that can be checked of a statement holds; of a withheld one, its place."""
    if s["kind"] is None:
        return s["signature"] is not False and s["included"] is True
    return s["signature"] is True and s["key"] == "valid" and s["included"] is True


def _print_count(statements: list[dict[str, Any]]) -> None:
    """What the table of all of them would say, in a few lines."""
    shown = [s for s in statements if s["kind"] is not None]
    good = sum(_as_it_should(s) for s in shown)
    held = sum(s["objects"]["held"] for s in statements)
    hidden = sum(s["objects"]["withheld"] for s in statements)
    line(f"{plural(len(shown), 'statement')}: signature, key and place in the log ok for {good}")
    if len(shown) < len(statements):
        line(f"{plural(len(statements) - len(shown), 'statement')} withheld from this file")
    line(f"{plural(held, 'object')} held, {hidden} withheld")


def _print_chains(chains: list[dict[str, Any]]) -> None:
    """The heads are whole: of a cut one its author could make two that look alike."""
    terminal.table(
        ["CHAIN", "NUMBERS", "WITHHELD", "HEAD"],
        [
            [
                one["author"] + (" (keys)" if one["keys"] else ""),
                f"{one['first']} to {one['last']}",
                len(one["withheld"]) or "-",
                one["head"],
            ]
            for one in chains
        ],
        below=1,
    )


def _print_statements(statements: list[dict[str, Any]], said: dict[str, str]) -> None:
    """The author's own time beside what witnesses' times say: not before, not after."""

    def between(s: dict[str, Any]) -> str:
        low, high = s["not_before"], s["not_after"]
        return f"{low or '…'} – {high or '…'}" if low or high else "-"

    terminal.table(
        ["INDEX", "AUTHOR", "KIND", "SIGNATURE", "KEY", "IN LOG", "OBJECTS", "SAID AT",
         "BY WITNESSES BETWEEN", "STATEMENT"],
        [
            [
                s["index"],
                s["author"] or "-",
                s["kind"] or "withheld",
                _MARK[s["signature"]],
                s["key"] or "-",
                _MARK[s["included"]],
                f"{s['objects']['held']} held, {s['objects']['withheld']} withheld",
                said.get(s["id"], "-"),
                between(s),
                s["id"][:16] + "…",
            ]
            for s in statements
        ],
        grow=1,
        below=4,
    )  # fmt: skip


def _print_problems(verdict: dict[str, Any]) -> None:
    for p in verdict["problems"]:
        line(f"problem {p['code']} at {p['where']}: {p['detail']}")
        line(f"        {p['remedy']}")
    if not verdict["ok"]:
        count = len(verdict["problems"])
        click.echo(f"NOT VERIFIED: {count} problem{'' if count == 1 else 's'}.")


def _print_proof(found: Checked) -> None:
    verdict = found.verdict
    if verdict["log"]:
        _print_log(verdict["log"])
    line(f"statement {verdict['id']}  log index {verdict['index']}")
    if verdict["author"]:
        line(f"says it is a {verdict['statement']} by {verdict['author']} of {verdict['time']}")
    if verdict["not_after"]:
        line(f"cosigned by a quorum no later than {verdict['not_after']}")
    _print_problems(verdict)
    if verdict["proved"] == "envelope":
        how = ", sealed by their author" if verdict["sealed"] else ""
        click.echo(f"VERIFIED: these bytes are in the log at that index{how}.")
        click.echo("Whether its author's key counts is not checked here: a dossier shows that.")
    elif verdict["proved"] == "id":
        click.echo("VERIFIED: a statement with that id is in the log at that index.")
        click.echo("Its bytes were not given: tocsin verify PROOF ENVELOPE checks them too.")


def _print_fork(found: Checked) -> None:
    verdict = found.verdict
    line(f"log   {verdict['origin'] or '(unreadable)'}")
    for size, root in zip(verdict["sizes"], verdict["roots"], strict=True):
        line(f"      signed size {size} with root {root}")
    _print_problems(verdict)
    if verdict["ok"]:
        click.echo("FORK PROVEN: this log has signed two histories that no one history can hold.")
        click.echo("Show the proof to the other members, and rely on neither history.")


_SHOWN = {"tlog-proof": _print_proof, "fork-proof": _print_fork}
