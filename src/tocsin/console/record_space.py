"""The public record in a browser: a few pages, all of them to be read, and no way to write.

No sign-in, no session, no cookie: everything here is public, and nobody acts. The pages are those
of a node's console, drawn from the same flows. Spec: claims.md §5, console.md §7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from tocsin.claims.model import EXTENSION_ID
from tocsin.console import pages, problems, relate_pages, untrusted
from tocsin.console.app import LOOPBACK, Frame, templates
from tocsin.console.assets import Assets
from tocsin.console.guard import Guard
from tocsin.console.page import Drawn, command
from tocsin.console.record_pages import ObjectView
from tocsin.errors import TocsinError
from tocsin.flows import weigh
from tocsin.flows.known import as_known
from tocsin.flows.public_record import CODER, READ_ONLY, READ_ONLY_REMEDY, PublicRecord
from tocsin.policy import ANONYMOUS
from tocsin.relate.names import ACTOR_TYPES
from tocsin.relate.overlap import COMPARED
from tocsin.store.interface import KeptObject

BANNER = (
    f"Public record, “{CODER}”: who said what, as we coded it from public pages, whose addresses "
    "stand beside the words. Read only; signed and logged by no node."
)
NAV = (("claims", "/claims", "Claims"), ("names", "/names", "Names"))


def build(
    record: PublicRecord, *, clock: Callable[[], datetime], hosts: Iterable[str] = LOOPBACK
) -> ASGIApp:
    """The application: pages of the claims and objects in `record`, for anybody.

    Args:
        clock: for how long ago something was; nothing is weighed by it.
        hosts: names it answers to, without port.
    """
    desk = _Desk(record, clock)
    routes: list[BaseRoute] = [
        Route("/", desk.home, methods=["GET"]),
        Route("/static/{hash}/{name}", desk.assets.answer, methods=["GET"]),
    ]
    shown: tuple[tuple[str, Callable[[Request], Drawn]], ...] = (
        ("/claims", desk.claims),
        ("/claims/{id}", desk.claim),
        ("/names", desk.names),
        ("/overlap/{id}", desk.overlap),
        ("/objects/{sha256}", desk.object),
    )
    for path, draw in shown:
        for form in ("json", "csv"):
            routes.append(Route(f"{path}.{form}", desk.answering(draw, form), methods=["GET"]))
    routes.append(Route("/objects/{sha256}/bytes", desk.raw, methods=["GET"]))
    for path, draw in shown:
        routes.append(Route(path, desk.answering(draw, "html"), methods=["GET"]))
    every = ["POST", "PUT", "PATCH", "DELETE"]
    routes += [
        Route("/{rest:path}", desk.refuse, methods=every),
        Route("/{rest:path}", desk.nothing, methods=["GET"]),
    ]
    # Refusals first: a router would say 405 of a page's own address, and not why.
    inner = Router([routes[-2], *routes], redirect_slashes=False)
    return Guard(GZipMiddleware(inner, compresslevel=6), hosts)


class _Desk:
    def __init__(self, record: PublicRecord, clock: Callable[[], datetime]) -> None:
        self.record = record
        self.clock = clock
        self.assets = Assets.of_package()
        self.env = templates(self.assets)

    # --- what is shown ------------------------------------------------------------------------

    def claims(self, request: Request) -> Drawn:
        """Who says what, by date."""
        query = {key: value for key, value in request.query_params.items() if value}
        drawn = pages.claims_of(self.record, ANONYMOUS, query)
        words = ["--as-known", query["at"]] if query.get("at") else []
        cli = command("demo", "record", "--list", *words)
        return msgspec.structs.replace(drawn, cli=cli)

    def claim(self, request: Request) -> Drawn:
        """Everybody's position side by side."""
        at = request.query_params.get("at") or None
        id = request.path_params["id"]
        view = weigh.claim_page(self.record, ANONYMOUS, id, at=as_known(at))
        words = ["--as-known", at] if at else []
        drawn = pages.draw_claim(view, at)
        cli = command("demo", "record", "--claim", id, *words)
        return msgspec.structs.replace(drawn, cli=cli)

    def names(self, request: Request) -> Drawn:
        """Who is called what, and who says so."""
        drawn = relate_pages.names_of(self.record, ANONYMOUS, request.query_params.get("name", ""))
        return msgspec.structs.replace(drawn, cli=None)

    def overlap(self, request: Request) -> Drawn:
        """What a group shares with others here."""
        drawn = relate_pages.overlap_of(self.record, ANONYMOUS, request.path_params["id"])
        return msgspec.structs.replace(drawn, cli=None)

    def object(self, request: Request) -> Drawn:
        """The exact bytes of an object, and its fields."""
        found = self.record.store.object(request.path_params["sha256"])
        return Drawn(
            template="object.html",
            view=_object(found),
            key="object",
            title=f"{found.type} {found.sha256[:12]}",
            table=(("field", "value"), list(_object(found).fields.items())),
        )

    # --- answers ------------------------------------------------------------------------------

    async def home(self, request: Request) -> Response:
        return RedirectResponse("/claims", status_code=303)

    def answering(self, draw: Callable[[Request], Drawn], form: str) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(self._answer, request, draw, form)

        return endpoint

    def _answer(self, request: Request, draw: Callable[[Request], Drawn], form: str) -> Response:
        try:
            drawn = draw(request)
        except TocsinError as wrong:
            return self._problem(problems.problem_of(wrong), form)
        if form == "json":
            return Response(msgspec.json.encode(drawn.view), media_type="application/json")
        if form == "csv":
            if drawn.table is None:
                return self._problem(problems.not_found(), form)
            return Response(untrusted.csv_table(*drawn.table), media_type=untrusted.CSV)
        query = f"?{request.url.query}" if request.url.query else ""
        frame = Frame(
            key=drawn.key,
            title=drawn.title,
            lang="en",
            dir="ltr",
            nav=NAV,
            cli=drawn.cli,
            json=f"{request.url.path}.json{query}",
            csv=f"{request.url.path}.csv{query}" if drawn.table is not None else None,
            record=BANNER,
        )
        return self._html(drawn.template, frame, {"view": drawn.view, **drawn.more})

    async def raw(self, request: Request) -> Response:
        """The exact bytes, never run and never shown in place."""
        try:
            found = self.record.store.object(request.path_params["sha256"])
        except TocsinError as wrong:
            return self._problem(problems.problem_of(wrong), "html")
        return Response(
            found.raw,
            media_type="application/octet-stream",
            headers={
                "content-disposition": f'attachment; filename="{found.sha256}.bin"',
                "content-security-policy": "sandbox",
            },
        )

    async def refuse(self, request: Request) -> Response:
        """Whatever would write: there is nothing that could."""
        return problems.problem_response(
            405, "read-only", READ_ONLY, remedy=READ_ONLY_REMEDY, headers={"allow": "GET, HEAD"}
        )

    async def nothing(self, request: Request) -> Response:
        form = "json" if request.url.path.endswith((".json", ".csv")) else "html"
        return self._problem(problems.not_found(), form)

    def _problem(self, problem: problems.Problem, form: str) -> Response:
        if form != "html":
            return problems.respond(problem)
        frame = Frame(key="", title=problem.title, lang="en", dir="ltr", nav=NAV, record=BANNER)
        return self._html("error.html", frame, {"problem": problem}, status=problem.status)

    def _html(
        self, template: str, frame: Frame, context: dict[str, Any], *, status: int = 200
    ) -> Response:
        text = self.env.get_template(template).render(
            page=frame, me=None, now=self.clock(), **context
        )
        return HTMLResponse(text, status_code=status)


def _object(found: KeptObject) -> ObjectView:
    data = found.data
    extension = data.get("extensions", {}).get(EXTENSION_ID, {})
    return ObjectView(
        sha256=found.sha256,
        id=found.id,
        type=found.type,
        size=len(found.raw),
        created=found.created,
        modified=found.modified,
        withdrawn=False,
        said_by=(),
        fields={
            key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for key, value in data.items()
        },
        raw=found.raw.decode("utf-8", "replace"),
        role=extension.get("role") if isinstance(extension, dict) else None,
        holders=None,
        related=found.type in COMPARED,
        called=str(data.get("name") or "") if found.type in ACTOR_TYPES else "",
    )
