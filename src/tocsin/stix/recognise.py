"""The values in a running text, each with its place and the way it was written.

Spec: design/claims.md §3.9.
"""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct

from tocsin.errors import IndicatorError
from tocsin.stix.values import HASH_KIND, RESERVED_TOP, known_top, normalise, refang


class Found(Struct, frozen=True, kw_only=True):
    """One value seen in a text, where and how it stood there.

    `value` is the normal form of its `kind`; `raw` the very text from `start` to `end` (code
    points, half-open); `defanged` says it was written broken (`[.]`, `hxxp`). Notes:
    `not-public` (private, reserved or documentation address, a name no registry sells),
    `example-domain` (a name set aside for documentation).
    """

    kind: str
    value: str
    raw: str
    start: int
    end: int
    defanged: bool
    notes: tuple[str, ...] = ()


# A bare name ending like this is a file before it is a host; written broken, it is a host.
_FILE_TOPS = frozenset(("md", "zip", "py", "sh", "pl", "rs", "mov", "so", "ps", "cab", "ink"))
_FILE_ENDS = (
    "exe|dll|sys|scr|cpl|ocx|msi|msix|ps1|psm1|vbs|vbe|jse|wsf|hta|bat|cmd|lnk|jar|apk|elf|"
    "docm|xlsm|pptm|dotm|xll|iso|img|vhd|vhdx|chm|one|reg|pif|dylib|dmg|war|jsp|jspx|aspx|ashx|php"
)
_UNIX_ROOTS = (
    "tmp|var|etc|usr|opt|home|root|dev|bin|sbin|lib|lib64|proc|boot|mnt|srv|run|Library|Users|"
    "Applications|System|private"
)
_STOPPED = re.compile(
    r"(?:\b(?:version|versions|ver|v|release|build|firmware|rev|revision|section|chapter|clause|"
    r"figure|table|appendix|patch)|§)[\s.:#]{0,3}\Z",
    re.IGNORECASE,
)
_SEGMENT = r"[^\\/\s\"'“”‘’<>|,;:*?]+"

# In this order: what an earlier one took, a later one leaves alone. No pattern can be made to
# look at one stretch of text more than a bounded number of times.
_RECOGNISERS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(shape, flags))
    for kind, shape, flags in (
        (
            "user-agent",
            r"Mozilla/[45]\.0 \([^()\n]{1,200}\)"
            r"(?: [A-Za-z][\w.]{0,40}/[\w.]{1,40}(?: \([^()\n]{1,200}\))?){0,12}",
            re.ASCII,
        ),
        (
            "url",
            r"(?<![A-Za-z0-9+.-])(?:https?|ftps?|sftp|wss?|tcp|udp|ldaps?|smb)://"
            r"[^\s<>\"“”‘’«»`|^{}\\]{2,2048}",
            re.IGNORECASE,
        ),
        (
            "email",
            r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}"
            r"[^\W\d_][\w-]{1,62}(?![\w@])",
            0,
        ),
        (
            "registry-key",
            r"\b(?:HKEY_[A-Z_]{4,30}|HKLM|HKCU|HKCR|HKU|HKCC)"
            rf"(?:\\{_SEGMENT}(?: {_SEGMENT}(?=\\)){{0,6}})+",
            0,
        ),
        (
            "path",
            rf"(?<![\w])(?:[A-Za-z]:|%[A-Za-z()0-9_]{{2,40}}%|\\\\{_SEGMENT})"
            rf"(?:\\{_SEGMENT}(?: {_SEGMENT}(?=\\)){{0,6}})+",
            0,
        ),
        ("path", rf"(?<![\w/.:~-])/(?:{_UNIX_ROOTS})(?:/{_SEGMENT})+", 0),
        (
            "mac",
            r"(?<![\w:.-])[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})(?![\w:-])"
            r"|(?<![\w:.-])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![\w.])",
            re.ASCII,
        ),
        (
            "ipv6",
            r"(?<![\w:.])(?:[0-9A-Fa-f:]{2,30}:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]{2,39})"
            r"(?:/\d{1,3})?(?![\w:])",
            re.ASCII,
        ),
        (
            "ipv4",
            r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?![\w/]|\.\w)",
            re.ASCII,
        ),
        (
            "hash",
            r"(?<![\w])[0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{32}|[0-9A-Fa-f]{96})?(?![\w])",
            0,
        ),
        ("cve", r"(?<![\w-])CVE-\d{4}-\d{4,19}(?![\w])", re.IGNORECASE | re.ASCII),
        (
            "attack-id",
            r"(?<![\w./-])(?:T[01]\d{3}(?:\.\d{3})?|TA01?\d{2,3}|G[01]\d{3}|S[01]\d{3}|M[01]\d{3}"
            r"|C00\d{2})(?![\w-])",
            re.ASCII,
        ),
        ("asn", r"(?<![\w-])ASN?\d{3,10}(?![\w-])", re.ASCII),
        (
            "mutex",
            r"\b[Mm]ut(?:ex|ant)(?:es)?(?: named| called| name)?"
            r"(?::? ?[\"“'‘`](?P<quoted>[^\s\"”'’`][^\n\"”'’`]{1,120})[\"”'’`]"
            r"|(?: named|: ?| called) ?(?P<plain>[\w{}\\.-]{3,120}))",
            0,
        ),
        (
            "file-name",
            rf"(?<![\w./\\+-])\w[\w.+-]{{0,120}}?\.(?:{_FILE_ENDS})(?![\w-]|\.\w)",
            re.I,
        ),
        (
            "domain",
            r"(?<![\w@.-])(?:\w(?:[\w-]{0,61}\w)?\.){1,8}(?:[^\W\d_]{2,63}|xn--[a-z0-9-]{2,59})"
            r"(?:/[^\s<>\"“”‘’«»`|^{}\\]{1,2048})?(?![\w@-])",
            re.IGNORECASE,
        ),
    )
)


def recognise(text: str, *, own_site: str | None = None) -> list[Found]:
    """Every value in `text` that one of our kinds can be, in order of its place.

    Written broken or plain, each with its place and its text as it stands. Left alone: numbers
    that count versions or sections (`version 1.2.3.4`), bare names that end like a file
    (`README.md`, `update.zip`), a full stop glued to the next word.

    Args:
        text: any text.
        own_site: the host the text was published on; it and its sub-domains are left out.

    Spec: design/claims.md §3.9.
    """
    plain, offsets = refang(text)
    taken = bytearray(len(plain))
    found: list[Found] = []
    for kind, shape in _RECOGNISERS:
        for match in shape.finditer(plain):
            start, end = match.span()
            if kind == "mutex":
                start, end = match.span("quoted" if match["quoted"] else "plain")
            if kind in ("url", "path", "registry-key", "domain", "mutex", "file-name"):
                end = _trimmed(plain, start, end)
            if kind in ("ipv4", "ipv6") and "/" in match[0] and not _network(match[0]):
                end = start + match[0].index("/")  # an address that says how wide its net is
            if end <= start or taken.find(1, start, end) >= 0:
                continue
            raw = text[offsets[start] : offsets[end]]
            one = _found(kind, plain, start, end, raw)
            if one is None:
                continue
            taken[start:end] = b"\x01" * (end - start)
            place = Found(
                kind=one[0],
                value=one[1],
                raw=raw,
                start=offsets[start],
                end=offsets[end],
                defanged=raw != plain[start:end],
                notes=_notes(*one),
            )
            if own_site is None or not _below(_host_of(*one), own_site):
                found.append(place)
    return sorted(found, key=lambda one: (one.start, one.end))


def _network(text: str) -> bool:
    try:
        normalise("cidr", text)
    except IndicatorError:
        return False
    return True


def _trimmed(text: str, start: int, end: int) -> int:
    """Where a value ends once the sentence around it has taken back its marks."""
    spare: dict[str, int] = {}  # closing brackets that nothing here has opened
    while end > start:
        last = text[end - 1]
        if last in ".,;:!?'*_~…，。；、" or last in "）】」』":
            end -= 1
        elif last in ")]}":
            if last not in spare:
                opening = "([{"[")]}".index(last)]
                spare[last] = text.count(last, start, end) - text.count(opening, start, end)
            if spare[last] <= 0:
                break
            spare[last] -= 1
            end -= 1
        else:
            break
    return end


def _found(kind: str, text: str, start: int, end: int, raw: str) -> tuple[str, str] | None:
    value = text[start:end]
    broken = raw != value
    if kind == "hash":
        kind = HASH_KIND[len(value)]
        if len(set(value)) < 4:
            return None  # a filler of zeros, not a digest
    elif kind == "ipv4":
        if not broken and _STOPPED.search(text, max(0, start - 20), start):
            return None
        kind = "cidr" if "/" in value and not value.endswith("/32") else kind
    elif kind == "ipv6":
        if "::" not in value and value.count(":") < 6:
            return None
        if not any(char.isdigit() for char in value) or value.count(":") < 2:
            return None
        kind = "cidr" if "/" in value and not value.endswith("/128") else kind
    elif kind == "asn":
        value = value.replace("ASN", "AS", 1)
    elif kind == "domain":
        return _named_host(value, broken=broken)
    try:
        form = normalise(kind, value)
    except IndicatorError:
        return None
    if kind == "ipv6" and ":" not in form:
        kind = "ipv4"
    if kind == "email" and not (broken or known_top(form.rpartition("@")[2])):
        return None
    return kind, form


def _named_host(value: str, *, broken: bool) -> tuple[str, str] | None:
    host, slash, _ = value.partition("/")
    labels = host.split(".")
    top = labels[-1]
    if not broken:
        if top.lower() in _FILE_TOPS and len(labels) == 2:
            return None
        # "was down.In May": a capital after the dot and a small letter before it is a new sentence;
        # "ASP.NET" is a product.
        if top[0].isupper() and not (host.isupper() and len(labels) > 2):
            return None
        if all(len(label) == 1 for label in labels[:-1]) and len(top) <= 2:
            return None  # "e.g", "i.e", "p.m"
    if not known_top(host):
        return None
    kind = "url" if slash and len(value) > len(host) + 1 else "domain"
    try:
        return kind, normalise(kind, value if kind == "url" else host)
    except IndicatorError:
        return None


def _host_of(kind: str, value: str) -> str:
    if kind == "url":
        authority = value.partition("://")[2].partition("/")[0].partition("?")[0]
        authority = authority.rpartition("@")[2]
        if authority.startswith("["):
            return authority[1:].partition("]")[0]
        return authority.partition(":")[0]
    if kind == "email":
        return value.rpartition("@")[2]
    return value if kind in ("domain", "ipv4", "ipv6", "cidr") else ""


def _below(host: str, site: str) -> bool:
    site = site.lower().rstrip(".")
    return bool(host) and (host == site or host.endswith("." + site))


_EXAMPLES = ("example.com", "example.net", "example.org", "example.edu")


def _notes(kind: str, value: str) -> tuple[str, ...]:
    host = _host_of(kind, value)
    if not host:
        return ()
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        top = host.rpartition(".")[2]
        if top == "example" or any(_below(host, name) for name in _EXAMPLES):
            return ("not-public", "example-domain")
        return ("not-public",) if top in RESERVED_TOP and top != "onion" else ()
    public = network.is_global and not network.is_multicast
    return () if public else ("not-public",)
