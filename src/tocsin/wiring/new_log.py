"""A log begun anew, under an origin that nobody has ever seen: what follows a lost store.

1 what other nodes show is read at home, so that the number is a new one; 2 the old log is put
aside; 3 what was said is logged again; 4 what others hold of directories and keys is taken in,
before anything is signed in the place of what may have been lost; 5 the directory lists the new
log. Each step is durable before the next; cut off, it is said again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from tocsin.client import Client
from tocsin.errors import ConflictError, TocsinError, UnreachableError, UsageError
from tocsin.peers import Peers, open_client
from tocsin.record.checkpoint import ED25519, open_policy, usable
from tocsin.record.directory import NodeEntry
from tocsin.record.history import KeyHistory
from tocsin.record.keys import LogSigner
from tocsin.record.origins import listed_logs, log_origin, newest_log
from tocsin.store.files import TileFiles, make_folder, read_secret, sync_folder
from tocsin.wiring.door import running
from tocsin.wiring.folder import is_guest, load_config
from tocsin.wiring.keyholder import Keyholder, feed_of
from tocsin.wiring.keys import (
    load_log_signer,
    log_files,
    log_number,
    log_numbers,
    make_seed,
    replace_secret,
)
from tocsin.wiring.policy_file import edit_policy, policy_of, with_log
from tocsin.wiring.registrar import FetchedFrom, catch_up, look_around
from tocsin.wiring.rotation import Apart, Rotated, apart, keep_old, publish_entry
from tocsin.wiring.stores import open_store


class _Note(Struct, frozen=True, rename={"old": "from", "new": "to"}):
    """`keys/next/log.json`: a log that has been begun and is not listed yet."""

    new: int
    old: int = 0
    """The number before; 0: one less."""
    settled: bool = False
    """All files are in their places: it can be opened and listed."""

    @property
    def before(self) -> int:
        return self.old or self.new - 1


def rotate_log(
    home: Path,
    connect: Callable[[], AbstractContextManager[Client]],
    rng: Callable[[int], bytes],
    *,
    number: int | None = None,
    root: Path | None = None,
    told: Callable[[FetchedFrom], None] = lambda _: None,
    left: Callable[[Apart], None] = lambda _: None,
) -> Rotated:
    """Begin a new log with all that the store holds, and list it in the directory.

    Args:
        connect: the way to this folder's own node.
        number: which log it is to be, where no other node can be asked; None: as they show.
        told: what came of each other node.
        left: keys that are to be rotated too, if this folder is an old one.

    Raises:
        UsageError: this party has no log of its own, or `number` is one that was used.
        ConflictError: its node runs.
        UnreachableError: other nodes are known, none answers, and no `number` is given.
        NeedsRegistrar, NeedsOthers: say it again once the version is in force.
    """
    config = load_config(home)
    if is_guest(home, config):
        raise UsageError(
            f"{config.party} has no log of its own", remedy="its node's party rotates that log"
        )
    if not log_settled(home):
        if running(home) is not None:
            raise ConflictError(
                f"the node of {config.party} is running", remedy="stop it first (Ctrl-C there)"
            )
        with connect() as client:
            found, rows = look_around(home, config.party, [raw for _, raw in feed_of(client)])
        _heard(rows, number)
        begin_log(home, config.party, rng, lambda _: None, _next(home, found, rows, number))
    with connect() as client:
        holder = Keyholder(home, config.party, client, root=root, behind=True)
        rows = catch_up(holder)
        for row in rows:
            told(row)
        _heard(rows, number)
        holder.check_end()
        old = holder.entry.nodes[0].origin if holder.entry.nodes else ""
        log = list_log(holder)
        for one in apart(holder):
            left(one)
    return Rotated(what="log", old=old, new=log.name)


def _heard(rows: Sequence[FetchedFrom], number: int | None) -> None:
    """Raises UnreachableError unless somebody told what this folder may have forgotten."""
    if rows and all(row.failed for row in rows) and number is None:
        raise UnreachableError(
            f"none of {len(rows)} other nodes answers ({rows[0].url}: {rows[0].failed}), and a "
            "backup does not know which logs and keys followed it",
            remedy="bring one back; if none ever will: tocsin key rotate --log --number N, with N "
            "above every log this party ever had",
        )


def _next(home: Path, history: KeyHistory, rows: Sequence[FetchedFrom], number: int | None) -> int:
    """The number of a log that nobody has seen."""
    config = load_config(home)
    known = max(log_number(home), newest_log(config.party, listed_logs(history.ring, config.party)))
    following = known + 1
    witnesses = _witnesses(home, config.party, rows, alone=config.node.alone)
    while witnesses(log_origin(config.party, following)):
        following += 1
    if number is None:
        return following
    if number < following:
        raise UsageError(
            f"{log_origin(config.party, number)} was used, or may have been",
            remedy=f"--number {following}, or a higher one",
        )
    return number


def _witnesses(
    home: Path, party: str, rows: Sequence[FetchedFrom], *, alone: bool
) -> Callable[[str], bool]:
    """origin → whether any witness that can be asked holds something of it."""
    policy = open_policy(policy_of(home, load_log_signer(home, party)).encode("utf-8", "replace"))
    asked = [row.url for row in rows if not row.failed]
    urls = dict.fromkeys([*asked, *(u.removesuffix("/witness") for u in policy.urls.values())])

    def held(origin: str) -> bool:
        peers = Peers(lambda url: open_client(url, own_machine=True))
        try:
            for url in urls:
                with suppress(TocsinError):  # who does not answer says nothing
                    if peers.held(url, origin) is not None:
                        return True
            return False
        finally:
            peers.close()

    return held


def begin_log(
    home: Path,
    party: str,
    rng: Callable[[int], bytes],
    step: Callable[[str], None],
    number: int | None = None,
) -> str:
    """Let everything said wait for a log of a new origin; the old one is kept as evidence.

    The folder must not be open. Its tiles, checkpoint and guard are moved to `old/log-<n>/`; what
    the store holds is logged again, in the same order, when the folder is opened next.

    Args:
        number: of the new log; None: one above this folder's.

    Returns:
        The new origin.

    Raises:
        NodeBusyError: a node runs on this folder.
    """
    note = _note(home)
    if note is None or (number is not None and number > note.new):
        step("note")
        # What was begun under a number that others have used is an old log like the others.
        at = log_number(home)
        note = _Note(old=at, new=number or at + 1)
        replace_secret(_note_file(home), msgspec.json.encode(note))
    origin = log_origin(party, note.new)
    aside = home / "old" / f"log-{note.before}"
    # Held over all of it: two rotations at once, or a node that starts, would mix two logs.
    store = open_store(home, load_config(home))
    try:
        # The Ed25519 file last: it is what says that the folder is at its n-th log now. From here
        # on the old head is refused as another log's, until this has been done to the end.
        for name in reversed(log_files(note.new)):
            step(f"new {name}")
            if not (home / "keys" / name).exists():
                make_seed(home / "keys" / name, rng)
        head = store.head()
        if head is not None and head.origin != origin:
            step("old checkpoint")
            make_folder(aside, 0o700)
            (aside / "head").write_bytes(head.checkpoint)
            sync_folder(aside)
            step("restart")
            store.restart_log()
        # The guard last: without one, or with the old log's, the tiles are the old log's too.
        for source in (home / "data" / "tile", home / "data" / "checkpoint", home / "guard"):
            step(f"aside {source.name}")
            if not _guard_is_new(home, origin):
                _move(source, aside / source.name)
        step("settled")
        note = msgspec.structs.replace(note, settled=True)
        replace_secret(_note_file(home), msgspec.json.encode(note))
    finally:
        store.close()
    return origin


def _guard_is_new(home: Path, origin: str) -> bool:
    """While the guard is not the new log's, the tiles are the old one's: it is written first."""
    guard = TileFiles(home / "data", home / "guard").read_guard()
    return guard is not None and guard.origin == origin


def _move(source: Path, target: Path) -> None:
    if not source.exists():
        return
    make_folder(target.parent, 0o700)
    if target.exists():
        raise ConflictError(
            f"{target} is there already", remedy="move it away by hand, then say the same again"
        )
    source.rename(target)
    sync_folder(target.parent)
    sync_folder(source.parent)


def _note_file(home: Path) -> Path:
    return home / "keys" / "next" / "log.json"


def _note(home: Path) -> _Note | None:
    path = _note_file(home)
    return msgspec.json.decode(read_secret(path), type=_Note) if path.exists() else None


def log_settled(home: Path) -> bool:
    """Whether a rotation of the log that has begun has all its files in place: it can be listed."""
    note = _note(home)
    return note is not None and note.settled and log_number(home) == note.new


def list_log(holder: Keyholder) -> LogSigner:
    """Publish the directory version with the new origin, and end the rotation of the log.

    The policy file keeps the keys of the logs before: what was taken away until now is checked with
    them.

    Raises:
        NeedsRegistrar, NeedsOthers: as `rotate_listed`.
    """
    log = load_log_signer(holder.home, holder.party)
    entry = holder.entry
    first = entry.nodes[0] if entry.nodes else NodeEntry()
    node = msgspec.structs.replace(first, origin=log.name, log_vkeys=log.vkeys())
    changed = msgspec.structs.replace(entry, nodes=(node, *entry.nodes[1:]))
    if changed != entry:
        publish_entry(holder, changed)
    _keep_in_policy(holder, log)
    now = log_number(holder.home)
    for number in log_numbers(holder.home):
        for name in log_files(number) if number < now else ():
            current = holder.keys / name
            keep_old(holder, current, f"{name}.{number}")
            current.unlink()
    _note_file(holder.home).unlink(missing_ok=True)
    return log


def _keep_in_policy(holder: Keyholder, log: LogSigner) -> None:
    listed = listed_logs(holder.history.ring, holder.party)
    earlier = [
        key.text
        for origin, keys in listed.items()
        for key in usable(keys)
        if origin != log.name and key.name == origin and key.kind == ED25519
    ]
    if earlier:
        edit_policy(holder.home, lambda text: with_log(text, earlier))
