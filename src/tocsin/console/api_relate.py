"""The API of what belongs together: names with whoever gives them, and what incidents share."""

from __future__ import annotations

from typing import Any

from tocsin.console.api_parts import Request, Route, route
from tocsin.errors import UsageError
from tocsin.flows import relate
from tocsin.relate import names, overlap
from tocsin.relate.names import MAX_NAME


def _names(r: Request) -> Any:
    name = r.query.get("name", "")
    if not name.strip() or len(name) > MAX_NAME:
        raise UsageError(
            f"a name of {len(name)} characters", remedy=f"name=…, 1 to {MAX_NAME} characters"
        )
    found = names.as_data(relate.held(r.node, r.actor.reader).names.look_up(name))
    # What was asked for is not repeated: a name that is hidden and one that nobody bears are to
    # be answered with the same bytes.
    return {key: value for key, value in found.items() if key not in ("asked", "folded")}


def _overlap(r: Request) -> Any:
    id = r.params["id"]
    found, name = relate.compared(r.node, r.actor.reader, id)
    return overlap.as_data(found, id, name)


ROUTES: tuple[Route, ...] = (
    route("GET", "/names", "read", _names, "Who is called so, and who says it; ?name."),
    route("GET", "/overlap/{id}", "read", _overlap, "Tools and techniques shared with groups."),
)
