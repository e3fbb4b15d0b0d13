"""What `tocsin doctor` says of this machine and data folder."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tocsin.client import Client
from tocsin.console.i18n import plural
from tocsin.errors import TocsinError, VerificationError
from tocsin.store.files import read_secret
from tocsin.wiring.door import connect, running
from tocsin.wiring.folder import find_home, is_guest, load_config
from tocsin.wiring.guard import read_guard
from tocsin.wiring.keyholder import Keyholder
from tocsin.wiring.keys import HPKE, NODE, WITNESS
from tocsin.wiring.parser import load_parser
from tocsin.wiring.rotation import apart
from tocsin.wiring.stores import state


def diagnose(given: str | None, now: datetime) -> list[dict[str, Any]]:
    """What `tocsin doctor` says: [{check, state, remedy}], remedy None where all is well."""
    from tocsin import __version__

    rows: list[dict[str, Any]] = []

    def row(check: str, state: str, remedy: str | None = None) -> None:
        rows.append({"check": check, "state": state, "remedy": remedy})

    row("tocsin", __version__)
    row("python", sys.version.split()[0])
    row("clock", now.isoformat(timespec="seconds"))
    try:
        home = find_home(given)
        config = load_config(home)
    except TocsinError as error:
        row("data folder", error.message, error.remedy)
        return rows
    row("data folder", str(home))
    row("party", f"{config.party}{' (exercise)' if config.exercise else ''}")
    free = shutil.disk_usage(home).free
    row("disk", f"{free // 2**20} MiB free", None if free > 2**28 else "free some space")
    try:
        for path in sorted((home / "keys").rglob("*")):
            if not path.is_dir():
                read_secret(path)
        row("keys", "readable by their owner only")
    except TocsinError as error:
        row("keys", error.message, error.remedy)
    _key_rows(home, guest=is_guest(home, config), row=row)
    if not is_guest(home, config):
        try:
            row("store", state(home, config))
        except TocsinError as error:
            row("store", error.message, error.remedy)
    if config.reading.nlp:
        try:
            row("reading", f"by rules, and with {load_parser(config.reading.nlp).name}")
        except TocsinError as error:
            row("reading", f"by rules alone: {error.message}", error.remedy)
    live = running(home)
    if config.remote is not None:
        row("node", f"that of another party, at {config.remote.url}")
    elif is_guest(home, config):
        row(
            "node",
            "that of another party, joined by file: say --node URL, with TOCSIN_TOKEN (keys/token)",
        )
    else:
        row("node", f"running at {live.url}" if live else "not running")
        try:
            with connect(given) as client:
                # What a store says of keys that is not the newest is old too.
                _peer_rows(client, row)
                takes_writes = _log_rows(client, row)
                if read_guard(home) is None:
                    row(
                        "head guard",
                        "lost: it told a restored backup from the newest store",
                        "if this store is the newest: tocsin log guard --renew, while the node is "
                        "stopped",
                    )
                if takes_writes:
                    _apart_rows(Keyholder(home, config.party, client, behind=True), row)
        except TocsinError as error:
            row("log", error.message, error.remedy)
    return rows


def _key_rows(home: Path, *, guest: bool, row: Callable[..., None]) -> None:
    """Keys that are not there yet, and what is on its way and not finished."""
    wanted = {"hpke": (HPKE,)} if guest else {"witness": WITNESS, "hpke": (HPKE,), "node": (NODE,)}
    for part, names in wanted.items():
        if not all((home / "keys" / name).exists() for name in names):
            row(f"{part} key", "none in this folder", f"tocsin key rotate --{part}")
    for path in sorted((home / "keys" / "next").glob("*.json")):
        what = path.stem.rpartition(".")[2]
        if what in ("rotation", "witness", "hpke", "node", "log"):
            flag = "" if what == "rotation" else f" --{what}"
            row("rotation", f"begun{flag} and not finished", f"tocsin key rotate{flag}")
    if (home / "keys" / "join.json").exists():
        again = "tocsin party join INVITATION, again; with a reply by file: --reply FILE"
        # A guest may go on with the token it was told; a node cannot without the directory.
        row("joining", "answered, no reply dealt with yet", None if guest else again)


def _apart_rows(holder: Keyholder, row: Callable[..., None]) -> None:
    """Keys of this folder that are not those of the log."""
    try:
        holder.check_end()
    except VerificationError as error:
        row("key chain", error.message, error.remedy)
    for one in apart(holder):
        row(one.what, one.why, one.remedy)


def _peer_rows(client: Client, row: Callable[..., None]) -> None:
    """How this node stands with each other one."""
    found = client.get("/peers")
    for peer in found["items"]:
        reached = f"reached {peer['reached'] or 'never'}, lag {peer['lag']}"
        remedy = "check its address and the network: tocsin peers" if peer["error"] else None
        row(f"peer {peer['party']}", peer["error"] or reached, remedy)
        if peer["not_given"]:
            row(
                f"peer {peer['party']}",
                f"lists {plural(peer['not_given'], 'statement')} that it does not give this node",
                "ask its operator; they may have been purged there",
            )
        if peer["contradicted"]:
            row(
                f"peer {peer['party']}",
                f"named {plural(peer['contradicted'], 'statement')} otherwise than the author",
                "ask its operator what stands in its store; what authors signed counts here",
            )
    if found["quarantine"]:
        count = plural(len(found["quarantine"]), "statement")
        row(
            "held back",
            f"{count} of other nodes that cannot be judged yet",
            "tocsin peers lists them; most wait for something that is on its way",
        )


def _log_rows(client: Client, row: Callable[..., None]) -> bool:
    """The log, its witnesses, and every alarm, as the node knows them; whether it takes writes."""
    found = client.get("/log")
    restore = "reads go on; restore the newest store, or: tocsin key rotate --log"
    if found["halted"]:
        row("log", f"takes no writes: {found['halted']}", restore)
    else:
        row("log", f"{found['origin']} at size {found['size']}")
    if found["policy_error"]:
        row("policy", found["policy_error"], "mend policy.txt; the one before it is in force")
    if not found["witnesses"]:
        row("witnesses", "none asked: nobody else notices if this log is changed")
    for witness in found["witnesses"]:
        wrong = witness["error"]
        lag = witness["lag"]
        behind = "not asked yet" if lag is None else f"lag {lag}" if lag >= 0 else f"{-lag} ahead"
        row(
            f"witness {witness['name']}",
            wrong or behind,
            "see: tocsin witness list; its operator may know more" if wrong else None,
        )
    for alarm in found["alarms"]:
        row(f"alarm {alarm['kind']}", alarm["detail"], alarm["remedy"])
    return found["halted"] is None
