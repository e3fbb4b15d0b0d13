"""Who may not read a thing finds nothing of it, by any way in: every door, every form, every list.

Each thing bears a word, an id and a digest of its own; whatever a reader is sent is searched for
all of them, and what is found must be what the nine rules of exchange.md §4, written here once
more, let this reader see. A route that is not in `WAYS` fails the test: a new way in is looked at.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import itertools
import random
import re
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import httpx
import msgspec
import orjson
import pytest
from msgspec import Struct, structs
from tests.unit.console.conftest import Client
from tests.unit.flows.test_intake import claim

from tocsin.cases.sheet import open_sheet
from tocsin.claims import write
from tocsin.console import api, pages
from tocsin.console.app import build
from tocsin.console.auth import Person
from tocsin.errors import NotFoundError
from tocsin.flows import intake, taxii_users
from tocsin.flows.homes import Peer
from tocsin.flows.node import Node
from tocsin.flows.pages import Pages
from tocsin.flows.sync import Sync
from tocsin.flows.taxii_users import User
from tocsin.policy import Tlp
from tocsin.stix.bundle import open_object
from tocsin.stix.markings import marking_definition
from tocsin.stix.model import make
from tocsin.store import feeds
from tocsin.store.federation import Quarantined
from tocsin.store.interface import Attachment
from tocsin.wiring.folder import TaxiiConfig
from tocsin.wiring.serve import doors

World = Any  # tests/unit/conftest.py

LEVELS: tuple[Tlp, ...] = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
ALL = 10**9


class Who(Struct, frozen=True):
    """Somebody at the door."""

    party: str | None
    person: str = ""
    role: str = "signer"


class Thing(Struct, frozen=True):
    """Something that was said, and for whom."""

    word: str
    id: str
    sha256: str
    statement: str
    kind: str
    author: str
    tlp: Tlp
    own: Tlp | None
    """The object's own marking."""
    unknown: bool
    to: frozenset[str]
    persons: frozenset[str]
    case: str | None
    withdrawn: bool

    @property
    def gone(self) -> bool:
        """Nobody finds it any more; claims and the like are shown as withdrawn."""
        return self.withdrawn and self.kind in ("indicator", "attachment", "group")

    def marks(self) -> tuple[bytes, ...]:
        """What tells of it. A statement's id is a commitment: the log shows it to everybody."""
        return self.word.encode(), self.id.encode(), self.sha256.encode()


def may(who: Who, x: Thing) -> bool:
    """The nine rules, over the stricter of the statement's marking and the object's own."""
    return _rules(who, x, LEVELS[max(LEVELS.index(x.tlp), LEVELS.index(x.own or "CLEAR"))])


def hidden(who: Who, x: Thing) -> tuple[bytes, ...]:
    """What this reader must not find of `x`.

    Its author may have said an object under a looser marking than the object's own: then the
    statement's readers learn the id and the digest that the statement names, and no more.
    """
    if may(who, x):
        return ()
    names = _rules(who, structs.replace(x, unknown=False), x.tlp)
    return x.marks()[:1] if names else x.marks()


def _rules(who: Who, x: Thing, level: Tlp) -> bool:
    signer = who.role in ("signer", "admin")
    named = who.person in x.persons if x.persons else signer
    if who.party is not None and who.party == x.author:
        return level != "RED" or signer or who.person in x.persons
    listed = who.party is not None and who.party in x.to
    if x.unknown:
        return listed and (level != "RED" or named)
    if level == "CLEAR":
        return True
    if who.party is None:
        return False
    if level == "GREEN":
        return not x.to or listed
    return listed and (level != "RED" or named)


# --- what is said -------------------------------------------------------------------------------


class Scene:
    """A node, three parties, and a heap of things of every marking."""

    def __init__(
        self, world: World, seed: str, count: int, other: frozenset[int] = frozenset()
    ) -> None:
        """`other`: numbers of the things that hold other words, of the same length."""
        self.world, self.draw = world, random.Random(seed)
        ids = random.Random(seed)
        world.node = dataclasses.replace(
            world.node,
            new_id=lambda type_: f"{type_}--{uuid.UUID(int=ids.getrandbits(128), version=4)}",
        )
        self.parties = (world.NORTH, world.GRID, world.SOUTH)
        self.case = world.json(
            "POST",
            "/cases",
            body={"title": "The scene", "tlp": "GREEN", "class": "exercise"},
        )["case"]
        self.passwords = {
            _account(who): taxii_users.add(
                world.node, User(name=_account(who), party=str(who.party))
            )
            for who in _readers(self)
            if who.role == "reader"
        }
        self.things = [self._said(number, number in other) for number in range(count)]

    def _said(self, number: int, other: bool) -> Thing:
        draw, world = self.draw, self.world
        author = draw.choice(self.parties)
        tlp: Tlp = draw.choice(LEVELS)
        others = [party for party in self.parties if party != author]
        to = frozenset(draw.sample(others, draw.randint(1 if tlp == "RED" else 0, len(others))))
        kind = draw.choice(("indicator", "claim", "attachment", "evidence", "group"))
        stricter = LEVELS[LEVELS.index(tlp) :]
        own = draw.choice((None, None, draw.choice(stricter))) if kind != "attachment" else None
        unknown = kind != "attachment" and own is None and draw.random() < 0.15
        if tlp != "RED" and own == "RED":
            persons: frozenset[str] = frozenset()
        else:
            persons = frozenset(draw.sample(("anna", "bert", "gus"), draw.choice((0, 0, 1, 2))))
        word = hashlib.sha256(f"{other} {number}".encode()).hexdigest()[:20]
        word = "w" + word.translate(str.maketrans("0123456789", "ghijklmnop"))
        item = self._object(kind, author, word, own, unknown, number)
        case = self.case if draw.random() < 0.4 else None
        act = intake.Act(
            author=author,
            kind="say",
            tlp=tlp,
            case=case,
            to=tuple(to),
            objects=(item,),
            body={"persons": sorted(persons)} if persons else {},
        )
        done = intake.record(world.node, act) if author == world.NORTH else world.as_guest(act)
        withdrawn = draw.random() < 0.15
        if withdrawn:
            back = intake.withdraw(world.node, author, done.id)
            if isinstance(back, intake.Prepared):
                intake.enter(world.node, world.sign(back))
        return Thing(
            word=word,
            id=item.id,
            sha256=item.sha256,
            statement=done.id,
            kind=kind,
            author=author,
            tlp=tlp,
            own=own,
            unknown=unknown,
            to=to,
            persons=persons,
            case=case,
            withdrawn=withdrawn,
        )

    def _object(
        self, kind: str, author: str, word: str, own: Tlp | None, unknown: bool, number: int
    ) -> Any:
        world = self.world
        if kind == "attachment":
            return Attachment.of(f"minutes: {word}".encode(), "text/plain")
        props: dict[str, Any] = {}
        more: dict[str, Any] = {}  # what the makers of the claim carrier do not take
        if own is not None:
            marking = open_object(marking_definition(own)).id
            # Of the whole, of one part, which counts for the whole, or in words.
            way = number % 3
            if way == 0:
                props["object_marking_refs"] = [marking]
            elif way == 1:
                more["granular_markings"] = [{"marking_ref": marking, "selectors": ["created"]}]
            else:
                more["labels"] = ["watched", f"tlp:{own.lower()}"]
        if unknown:
            ref = f"marking-definition--7b1f2f52-6a52-4d5f-8d0e-{number:012x}"
            if number % 2:
                more["granular_markings"] = [{"marking_ref": ref, "selectors": ["created"]}]
            else:
                props["object_marking_refs"] = [ref]
        name = f"{hashlib.md5(word.encode()).hexdigest()[:12]}"
        if kind == "indicator":
            raw = world.indicator(
                author,
                f"{word}.example",
                id=f"indicator--7b1f2f52-6a52-4d5f-8d0e-{name}",
                pattern=f"[domain-name:value = '{word}.example']",
                **props,
            )
        elif kind == "claim":
            raw = claim(
                world,
                author,
                f"they said {word}",
                id=f"note--7b1f2f52-6a52-4d5f-8d0e-{name}",
                **props,
            )
        elif kind == "group":
            at = intake.stix_time(world.clock())
            raw = make(
                "intrusion-set",
                id=f"intrusion-set--7b1f2f52-6a52-4d5f-8d0e-{name}",
                created=at,
                modified=at,
                created_by_ref=world.node.identity(author),
                name=f"Heron {word}",
                aliases=[word, "Shared Name"],
                **props,
            )
        else:
            raw = write.evidence_object(
                id=f"grouping--7b1f2f52-6a52-4d5f-8d0e-{name}",
                created=intake.stix_time(world.clock()),
                created_by_ref=world.node.identity(author),
                name=f"Logs of {word}",
                kind="host-artefact",
                producer_refs=[world.node.identity(author)],
                access="attached",
                **props,
            )
        return open_object(orjson.dumps({**orjson.loads(raw), **more}))


# --- the ways in --------------------------------------------------------------------------------


class Door:
    """One reader at every door of a node's application."""

    def __init__(self, scene: Scene, app: Any, who: Who, session: str | None) -> None:
        self.scene, self.who = scene, who
        self.client = Client(app)
        if session is not None:
            self.client.cookies.set("tocsin", session)

    def ask(self, path: str) -> httpx.Response:
        """A program has an account; it reads as a person of no rank who bears its name."""
        account = self.who.role == "reader" and path.startswith("/taxii2")
        auth = (_account(self.who), self.scene.passwords[_account(self.who)]) if account else None
        return self.client.get(path, auth=auth)

    def get(self, path: str) -> tuple[str, bytes]:
        return path, _unpacked(self.ask(path))


def _account(who: Who) -> str:
    return who.person if who.party == "cert.northland.example" else f"{who.person}.{who.party}"


def _unpacked(answer: httpx.Response) -> bytes:
    """Status, headers and body; of a file that holds others, those too."""
    head = str(answer.status_code).encode() + repr(sorted(answer.headers.items())).encode()
    body = answer.content
    more = b""
    if body.startswith(b"<!DOCTYPE html>") and b'id="tocsin-dossier"' in body:
        more = open_sheet(body)
    for data in (body, more):
        if data.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(data)) as file:
                more += b"".join(file.read(name) for name in file.namelist())
    # What stands there in base64 is read too.
    plain = b"".join(
        _decoded(m[0]) for m in re.finditer(rb"[A-Za-z0-9+/_-]{40,}={0,2}", body + more)
    )
    return b"\n".join((head, body, more, plain))


def _decoded(text: bytes) -> bytes:
    text = text.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    return base64.b64decode(text + b"=" * (-len(text) % 4)) if len(text) % 4 != 1 else b""


FORMS = ("", ".json", ".csv")
Way = Callable[[Scene], Sequence[str]]


def _plain(*paths: str) -> Way:
    return lambda scene: paths


def _page(path: str) -> Way:
    return lambda scene: [path + form for form in FORMS]


def _each(*stems: str, key: str = "sha256", forms: Sequence[str] = ("",)) -> Way:
    return lambda scene: [
        stem.replace("*", getattr(x, key)) + form
        for stem in stems
        for x in scene.things
        for form in forms
    ]


def _case(*stems: str) -> Way:
    return lambda scene: [stem.replace("*", scene.case) for stem in stems]


NO_CONTENT = _plain()
"""Shows nothing that was said: checked by reading its handler, and named here for it."""

WAYS: dict[str, Way] = {
    # pages
    "/": _page("/"),
    "/ingest": _page("/ingest"),
    "/drafts/{report}": NO_CONTENT,  # local drafts, of the node's own party only
    "/cases": _page("/cases"),
    "/cases/{id}": _case(*(f"/cases/*{form}" for form in FORMS)),
    "/cases/{id}/{form}": _case("/cases/*/dossier", "/cases/*/sheet"),
    "/claims": lambda scene: [
        *_page("/claims")(scene),
        *_case("/claims?case=*", "/claims.json?case=*")(scene),
        *_each("/claims.json?q=*", key="word")(scene),
    ],
    "/claims/{id}": _each("/claims/*", key="id", forms=FORMS),
    "/names": lambda scene: [
        *_page("/names")(scene),
        *_each("/names?name=*", "/names.json?name=*", "/names.csv?name=*", key="word")(scene),
        *(f"/names{form}?name=Shared+Name" for form in FORMS),
    ],
    "/overlap/{id}": _each("/overlap/*", key="id", forms=FORMS),
    "/log": _page("/log"),
    "/log/fork": _page("/log/fork"),
    "/log/fork/bytes": NO_CONTENT,
    "/log/split/{id}": _each("/log/split/*", key="statement", forms=("",)),
    "/log/copy": _plain("/log/copy.json"),
    "/objects/{sha256}": _each("/objects/*", forms=FORMS),
    "/holders/{id}": lambda scene: [
        *_each("/holders/*", key="id", forms=FORMS)(scene),
        *_each("/holders/*", key="statement", forms=FORMS)(scene),
        *_each("/holders/*", key="sha256", forms=FORMS)(scene),
    ],
    "/objects/{sha256}/bytes": _each("/objects/*/bytes"),
    "/advisories/{id}": NO_CONTENT,  # an advisory is a statement's objects: see the API
    "/advisories/{id}/renderings/{path}": NO_CONTENT,
    # the console's own
    "/static/{hash}/{name}": NO_CONTENT,
    "/enter/{token}": NO_CONTENT,
    "/leave": NO_CONTENT,
    "/live": NO_CONTENT,  # the same news as /live.json, as a stream
    "/live.json": _plain("/live.json?after=0", "/live.json"),
    "/problems/{name}": _plain("/problems/not-found"),
    "/healthz": _plain("/healthz"),
    "/readyz": _plain("/readyz"),
    "/{rest:path}": _each("/*", key="id"),
    # open to all
    "/tlog/checkpoint": _plain("/tlog/checkpoint"),
    "/tlog/{path:path}": _plain("/tlog/tile/0/000", "/tlog/tile/entries/000"),
    "/witness/add-checkpoint": NO_CONTENT,
    "/witness/forks": _plain("/witness/forks"),
    "/witness/{origin}/checkpoint": NO_CONTENT,
    # other nodes: see below; without a node's signature nothing is here
    "/peer/outbox": _plain("/peer/outbox?after=0"),
    "/peer/inbox": NO_CONTENT,
    "/peer/objects/{sha256}": _each("/peer/objects/*"),
    "/peer/digest": _plain("/peer/digest"),
    "/peer/nudge": NO_CONTENT,
    # TAXII
    "/taxii2": _plain("/taxii2"),
    "/taxii2/{rest:path}": lambda scene: [
        "/taxii2/",
        "/taxii2/api/",
        "/taxii2/api/collections/",
        *(
            f"/taxii2/api/collections/{name}/{what}"
            for name in ("all", "inbox", scene.case)
            for what in (
                "",
                "manifest/",
                "objects/",
                "objects/?limit=2",
                "objects/?match[type]=indicator&match[version]=all",
                "objects/?added_after=2026-01-01T00:00:00Z",
            )
        ),
        *_each("/taxii2/api/collections/all/objects/*/", key="id")(scene),
        *_each("/taxii2/api/collections/all/objects/*/versions/", key="id")(scene),
    ],
    # the API
    "/api/v1/me": _plain("/api/v1/me"),
    "/api/v1/reports": _plain("/api/v1/reports"),
    "/api/v1/reports/waiting": _plain("/api/v1/reports/waiting"),
    "/api/v1/reports/{id}": NO_CONTENT,
    "/api/v1/reports/reading/{mark}": NO_CONTENT,
    "/api/v1/reports/{id}/accept": NO_CONTENT,
    "/api/v1/drafts": _plain("/api/v1/drafts"),
    "/api/v1/drafts/{id}": NO_CONTENT,
    "/api/v1/claims": lambda scene: [
        "/api/v1/claims",
        "/api/v1/claims?challenged=true",
        *_case("/api/v1/claims?case=*")(scene),
        *_each("/api/v1/claims?q=*", key="word")(scene),
        *(f"/api/v1/claims?by={party}" for party in scene.parties),
        *(f"/api/v1/claims?about={party}" for party in scene.parties),
    ],
    "/api/v1/claims/{id}": _each("/api/v1/claims/*", key="id"),
    "/api/v1/claims/{id}/standing": _each("/api/v1/claims/*/standing", key="id"),
    "/api/v1/claims/{id}/changes": _each("/api/v1/claims/*/changes", key="id"),
    "/api/v1/names": lambda scene: [
        *_each("/api/v1/names?name=*", key="word")(scene),
        "/api/v1/names?name=Shared+Name",
    ],
    "/api/v1/overlap/{id}": _each("/api/v1/overlap/*", key="id"),
    "/api/v1/cases": _plain("/api/v1/cases"),
    "/api/v1/cases/{id}": _case("/api/v1/cases/*"),
    "/api/v1/statements": lambda scene: [
        "/api/v1/statements",
        "/api/v1/statements?kind=say",
        "/api/v1/statements?limit=3&after_index=4",
        *_case("/api/v1/statements?case=*")(scene),
        *(f"/api/v1/statements?party={party}" for party in scene.parties),
    ],
    "/api/v1/statements/{id}": _each("/api/v1/statements/*", key="statement"),
    "/api/v1/chains": _case("/api/v1/chains", "/api/v1/chains?case=*"),
    "/api/v1/sealed": _plain("/api/v1/sealed"),
    "/api/v1/sealed/{id}": _each("/api/v1/sealed/*", key="statement"),
    "/api/v1/objects": _each("/api/v1/objects?id=*", key="id"),
    "/api/v1/objects/{sha256}": _each("/api/v1/objects/*"),
    "/api/v1/indicators": _case("/api/v1/indicators", "/api/v1/indicators?case=*"),
    "/api/v1/parties": _plain("/api/v1/parties"),
    "/api/v1/parties/waiting": _plain("/api/v1/parties/waiting"),
    "/api/v1/directory": _plain("/api/v1/directory"),
    "/api/v1/directory/rivals": _plain("/api/v1/directory/rivals"),
    "/api/v1/holders": lambda scene: [
        *_each("/api/v1/holders?id=*", key="id")(scene),
        *_each("/api/v1/holders?id=*", key="statement")(scene),
        *_each("/api/v1/holders?id=*", key="sha256")(scene),
    ],
    "/api/v1/peers": _plain("/api/v1/peers"),
    "/api/v1/taxii/users": _plain("/api/v1/taxii/users"),
    "/api/v1/keys/{keyid}/statements": lambda scene: [
        f"/api/v1/keys/{key.keyid}/statements"
        for party in scene.parties
        for key in scene.world.node.keyring.keys_of(party)
    ],
    "/api/v1/log": _plain("/api/v1/log"),
    "/api/v1/log/proof": _each("/api/v1/log/proof?id=*", key="statement"),
    "/api/v1/log/root": _plain("/api/v1/log/root"),
    "/api/v1/log/checks": _plain("/api/v1/log/checks"),
    "/api/v1/exports": lambda scene: [
        *_case(
            "/api/v1/exports?case=*",
            "/api/v1/exports?case=*&as=sheet",
            "/api/v1/exports?case=*&as=stix",
        )(scene),
        *(f"/api/v1/exports?case={scene.case}&for={party}" for party in scene.parties),
    ],
    "/api/v1/exports/lists": lambda scene: [
        *(
            f"/api/v1/exports/lists?as={form}"
            for form in ("misp", "misp-feed", "csv", "stix", "rpz", "suricata", "zeek", "blocklist")
        ),
        *_case("/api/v1/exports/lists?case=*&as=misp")(scene),
        *(f"/api/v1/exports/lists?as=stix&for={party}" for party in scene.parties),
    ],
    "/api/v1/advisories": _plain("/api/v1/advisories"),
    "/api/v1/advisories/{id}": NO_CONTENT,
    "/api/v1/advisories/{id}/renderings/{path}": NO_CONTENT,
}
"""Every address that is read, and how each is asked; those that only write are not here."""


def _readers(scene: Scene) -> Iterator[Who]:
    yield Who(None)
    for party in scene.parties:
        for person, role in (("anna", "admin"), ("bert", "analyst"), ("gus", "reader")):
            yield Who(party, person, role)


def _application(scene: Scene) -> tuple[Any, Any]:
    node = scene.world.node
    ticks = itertools.count()

    def later() -> float:
        return 10.0 * next(ticks)  # nobody is held up here

    extra = doors(node, _sync(node), TaxiiConfig(anonymous=True), monotonic=later)
    console = build(node, extra=extra, monotonic=later)
    return console.asgi, console.doors


def _door(scene: Scene, app: Any, doors: Any, who: Who) -> Door:
    if who.party is None:
        return Door(scene, app, who, None)
    person = Person(name=who.person, party=who.party, role=who.role)  # type: ignore[arg-type]
    return Door(scene, app, who, doors.open_session(person))


def _sync(node: Node) -> Sync:
    return Sync(node, cast(Any, None), address=lambda: False)  # it asks nobody


def _addresses() -> set[str]:
    read = {f"{api.BASE}{route.path}" for route in api.ROUTES if route.method == "GET"}
    read |= {page.path for page in pages.TABLE if page.method == "GET"}
    return read


def test_every_address_that_is_read_is_looked_at(world: World) -> None:
    node = world.node
    app = build(node, extra=doors(node, _sync(node), TaxiiConfig(anonymous=True)))
    found = _addresses()
    inner: Any = app.asgi
    while not hasattr(inner, "routes"):
        inner = inner.app
    written = {page.path for page in pages.TABLE} | {"/api/v1/{rest:path}"}
    stems = {re.sub(r"(\.html|\.json|\.csv)$", "", path) for path in written}
    for route in inner.routes:
        path = (
            re.sub(r"\.(json|csv)$", "", route.path) if route.path != "/live.json" else route.path
        )
        if path not in stems and path not in found and path != "/index":
            found.add(path)
    assert found - WAYS.keys() == set(), "a new way in: say above how it is asked"
    assert WAYS.keys() - found == set(), "gone: take it out above"


def _held_back(scene: Scene) -> None:
    """Each thing also waits in quarantine: why it does is told in words that name it."""
    for x in scene.things:
        one = Quarantined(
            peer="cert.eastmere.example",
            id=x.sha256,
            author=x.author,
            chain="",
            seq=2,
            reason="SpeakerError",
            message=f"{x.word}: {x.id} is of another",
            since="2026-11-22T08:00:00Z",
            item=x.word.encode(),
        )
        assert scene.world.node.store.quarantine(one)


def test_nobody_finds_what_they_may_not_read(world: World) -> None:
    scene = Scene(world, "leaks", 24)
    _held_back(scene)
    app, entrance = _application(scene)
    cases = 0
    for who in _readers(scene):
        door = _door(scene, app, entrance, who)
        secret = [(x, mark) for x in scene.things for mark in hidden(who, x)]
        seen: set[str] = set()
        fed: set[str] = set()
        for address, way in WAYS.items():
            for path in way(scene):
                _, answer = door.get(path)
                cases += len(scene.things)
                for x, mark in secret:
                    # An error may repeat what was asked for.
                    if mark in answer and mark.decode() not in path:
                        pytest.fail(f"{who} finds {mark!r} of {x} at {address}: {path}")
                found = {x.word for x in scene.things if x.word.encode() in answer}
                seen |= found
                fed |= found if address == "/taxii2/{rest:path}" else set()
        there = {x.word for x in scene.things if may(who, x) and not x.gone}
        if who.party is not None:
            assert there <= seen, f"{who} is not shown {there - seen}"
        if who.role == "reader":
            plain = {x.word for x in scene.things if x.tlp != "RED" and x.own != "RED"}
            plain &= there - {x.word for x in scene.things if x.kind == "attachment" or x.withdrawn}
            assert plain
            assert plain <= fed, f"{who} is not fed {plain - fed}"
    assert cases >= 100_000


def test_another_node_is_given_what_somebody_at_home_there_may_read_and_no_more(
    world: World,
) -> None:
    scene = Scene(world, "peers", 60)
    pages_ = Pages(world.node)
    for party in (world.GRID, world.SOUTH):
        peer = Peer(party=party, keys=(), url="", home=(party,))
        there = [Who(party, person, "signer") for person in ("anna", "bert", "gus", "zoe")]
        given = b""
        after, more = 0, True
        while more:
            page = pages_.page(peer, after, 7)
            assert page is not None
            given += msgspec.json.encode(page)
            for item in page.items:
                given += b"".join(pages_.object(peer, sha256) for sha256, _ in item.objects)
            after, more = page.next, page.more
        given += base64.b64decode(pages_.digest(peer).buckets)
        # Envelopes hold their payload in base64.
        coded = re.finditer(rb"[A-Za-z0-9+/_-]{40,}={0,2}", given)
        given += b"".join(_decoded(m[0]) for m in coded)
        for x in scene.things:
            secret = set(x.marks()).intersection(*(hidden(who, x) for who in there))
            assert not [mark for mark in secret if mark in given], (party, x)
            if any(may(who, x) for who in there) and not x.gone:
                assert x.word.encode() in given, (party, x)
            elif not any(may(who, x) for who in there):
                with pytest.raises(NotFoundError):
                    pages_.object(peer, x.sha256)


_BLANKED = re.compile(
    rb'(?<="error_id":")[0-9a-f]+|'
    rb"[0-9a-f]{64}|[0-9a-f]{8,64}(?=\xe2\x80\xa6)|(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{43,}={0,2}"
)
"""Commitments, roots, proofs and signatures, whole or cut short: they show nothing of what was
said, and change with all of it. The name of an error is of its request."""


def _blanked(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    # An ETag is a digest of what is compared here anyway.
    volatile = ("etag", "content-length", "set-cookie", "x-request-id")
    headers = sorted((k, v) for k, v in answer.headers.items() if k not in volatile)
    body = answer.content
    if body.startswith(b"PK\x03\x04"):  # its checksums are blanked with what they are of
        with zipfile.ZipFile(io.BytesIO(body)) as file:
            parts = [(info.filename.encode(), file.read(info)) for info in file.infolist()]
        body = b"\n".join(part for pair in parts for part in pair)
    return answer.status_code, headers, _BLANKED.sub(b"*", body)


@pytest.mark.parametrize("number", range(4))
def test_other_secrets_change_no_byte_for_those_they_are_hidden_from(
    copy: Callable[[], AbstractContextManager[World]],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    whose = (
        Who(None),
        Who("gridco.example", "gus", "reader"),
        Who("cert.southmark.example", "bert", "analyst"),
        Who("cert.northland.example", "gus", "reader"),
    )[number]
    answers: list[dict[str, Any]] = []
    hidden_from: frozenset[int] = frozenset()
    for other in (False, True):
        # Dates of collections are drawn: seeded like keys and clocks.
        monkeypatch.setattr(feeds, "BITS", random.Random(number).getrandbits)
        with copy() as world:
            scene = Scene(world, f"twice {number}", 14, hidden_from if other else frozenset())
            hidden_from = frozenset(
                at for at, x in enumerate(scene.things) if len(hidden(whose, x)) == 3
            )
            assert 3 <= len(hidden_from) <= 14
            open_to = [x for at, x in enumerate(scene.things) if at not in hidden_from]
            app, entrance = _application(scene)
            door = _door(scene, app, entrance, whose)
            asked = Scene.__new__(Scene)
            asked.__dict__ = {**scene.__dict__, "things": open_to}
            paths = [path for way in WAYS.values() for path in way(asked)]
            answers.append(
                {
                    _BLANKED.sub(b"*", path.encode()).decode() + f" {at}": _blanked(door.ask(path))
                    for at, path in enumerate(paths)
                }
            )
    one, two = answers
    assert one.keys() == two.keys()
    differs = {path: _first_difference(one[path], two[path]) for path in one}
    assert not {path: at for path, at in differs.items() if at}


def _first_difference(one: tuple[Any, ...], two: tuple[Any, ...]) -> str:
    if one == two:
        return ""
    if one[:2] != two[:2]:
        return f"{one[:2]} / {two[:2]}"
    a, b = one[2], two[2]
    at = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    return f"{a[max(0, at - 40) : at + 40]!r} / {b[max(0, at - 40) : at + 40]!r}"
