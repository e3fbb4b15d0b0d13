"""The policy file of a data folder: who witnesses this log, and how many of them make a quorum.

`policy.txt` is a tlog-policy: `witness NAME VKEY URL`, `group`, `quorum`. The line of our own log
may be left out. It is read again whenever it changes; a file that cannot be read as a policy is
said, and the one before it stays in force. Spec: C2SP tlog-policy.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tocsin.errors import ConfigError, NoteError, UsageError
from tocsin.record.checkpoint import Policy, open_policy
from tocsin.record.keys import LogSigner
from tocsin.wiring.folder import load_config
from tocsin.wiring.keys import load_log_signer

log = logging.getLogger("tocsin.policy")

POLICY = "policy.txt"
NO_WITNESS = "quorum none\n"
"""Where there is no file: our own log is trusted, and nobody is asked."""


class PolicyFile:
    """`<home>/policy.txt` as it is in force. Safe from any thread.

    Args:
        path: the file; where there is none, our own log and `quorum none`.
        log: our own log, which is one of the policy's whether the file says so or not.

    Raises:
        ConfigError: the file cannot be read as a policy, and there is none before it.
    """

    def __init__(self, path: Path, log: LogSigner) -> None:
        self._path = path
        self._log = log
        self._lock = threading.Lock()
        self._mark: tuple[int, int, int] | None = None
        self._error: str | None = None
        self._text = _with_own(NO_WITNESS, log)
        self._policy = open_policy(self._text.encode())
        self._read()
        if self._error is not None:
            raise ConfigError(
                self._error, remedy=f"mend that line, or move {path} away: then no witness is asked"
            )

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.state[0]

    @property
    def text(self) -> str:
        """The same as a file, with the line of our own log."""
        with self._lock:
            self._read()
            return self._text

    @property
    def state(self) -> tuple[Policy, str | None]:
        """The policy in force, and why the file on disk is not (None: it is)."""
        with self._lock:
            self._read()
            return self._policy, self._error

    def _read(self) -> None:
        mark = _mark(self._path)
        if mark == self._mark:
            return
        self._mark, self._error = mark, None
        try:
            text = _with_own(_read_policy(self._path) if mark else NO_WITNESS, self._log)
            self._policy = open_policy(text.encode("utf-8", "surrogateescape"))
            self._text = text
        except (OSError, NoteError) as wrong:
            self._error = f"{self._path}: {getattr(wrong, 'message', wrong)}"
            log.warning("%s", self._error)


def _read_policy(path: Path) -> str:
    # Comments may be in any encoding: what is not UTF-8 is kept as it is.
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _with_own(text: str, own: LogSigner) -> str:
    mine = own.vkeys()[0]
    if mine in text.split():
        return text
    return f"log {mine}\n{text}"


def policy_of(home: Path, own: LogSigner) -> str:
    """The policy of a data folder that no node runs on. Raises ConfigError as `PolicyFile`."""
    return PolicyFile(home / POLICY, own).text


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


# --- edited by verbs --------------------------------------------------------------------------

GROUP = "witnesses"
"""The group that `tocsin witness quorum K` keeps; other groups are the operator's own."""


def edit_policy(home: Path, edit: Callable[[str], str]) -> dict[str, str]:
    """Change `policy.txt`, if what comes out is a policy. A running node takes it over by itself.

    Returns:
        The file's path and its new text.

    Raises:
        ConfigError: no policy comes out; nothing is written.
        UsageError: as `edit` raises.
    """
    path = home / POLICY
    own = load_log_signer(home, load_config(home).party)
    try:
        before = _read_policy(path)
    except FileNotFoundError:
        before = NO_WITNESS
    text = edit(before)
    partial = path.with_name(f".{POLICY}.new")
    try:
        open_policy(_with_own(text, own).encode("utf-8", "surrogateescape"))
    except NoteError as wrong:
        raise ConfigError(f"{path}: {wrong.message}", remedy=wrong.remedy) from wrong
    with partial.open("wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return {"path": str(path), "policy": text}


def with_witness(text: str, name: str, vkey: str, url: str) -> str:
    """A policy with one more witness, in the group that counts if there is one.

    Raises:
        UsageError: the name is taken.
    """
    rows = _rows(text)
    if name in _names(rows):
        raise UsageError(
            f"the policy has {name} already",
            remedy=f"tocsin witness remove {name}, or another --name",
        )
    # Before groups and quorum: they may name only what stands above them.
    at = next((n for n, row in enumerate(rows) if row[:1] in (["group"], ["quorum"])), len(rows))
    rows.insert(at, ["witness", name, vkey, url])
    for row in rows:
        if row[:2] == ["group", GROUP]:
            row.append(name)
    return _text(rows)


def with_log(text: str, vkeys: Sequence[str]) -> str:
    """A policy that trusts these logs too, each once."""
    rows = _rows(text)
    held = {word for row in rows if row[:1] == ["log"] for word in row[1:2]}
    return _text([*(["log", vkey] for vkey in vkeys if vkey not in held), *rows])


def without_witness(text: str, name: str) -> str:
    """A policy without this witness.

    Raises:
        UsageError: there is none, or the quorum could not be met without it.
    """
    rows = _rows(text)
    if ["witness", name] not in [row[:2] for row in rows]:
        raise UsageError(
            f"the policy has no witness {name}",
            remedy="one of: " + (", ".join(r[1] for r in rows if r[0:1] == ["witness"]) or "none"),
        )
    kept = [row for row in rows if row[:2] != ["witness", name]]
    for row in kept:
        if row[:1] == ["quorum"] and row[1:] == [name]:
            raise UsageError(f"the quorum is {name}", remedy="tocsin witness quorum none")
        if row[:1] == ["group"] and name in row[3:]:
            row.remove(name)
            if row[2].isdecimal() and int(row[2]) > len(row) - 3:
                raise UsageError(
                    f"the group {row[1]} asks for {row[2]}, and {len(row) - 3} would be left",
                    remedy=f"first: tocsin witness quorum {len(row) - 3 or 'none'}",
                )
    return _text([row for row in kept if row[:1] != ["group"] or len(row) > 3])


def with_quorum(text: str, wanted: str) -> str:
    """A policy that asks for this quorum: a number of its witnesses, `none`, or a name in it.

    Raises:
        UsageError: it has fewer witnesses.
    """
    rows = [row for row in _rows(text) if row[:1] != ["quorum"]]
    if wanted.isdecimal():
        rows = [row for row in rows if row[:2] != ["group", GROUP]]
        grouped = {name for row in rows if row[:1] == ["group"] for name in row[3:]}
        members = [row[1] for row in rows if row[:1] == ["witness"] and row[1] not in grouped]
        if not 1 <= int(wanted) <= len(members):
            raise UsageError(
                f"a quorum of {wanted}, and the policy has {len(members)} witnesses in no group",
                remedy="tocsin witness add PARTY, or a number from 1"
                if members
                else "tocsin witness add PARTY",
            )
        rows.append(["group", GROUP, str(int(wanted)), *members])
        wanted = GROUP
    elif wanted != GROUP:
        rows = [row for row in rows if row[:2] != ["group", GROUP]]
    if wanted != "none" and wanted not in _names(rows):
        raise UsageError(
            f"the policy has no witness or group {wanted}",
            remedy="one of: none, a number" + "".join(f", {name}" for name in _names(rows)),
        )
    return _text([*rows, ["quorum", wanted]])


def _rows(text: str) -> list[list[str]]:
    """Lines as words; comments and empty lines as they stand, in one word."""
    found = []
    for line in text.splitlines():
        bare = line.strip(" \t")
        found.append(bare.split() if bare and not bare.startswith("#") else [bare])
    return found


def _names(rows: list[list[str]]) -> list[str]:
    return [row[1] for row in rows if row[:1] in (["witness"], ["group"]) and len(row) > 1]


def _text(rows: list[list[str]]) -> str:
    return "".join(" ".join(row) + "\n" for row in rows)
