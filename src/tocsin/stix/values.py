"""One normal form per kind of indicator value.

Sweeping, relating and comparing all start from these forms, so two parties that name the same
thing write the same bytes. What has no normal form is refused with a reason, never guessed.

Spec: design/find.md §4.3.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tocsin.errors import IndicatorError
from tocsin.stix.wallets import is_wallet

KINDS: tuple[str, ...] = (
    "ipv4",
    "ipv6",
    "cidr",
    "domain",
    "url",
    "email",
    "md5",
    "sha1",
    "sha256",
    "sha512",
    "file-name",
    "path",
    "registry-key",
    "mutex",
    "user-agent",
    "cve",
    "attack-id",
    "mac",
    "asn",
    "imphash",
    "ssdeep",
    "tlsh",
    "certificate-serial",
    "ja3",
    "jarm",
    "cwe",
    "ghsa",
    "wallet",
    "yara-rule",
    "package",
    "certificate-hash",
    "email-subject",
    "command-line",
    "account",
)
HASH_LENGTH: dict[str, int] = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
"""Hex digits of each kind of hash."""
HASH_KIND: dict[int, str] = {length: kind for kind, length in HASH_LENGTH.items()}
RESERVED_TOP: frozenset[str] = frozenset(
    ("example", "test", "invalid", "localhost", "local", "internal", "onion", "alt", "lan", "corp")
)
"""Last labels that no registry sells and that still stand in logs and samples (RFC 6761, 7686)."""
DEFAULT_PORT: dict[str, str] = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}
MAX_VALUE = 8_192
"""Longest value in characters; a longer one is a payload, not an indicator."""

# --- defanged writing -----------------------------------------------------------------------

DEFANGED = (
    r"(?P<scheme>(?<![A-Za-z0-9])(?:h(?:xx|__|\*\*|xt|tx|\[tt\])p(?=s?[ ]?[\[({]?:)|meow(?=://)))"
    r"|(?P<ftp>\bfxp(?=s?[ ]?[\[({]?:))"
    r"|(?P<root>[ ]?(?:\[[ ]?://[ ]?\]|\([ ]?://[ ]?\)|\{[ ]?://[ ]?\}))"
    r"|(?P<gap>(?<=://)[ ](?=[\w.-]{1,80}[\[({]))"
    r"|(?P<colon>\[:\]|\(:\)|\{:\})"
    r"|(?P<colons>\[::\])"
    r"|(?P<dot>[ ]?(?:\[[ ]?(?:\.|dot|d0t)[ ]?\]|\([ ]?(?:\.|dot)[ ]?\)|\{[ ]?(?:\.|dot)[ ]?\}"
    r"|<\.>)(?:[ ](?=[A-Za-z0-9]))?"
    r"|(?<=\w)\[\.(?=\w)|(?<=\w)\.\](?=\w)|(?<=\w)\[d\](?=\w)"
    r"|(?<=[A-Za-z0-9])[ ](?-i:DOT)[ ](?=[A-Za-z0-9]))"
    r"|(?P<at>[ ]?(?:\[[ ]?(?:@|at)[ ]?\]|\([ ]?(?:@|at)[ ]?\)|\{[ ]?(?:@|at)[ ]?\})"
    r"(?:[ ](?=[A-Za-z0-9]))?)"
    r"|(?P<slash>\[/\])"
    r"|(?P<escaped>(?<=\w)\\\.(?=\w))"
)
"""Every way of writing a value broken that is undone here; the group names what it was."""
_DEFANGED = re.compile(DEFANGED, re.IGNORECASE | re.ASCII)
_PLAIN = {
    "root": "://",
    "gap": "",
    "colon": ":",
    "colons": "::",
    "dot": ".",
    "at": "@",
    "slash": "/",
    "escaped": ".",
    "hyphen": "-",
    "ended": ".",
}


def refang(text: str, *, pattern: re.Pattern[str] = _DEFANGED) -> tuple[str, list[int]]:
    r"""Undo the ways reports break links: `hxxp h__p meow [.] (.) {.} [dot] \. [:] [://] [@]`, kin.

    Args:
        pattern: `DEFANGED`, compiled, with what else the caller wants undone.

    Returns:
        The plain text and an offset map: `map[i]` is where character `i` of the plain text began
        in `text`, and `map[len(plain)]` is `len(text)`; a plain span `(a, b)` thus covers
        `text[map[a]:map[b]]`. Case is kept, so `HXXP` gives `HTTP`.
    """
    out: list[str] = []
    offsets: list[int] = []
    at = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        kind = match.lastgroup or ""
        if kind == "escaped" and _in_path(text, start):
            continue
        out.append(text[at:start])
        offsets.extend(range(at, start))
        if kind == "scheme":
            plain = match[0].translate(_UNCROSS) if "xx" in match[0].lower() else "http"
        elif kind == "ftp":
            plain = match[0].translate(_UNCROSS)
        else:
            plain = _PLAIN[kind]
        offsets.extend([start] + [min(start + 1, end)] * (len(plain) - 1) if plain else ())
        out.append(plain)
        at = end
    out.append(text[at:])
    offsets.extend(range(at, len(text) + 1))
    return "".join(out), offsets


def _in_path(text: str, at: int) -> bool:
    """Whether the backslash at `at` parts folders (`C:\\dir\\.git`) and does not escape a dot."""
    low = max(0, at - 64)
    before = at
    while before > low and (text[before - 1].isalnum() or text[before - 1] in "-_."):
        before -= 1
        if text[before] == "." and before > low and text[before - 1] == "\\":
            before -= 1
    return before > 0 and text[before - 1] in "\\%$"


_UNCROSS = str.maketrans({"x": "t", "X": "T"})
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def mended(text: str) -> str:
    """`refang` without the map; most values are plain, and a set of them can be a million."""
    if _BROKEN.search(text):
        return refang(text)[0]
    return text


_BROKEN = re.compile(r"[\[({<]|xp|xtp|txp|__p|\*\*p|meow|\\\.", re.IGNORECASE)


# --- normal forms ---------------------------------------------------------------------------


def normalise(kind: str, text: str) -> str:
    """The normal form of `text` as a value of `kind` (one of `KINDS`).

    Idempotent: the normal form of a normal form is itself. An IPv4 address inside IPv6
    (`::ffff:a.b.c.d`) comes back as the IPv4 address, a prefix of such as an IPv4 prefix.

    Raises:
        IndicatorError: `text` is no such value, or `kind` is none of ours.

    Spec: design/find.md §4.3.
    """
    form = _FORMS.get(kind)
    if form is None:
        raise IndicatorError(
            f"unknown kind of indicator: {kind!r}", remedy="use one of: " + ", ".join(KINDS)
        )
    if len(text) > MAX_VALUE:
        raise _wrong(kind, text, f"it is longer than {MAX_VALUE} characters")
    text = text.strip()
    if not text:
        raise _wrong(kind, text, "it is empty")
    if _CONTROL.search(text):
        raise _wrong(kind, text, "it holds a control character")
    return form(text)


def guess(text: str) -> str:
    """The kind of a bare value, as in a list with one value a line.

    A name that could be a host or a file (`update.zip`) is taken as a domain: whatever matches a
    file name also matches that.

    Raises:
        IndicatorError: it looks like none of the kinds that can be told apart by their form.
    """
    plain = mended(text.strip()).strip()
    for family, shape in _SHAPES:
        if shape.fullmatch(plain):
            kind = HASH_KIND[len(plain)] if family == "hash" else family
            if kind == "domain" and not known_top(plain):
                continue
            try:
                value = normalise(kind, plain)
            except IndicatorError:
                continue
            if kind == "ipv6" and ":" not in value:
                return "ipv4"
            return kind
    raise IndicatorError(
        f"cannot tell what kind of value this is: {_short(text)}",
        remedy="give it with its kind: a CSV with the columns type,value, or a STIX indicator",
    )


def hash_kind(text: str) -> str:
    """`md5`, `sha1`, `sha256` or `sha512`, by the length of a hex text.

    Raises:
        IndicatorError: not hex, or of no such length.
    """
    text = text.strip()
    if len(text) in HASH_KIND and _HEX.fullmatch(text):
        return HASH_KIND[len(text)]
    raise _wrong("hash", text, "it is not 32, 40, 64 or 128 hex digits")


def settle(kind: str, value: str) -> tuple[str, str]:
    """Kind and normal form, once the value itself has had its say about the kind.

    `hash` is told by its length, `address` by its form; IPv4 inside IPv6 becomes `ipv4`; a `url`
    of neither scheme nor path, which published bundles hold, is the host it names.

    Raises:
        IndicatorError: no normal form.
    """
    if kind == "hash":
        kind = hash_kind(value)
    if kind in ("address", "ipv4", "ipv6"):
        plain = mended(value.strip())
        single = plain.endswith("/128" if ":" in plain else "/32")
        kind = "cidr" if "/" in plain and not single else "ipv6" if ":" in plain else "ipv4"
    if kind == "url" and _BARE_HOST.fullmatch(plain := mended(value.strip())):
        kind = "ipv4" if plain.replace(".", "").isdigit() else "domain"
    form = normalise(kind, value)
    if kind == "ipv6" and ":" not in form:
        kind = "ipv4"
    return kind, form


_BARE_HOST = re.compile(r"[^\s/\\:@?#\[\]]+\.[^\s/\\:@?#\[\]]+")


def unicode_name(domain: str) -> str:
    """A normal-form domain with its A-labels shown as U-labels, NFC; `domain` where it has none."""
    if "xn--" not in domain:
        return domain
    import idna

    labels = []
    for label in domain.split("."):
        try:
            labels.append(idna.ulabel(label) if label.startswith("xn--") else label)
        except (idna.IDNAError, UnicodeError):
            labels.append(label)
    return unicodedata.normalize("NFC", ".".join(labels))


@lru_cache(maxsize=1)
def public_suffixes() -> Any:
    """The public suffix list, ICANN and private part (`publicsuffixlist`); loaded once."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=False)


def is_public_suffix(domain: str) -> bool:
    """Whether names are registered below `domain` by unrelated people; a bare top label is one."""
    if "." not in domain:
        return True
    return bool(public_suffixes().publicsuffix(domain) == domain)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _wrong(kind: str, text: str, why: str) -> IndicatorError:
    return IndicatorError(
        f"{_short(text)} is no {kind} value: {why}",
        remedy="mend the value, or give it as the kind it is",
    )


def _ipv4(text: str) -> str:
    text = mended(text).removesuffix("/32")
    if ":" in text and ":" not in (mapped := _ipv6(text)):
        return mapped
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise _wrong("ipv4", text, "it is not four numbers 0..255 without leading zeros") from None


def _ipv6(text: str) -> str:
    text = mended(text).removesuffix("/128")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        address = ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        raise _wrong("ipv6", text, "it is not an IPv6 address") from None
    mapped = address.ipv4_mapped
    return str(address if mapped is None else mapped)


_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
"""Of a prefix. Python reads no number of thousands of digits, and raises what is no refusal."""


def _cidr(text: str) -> str:
    text = mended(text)
    address, slash, length = text.partition("/")
    if not slash or not _LENGTH.fullmatch(length):
        raise _wrong("cidr", text, "it is not network/length")
    try:
        network = ipaddress.ip_network((address, int(length)), strict=True)
    except ValueError as wrong:
        raise _wrong("cidr", text, _reason(wrong)) from None
    if isinstance(network, ipaddress.IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            return f"{mapped}/{network.prefixlen - 96}"
        return f"{network.network_address}/{network.prefixlen}"
    return str(network)


def _reason(wrong: ValueError) -> str:
    if "host bits" in str(wrong):
        return "bits are set beyond its length, so it names no one network"
    return "it is not a network and its length"


_ASCII_LABEL = re.compile(r"[a-z0-9_-]{1,63}")


def _domain(text: str) -> str:
    name = mended(text).removesuffix(".")
    if not name.isascii():
        import idna

        try:
            name = idna.uts46_remap(name, std3_rules=False, transitional=False)
            name = ".".join(
                label if label.isascii() else idna.alabel(label).decode("ascii")
                for label in name.removesuffix(".").split(".")
            )
        except (idna.IDNAError, UnicodeError) as wrong:
            raise _wrong("domain", text, f"IDNA 2008 does not allow it ({wrong})") from None
    name = name.lower()
    labels = name.split(".")
    if len(name) > 253:
        raise _wrong("domain", text, "it is longer than 253 bytes")
    for label in labels:
        if not _ASCII_LABEL.fullmatch(label):
            raise _wrong(
                "domain", text, f"{label[:70]!r} is not a label of 1 to 63 name characters"
            )
    if labels[-1].isdigit():
        raise _wrong("domain", text, "its last label is a number")
    return name


_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<authority>[^/?#]*)"
    r"(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?:#.*)?",
    re.DOTALL,
)
_AUTHORITY = re.compile(
    r"(?:(?P<user>.*)@)?(?P<host>\[[^\]]*\]|[^:@\[\]]*)(?::(?P<port>[0-9]*))?", re.DOTALL
)
_HEX_CHARS = frozenset("0123456789abcdefABCDEF")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def _url(text: str) -> str:
    plain = mended(text)
    match = _URL.fullmatch(plain)
    authority = _AUTHORITY.fullmatch(match["authority"]) if match else None
    if match is None or authority is None:
        raise _wrong("url", text, "it has no host")
    if " " in plain:
        raise _wrong("url", text, "it holds a space")
    if match["scheme"] is None and not (match["path"] or match["query"]):
        raise _wrong("url", text, "it has neither scheme nor path: that is a host")
    # http, https and no scheme at all are one to every matcher of ours, so http stands for none.
    scheme = (match["scheme"] or "http").lower()
    try:
        host = _host(authority["host"], bare=match["scheme"] is None)
    except IndicatorError as wrong:
        raise _wrong("url", text, f"its host: {wrong.message}") from None
    port = (authority["port"] or "").lstrip("0")
    if len(port) > 5 or int(port or 0) > 65535:
        raise _wrong("url", text, f"port {port[:20]} is over 65535")
    if port == DEFAULT_PORT.get(scheme):
        port = ""
    user = _percent(authority["user"]) + "@" if authority["user"] else ""
    path = _without_dots(_percent(match["path"])) or "/"
    query = _percent(match["query"] or "")
    return f"{scheme}://{user}{host}{':' + port if port else ''}{path}{query}"


def _host(host: str, *, bare: bool) -> str:
    if host.startswith("["):
        value = _ipv6(host)
        return f"[{value}]" if ":" in value else value
    try:
        return _ipv4(host)
    except IndicatorError:
        name = _domain(host)
        if bare and "." not in name:
            raise _wrong("url", host, "without a scheme a host needs a dot") from None
        return name


def _percent(text: str) -> str:
    """RFC 3986 §6.2.2: hex digits of `%HH` upper, unreserved decoded; other than ASCII encoded."""
    text = _unescaped(unicodedata.normalize("NFC", text))
    if text.isascii():
        return text
    return "".join(
        ch if ch.isascii() else "".join(f"%{byte:02X}" for byte in ch.encode()) for ch in text
    )


def _unescaped(text: str) -> str:
    """Escapes that need none decoded, the others in upper case, until nothing changes.

    What is decoded may complete an escape that began before it (`%%341` is `A`): each is looked at
    where it ends, once, so that no chain of them costs more than its length.
    """
    if "%" not in text:
        return text
    out: list[str] = []
    for char in text:
        out.append(char)
        while out[-3:-2] == ["%"] and _HEX_CHARS.issuperset(out[-2:]):
            digits = "".join(out[-2:])
            plain = chr(int(digits, 16))
            if plain not in _UNRESERVED:
                out[-2:] = digits.upper()
                break
            out[-3:] = [plain]
    return "".join(out)


def _without_dots(path: str) -> str:
    """RFC 3986 §5.2.4: dot segments removed."""
    if "." not in path:
        return path
    out: list[str] = []
    parts = path.split("/")
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "..":
            if len(out) > 1:
                out.pop()
            if last:
                out.append("")
        elif part == ".":
            if last:
                out.append("")
        else:
            out.append(part)
    return "/".join(out)


_EMAIL_LOCAL = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}")


def _email(text: str) -> str:
    plain = mended(text)
    if plain[:7].lower() == "mailto:":
        plain = plain[7:]
    local, at, domain = plain.rpartition("@")
    if not at or not _EMAIL_LOCAL.fullmatch(local):
        raise _wrong("email", text, "it is not name@host")
    try:
        host = _domain(domain)
    except IndicatorError as wrong:
        raise _wrong("email", text, f"its host: {wrong.message}") from None
    return _folded(local) + "@" + host


_HEX = re.compile(r"[0-9A-Fa-f]+")


def _hash(kind: str) -> Callable[[str], str]:
    def form(text: str) -> str:
        if len(text) != HASH_LENGTH[kind] or not _HEX.fullmatch(text):
            raise _wrong(kind, text, f"it is not {HASH_LENGTH[kind]} hex digits")
        return text.lower()

    return form


def _folded(text: str) -> str:
    """NFC and lower, until both hold: lowering can undo NFC and the other way round."""
    for _ in range(4):
        again = unicodedata.normalize("NFC", text).lower()
        if again == text:
            break
        text = again
    return text


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _file_name(text: str) -> str:
    text = _plain(text.replace("[.]", "."))
    if "/" in text or "\\" in text:
        raise _wrong("file-name", text, "it holds a slash: that is a path")
    return text


def _path(text: str) -> str:
    text = text.replace("[.]", ".")
    return _folded(text).strip() if is_windows_path(text) else _plain(text)


def is_windows_path(text: str) -> bool:
    """Whether a path is compared without case: it holds a backslash or begins with a drive."""
    return "\\" in text or bool(re.match(r"[A-Za-z]:", text))


def _registry(text: str) -> str:
    return _folded(text).strip()


def _shaped(kind: str, shape: str, write: Callable[[re.Match[str]], str], why: str) -> Any:
    pattern = re.compile(shape, re.IGNORECASE | re.ASCII)

    def form(text: str) -> str:
        match = pattern.fullmatch(text)
        if match is None:
            raise _wrong(kind, text, why)
        return write(match)

    return form


def _wallet(text: str) -> str:
    if not is_wallet(text):
        raise _wrong("wallet", text, "its checksum fits no currency known here")
    return text.lower() if text[:2] == "0x" or text.isupper() else text


_FORMS: dict[str, Callable[[str], str]] = {
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "cidr": _cidr,
    "domain": _domain,
    "url": _url,
    "email": _email,
    **{kind: _hash(kind) for kind in HASH_LENGTH},
    "file-name": _file_name,
    "path": _path,
    "registry-key": _registry,
    "mutex": _plain,
    "user-agent": _plain,
    "cve": _shaped(
        "cve", r"CVE-\d{4}-\d{4,19}", lambda m: m[0].upper(), "it is not CVE-year-number"
    ),
    "attack-id": _shaped(
        "attack-id",
        r"T\d{4}(?:\.\d{3})?|TA\d{4}|[CGMS]\d{4}",
        lambda m: m[0].upper(),
        "it is not an ATT&CK id such as T1059.001",
    ),
    "imphash": _shaped(
        "imphash", r"[0-9a-f]{32}", lambda m: m[0].lower(), "it is not 32 hex digits"
    ),
    "ssdeep": _shaped(
        "ssdeep",
        r"\d{1,10}:[A-Za-z0-9/+]{1,64}:[A-Za-z0-9/+]{1,64}",
        lambda m: m[0],
        "it is not size:text:text",
    ),
    "tlsh": _shaped(
        "tlsh", r"(?:T1)?([0-9A-F]{70})", lambda m: "T1" + m[1].upper(), "it is not 70 hex digits"
    ),
    "certificate-serial": _shaped(
        "certificate-serial",
        r"(?:0x)?([0-9a-f]{2}(?:[: ]?[0-9a-f]{2}){3,19})",
        lambda m: ":".join(re.findall("..", re.sub("[: ]", "", m[1].lower()))),
        "it is not 4 to 20 bytes in hex",
    ),
    "ja3": _shaped("ja3", r"[0-9a-f]{32}", lambda m: m[0].lower(), "it is not 32 hex digits"),
    "jarm": _shaped("jarm", r"[0-9a-f]{62}", lambda m: m[0].lower(), "it is not 62 hex digits"),
    "cwe": _shaped("cwe", r"CWE-(\d{1,5})", lambda m: "CWE-" + m[1], "it is not CWE-number"),
    "ghsa": _shaped(
        "ghsa",
        r"GHSA((?:-[23456789cfghjmpqrvwx]{4}){3})",
        lambda m: "GHSA" + m[1].lower(),
        "it is not GHSA and three groups of four",
    ),
    "wallet": _wallet,
    "certificate-hash": _shaped(
        "certificate-hash",
        r"[0-9a-f]{2}(?::?[0-9a-f]{2}){15}(?:(?::?[0-9a-f]{2}){4}|(?::?[0-9a-f]{2}){16})?",
        lambda m: m[0].replace(":", "").lower(),
        "it is not 16, 20 or 32 bytes in hex",
    ),
    "email-subject": _plain,
    "command-line": _plain,
    "account": _plain,
    "yara-rule": _shaped(
        "yara-rule", r"[a-z_]\w{0,127}", lambda m: m[0], "it is not the name of a rule"
    ),
    "package": _plain,
    "mac": _shaped(
        "mac",
        r"[0-9a-f]{2}(?:(?::[0-9a-f]{2}){5}|(?:-[0-9a-f]{2}){5})|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}",
        lambda m: ":".join(re.findall("..", re.sub("[^0-9a-f]", "", m[0].lower()))),
        "it is not six pairs of hex digits",
    ),
    "asn": _shaped(
        "asn",
        r"(?:AS ?)?(0|[1-9]\d{0,9})",
        lambda m: _as_number(m[1]),
        "it is not AS and a number",
    ),
}


def _as_number(digits: str) -> str:
    if int(digits) >= 2**32:
        raise _wrong("asn", digits, "it does not fit in 32 bits")
    return "AS" + digits


# Each has one way to match, however often it stands: what stops it is told in the time it takes to
# read the value.
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(shape, re.IGNORECASE | re.ASCII if kind != "domain" else re.IGNORECASE))
    for kind, shape in (
        ("hash", r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}"),
        ("ipv4", r"[0-9.]+(?:/32)?"),
        ("cidr", r"[0-9.]+/\d+|[0-9a-f.]*:[0-9a-f:.]*/\d+"),
        ("mac", r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}"),
        ("ipv6", r"\[?[0-9a-f.]*:[0-9a-f:.]*(?:%[\w.-]+)?\]?(?:/128)?"),
        ("cve", r"CVE-\d{4}-\d+"),
        ("attack-id", r"(?-i:T\d{4}(?:\.\d{3})?|TA\d{4}|[CGMS]\d{4})"),
        ("asn", r"AS ?\d+"),
        ("registry-key", r"(?:HKEY_[A-Z_]+|HKLM|HKCU|HKCR|HKU|HKCC)(?:\\.*)?"),
        ("url", r"[a-z][a-z0-9+.-]*://.+"),
        ("email", r"(?:mailto:)?[^\s@/\\]+@[^\s@/\\]+"),
        ("path", r"[a-z]:[\\/].*|\\\\.+|%[\w()]+%\\.*|~?/.+|[^/][^/\\]*\\.*"),
        ("url", r"[^\s/\\:@?#][^\s/\\:@?#.]*\.[^\s/\\:@?#]+(?::\d+)?[/?].*"),
        ("domain", r"[\w-]+(?:\.[\w-]+)+\.?"),
        ("file-name", r"[^\s/\\:*?\"<>|][^/\\:*?\"<>|]*\.(?=[0-9]*[a-z])[a-z0-9]{1,8}"),
        ("user-agent", r"[\w.-]+/\d[\w.]*(?:[ (;].*)?"),
    )
)


@lru_cache(maxsize=8_192)
def known_top(name: str) -> bool:
    """Whether a host ends in a label that is sold, or in one of `RESERVED_TOP`."""
    name = name.rstrip(".")
    top = name.rpartition(".")[2].lower()
    if top in RESERVED_TOP:
        return True
    try:
        return public_suffixes().publicsuffix(_domain(name)) is not None
    except IndicatorError:
        return False
