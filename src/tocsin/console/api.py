"""The HTTP API: one table of routes, and the one function that answers a request.

No web framework in here: `answer` takes a method, a path and bytes and gives a status and bytes,
so that a verb on the command line that opens the data folder itself walks the same path as one
that talks to a running node.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from tocsin import errors
from tocsin.flows.node import Node
from tocsin.policy import Actor, may_act

BASE = "/api/v1"
JSON = "application/json"
PROBLEM = "application/problem+json"

STATUS: tuple[tuple[type[errors.TocsinError], int], ...] = (
    (errors.NotFoundError, 404),
    (errors.ForbiddenError, 403),
    (errors.SignatureError, 403),
    (errors.StaleDraftError, 409),
    (errors.ConflictError, 409),
    (errors.ChainError, 409),
    (errors.NodeBusyError, 409),
    (errors.BundleSizeError, 413),
    (errors.ReportSizeError, 413),
    (errors.LogHalted, 503),
    (errors.RollbackError, 503),
    (errors.StorageFullError, 507),
    (errors.StoreError, 503),
    (errors.UnreachableError, 502),
    (errors.DraftError, 422),
    (errors.CaseError, 422),
    (errors.InputError, 400),
    (errors.UsageError, 400),
    (errors.TocsinError, 400),
)
"""First class that fits gives the status. The only such table."""


@dataclass(frozen=True)
class Request:
    """One request, past sign-in: who asks, and what for."""

    actor: Actor
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case names."""

    def json[T](self, kind: type[T]) -> T:  # type: ignore[syntax]
        raise NotImplementedError


class Answer(Struct, frozen=True, kw_only=True):
    """What goes back."""

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
