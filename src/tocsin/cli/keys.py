"""Verbs about a party's keys; and what it takes to sign a proposal with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tocsin.cli import terminal
from tocsin.cli.terminal import line
from tocsin.console.i18n import plural
from tocsin.console.untrusted import terminal as safe
from tocsin.errors import UnreadableError, UsageError

if TYPE_CHECKING:
    from tocsin.record.proposal import Proposal
    from tocsin.wiring.keyholder import Keyholder, NeedsOthers
    from tocsin.wiring.registrar import FetchedFrom
    from tocsin.wiring.rotation import Apart, NeedsRegistrar, Rotated

DRY = click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
PROPOSE = click.option(
    "--propose",
    metavar="FILE",
    help="Where several keys must sign: write the proposal here.",
)
KEYFILE = click.option(
    "--key",
    "--root-key",
    "keyfile",
    metavar="FILE",
    help="Sign with this private key's file (default: TOCSIN_ROOT_KEY_FILE, or the folder's).",
)
ROOT = click.option(
    "--root-key",
    "root",
    metavar="FILE",
    help="The file of the private root key, where it is elsewhere (or TOCSIN_ROOT_KEY_FILE).",
)


def _home() -> Path:
    from tocsin.wiring.folder import find_home

    return find_home(click.get_current_context().find_root().obj["home"])


def _is_public(text: str) -> bool:
    """Whether somebody gave a public key where the file of a private one belongs."""
    return len(text) == 44 and text.endswith("=") and not Path(text).exists()


@contextmanager
def holding(root: str | None = None, *, behind: bool = False) -> Iterator[Keyholder]:
    """This party's root key, and the key history of the node that the verb is for.

    Args:
        root: the file of the root key, where it is not in the folder.
        behind: as `Keyholder`.
    """
    from tocsin.wiring.folder import load_config
    from tocsin.wiring.keyholder import Keyholder

    home = _home()
    party = click.get_current_context().params.get("as_party") or load_config(home).party
    with terminal.node() as client:
        if root and _is_public(root):
            raise UsageError(
                f"{root} is a public key, and signing takes the file of a private one",
                remedy="--root-key FILE; a public key goes in by: directory propose --root-public",
            )
        file = Path(root) if root else None
        yield Keyholder(home, party, client, root=file, behind=behind)


@click.group()
def key() -> None:
    """A party's keys: list, rotate, revoke."""


@key.command("list")
@click.argument("party", required=False)
@terminal.AS
@terminal.JSON
def key_list(party: str | None, as_party: str | None, as_json: bool) -> None:
    """Every key of a party: what it signs, since when, until when, and what is in doubt.

    Example: tocsin key list gridco.example
    """
    from tocsin.wiring.rotation import listing

    with holding() as holder:
        whose = party or holder.party
        rows = listing(holder, whose)
    if as_json:
        terminal.json_out({"party": whose, "items": rows})
        return
    line(f"party {whose}; places are indexes of the log that answered")
    terminal.table(
        ["ROLE", "KEY", "SINCE", "UNTIL", "SIGNS", "SUSPECT SINCE", "REASON"],
        [
            [
                r["role"],
                r["id"] if len(r["id"]) <= 48 else r["id"][:16] + "…",
                "-" if r["since"] is None else r["since"],
                "-" if r["until"] is None else r["until"],
                ", ".join(r["kinds"]) or "-",
                r["suspect_since"] or "-",
                r["reason"] or "-",
            ]
            for r in rows
        ],
        grow=1,
        below=3,
    )


@key.command("rotate")
@click.option("--log", "log", is_flag=True, help="A new log (origin), with all that was said.")
@click.option("--witness", is_flag=True, help="The key this node cosigns with.")
@click.option("--hpke", is_flag=True, help="The key that sealed statements are wrapped to.")
@click.option("--node", "node_key", is_flag=True, help="The key of requests to other nodes.")
@click.option(
    "--number",
    type=click.IntRange(2, 999_999_999),
    metavar="N",
    help="With --log: which of your logs it is, where no other node can be asked.",
)
@ROOT
@PROPOSE
@terminal.AS
@DRY
@terminal.YES
@terminal.JSON
def key_rotate(
    log: bool,
    witness: bool,
    hpke: bool,
    node_key: bool,
    number: int | None,
    root: str | None,
    propose: str | None,
    as_party: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """A new signing key in place of the old one; or another key, by its flag.

    Cut off, say the same again: it goes on where it was. Old key files stay in keys/old/.

    Example: tocsin key rotate
    """
    chosen = [
        name
        for name, on in (("log", log), ("witness", witness), ("hpke", hpke), ("node", node_key))
        if on
    ]
    if len(chosen) > 1:
        raise UsageError(
            f"--{chosen[0]} and --{chosen[1]} together", remedy="one at a time: each is a statement"
        )
    what = chosen[0] if chosen else "signing"
    if number is not None and what != "log":
        raise UsageError("--number numbers a log", remedy="say --log too")
    if dry_run:
        line(f"would make a new {what} key and {_THEN[what]}; nothing was changed")
        return 0
    terminal.agree(f"make a new {what} key and {_THEN[what]}?", yes)
    from tocsin.wiring.keyholder import NeedsOthers
    from tocsin.wiring.rotation import NeedsRegistrar

    try:
        done = _rotate(what, number, root)
    except NeedsOthers as needs:
        return hand_on(needs, propose)
    except NeedsRegistrar as needs:
        return _hand_entry(needs, propose)
    if as_json:
        terminal.json_out(done)
        return 0
    if done.old:
        line(f"old  {done.old}")
    line(f"new  {done.new}")
    if what == "witness":
        _say_restart()
    if what == "witness":
        click.echo(
            "whoever asks this witness names its key: there, tocsin witness remove, then add",
            err=True,
        )
    return 0


def _say_restart() -> None:
    """A running node cosigns with the keys of its start; whoever asks it must not wonder why."""
    from tocsin.wiring.door import running

    live = running(_home())
    if live is not None:
        click.echo(
            safe(
                f"the node at {live.url} still has the old witness key: stop it (Ctrl-C there) and "
                "start it again: tocsin up"
            ),
            err=True,
        )


_THEN = {
    "signing": "revoke the old one as rotated",
    "witness": "list it in the directory",
    "hpke": "list it in the directory",
    "node": "list it in the directory",
    "log": "begin a new log with all that was said, under a new origin",
}


def _rotate(what: str, number: int | None, root: str | None) -> Rotated:
    from tocsin.wiring import rotation

    if what == "log":
        return _rotate_log(number, root)
    with holding(root) as holder:
        if what == "signing":
            return rotation.rotate_signing(holder)
        return rotation.rotate_listed(holder, what)  # type: ignore[arg-type]


def _rotate_log(number: int | None, root: str | None) -> Rotated:
    import secrets

    from tocsin.wiring.new_log import rotate_log

    return rotate_log(
        _home(),
        terminal.node,
        secrets.token_bytes,
        number=number,
        root=Path(root) if root else None,
        told=_tell,
        left=_left,
    )


def _left(one: Apart) -> None:
    click.echo(safe(f"{one.what}: {one.why}"), err=True)
    if one.remedy:
        click.echo(safe(f"  remedy: {one.remedy}"), err=True)


def _tell(row: FetchedFrom) -> None:
    if row.entered:
        click.echo(safe(f"{row.url}: {row.entered} of directories and keys held"), err=True)
    for why in (row.failed, *row.refused):
        if why:
            click.echo(safe(f"{row.url}: {why}"), err=True)


@key.command("revoke")
@click.argument("keyid")
@click.option("--reason", required=True, help="Why, in words; goes on record.")
@click.option(
    "--suspect-since",
    metavar="TIME",
    help="From when on what it signed is in doubt: 2026-11-22T08:30:00Z.",
)
@ROOT
@PROPOSE
@terminal.AS
@DRY
@terminal.YES
@terminal.JSON
def key_revoke(
    keyid: str,
    reason: str,
    suspect_since: str | None,
    root: str | None,
    propose: str | None,
    as_party: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """From here on this key signs nothing for you. First it says what that puts in doubt.

    Example: tocsin key revoke 5f0c… --reason stolen --suspect-since 2026-11-20T00:00:00Z
    """
    from tocsin.record.statement import revoke_body
    from tocsin.wiring.keyholder import NeedsOthers
    from tocsin.wiring.keys import load_signer
    from tocsin.wiring.rotation import key_named

    since = _instant(suspect_since) if suspect_since else None
    with holding(root) as holder:
        whole = key_named(holder, keyid)
        doubted = _doubted(holder, whole, since) if since else []
        if not as_json and doubted is not None:
            _say_doubt(whole, since, doubted)
        if dry_run:
            if as_json:
                terminal.json_out({"key": whole, "suspect_since": since, "doubted": doubted})
            else:
                line("nothing was changed")
            return 0
        terminal.agree(f"revoke {whole[:16]}… of {holder.party} for ever?", yes)
        own = load_signer(holder.home, holder.party, "signing").keyid
        try:
            holder.say("revoke", revoke_body(whole, reason, since))
        except NeedsOthers as needs:
            return hand_on(needs, propose)
        until = holder.history.ring.key(holder.party, whole)
    if as_json:
        terminal.json_out({"key": whole, "suspect_since": since, "doubted": doubted})
    else:
        line(f"revoked {whole}" + (f" at index {until.until}" if until else ""))
    if whole == own:
        again = terminal.again()
        click.echo(f"{again} key rotate gives you another to sign with", err=True)
    return 0


def _doubted(holder: Keyholder, keyid: str, since: str) -> list[dict[str, Any]] | None:
    """What the node holds that this key signed; None: it does not say, without an account there."""
    from tocsin.errors import TocsinError, UnreachableError

    try:
        found = holder.client.get(f"/keys/{keyid}/statements", since=since)
    except UnreachableError:
        raise
    except TocsinError as wrong:
        # A revocation may be entered at any node, and one need not have a token there.
        click.echo(
            safe(f"this node does not say what that puts in doubt ({wrong.message})"), err=True
        )
        return None
    items: list[dict[str, Any]] = found["items"]
    return items


def _say_doubt(keyid: str, since: str | None, doubted: Sequence[dict[str, Any]]) -> None:
    if since is None:
        line(f"puts nothing in doubt: what {keyid[:16]}… signed below its revocation counts")
        line("       (--suspect-since TIME says from when on it was in other hands)")
        return
    count = plural(len(doubted), "statement")
    line(f"puts {count} in doubt, signed with {keyid[:16]}… since {since}")
    if doubted:
        terminal.table(
            ["INDEX", "TIME", "KIND", "CASE", "STATEMENT"],
            [
                [d["index"], d["time"], d["kind"], d["case"] or "-", d["id"][:16] + "…"]
                for d in doubted[:20]
            ],
            grow=3,
        )
    if len(doubted) > 20:
        line(f"and {len(doubted) - 20} more: --dry-run --json lists all")


def _instant(text: str) -> str:
    """A time of the user's as a statement writes it. Raises UsageError: no zone, no time."""
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise UsageError(f"{text!r} is no time", remedy="2026-11-22T08:30:00Z") from wrong
    if found.tzinfo is None:
        raise UsageError(f"{text!r} names no zone", remedy="add one: 2026-11-22T08:30:00Z")
    return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@key.command("make")
@click.argument("file")
@terminal.JSON
def key_make(file: str, as_json: bool) -> None:
    """Make a key file for a further root key of your party; prints what the directory lists.

    It goes in by: tocsin directory propose --root-public PUBLIC --root-threshold 2

    Example: tocsin key make second.root
    """
    import secrets

    from tocsin.canonical import b64encode
    from tocsin.record.keys import Signer
    from tocsin.wiring.keys import make_seed, seed_in

    make_seed(Path(file), secrets.token_bytes)
    signer = Signer.from_seed(seed_in(Path(file)), "")
    value = {"keyid": signer.keyid, "public": b64encode(signer.public)}
    if as_json:
        terminal.json_out(value)
        return
    line(f"wrote   {file} (mode 0600)")
    line(f"keyid   {value['keyid']}")
    line(f"public  {value['public']}")


# --- what several sign --------------------------------------------------------------------------


def hand_on(needs: NeedsOthers, file: str | None) -> int:
    """One key is not enough: write what the others are to sign."""
    from tocsin.record.proposal import write_proposal

    if file is None and needs.away is not None:
        raise UsageError(
            f"the root key is not at {needs.away}, and has to sign this",
            remedy="say where it is: --root-key FILE, or TOCSIN_ROOT_KEY_FILE=FILE; or write what "
            "is to be signed: --propose FILE",
        )
    if file is None:
        raise UsageError(str(needs), remedy="write a proposal for the others: --propose FILE")
    terminal.write_output(file, write_proposal(needs.proposal))
    for lack in needs.lacks:
        click.echo(safe(f"waits  {lack}"), err=True)
    click.echo(
        safe(f"wrote {file}: tocsin key sign {file}, tocsin key publish {file}; then this again"),
        err=True,
    )
    return 1


def _hand_entry(needs: NeedsRegistrar, file: str | None) -> int:
    """No registrar: write the entry that a registrar is to propose."""
    from tocsin.record.directory import party_json

    if file is None:
        raise UsageError(
            f"{needs.entry.id} is no registrar, and the directory has to list the new key",
            remedy="write your entry for a registrar: --propose entry.json",
        )
    entry = msgspec.json.encode(party_json(needs.entry), order="sorted")
    terminal.write_output(file, entry + b"\n")
    click.echo(
        safe(
            f"wrote {file}: a registrar says tocsin directory propose --entry {file}; when that "
            "version is in force here, say this again"
        ),
        err=True,
    )
    return 1


def _read_proposal(file: str) -> Proposal:
    from tocsin.errors import RecordError
    from tocsin.record.proposal import open_proposal

    try:
        return open_proposal(terminal.read_input(file))
    except RecordError as wrong:
        raise UnreadableError(f"{file}: {wrong.message}", remedy=wrong.remedy) from wrong


def _show_proposal(holder: Keyholder, proposal: Proposal) -> None:
    from tocsin.record.directory import read_directory
    from tocsin.record.proposal import changes

    s = proposal.statement
    line(f"{s.kind} statement of {s.author}, number {s.seq} of its key chain, {s.time}")
    if s.kind == "directory":
        for told in changes(holder.directory, read_directory(s.body)):
            line(told)
        return
    for name, value in sorted(s.body.items()):
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        line(f"{name}: {shown}")


def _sign(file: str, out: str | None, keyfile: str | None, yes: bool) -> int:
    from tocsin.record.proposal import lacking, signed_by, slots, write_proposal

    proposal = _read_proposal(file)
    with holding(keyfile) as holder:
        wanted = slots(holder.history.ring, proposal.statement)
        signer = holder.root()
        _show_proposal(holder, proposal)
        terminal.agree(f"sign this as {holder.party}?", yes)
        signed = signed_by(proposal, signer, wanted)
        lacks = lacking(signed, wanted)
    target = out or ("-" if file == "-" else file)
    terminal.write_output(target, write_proposal(signed))
    for lack in lacks:
        click.echo(safe(f"waits  {lack}"), err=True)
    if not lacks:
        click.echo(
            safe(f"enough have signed: {terminal.again()} directory publish {target}"), err=True
        )
    return 0


def _publish(file: str, dry_run: bool, yes: bool) -> int:
    from tocsin.record.proposal import envelope_of, slots

    proposal = _read_proposal(file)
    with holding() as holder:
        raw = envelope_of(proposal, slots(holder.history.ring, proposal.statement))
        _show_proposal(holder, proposal)
        if dry_run:
            line("enough have signed; nothing was published")
            return 0
        terminal.agree("publish this?", yes)
        holder.bring(raw)
        line(f"in force: directory version {holder.directory.version}")
    return 0


def signs(group: click.Group, example: str) -> None:
    """`sign` and `publish`, under `key` and under `directory`: proposals are one kind of file."""

    @group.command(
        "sign",
        help=f"Add this party's signature to a proposal.\n\nFirst it shows what "
        f"changes, and asks. Example: tocsin {example} sign proposal.json",
    )
    @click.argument("file")
    @click.option("--out", metavar="FILE", help="Where to (default: the same file).")
    @KEYFILE
    @terminal.AS
    @terminal.YES
    def sign(
        file: str, out: str | None, keyfile: str | None, as_party: str | None, yes: bool
    ) -> int:
        return _sign(file, out, keyfile, yes)

    @group.command(
        "publish",
        help=f"Enter a proposal that enough have signed; names who is "
        f"missing otherwise.\n\nExample: tocsin {example} publish proposal.json",
    )
    @click.argument("file")
    @terminal.AS
    @DRY
    @terminal.YES
    def publish(file: str, as_party: str | None, dry_run: bool, yes: bool) -> int:
        return _publish(file, dry_run, yes)


signs(key, "key")
