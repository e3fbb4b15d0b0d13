"""The API between parties: directory, invitations, accounts, other nodes, files for other tools."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tocsin.canonical import b64encode
from tocsin.console.api_parts import (
    Answer,
    Created,
    Request,
    Route,
    decode,
    level,
    route,
)
from tocsin.console.auth import Doors, Person
from tocsin.errors import ForbiddenError
from tocsin.flows import export as exporting
from tocsin.flows import (
    holders,
    join,
    neighbours,
    quarantine,
    respond,
    rivals,
    splits,
    taxii_users,
)
from tocsin.flows import keys as key_flow
from tocsin.policy import Tlp, UserRole
from tocsin.record.statement import read_time


class InvitationBody(Struct, kw_only=True, forbid_unknown_fields=True):
    party: str
    url: str = ""
    node_url: str = ""
    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = join.INVITED_DAYS


class AddressesBody(Struct, kw_only=True, forbid_unknown_fields=True):
    party: str
    urls: Annotated[list[str], msgspec.Meta(min_length=1, max_length=16)]


class LinkBody(Struct, kw_only=True, forbid_unknown_fields=True):
    person: str = "operator"
    role: UserRole = "admin"


class TaxiiUserBody(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    party: str = ""
    """"": this node's own."""
    write: bool = False
    collections: list[str] = []
    tlp: Tlp = "AMBER+STRICT"
    to: list[str] = []
    bearer: bool = False
    """A token in place of a password."""
    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 365
    """For how long the token holds."""


def _parties(r: Request) -> Any:
    directory = r.node.directory
    return {
        "version": directory.version,
        "items": [
            {
                "id": p.id,
                "name": p.name,
                "identity": p.identity,
                "nodes": [msgspec.to_builtins(n) for n in p.nodes],
            }
            for p in directory.parties
        ],
    }


def _rivals(r: Request) -> Any:
    return {"items": rivals.rivals(r.node)}


def _invitation(r: Request, body: InvitationBody) -> Any:
    return join.invitation(
        r.node, r.party, body.party, url=body.url, node_url=body.node_url, days=body.days
    )


def _addresses(r: Request, body: AddressesBody) -> Any:
    join.confirm(r.node, r.party, body.party, body.urls)
    return {"party": body.party, "urls": body.urls}


def _join(r: Request) -> Any:
    return Created(join.admit_party(r.node, decode(r.body, join.Enrolment)))


def _link(r: Request, body: LinkBody) -> Any:
    if r.node.new_link is None:
        raise ForbiddenError("a sign-in link is for a node that runs", remedy="start it: tocsin up")
    return {"url": r.node.new_link(body.person, body.role)}


def _taxii_users(r: Request) -> Any:
    found = taxii_users.users(r.node)
    return {"items": [taxii_users.shown(user) for user in found]}


def _taxii_user(r: Request, body: TaxiiUserBody) -> Any:
    user = taxii_users.User(
        name=body.name,
        party=body.party or r.node.party,
        write=body.write,
        collections=tuple(body.collections),
        tlp=body.tlp,
        to=tuple(sorted(set(body.to))),
        bearer=body.bearer,
    )
    secret = taxii_users.add(r.node, user)
    if body.bearer:
        secret = _doors(r).make_token(
            Person(name=user.name, party=user.party, role="analyst"),
            ["taxii:read", *(["taxii:write"] if user.write else [])],
            timedelta(days=body.days),
            taxii_users.LABEL,
        )
    return {"user": user.name, "party": user.party, "secret": secret, "bearer": body.bearer}


def _taxii_remove(r: Request) -> Any:
    name = r.params["name"]
    taxii_users.remove(r.node, name)
    doors = _doors(r)
    for token in doors.tokens():
        if token.label == taxii_users.LABEL and token.person.name == name:
            doors.revoke_token(token.id, r.party)
    return {"removed": name}


def _doors(r: Request) -> Doors:
    return Doors(r.node.store, clock=r.node.clock, rng=r.node.rng)


def _export(r: Request) -> Any:
    case = r.query.get("case", "")
    as_ = r.query.get("as", "dossier")
    party = r.query.get("for")
    reader = r.actor.reader
    if party and party != reader.party:
        if reader.party != r.node.party:
            raise ForbiddenError(
                f"only {r.node.party} exports for another party",
                remedy="leave out --for to export what you may read",
            )
        r.node.party_entry(party)
        # For another party: at most what both may read.
        reader = r.node.reader(party)
    body, media_type = respond.export(r.node, case, reader, as_, own=r.actor.reader)
    return Answer(status=200, media_type=media_type, body=body)


def _list(r: Request) -> Any:
    q = r.query
    reader = r.actor.reader
    party = q.get("for")
    if party and party != reader.party:
        if reader.party != r.node.party:
            raise ForbiddenError(
                f"only {r.node.party} exports for another party",
                remedy="leave out --for to export what you may read",
            )
        r.node.party_entry(party)
        reader = r.node.reader(party)
    made = exporting.export(
        r.node,
        exporting.Wanted(
            form=q.get("as", "blocklist"),
            case=q.get("case") or None,
            words=q.get("q", ""),
            ceiling=level(q.get("tlp")),
            overrides=tuple(name for name in q.get("override", "").split(",") if name),
            white=q.get("white") == "1",
            observables=q.get("observables") == "1",
            kinds=tuple(kind for kind in q.get("kind", "").split(",") if kind),
        ),
        reader,
        own=r.actor.reader,
    )
    written = made.written
    return {
        "media_type": written.media_type,
        "suffix": written.suffix,
        "count": written.count,
        "data": b64encode(written.raw),
        "left_out": dict(made.left_out),
        "losses": made.losses,
    }


def _directory(r: Request) -> Any:
    # Index 0 is behind -1.
    after = r.query.get("after") or "-1"
    return key_flow.feed(r.node, -1 if after == "-1" else r.whole("after", -1))


def _signed_with(r: Request) -> Any:
    since = r.query.get("since") or None
    if since is not None:
        read_time(since)
    found = key_flow.signed_with(r.node, r.party, r.params["keyid"], since)
    return {"count": len(found), "items": found}


def _peers(r: Request) -> Any:
    found = splits.splits(r.node, r.actor.reader)
    if r.query.get("evidence") != "1":  # each may be a MiB
        found = [replace(one, held_envelope="", other_envelope="") for one in found]
    return {
        "items": neighbours.peers(r.node),
        "quarantine": quarantine.listed(r.node, r.actor.reader),
        "splits": found,
        "running": r.node.jobs.served,
    }


def _holders(r: Request) -> Any:
    return {"items": holders.holders(r.node, r.actor.reader, r.query.get("id", ""))}


def _waiting_entries(r: Request) -> Any:
    return {"items": join.waiting_entries(r.node)}


ROUTES: tuple[Route, ...] = (
    route("GET", "/parties", "read", _parties, "The directory."),
    route(
        "GET",
        "/directory",
        "",
        _directory,
        "Directory versions, keys and revocations in log order, open to all; ?after=INDEX.",
    ),
    route(
        "GET",
        "/directory/rivals",
        "",
        _rivals,
        "Directory versions of one number that enough registrars signed twice, open to all.",
    ),
    route(
        "GET",
        "/keys/{keyid}/statements",
        "read",
        _signed_with,
        "To a key's owner: what was signed with it; ?since=TIME.",
    ),
    route(
        "GET",
        "/parties/waiting",
        "party",
        _waiting_entries,
        "Entries of invited parties that registrars have to sign for.",
    ),
    route(
        "POST",
        "/parties/invitations",
        "party",
        _invitation,
        "An invitation.",
        InvitationBody,
        "write",
    ),
    route(
        "POST",
        "/parties/addresses",
        "party",
        _addresses,
        "Confirm where an invited party's node may be listed.",
        AddressesBody,
        "write",
    ),
    route(
        "POST",
        "/parties",
        "",
        _join,
        "Join by invitation: its nonce is the authority.",
        cost="write",
    ),
    route("POST", "/links", "token", _link, "A one-time sign-in link.", LinkBody, "write"),
    route("GET", "/taxii/users", "token", _taxii_users, "Accounts of the TAXII server."),
    route(
        "POST",
        "/taxii/users",
        "token",
        _taxii_user,
        "A new account; its password or token is shown once.",
        TaxiiUserBody,
        "write",
    ),
    route("DELETE", "/taxii/users/{name}", "token", _taxii_remove, "End an account."),
    route(
        "GET",
        "/peers",
        "party",
        _peers,
        "Other nodes: reached, lag, errors, quarantine; two statements for one place (?evidence=1: "
        "with both).",
    ),
    route("GET", "/holders", "read", _holders, "To whom what you said went; ?id."),
    route(
        "GET",
        "/exports/lists",
        "export",
        _list,
        "Indicators for machines and tools; ?as&case&q&tlp&for&override&white&observables=1.",
    ),
    route("GET", "/exports", "export", _export, "A case as one file; ?case&as&for."),
)
