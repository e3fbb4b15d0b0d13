"""The verdict on a dossier, as plain values. Spec: record.md, "Dossier"."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.canonical import b64encode
from tocsin.record.checkpoint import KIND_NAMES, Checkpoint, SignedLine
from tocsin.record.directory import KeyState
from tocsin.record.members import Problem

LISTED = 1_000
"""Missing numbers of a chain, and forks, that a verdict lists."""


class WitnessTime(Struct, frozen=True, kw_only=True):
    """A witness that cosigned, by its name in the policy, and its clock then."""

    name: str
    time: str


class LogVerdict(Struct, frozen=True, kw_only=True):
    """What is shown of one log."""

    origin: str
    size: int
    root: str
    signatures: list[str]
    """Kinds of the log's own lines that verified."""
    quorum: bool
    witnesses: list[WitnessTime]


def log_verdict(
    origin: str,
    head: Checkpoint | None,
    lines: Sequence[SignedLine],
    quorum: bool,
    witnesses: Sequence[tuple[str, int]],
) -> LogVerdict:
    """What is said of a log whose checkpoint was judged by a policy.

    Args:
        head: its newest checkpoint; None: none verified.
        lines: those of its note that verified, of witnesses too.
        witnesses: (name in the policy, seconds since 1970) of each that counts.
    """
    return LogVerdict(
        origin=origin,
        size=head.size if head else 0,
        root=b64encode(head.root) if head else "",
        signatures=[KIND_NAMES[line.key.kind] for line in lines if line.key.name == origin],
        quorum=quorum,
        witnesses=[WitnessTime(name=name, time=instant(time)) for name, time in witnesses],
    )


class ObjectCount(Struct, frozen=True, kw_only=True):
    """How many of the objects a statement names are in the file."""

    held: int
    withheld: int


class StatementVerdict(Struct, kw_only=True):
    """What is shown of one statement. Of a withheld one only its id and place: the rest is None."""

    id: str
    kind: str | None
    author: str | None
    seq: int | None
    log: str
    index: int | None
    """None where a statement comes without a proof: then it is not `included` either."""
    signature: bool | None
    key: KeyState | None
    included: bool
    quorum: bool
    not_before: str | None
    """Cosigned time of the newest checkpoint that its author had seen."""
    not_after: str | None
    """Earliest time by which a quorum had cosigned its place."""
    withdrawn_by: list[str]
    objects: ObjectCount
    problems: list[str]
    """Codes; the whole of it is in `Verdict.problems`."""


class ChainVerdict(Struct, frozen=True, kw_only=True):
    """One author's statements in this case. Ask the author for its `head`: a cut tail is silent."""

    author: str
    keys: bool
    """The chain of its directory, key and revoke statements, which no case holds."""
    first: int
    last: int
    head: str
    withheld: list[int]
    missing: list[int]
    """The first thousand of them."""
    equivocates: bool


class DirectoryVerdict(Struct, frozen=True, kw_only=True):
    """The newest directory version that follows from the root."""

    version: int | None
    ok: bool


class Verdict(Struct, frozen=True, kw_only=True):
    """Everything that was checked. `ok` is true if and only if there is no problem."""

    ok: bool
    case: str | None
    file: str
    policy: str | None
    root: str | None
    directory: DirectoryVerdict
    logs: list[LogVerdict]
    statements: list[StatementVerdict]
    chains: list[ChainVerdict]
    forks: list[dict[str, Any]]
    """Logs that show two histories, or that somebody says do: `explained` is true of the first."""
    problems: list[Problem]
    files: list[str]
    """SHA-256 of each file, in the order given."""
    said: dict[str, str]
    """Statement id → `time`, its author's own word, which proves nothing. Not in the JSON."""

    def to_json(self) -> dict[str, Any]:
        """The verdict as record.md writes it; `files` only where there are several."""
        value: dict[str, Any] = {"v": 1, **msgspec.to_builtins(self)}
        del value["said"]
        if len(self.files) == 1:
            del value["files"]
        return value


def instant(time: int) -> str:
    """Seconds since 1970 as a verdict writes them."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except (ValueError, OverflowError, OSError):
        return f"{time} s after 1970"
