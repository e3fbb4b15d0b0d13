"""A DNS response policy zone: names and addresses that a resolver answers with NXDOMAIN.

A name in a zone stands for itself, not for the names below it, as an indicator's does.

Spec: draft-vixie-dnsop-dns-rpz-00 §3.1 (NXDOMAIN), §4.1.1 (names of addresses), §4.2.1 (QNAME);
RFC 1035 §5.1.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_network

from tocsin.exporters.interface import Line, Loss, Selection, Written, head, told

_NAME = re.compile(r"(?!.{240})(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")
"""A name that is safe in a master file as it is, and leaves room for the zone's own."""


def write(selection: Selection) -> Written:
    """The zone, to be loaded under any name: every owner in it is relative."""
    records: dict[str, list[Line]] = {}
    losses = []
    for line in selection.lines:
        owner = _owner(line)
        if owner is None:
            losses.append(Loss(id=line.indicator, why=_why(line)))
        else:
            records.setdefault(owner, []).append(line)
    serial = int(selection.at.timestamp()) % 2**32
    out = [f"; {words}" for words in head(selection, len(records))]
    out += [
        "$TTL 300",
        f"@ IN SOA localhost. root.localhost. {serial} 3600 600 604800 300",
        "@ IN NS localhost.",
    ]
    for owner, lines in sorted(records.items()):
        out.append(f"{owner} IN CNAME . ; " + " | ".join(sorted(told(line) for line in lines)))
    return Written(
        raw=("\n".join(out) + "\n").encode("ascii"),
        media_type="text/dns",
        suffix=".rpz",
        count=len(records),
        losses=tuple(losses),
    )


def _owner(line: Line) -> str | None:
    if line.port is not None:
        return None
    if line.kind == "domain":
        return line.value if _NAME.fullmatch(line.value) else None
    if line.kind in ("ipv4", "ipv6", "cidr"):
        return address_owner(line.value)
    return None


def address_owner(value: str) -> str:
    """The owner name of an address or prefix: its length, then its parts from the last one up.

    Of IPv6 the longest run of zeros is written `zz`, as `::` is in its text form.
    """
    network = ip_network(value)
    first = network.network_address
    if isinstance(first, IPv6Address):
        short = first.compressed
        if short.startswith("::"):
            short = short[1:]
        if short.endswith("::"):
            short = short[:-1]
        parts = [part or "zz" for part in short.split(":")] if short != ":" else ["zz"]
    else:
        parts = str(first).split(".")
    return ".".join([str(network.prefixlen), *reversed(parts), "rpz-ip"])


def _why(line: Line) -> str:
    if line.port is not None:
        return f"only port {line.port} of {line.value}, and a resolver knows no ports"
    if line.kind == "domain":
        return f"{line.value[:80]} is no name that a zone can hold"
    return f"a resolver cannot tell a {line.kind}"
