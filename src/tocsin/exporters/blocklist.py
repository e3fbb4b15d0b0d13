"""A plain list: one value a line and nothing else on it, for whatever reads lists.

What is to be said of a value stands on a line of its own before it, behind a number sign; each
kind of value has its heading. Whoever feeds one machine asks for the kinds that it takes.
"""

from __future__ import annotations

from tocsin.exporters.interface import Line, Loss, Selection, Written, head, told

KINDS = ("ipv4", "ipv6", "cidr", "domain", "url", "email", "md5", "sha1", "sha256", "sha512")


def write(selection: Selection) -> Written:
    """The list, sorted by kind and value; a value of several indicators stands once."""
    kept: dict[tuple[int, str], list[Line]] = {}
    losses = []
    for line in selection.lines:
        if line.kind not in KINDS:
            losses.append(Loss(id=line.indicator, why=f"a {line.kind} is nothing to block"))
        elif line.port is not None:
            why = f"only port {line.port} of {line.value}, and a list blocks all of it"
            losses.append(Loss(id=line.indicator, why=why))
        elif line.value.startswith("#") or any(c.isspace() or ord(c) < 33 for c in line.value):
            losses.append(Loss(id=line.indicator, why="its value would break its line"))
        else:
            kept.setdefault((KINDS.index(line.kind), line.value), []).append(line)
    out = [f"# {words}" for words in head(selection, len(kept))]
    heading = -1
    for (kind, value), lines in sorted(kept.items()):
        if kind != heading:
            out.append(f"# --- {KINDS[kind]}")
            heading = kind
        out.append("# " + "; ".join(sorted(told(line) for line in lines)))
        out.append(value)
    return Written(
        raw=("\n".join(out) + "\n").encode(),
        media_type="text/plain; charset=utf-8",
        suffix=".txt",
        count=len(kept),
        losses=tuple(losses),
    )
