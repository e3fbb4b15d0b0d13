"""What a door answers when something is refused: one table, one form (RFC 9457).

A 404 is the same bytes for what is hidden and for what does not exist.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import msgspec

from tocsin import errors
from tocsin.errors import TocsinError

if TYPE_CHECKING:  # the command line answers by this table without loading a web framework
    from starlette.responses import Response

log = logging.getLogger("tocsin.console")

STATUS: dict[type[TocsinError], int] = {
    errors.TocsinError: 500,
    errors.UsageError: 400,
    errors.ConfigError: 500,
    errors.UnreadableError: 400,
    errors.InputError: 400,
    errors.CanonicalError: 400,
    errors.BundleError: 400,
    errors.BundleSizeError: 413,
    errors.ObjectLimitError: 413,
    errors.ClaimError: 422,
    errors.SpeakerError: 422,
    errors.MarkingError: 422,
    errors.IndicatorError: 422,
    errors.PatternError: 422,
    errors.PatternLimitError: 413,
    errors.ReportError: 422,
    errors.ReportSizeError: 413,
    errors.ParserError: 400,
    errors.DraftError: 422,
    errors.StaleDraftError: 409,
    errors.RecordError: 400,
    errors.StatementError: 400,
    errors.PurgedError: 410,
    errors.SignatureError: 403,
    errors.ChainError: 409,
    errors.ProofError: 400,
    errors.NoteError: 400,
    errors.DirectoryError: 400,
    errors.DossierError: 400,
    errors.ForkError: 400,
    errors.SealError: 400,
    errors.WitnessRefused: 422,
    errors.VerificationError: 422,
    errors.LogHalted: 503,
    errors.RollbackError: 503,
    errors.StoreError: 503,
    errors.StorageFullError: 507,
    errors.StoreLostError: 503,
    errors.NodeBusyError: 503,
    errors.UnreachableError: 502,
    errors.RateError: 429,
    errors.NotFoundError: 404,
    errors.ForbiddenError: 403,
    errors.ConflictError: 409,
    errors.TaxiiRequestError: 400,
    errors.SlowBodyError: 408,
    errors.MethodError: 405,
    errors.NotAcceptableError: 406,
    errors.MediaTypeError: 415,
    errors.CredentialError: 401,
    errors.TaxiiServerError: 502,
    errors.CaseError: 409,
    errors.HoldError: 409,
    errors.QuorumError: 409,
    errors.RenderingError: 422,
    errors.SweepError: 400,
}
"""Each error and the HTTP status it becomes."""

NOT_FOUND_DETAIL = "There is nothing here that you may see"
NOT_FOUND_REMEDY = "check the address, or ask whoever sent it whether it is meant for you"


OTHERS = {
    "misdirected": "The name in the address is not one this node was told it has.",
    "cross-site": "The request came from a page of another site, which may do nothing here.",
    "header-size": "The request's headers are larger than this node takes.",
    "body-size": "The request's body is larger than this address takes.",
    "body-time": "The request's body came too slowly, and the rest of it was not waited for.",
    "not-signed-in": "The request carries no session and no token.",
    "read-only": "This space is read and never written: nobody can say anything in it.",
    "internal": "Something failed inside the node; its log has the request under its number.",
}
"""Refusals that no error class stands for, and what each means."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details, with the remedy every error of ours carries."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    request_id: str = ""


def name_of(kind: type[TocsinError]) -> str:
    """`BundleSizeError` gives `bundle-size`: the last part of the problem's address."""
    short = re.sub(r"Error$", "", kind.__name__)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", short).lower()


def status_of(error: TocsinError) -> int:
    """The HTTP status of an error: its own class's, or the nearest class above it."""
    return STATUS[_public(type(error))]


def _public(kind: type[TocsinError]) -> type[TocsinError]:
    """The class under which an error is told: its own, or the nearest above it."""
    return next(above for above in kind.__mro__ if above in STATUS)


def problem_of(error: TocsinError) -> Problem:
    """An error as problem details. Nothing of a 404 tells hidden from unknown."""
    status = status_of(error)
    if status == 404:
        return not_found()
    kind = _public(type(error))
    if status >= 500:
        log.info("%s", error.message)
    return Problem(
        type=f"/problems/{name_of(kind)}",
        title=title_of(kind),
        status=status,
        detail=error.abroad if status >= 500 else error.message,
        remedy=error.remedy,
    )


def title_of(kind: type[TocsinError]) -> str:
    """The error's first line of documentation: what it means, the same for every occurrence."""
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0].rstrip(".")


def not_found() -> Problem:
    """The one answer for hidden and unknown."""
    return Problem(
        type="/problems/not-found",
        title="Not found",
        status=404,
        detail=NOT_FOUND_DETAIL,
        remedy=NOT_FOUND_REMEDY,
    )


def respond(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Problem details as an answer."""
    from starlette.responses import Response

    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=headers,
    )


def problem_response(
    status: int, name: str, detail: str, *, remedy: str, headers: dict[str, str] | None = None
) -> Response:
    """A refusal that no error class stands for (a wrong Host, a large body)."""
    return respond(
        Problem(
            type=f"/problems/{name}",
            title=name.replace("-", " ").capitalize(),
            status=status,
            detail=detail,
            remedy=remedy,
        ),
        headers,
    )


def classes() -> list[type[TocsinError]]:
    """Every error class that leaves this node, for the pages of `/problems/`."""
    return list(STATUS)
