"""Every error tocsin raises on purpose, under one tree.

Each carries the value at fault in its message and a remedy the reader can act on. What an error
becomes (an HTTP status, an exit code) is a table in each door, never a field here.
"""

from __future__ import annotations

import re

_FOLDERS = re.compile(r"(?<![\w:/.\\-])(?:/|[A-Za-z]:[\\/])(?:[^\s/\\:\"\'`]+[/\\])+")


class TocsinError(Exception):
    """Something a user can understand and mend.

    Args:
        message: what is wrong, with the value at fault in it.
        remedy: what to do about it, one line.
    """

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    @property
    def abroad(self) -> str:
        """What somebody elsewhere is told of a fault of ours: no folder of this machine."""
        return _FOLDERS.sub("", self.message)


# --- wrong use ------------------------------------------------------------------------------


class UsageError(TocsinError):
    """The command or request itself makes no sense."""


class ConfigError(UsageError):
    """`tocsin.toml`, an environment variable or a flag holds a value we cannot use."""


class UnreadableError(UsageError):
    """A named file cannot be read, or is not of the kind asked for."""


class InputError(TocsinError):
    """Bytes from outside break a rule of their format."""


# --- canonical JSON, STIX -------------------------------------------------------------------


class CanonicalError(InputError):
    """Bytes are not in the restricted canonical JSON form; `offset` is the first bad byte."""

    def __init__(self, message: str, *, remedy: str, offset: int) -> None:
        super().__init__(message, remedy=remedy)
        self.offset = offset


class BundleError(InputError):
    """The framing of a bundle is broken; nothing of it is taken. `offset` is a byte offset."""

    def __init__(self, message: str, *, remedy: str, offset: int = 0) -> None:
        super().__init__(message, remedy=remedy)
        self.offset = offset


class BundleSizeError(BundleError):
    """A bundle has more bytes or objects than this door takes."""


class ObjectLimitError(BundleError):
    """One object is too large, too deep, or has too many keys."""


class ClaimError(InputError):
    """A claim, evidence, challenge or link breaks a rule of the claim carrier."""


class SpeakerError(ClaimError):
    """An object's `created_by_ref` is not the identity of the party that signs it."""


class MarkingError(InputError):
    """A marking would be loosened, or contradicts another."""


class IndicatorError(InputError):
    """A value cannot be brought to the normal form of its indicator type."""


class PatternError(InputError):
    """Text is no STIX pattern, or breaks a rule for patterns.

    `code` is one of `stix/pattern_rules.py`, `position` the 0-based character where the trouble
    begins, `detail` what is wrong there.
    """

    def __init__(self, detail: str, *, remedy: str, code: str, position: int) -> None:
        super().__init__(f"{detail} (character {position})", remedy=remedy)
        self.detail = detail
        self.code = code
        self.position = position


class PatternLimitError(PatternError):
    """A STIX pattern is longer, deeper or wider than we read."""


# --- reports, drafts ------------------------------------------------------------------------


class ReportError(InputError):
    """A report cannot be opened as text."""


class ReportSizeError(ReportError):
    """A report is larger than we read as a report."""


class ParserError(UsageError):
    """A learned parser was asked for that is not installed, or does not fit the text."""


class DraftError(TocsinError):
    """A draft cannot be accepted as it stands."""


class StaleDraftError(DraftError):
    """A draft has changed since it was shown, or has been dealt with already."""


# --- record ---------------------------------------------------------------------------------


class RecordError(InputError):
    """A signed statement, a proof or a log breaks a rule of the record."""


class StatementError(RecordError):
    """A statement's envelope or payload breaks its schema or limits."""


class PurgedError(StatementError):
    """Something comes back that was purged on this node. It is not kept again."""


class SignatureError(RecordError):
    """A signature does not verify under the strict rule, or its key may not sign this."""


class ChainError(RecordError):
    """A statement does not follow its author's chain; `seq` and `head` say what does."""

    def __init__(self, message: str, *, remedy: str, seq: int, head: str) -> None:
        super().__init__(message, remedy=remedy)
        self.seq = seq
        self.head = head


class ProofError(RecordError):
    """An inclusion or consistency proof has the wrong shape or the wrong root."""


class NoteError(RecordError):
    """A signed note, checkpoint, verifier key or policy is malformed."""


class DirectoryError(RecordError):
    """A directory version breaks a rule, or is not signed by enough registrars."""


class DossierError(RecordError):
    """A dossier's framing is not the one exact form."""


class ForkError(RecordError):
    """A fork proof is malformed, or does not show that its log signed two histories."""


class WitnessRefused(TocsinError):
    """A witness does not cosign a checkpoint.

    `status` is one of `malformed`, `old-size`, `signature`, `unknown-origin`, `conflict`,
    `inconsistent`; `size` is that of the newest cosigned checkpoint, for `conflict` only.
    """

    def __init__(self, message: str, *, remedy: str, status: str, size: int | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.size = size


class SealError(RecordError):
    """A sealed statement does not open, or holds another one than it says; keep it as evidence."""


class LogHalted(TocsinError):
    """The log takes no writes until it has been reopened from the store."""


class RollbackError(TocsinError):
    """The store is older than what this log has already shown to others."""


# --- store, node ----------------------------------------------------------------------------


class StoreError(TocsinError):
    """The store cannot be opened, is of a newer version, or refuses a write."""


class StorageFullError(StoreError):
    """The disk is full or read-only; nothing of the refused write is kept."""


class StoreLostError(StoreError):
    """The database server does not answer.

    What it had acknowledged it holds; a write that was under way may be kept or not.
    """


class NodeBusyError(TocsinError):
    """Another process holds this data folder, or the port asked for."""


class UnreachableError(TocsinError):
    """A node does not answer."""


class RateError(TocsinError):
    """This is asked for, or brought, more often or in greater amounts than is allowed.

    The same may be tried again after `seconds`.
    """

    seconds = 60  # what a client makes of another node's answer has no more than words

    def __init__(self, message: str, *, remedy: str, seconds: int = 60) -> None:
        super().__init__(message, remedy=remedy)
        self.seconds = seconds


class NotFoundError(TocsinError):
    """Nothing with this name that this reader may see. The same words for hidden and unknown."""


class ForbiddenError(TocsinError):
    """The actor's user role does not allow this act."""


class ConflictError(TocsinError):
    """The thing has changed since it was read, or exists already."""


# --- TAXII ----------------------------------------------------------------------------------


class TaxiiRequestError(InputError):
    """A TAXII request has a parameter, a filter or a cursor that cannot be understood."""


class SlowBodyError(TaxiiRequestError):
    """The body of a request has not come in the time there is for it."""


class MethodError(TaxiiRequestError):
    """An address of the TAXII server does not take this method; `methods` are those it takes."""

    def __init__(self, message: str, *, methods: tuple[str, ...]) -> None:
        super().__init__(message, remedy="it takes " + ", ".join(methods))
        self.methods = methods


class NotAcceptableError(TaxiiRequestError):
    """A client takes no media type that the TAXII server can make."""


class MediaTypeError(TaxiiRequestError):
    """What is sent to the TAXII server has a media type that it does not take."""


class CredentialError(TocsinError):
    """A request carries no credential that holds. The same words whatever is wrong with it."""


class TaxiiServerError(TocsinError):
    """A TAXII server breaks the protocol, or would go on for ever; what came before is kept."""


# --- cases, advisories, sweeps --------------------------------------------------------------


class CaseError(TocsinError):
    """An act cannot be made in this case as it stands."""


class HoldError(CaseError):
    """Publishing would break a hold this party has signed."""


class QuorumError(CaseError):
    """Fewer co-signatures than the policy asks for."""


class RenderingError(TocsinError):
    """An advisory or a sheet cannot be rendered in the form asked for."""


class SweepError(TocsinError):
    """A sweep cannot run as asked."""


class VerificationError(RecordError):
    """What was to be verified fails; the details list every problem."""
