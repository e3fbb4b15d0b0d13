"""The console's ASGI application: guards, then routes, then pages drawn in a thread.

Pages and API handlers are synchronous and run in the thread pool; streams live on the loop, and
the small answers of TAXII, whose addresses stand before all routes.
What is shown comes from `flows/`; who may see it was decided there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import jinja2
import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from tocsin.console import api, auth, forms, i18n, pages, problems, untrusted
from tocsin.console.assets import Assets
from tocsin.console.auth import Cost, Doors, Rates, Signed
from tocsin.console.guard import Guard
from tocsin.console.live import Live, News
from tocsin.console.page import Ask, Bytes, Drawn, Go, Page, news
from tocsin.errors import ForbiddenError, NotFoundError, TocsinError
from tocsin.flows.node import Node
from tocsin.flows.weighed import FLAG_WORDS
from tocsin.flows.witnessing import Alarm
from tocsin.policy import ANONYMOUS, Actor, may_act
from tocsin.taxii import server, wire

log = logging.getLogger("tocsin.console")

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

AUDITED = frozenset({"publish", "sign", "export", "token", "party", "purge"})
"""Verbs of the API that are noted in the local audit."""

NAV = (
    ("now", "/", "Now"),
    ("cases", "/cases", "Cases"),
    ("claims", "/claims", "Claims"),
    ("names", "/names", "Names"),
    ("ingest", "/ingest", "Ingest"),
    ("log", "/log", "Log"),
)


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What every page has around its content."""

    key: str
    title: str
    lang: str
    dir: str
    nav: tuple[tuple[str, str, str], ...] = NAV
    exercise: bool = False
    cli: str | None = None
    json: str | None = None
    csv: str | None = None
    after: int | None = None
    again: str | None = None
    """After how many seconds, and where, the page is asked for again; see `Drawn`. The address is
    written out: to itself a page with a fragment in its address only scrolls."""
    alarms: tuple[Alarm, ...] = ()
    """What is wrong with a log: on every page, until it is explained."""
    record: str = ""
    """In the public record: what it is and who coded it, on every page; "" on a node."""


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in."""

    name: str
    party: str
    party_name: str
    role: str


def templates(assets: Assets) -> jinja2.Environment:
    """The templates of the package: escaped always, and an undefined name is an error."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("tocsin.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.globals.update(
        asset=assets.path,
        shown=untrusted.shown,
        clipped=untrusted.clipped,
        source=untrusted.source,
        notes=untrusted.notes,
        moment=i18n.moment,
        known=i18n.known,
        number=i18n.number,
        plural=i18n.plural,
        ago=i18n.ago,
        flag_words=FLAG_WORDS,
    )
    env.filters["plain"] = untrusted.plain
    return env


@dataclass
class Console:
    """One node's console, ready to be served. `asgi` is the application."""

    asgi: ASGIApp
    doors: Doors
    live: Live
    assets: Assets

    def stop(self) -> None:
        """End all open streams, so that the server can end. From any thread."""
        self.live.stop()


def build(
    node: Node,
    *,
    hosts: Iterable[str] = LOOPBACK,
    table: Iterable[Page] = pages.TABLE,
    extra: Iterable[BaseRoute] = (),
    monotonic: Callable[[], float] = time.monotonic,
) -> Console:
    """Assemble the console of one node.

    Args:
        node: what the flows are handed.
        hosts: names this node answers to, without port.
        table: the pages; tests may bring their own.
        extra: routes of other doors (TAXII, the public log), before the console's own.
        monotonic: a clock for rates.
    """
    assets = Assets.of_package()
    doors = Doors(node.store, clock=node.clock, rng=node.rng, member=node.is_member)
    doors.sweep()  # what ended while nobody was looking
    live = Live(lambda: _size(node))
    desk = _Desk(node, doors, Rates(monotonic), live, assets)
    routes: list[BaseRoute] = [
        *extra,
        Route("/static/{hash}/{name}", assets.answer, methods=["GET"]),
        Route("/enter/{token}", desk.enter, methods=["GET", "POST"]),
        Route("/leave", desk.leave, methods=["POST"]),
        Route("/live", desk.stream, methods=["GET"]),
        Route("/live.json", desk.poll, methods=["GET"]),
        Route("/problems/{name}", desk.problem_page, methods=["GET"]),
        Route("/healthz", _healthy, methods=["GET"]),
        Route("/readyz", desk.ready, methods=["GET"]),
    ]
    for page in table:
        routes += desk.routes(page)
    routes += [
        Route("/api/v1/{rest:path}", desk.api, methods=["GET", "PUT", "POST", "DELETE"]),
        Route("/{rest:path}", desk.nothing, methods=["GET", "POST", "PUT", "DELETE"]),
    ]
    inner: ASGIApp = Router(routes, redirect_slashes=False)
    packed: ASGIApp = GZipMiddleware(inner, compresslevel=6)
    doors_of_taxii = [
        route.endpoint
        for route in routes
        if isinstance(route, Route) and isinstance(route.endpoint, server.Door)
    ]
    guarded = Guard(_Ahead(doors_of_taxii[0], packed) if doors_of_taxii else packed, hosts)
    return Console(guarded, doors, live, assets)


class _Ahead:
    """TAXII's addresses before all others: most requests there are small, and it packs by itself.

    `app` is the rest.
    """

    def __init__(self, taxii: server.Door, app: ASGIApp) -> None:
        self.taxii = taxii
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        its = scope["type"] == "http" and f"{scope['path']}/".startswith(wire.BASE)
        await (self.taxii if its else self.app)(scope, receive, send)


def _size(node: Node) -> int:
    head = node.store.head()
    return head.size if head is not None else 0


def _healthy(request: Request) -> Response:
    return PlainTextResponse("ok\n")


class _Desk:
    """Answers requests: who asks, may they, what do they get. Holds no request's state."""

    def __init__(self, node: Node, doors: Doors, rates: Rates, live: Live, assets: Assets) -> None:
        self.node = node
        self.doors = doors
        self.rates = rates
        self.live = live
        self.env = templates(assets)

    # --- pages --------------------------------------------------------------------------------

    def routes(self, page: Page) -> list[BaseRoute]:
        """A page at its address, and the same as JSON and CSV beside it."""
        if page.method == "POST":
            return [Route(page.path, self._endpoint(page, "html"), methods=["POST"])]
        stem = "/index" if page.path == "/" else page.path
        # `.json` before the page itself, whose last segment would swallow it.
        routes: list[BaseRoute] = [
            Route(f"{stem}.{form}", self._endpoint(page, form), methods=["GET"])
            for form in page.forms
            if form != "html"
        ]
        if "html" in page.forms:
            routes.append(Route(page.path, self._endpoint(page, "html"), methods=["GET"]))
        return routes

    def _endpoint(self, page: Page, form: str) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.body() if page.method == "POST" else b""
            return await run_in_threadpool(self._answer, request, page, form, body)

        return endpoint

    def _answer(self, request: Request, page: Page, form: str, body: bytes) -> Response:
        signed = self.doors.who(request)
        if signed is None:
            return self._sign_in(request, form)
        refused = self._limited(signed.key, page.cost)
        if refused is not None:
            return refused
        try:
            ask = self._ask(request, signed, body)
            ask.must("read")  # every page shows something, also to whoever has a token for an act
            response = self._draw(request, signed, form, page.draw(ask))
            if page.audit and response.status_code < 400:
                self._audit(signed, page.audit, request.url.path)
            return response
        except TocsinError as error:
            if problems.status_of(error) == 403:
                self._audit(signed, "refused", request.url.path)
            return self._problem(request, signed, form, problems.problem_of(error))
        except Exception:  # the door's last: a page that says so, with nothing of the fault
            log.exception("page failed", extra={"path": request.url.path})
            return self._failed(request, signed, form)

    def _audit(self, signed: Signed | None, act: str, path: str) -> None:
        """Note what was done or refused. It stays so, and is answered so, if the disk cannot."""
        try:
            self.doors.audit(signed, act, path[:200])
        except TocsinError as wrong:  # in words: a database may be gone for hours
            log.error("audit failed: %s", wrong.message, extra={"path": path, "act": act})

    def _ask(self, request: Request, signed: Signed, body: bytes) -> Ask:
        fields, uploads = forms.read(request.headers.get("content-type", ""), body)
        return Ask(
            node=self.node,
            actor=auth.actor(signed, self.node.reader),
            person=signed.person.name,
            path=dict(request.path_params),
            query={key: value for key, value in request.query_params.items() if value},
            form=fields,
            uploads=uploads,
        )

    def _draw(
        self, request: Request, signed: Signed, form: str, drawn: Drawn | Go | Bytes
    ) -> Response:
        if isinstance(drawn, Go):
            return RedirectResponse(drawn.to, status_code=303)
        if isinstance(drawn, Bytes):
            return _received(drawn)
        if form == "json":
            return Response(
                msgspec.json.encode(drawn.view),
                status_code=drawn.status,
                media_type="application/json",
            )
        if form == "csv":
            if drawn.table is None:
                raise NotFoundError("this page has no table", remedy="take the page as JSON")
            return Response(untrusted.csv_table(*drawn.table), media_type=untrusted.CSV)
        return self._html(
            signed,
            drawn.template,
            self._frame(request, signed, drawn),
            {"view": drawn.view, **drawn.more},
            status=drawn.status,
        )

    def _frame(self, request: Request, signed: Signed, drawn: Drawn) -> Frame:
        language = i18n.pick(request.query_params.get("lang"))
        stem = "/index" if request.url.path == "/" else request.url.path
        query = f"?{request.url.query}" if request.url.query else ""
        shown_here = request.method == "GET" and drawn.beside
        return Frame(
            key=drawn.key,
            title=drawn.title,
            again=(
                f"{drawn.again_s};url={quote(request.url.path)}{query}"
                if drawn.again_s is not None
                else None
            ),
            lang=language.code,
            dir=language.dir,
            exercise=self.node.exercise,
            cli=drawn.cli,
            json=f"{stem}.json{query}" if shown_here else None,
            csv=f"{stem}.csv{query}" if shown_here and drawn.table is not None else None,
            after=_size(self.node) - 1,
            alarms=tuple(self.node.alarms(auth.actor(signed, self.node.reader).reader)),
        )

    def _html(
        self,
        signed: Signed | None,
        template: str,
        frame: Frame,
        context: Mapping[str, Any],
        *,
        status: int = 200,
    ) -> Response:
        text = self.env.get_template(template).render(
            page=frame, me=self._me(signed), now=self.node.clock(), **context
        )
        return HTMLResponse(text, status_code=status)

    def _me(self, signed: Signed | None) -> Me | None:
        if signed is None:
            return None
        person = signed.person
        entry = self.node.directory.party(person.party)
        return Me(
            name=person.name,
            party=person.party,
            party_name=entry.name if entry is not None else person.party,
            role=person.role,
        )

    # --- refusals -----------------------------------------------------------------------------

    def _limited(self, who: str, cost: Cost) -> Response | None:
        seconds = self.rates.wait(who, cost)
        if not seconds:
            return None
        wrong = auth.too_often(cost, seconds)
        return problems.respond(problems.problem_of(wrong), {"retry-after": str(seconds)})

    def _may_not_read(self, signed: Signed) -> Response | None:
        """A refusal for whoever has a token that is for other things."""
        try:
            auth.require(may_act(auth.actor(signed, self.node.reader), "read"), "read")
        except ForbiddenError as wrong:
            return problems.respond(problems.problem_of(wrong))
        return None

    def _problem(
        self, request: Request, signed: Signed | None, form: str, problem: problems.Problem
    ) -> Response:
        if form != "html" or "application/json" in request.headers.get("accept", ""):
            return problems.respond(problem)
        frame = self._plain_frame(problem.title)
        return self._html(signed, "error.html", frame, {"problem": problem}, status=problem.status)

    def _plain_frame(self, title: str) -> Frame:
        """A frame that depends on nothing of the request: a 404 is the same bytes for all."""
        return Frame(key="", title=title, lang="en", dir="ltr", exercise=self.node.exercise)

    def _failed(self, request: Request, signed: Signed | None, form: str) -> Response:
        return self._problem(
            request,
            signed,
            form,
            problems.Problem(
                type="/problems/internal",
                title="Something failed inside this node",
                status=500,
                detail="Nothing was changed by this request",
                remedy="tell whoever runs this node the number of the request",
                request_id=request.scope["state"]["request_id"],
            ),
        )

    def _sign_in(self, request: Request, form: str) -> Response:
        """The same for every address, so that nobody learns which ones exist."""
        if wire.asks_for_taxii(request.headers.get("accept", "")):
            body = server.elsewhere(request.scope["state"]["request_id"])
            return Response(body, status_code=404, media_type=wire.MEDIA_TYPE)
        if form != "html":
            return _unsigned()
        frame = self._plain_frame("Sign in")
        return self._html(None, "signin.html", frame, {}, status=401)

    async def nothing(self, request: Request) -> Response:
        """Any address there is not."""
        return await run_in_threadpool(self._nothing, request)

    def _nothing(self, request: Request) -> Response:
        form = "json" if request.url.path.endswith((".json", ".csv")) else "html"
        signed = self.doors.who(request)
        if signed is None:
            return self._sign_in(request, form)
        return self._problem(request, signed, form, problems.not_found())

    async def problem_page(self, request: Request) -> Response:
        """What an error means: `/problems/{name}`, where `type` of problem details points."""
        return await run_in_threadpool(self._problem_page, request)

    def _problem_page(self, request: Request) -> Response:
        kinds = {problems.name_of(kind): kind for kind in problems.classes()}
        name = request.path_params["name"]
        kind = kinds.get(name)
        if kind is not None:
            title = problems.title_of(kind)
            detail = " ".join((kind.__doc__ or "").split("Args:")[0].split())
        elif name in problems.OTHERS:
            title, detail = name.replace("-", " ").capitalize(), problems.OTHERS[name]
        else:
            return self._problem(request, None, "html", problems.not_found())
        problem = problems.Problem(
            type=f"/problems/{name}",
            title=title,
            status=200,
            detail=detail,
            remedy="the answer that brought you here says what to do",
        )
        return self._problem(request, None, "html", problem)

    # --- sign-in ------------------------------------------------------------------------------

    async def enter(self, request: Request) -> Response:
        """GET shows a button, so that a link preview spends nothing; POST spends the link."""
        return await run_in_threadpool(self._enter, request)

    def _enter(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            frame = self._plain_frame("Sign in")
            return self._html(None, "enter.html", frame, {})
        address = request.client.host if request.client else "-"
        refused = self._limited(address, "sign-in")
        if refused is not None:
            return refused
        try:
            session_id = self.doors.spend(request.path_params["token"])
        except NotFoundError as error:
            problem = problems.Problem(
                type="/problems/not-found",
                title="This link does not work any more",
                status=404,
                detail=error.message,
                remedy=error.remedy,
            )
            return self._problem(request, None, "html", problem)
        old = self.doors.who(request)
        if old is not None and old.by == "session":
            self.doors.close_session(old.key)
        response = RedirectResponse("/", status_code=303)
        auth.set_cookie(response, request, session_id)
        return response

    async def leave(self, request: Request) -> Response:
        """Sign out."""
        return await run_in_threadpool(self._leave, request)

    def _leave(self, request: Request) -> Response:
        signed = self.doors.who(request)
        if signed is not None and signed.by == "session":
            self.doors.close_session(signed.key)
        response = self._html(None, "signin.html", self._plain_frame("Signed out"), {})
        auth.clear_cookies(response)
        return response

    # --- live ---------------------------------------------------------------------------------

    async def stream(self, request: Request) -> Response:
        """Server-sent events of what enters the log."""
        signed = await run_in_threadpool(self.doors.who, request)
        if signed is None:
            return _unsigned()
        refused = await run_in_threadpool(self._may_not_read, signed)
        if refused is not None:
            return refused

        def since(after: int, most: int) -> list[News] | None:
            # A stream outlives many requests: whoever has signed out hears nothing more, and
            # whoever is no longer its client's provider nothing that is for that client.
            if not self.doors.alive(signed):
                return None
            return news(self.node, auth.actor(signed, self.node.reader).reader, after, most)

        return self.live.answer(request, signed.key, since)

    async def poll(self, request: Request) -> Response:
        """The same for a browser that cannot hold one stream for all its tabs."""
        return await run_in_threadpool(self._poll, request)

    def _poll(self, request: Request) -> Response:
        signed = self.doors.who(request)
        if signed is None:
            return _unsigned()
        refused = self._limited(signed.key, "read") or self._may_not_read(signed)
        if refused is not None:
            return refused
        asked = request.query_params.get("after", "")
        after = int(asked) if asked.isdecimal() and len(asked) < 16 else _size(self.node) - 1
        actor = auth.actor(signed, self.node.reader)
        found = news(self.node, actor.reader, after, 1000)
        batch = {
            "after": found[-1].index if found else after,
            "count": len(found),
            "items": found[-20:],
        }
        return Response(msgspec.json.encode(batch), media_type="application/json")

    # --- other doors --------------------------------------------------------------------------

    async def ready(self, request: Request) -> Response:
        """Whether this node takes work: the log is not halted and has a signed head."""
        return await run_in_threadpool(self._ready)

    def _ready(self) -> Response:
        head = self.node.store.head()
        if head is None or self.node.log.halted:
            return PlainTextResponse("not ready\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def api(self, request: Request) -> Response:
        """The HTTP API: `console/api.py` holds the table; this only carries bytes."""
        body = await request.body()
        return await run_in_threadpool(self._api, request, body)

    def _api(self, request: Request, body: bytes) -> Response:
        try:
            return self._carry(request, body)
        except TocsinError as error:  # the store could not even say who is asking
            return problems.respond(problems.problem_of(error))

    def _carry(self, request: Request, body: bytes) -> Response:
        signed = self.doors.who(request)
        path = request.url.path
        try:
            route, _ = api.route_of(request.method, path)
        except TocsinError as error:
            return _unsigned() if signed is None else problems.respond(problems.problem_of(error))
        if signed is None and route.verb:
            return _unsigned()
        address = request.client.host if request.client else "-"
        refused = self._limited(signed.key if signed else address, cast("Cost", route.cost))
        if refused is not None:
            return refused
        actor = auth.actor(signed, self.node.reader) if signed else Actor(reader=ANONYMOUS)
        try:
            answer = api.answer(
                self.node,
                actor,
                request.method,
                path,
                dict(request.query_params),
                body,
                dict(request.headers),
            )
        except Exception:  # the door's last, as for pages
            log.exception("api failed", extra={"path": path})
            return self._failed(request, signed, "json")
        if answer.status == 403:
            self._audit(signed, "refused", path)
        elif answer.status < 400 and route.verb in AUDITED:
            self._audit(signed, route.verb, path)
        response = Response(answer.body, status_code=answer.status, media_type=answer.media_type)
        for name, value in answer.headers:
            response.headers[name] = value
        return response


def _unsigned() -> Response:
    return problems.problem_response(
        401,
        "not-signed-in",
        "There is no session or token with this request",
        remedy="sign in with the link of `tocsin token link`, or send a token",
        headers={"www-authenticate": "Bearer"},
    )


def _received(drawn: Bytes) -> Response:
    """Bytes as they came: never run, never shown in place."""
    return Response(
        drawn.raw,
        media_type="application/octet-stream",
        headers={
            "content-disposition": f'attachment; filename="{drawn.name}"',
            "content-security-policy": "sandbox",
        },
    )
