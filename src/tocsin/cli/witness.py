"""Verbs about witnesses: who cosigns this log, and this node as a witness alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from tocsin.cli import terminal
from tocsin.console.untrusted import terminal as safe
from tocsin.errors import UsageError


@click.group()
def witness() -> None:
    """Who witnesses your log; run the witness role alone."""


@witness.command("list")
@terminal.AS
@terminal.JSON
def witness_list(as_party: str | None, as_json: bool) -> None:
    """Who cosigns this log, how far behind, since when; and whose logs this node cosigns.

    Example: tocsin witness list
    """
    with terminal.node() as client:
        found = client.get("/log")
    policy = str(found["policy"])
    shown = {
        key: found[key]
        for key in ("quorum", "policy_error", "witnesses", "witnessing", "peers", "forks", "alarms")
    }
    if as_json:
        terminal.json_out({"origin": found["origin"], "size": found["size"], **shown})
        return
    terminal.table(
        ["WITNESS", "SIZE", "LAG", "TIME"],
        [
            [
                w["name"],
                "?" if w["size"] is None else w["size"],
                "?" if w["lag"] is None else _lag(w["lag"]),
                w["time"] or "never",
            ]
            for w in shown["witnesses"]
        ],
    )
    click.echo(safe(f"quorum {_asked(shown['quorum'], policy)}, own log at size {found['size']}"))
    # Below the table: an error that is cut off helps nobody.
    for w in shown["witnesses"]:
        if w["error"]:
            terminal.line(f"{w['name']} at {w['url']}: {w['error']}")
    click.echo()
    terminal.table(
        ["WITNESSED HERE", "SIZE", "TIME", ""],
        [
            [w["origin"], w["size"], w["time"] or "never", "stopped: forked" * w["stopped"]]
            for w in shown["witnessing"]
        ],
        grow=0,
    )
    if not shown["witnesses"]:
        line = f"next  {terminal.again()} witness add PARTY (or a witness's key and --url)"
        click.echo(safe(line), err=True)
    for alarm in shown["alarms"]:
        terminal.line(f"alarm  {alarm['kind']}: {alarm['detail']}")
        terminal.line(f"       {alarm['remedy']}")
    if shown["policy_error"]:
        terminal.line(f"policy file not in force: {shown['policy_error']}")


@witness.command("add")
@click.argument("party_or_vkey", metavar="PARTY|VKEY")
@click.option("--url", help="Where it answers, up to /witness (default: from the directory).")
@click.option("--name", help="What to call it in the policy (default: its party).")
@terminal.JSON
def witness_add(party_or_vkey: str, url: str | None, name: str | None, as_json: bool) -> None:
    """Have a witness cosign this log: a party of the directory, or any witness's key.

    It counts for a quorum once the policy asks for one: tocsin witness quorum K.
    Example: tocsin witness add cert.southmark.example
    """
    from tocsin.wiring.policy_file import edit_policy, with_witness

    home = _home()
    vkey = party_or_vkey
    if "+" not in party_or_vkey:
        vkey, listed = _listed(party_or_vkey)
        url = url or (f"{listed}/witness" if listed else None)
        name = name or party_or_vkey
    signs_as = vkey.partition("+")[0]
    name = name or signs_as.partition("/")[0]
    if not url:
        raise UsageError(
            f"where {name} answers is not known",
            remedy=f"tocsin witness add {party_or_vkey} --url https://HOST/witness",
        )
    url = _submission(url, ours=signs_as.endswith("/witness"))
    done = edit_policy(home, lambda text: with_witness(text, name, vkey, url))
    _said(done, as_json, f"{name} is asked to cosign from the next statement on")


def _submission(url: str, *, ours: bool) -> str:
    """Where checkpoints are sent: the witness's prefix (C2SP tlog-witness).

    A witness of this program answers under /witness; of others any prefix may be right.

    Raises:
        UsageError: it is no address.
    """
    from tocsin.wiring.party import check_url

    url = check_url(url)
    if ours and not urlsplit(url).path:
        url += "/witness"
        click.echo(safe(f"that witness answers under /witness: {url}"), err=True)
    return url


@witness.command("remove")
@click.argument("name")
@terminal.JSON
def witness_remove(name: str, as_json: bool) -> None:
    """Ask a witness no more. Example: tocsin witness remove cert.southmark.example"""
    from tocsin.wiring.policy_file import edit_policy, without_witness

    done = edit_policy(_home(), lambda text: without_witness(text, name))
    _said(done, as_json, f"{name} is not asked any more")


@witness.command("quorum")
@click.argument("wanted", metavar="K|none|NAME")
@terminal.JSON
def witness_quorum(wanted: str, as_json: bool) -> None:
    """How many witnesses make a quorum: a number, none, or a witness or group of the policy.

    Example: tocsin witness quorum 2
    """
    from tocsin.wiring.policy_file import GROUP, edit_policy, with_quorum

    done = edit_policy(_home(), lambda text: with_quorum(text, wanted))
    _said(done, as_json, f"quorum {wanted}")
    if wanted.isdecimal():
        k = int(wanted)
        n = next(
            len(r.split()) - 3
            for r in done["policy"].splitlines()
            if r.startswith(f"group {GROUP} ")
        )
        # Two quorums share at least 2k - n witnesses: decisions/0028.
        liars = 2 * k - n
        words = f"two histories take {liars} of them that sign anything they are given"
        if liars <= 0:
            words = "two histories can each reach it: ask for more than half"
        click.echo(f"{k} of {n}: {words}; {n - k} may be away", err=True)


@witness.command("run")
@click.option("--host", help="Address to answer on (default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (as tocsin.toml says; 0: free).")
@click.option("--behind-proxy", is_flag=True, help="A TLS proxy stands in front.")
@terminal.JSON
def witness_run(host: str | None, port: int | None, behind_proxy: bool, as_json: bool) -> None:
    """Run the witness role alone: /witness and /tlog, no console, no sign-in.

    Example: tocsin witness run --port 8472
    """
    from tocsin.wiring.folder import load_config
    from tocsin.wiring.serve import serve_witness

    home = _home()
    config = load_config(home)

    def say(party: str, url: str, vkeys: tuple[str, ...]) -> None:
        if as_json:
            terminal.json_out({"party": party, "url": f"{url}/witness", "vkeys": vkeys})
        else:
            terminal.line(f"witness {party}   {url}/witness")
            for vkey in vkeys:
                terminal.line(f"key     {vkey[:72]}{'…' * (len(vkey) > 72)}")
            click.echo("stop    Ctrl-C")
        sys.stdout.flush()

    serve_witness(
        home,
        host=host or config.node.host,
        port=config.node.port if port is None else port,
        behind_proxy=behind_proxy or config.node.behind_proxy,
        say=say,
    )
    click.echo("stopped", err=True)


def _lag(entries: int) -> str:
    """How many entries of our log a witness has not cosigned; it may know more than we hold."""
    return str(entries) if entries >= 0 else f"{-entries} ahead"


def _home() -> Path:
    from tocsin.wiring.folder import find_home

    settings = click.get_current_context().find_root().obj
    if settings["node"]:
        raise UsageError(
            "a policy is a file of the data folder, and --node names a node",
            remedy="say it where the folder is: tocsin --home DIR witness …",
        )
    return find_home(settings["home"])


def _listed(party: str) -> tuple[str, str]:
    """The Ed25519 witness key of a party of the directory, and its node's address."""
    from tocsin.record.checkpoint import COSIGNATURE, usable

    with terminal.node() as client:
        items = client.get("/parties")["items"]
    nodes = [node for p in items if p["id"] == party for node in p["nodes"]]
    for node in nodes:
        for key in usable(node["witness_vkeys"]):
            # Kind 4 of the two: the stand-alone verifier can check it.
            if key.kind == COSIGNATURE:
                return key.text, node["url"]
    if party not in {p["id"] for p in items}:
        raise UsageError(
            f"{party} is not in the directory",
            remedy=f"tocsin party invite {party}; or give its key, the words of its node that "
            "begin with its name and a plus: tocsin witness add VKEY --url URL",
        )
    others = [p["id"] for p in items if any(n["witness_vkeys"] for n in p["nodes"])]
    raise UsageError(
        f"the directory names no witness of {party}",
        remedy="one of: " + ", ".join(others) if others else "tocsin party list",
    )


def _asked(quorum: str, policy: str) -> str:
    """A quorum in words: the policy calls it by the name of a group."""
    for row in (line.split() for line in policy.splitlines()):
        if row[:2] == ["group", quorum]:
            k = {"any": "1", "all": str(len(row) - 3)}.get(row[2], row[2])
            return f"{k} of {len(row) - 3}"
    return quorum


def _said(done: Any, as_json: bool, words: str) -> None:
    if as_json:
        terminal.json_out(done)
    else:
        terminal.line(words)
        if "quorum none" in done["policy"].splitlines():
            again = terminal.again()
            click.echo(f"no quorum is asked for: {again} witness quorum K", err=True)
