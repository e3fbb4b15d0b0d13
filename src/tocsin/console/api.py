"""The HTTP API: one table of routes, and the one function that answers a request.

The handlers stand beside it: `api_drafts`, `api_cases`, `api_record`, `api_exchange`,
`api_relate`.

No web framework in here: `answer` takes a method, a path and bytes and gives a status and bytes,
so that a verb that opens the data folder itself walks the same path as one that talks to a running
node over HTTP. A route that is not in the table cannot be served; what it needs of the actor is
asked of `policy.may_act` before its handler runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import msgspec

from tocsin.console import (
    api_cases,
    api_drafts,
    api_exchange,
    api_record,
    api_relate,
    problems,
)
from tocsin.console.api_parts import BASE, JSON, Answer, Created, Request, Route, decode
from tocsin.errors import ForbiddenError, NotFoundError, RateError, TocsinError, UsageError
from tocsin.flows import shares
from tocsin.flows.node import Node
from tocsin.policy import Actor, may_act

__all__ = ["BASE", "OWN", "ROUTES", "Answer", "Request", "Route", "answer", "route_of"]

ROUTES: tuple[Route, ...] = (
    *api_drafts.ROUTES,
    *api_record.ROUTES,
    *api_cases.ROUTES,
    *api_exchange.ROUTES,
    *api_relate.ROUTES,
)


def _compiled() -> tuple[tuple[re.Pattern[str], Route], ...]:
    return tuple(
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(BASE + r.path))), r)
        for r in ROUTES
    )


_PATTERNS = _compiled()


OWN = frozenset({"draft", "case", "party", "token", "purge"})
"""Verbs on what belongs to this node alone, which no token of another party's does."""


def route_of(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route that serves this. Raises NotFoundError, or UsageError for another method."""
    methods = []
    for pattern, route in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        if route.method == method:
            return route, match.groupdict()
        methods.append(route.method)
    if methods:
        raise UsageError(f"{method} {path}", remedy="this address takes " + ", ".join(methods))
    raise NotFoundError(f"no address {path}", remedy="check the address")


def answer(
    node: Node,
    actor: Actor,
    method: str,
    path: str,
    query: Mapping[str, str],
    body: bytes,
    headers: Mapping[str, str],
) -> Answer:
    """Serve one request; every refusal is problem details (RFC 9457), never an exception."""
    try:
        route, params = route_of(method, path)
        guest = actor.reader.party not in node.signers
        if guest and route.verb in OWN:
            raise ForbiddenError(
                f"{actor.reader.party} is a guest of {node.party}'s node, and this is for its own "
                f"party: {method} {path}",
                remedy="it takes a node of your own",
            )
        if route.verb and not may_act(actor, route.verb):
            raise ForbiddenError(
                f"your user role does not allow {method} {path}",
                remedy="ask somebody whose role does, or use a token with that scope",
            )
        if guest and method != "GET":
            shares.take(node, f"guest {actor.reader.party}", shares.GUEST, 1, len(body))
        request = Request(
            node=node, actor=actor, params=params, query=query, body=body, headers=headers
        )
        if route.takes is not None:
            result = route.handler(request, decode(body or b"{}", route.takes))
        else:
            result = route.handler(request)
    except TocsinError as error:
        problem = problems.problem_of(error)
        return Answer(
            status=problem.status,
            media_type="application/problem+json",
            body=msgspec.json.encode(problem),
            headers=(("retry-after", str(error.seconds)),) if isinstance(error, RateError) else (),
        )
    if isinstance(result, Answer):
        return result
    status, value = (201, result.value) if isinstance(result, Created) else (200, result)
    encoded = msgspec.json.encode(value)
    etag = '"' + hashlib.sha256(encoded).hexdigest()[:32] + '"'
    if method == "GET" and headers.get("if-none-match") == etag:
        return Answer(status=304, media_type=JSON, body=b"", headers=(("etag", etag),))
    return Answer(status=status, media_type=JSON, body=encoded, headers=(("etag", etag),))
