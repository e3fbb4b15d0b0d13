"""Suricata rules: alerts, never drops, for addresses, names and plain URLs.

Each rule's `sid` follows from its indicator and what it looks at, so the same indicator has the
same sid in every file, and a threshold set for it stays. `rev` grows with the indicator.

Spec: Suricata documentation, "Rules" (meta keywords; dns.query; tls.sni; http.host; http.uri).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

from tocsin.exporters.interface import Line, Loss, Selection, Written, head, plain, told

FIRST_SID = 3_000_000_000
"""Above what public rule sets use; below 2**32, which is all a sid may be."""
SIDS = 1_000_000_000
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/")


def write(selection: Selection) -> Written:
    """The rules, each under a comment with its indicator and expiry."""
    out: list[str] = []
    losses: list[Loss] = []
    taken: set[int] = set()
    count = 0
    # In order of indicator, so that two whose sids fall together settle it the same way each time.
    for line in sorted(selection.lines, key=lambda one: (one.indicator, one.kind, one.value)):
        bodies = list(_bodies(line))
        if not bodies:
            losses.append(Loss(id=line.indicator, why=_why(line)))
            continue
        out.append(f"# {told(line)}")
        for look, header, options in bodies:
            out.append(_rule(header, options, line, look, taken))
            count += 1
    top = [f"# {words}" for words in head(selection, count)]
    return Written(
        raw=("\n".join([*top, *out]) + "\n").encode("ascii"),
        media_type="text/plain; charset=us-ascii",
        suffix=".rules",
        count=count,
        losses=tuple(losses),
    )


def _rule(header: str, options: str, line: Line, look: str, taken: set[int]) -> str:
    sid = sid_of(line.indicator, f"{look} {line.value}", taken)
    expires = f", expires {plain(line.expires, 10).replace('-', '_')}" if line.expires else ""
    message = plain(f"tocsin {look} {line.value}", 120)
    return (
        f'alert {header} (msg:"{message}"; {options}'
        f"metadata: indicator {line.indicator}, tlp {line.tlp.lower()}{expires}; "
        f"sid:{sid}; rev:{_revision(line.modified)};)"
    )


def sid_of(indicator: str, look: str, taken: set[int]) -> int:
    """The sid of what an indicator looks at; the next free one where another has it already."""
    turn = 0
    while True:
        digest = hashlib.sha256(f"{indicator} {look} {turn}".encode()).digest()
        sid = FIRST_SID + int.from_bytes(digest[:8], "big") % SIDS
        if sid not in taken:
            taken.add(sid)
            return sid
        turn += 1


def _revision(modified: str) -> int:
    try:
        return max(int(datetime.fromisoformat(modified).timestamp()) % 2**32, 1)
    except ValueError:
        return 1


def _bodies(line: Line) -> Iterator[tuple[str, str, str]]:
    """(what it looks at, header, options) of each rule that a line needs."""
    if line.kind in ("ipv4", "ipv6", "cidr"):
        where = f"[{line.value}]"
        if line.port is None:
            yield "address", f"ip any any <> {where} any", ""
        else:
            # The indicator names no protocol: a port has one of these two.
            for protocol in ("tcp", "udp"):
                yield f"{protocol} port", f"{protocol} any any -> {where} {line.port}", ""
    elif line.kind == "domain":
        name = _content(line.value)
        exact = f'content:"{name}"; bsize:{len(line.value)}; '
        port = "any" if line.port is None else str(line.port)
        if line.port is None:
            yield "dns", "dns any any -> any any", f"dns.query; {exact}nocase; "
        yield "tls", f"tls any any -> any {port}", f"tls.sni; {exact}nocase; "
        # The buffer is in lower case already, and `nocase` is refused there.
        yield "http", f"http any any -> any {port}", f"http.host; {exact}"
    elif line.kind == "url":
        try:
            parts = urlsplit(line.value)
            number = parts.port
        except ValueError:
            return
        host = parts.hostname or ""
        if parts.scheme == "http" and host and line.value.isascii() and not parts.username:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            port = str(number) if number else "any"
            yield (
                "url",
                f"http any any -> any {port}",
                f'http.host; content:"{_content(host)}"; bsize:{len(host)}; '
                f'http.uri; content:"{_content(path)}"; bsize:{len(path)}; ',
            )


def _content(text: str) -> str:
    """A content match: whatever has a meaning of its own there is written in hex."""
    return "".join(c if c in _PLAIN else f"|{ord(c):02x}|" for c in text)


def _why(line: Line) -> str:
    if line.kind == "url":
        return "no rule sees a URL but plain http"
    return f"no rule of ours looks for a {line.kind}"
