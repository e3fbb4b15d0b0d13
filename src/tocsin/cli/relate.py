"""`names`, `overlap`: who is called what, and what an incident shares with groups."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import click

from tocsin.cli import terminal
from tocsin.client import segment
from tocsin.console.untrusted import terminal as untrusted
from tocsin.errors import UnreadableError, UsageError

FROM = click.option(
    "--from",
    "files",
    multiple=True,
    metavar="FILE",
    help="A MISP galaxy cluster file, or STIX such as ATT&CK; repeat. Default: what the node has.",
)
WIDE = 80
SHOWN = 12
"""Other names, and shared items of one group, that a person is shown; `--json` has all."""


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@FROM
@terminal.JSON
def names(names: tuple[str, ...], files: tuple[str, ...], as_json: bool) -> None:
    """Every actor that somebody calls by a name, and who says so; none is chosen.

    Case, spaces, hyphens and underscores do not count. With --from no node is needed.

    Example: tocsin names "Grey Heron" --from threat-actor.json
    """
    from tocsin.relate.names import Names, as_data, fold

    if files:
        known = Names(record for one in _read(files) for record in one.records)
        found = [as_data(known.look_up(name)) for name in names]
    else:
        with terminal.node() as client:
            found = [
                {"asked": name, "folded": fold(name), **client.get("/names", name=name)}
                for name in names
            ]
    if as_json:
        terminal.json_out(found)
        return
    click.echo("who says what, not what is true")
    for one in found:
        _show_name(one)


def _read(files: tuple[str, ...]) -> list[Any]:
    from tocsin.importers.actors import read_actors

    made = []
    for file in files:
        one = read_actors(terminal.read_input(file), file)
        for loss in one.losses[:5]:
            note = f"{file}: left out: {loss.note} ({loss.pointer or 'the file'})"
            click.echo(untrusted(terminal.clip(note, 200)), err=True)
        if len(one.losses) > 5:
            click.echo(f"{file}: and {len(one.losses) - 5} more left out", err=True)
        made.append(one)
    return made


def _show_name(one: Mapping[str, Any]) -> None:
    candidates = one["candidates"]
    terminal.line()
    if not candidates:
        terminal.line(f"{one['asked']}: nobody is called so in what was looked at")
        return
    many = f"{len(candidates)} actors" if len(candidates) > 1 else "1 actor"
    ambiguous = ": ambiguous, and none is chosen" if one["ambiguous"] else ""
    terminal.line(f"{one['asked']}: {many}{ambiguous}")
    for source in one["shared_in"]:
        _wrap(f"{source} itself gives the name to several", 2)
    for c in candidates:
        version = f", version {c['version']}" if c["version"] else ""
        terminal.line()
        _wrap(f"{c['name']}  says {c['source']}{version}", 2)
        coined = f", a name of {c['coined_by']}" if c["coined_by"] else ""
        _wrap(f"id {c['id']}", 4)
        if c["printed"] != c["name"] or coined:
            _wrap(f"printed {c['printed']}{coined}", 4)
        also = [alias["name"] for alias in c["also"]]
        if also:
            more = f", and {len(also) - SHOWN} more" if len(also) > SHOWN else ""
            _wrap("also called " + ", ".join(also[:SHOWN]) + more, 4)
        for key, value in c["words"].items():
            _wrap(f"{key}, in its words: {value}", 4)


def _wrap(text: str, by: int) -> None:
    for row in textwrap.wrap(text, WIDE - by, break_on_hyphens=False):
        terminal.line(" " * by + row)


@click.command()
@click.argument("what", metavar="ID|FILE")
@FROM
@terminal.JSON
def overlap(what: str, files: tuple[str, ...], as_json: bool) -> None:
    """Tools and techniques that an incident shares with groups: "compatible with N groups".

    ID is a group, campaign or incident, or its number in the catalogue. FILE is STIX with the
    tools and techniques of one incident, compared with the groups in --from. Each shared item
    stands with how many other groups use it; common tools say little. No group is singled out.
    Without --from, ID is an object that the node holds.

    Example: tocsin overlap C0042 --from enterprise-attack.json
    """
    found = _from_files(what, files) if files else _from_node(what)
    if as_json:
        terminal.json_out(found)
        return
    _show_overlap(found)


def _from_node(what: str) -> Any:
    with terminal.node() as client:
        return client.get(f"/overlap/{segment(what)}")


def _from_files(what: str, files: tuple[str, ...]) -> Any:
    from tocsin.relate.overlap import Subject, as_data, known, overlap, subject_of

    objects = [data for one in _read(files) for data in one.objects]
    have = known(objects)
    if not have.groups:
        raise UnreadableError(
            f"no group in {', '.join(files)}"[:200],
            remedy="give STIX with groups and what they use, such as ATT&CK",
        )
    ids = [i for i in have.names if what == i or (what and have.codes.get(i) == what)]
    if len(ids) > 1:
        raise UsageError(
            f"{what[:80]!r} is the number of {len(ids)} objects", remedy=f"give an id: {ids[0]}"
        )
    if ids:
        name, subject = have.names[ids[0]], subject_of(have, ids[0])
    elif "--" in what and not what.endswith(".json"):
        raise UsageError(
            f"{what[:80]!r} is not in what --from gives", remedy="check the id, or give a FILE"
        )
    else:
        mine = known(data for one in _read((what,)) for data in one.objects)
        items = frozenset(mine.names) & frozenset(have.names)
        by_code = {code: i for i, code in have.codes.items() if code}
        items |= {by_code[c] for c in mine.codes.values() if c in by_code}
        used = frozenset(i for i in items if i not in have.groups)
        cited = frozenset[str]().union(*mine.own.values())
        name, subject = what, Subject(id="", items=used, sources=cited)
    return as_data(overlap(have, subject), subject.id, name)


def _show_overlap(found: Mapping[str, Any]) -> None:
    _wrap(f"{found['name']}: {found['says']}", 0)
    if not found["groups"]:
        return
    click.echo("what is shared, not who did it; * cited only to its own sources")
    for group in found["groups"]:
        code = f" {group['code']}" if group["code"] else ""
        shares = [
            f"{'*' if s['own_sources_only'] else ''}{s['name']} ({s['other_groups']})"
            for s in group["shared"]
        ]
        more = f", and {len(shares) - SHOWN} more" if len(shares) > SHOWN else ""
        terminal.line()
        apart = "" if group["fits_apart"] else "; does not fit without *"
        _wrap(
            f"shares {len(shares)} of {found['items']} with {group['name']}{code}, weight "
            f"{group['containment']:.2f}, {group['containment_apart']:.2f} without *{apart}",
            2,
        )
        _wrap("(other groups that use it) " + ", ".join(shares[:SHOWN]) + more, 4)
