"""A file for Zeek's intelligence framework.

Spec: Zeek documentation, "Intelligence Framework": tab-separated, `#fields` first, `-` for unset.
"""

from __future__ import annotations

from tocsin.exporters.interface import Loss, Selection, Written, head, plain, told

TYPES: dict[str, str] = {
    "ipv4": "Intel::ADDR",
    "ipv6": "Intel::ADDR",
    "cidr": "Intel::SUBNET",
    "domain": "Intel::DOMAIN",
    "url": "Intel::URL",
    "email": "Intel::EMAIL",
    "md5": "Intel::FILE_HASH",
    "sha1": "Intel::FILE_HASH",
    "sha256": "Intel::FILE_HASH",
    "file-name": "Intel::FILE_NAME",
    "user-agent": "Intel::SOFTWARE",
}
FIELDS = ("indicator", "indicator_type", "meta.source", "meta.desc")


def write(selection: Selection) -> Written:
    """The file. Each line's description names its indicator, expiry and marking."""
    rows: dict[tuple[str, str], list[str]] = {}
    losses = []
    for line in selection.lines:
        kind = TYPES.get(line.kind)
        # Zeek writes URLs without their scheme.
        value = line.value.partition("://")[2] if line.kind == "url" else line.value
        if kind is None:
            losses.append(Loss(id=line.indicator, why=f"Zeek has no type for a {line.kind}"))
        elif line.port is not None:
            why = f"only port {line.port} of {line.value}, and Zeek's types know no ports"
            losses.append(Loss(id=line.indicator, why=why))
        elif not value or value == "-" or any(ord(c) < 32 or ord(c) == 127 for c in value):
            losses.append(Loss(id=line.indicator, why="its value breaks a line of this file"))
        elif value.startswith("#"):
            losses.append(Loss(id=line.indicator, why="its value would read as a comment"))
        else:
            rows.setdefault((kind, value), []).append(told(line))
    out = ["#fields\t" + "\t".join(FIELDS)]
    out += [f"# {words}" for words in head(selection, len(rows))]
    source = plain(selection.party, 60).replace(" ", "_") or "tocsin"
    for (kind, value), notes in sorted(rows.items()):
        out.append("\t".join((value, kind, source, "; ".join(sorted(notes)))))
    return Written(
        raw=("\n".join(out) + "\n").encode(),
        media_type="text/plain; charset=utf-8",
        suffix=".intel",
        count=len(rows),
        losses=tuple(losses),
    )
