"""One normal form per kind of indicator value, and its way into and out of a STIX pattern.

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

from msgspec import Struct

from tocsin.errors import IndicatorError

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

_DEFANGED = re.compile(
    r"(?P<scheme>\bhxxp(?=s?[ ]?[\[({]?:))"
    r"|(?P<ftp>\bfxp(?=s?[ ]?[\[({]?:))"
    r"|(?P<root>\[[ ]?://[ ]?\]|\([ ]?://[ ]?\)|\{[ ]?://[ ]?\})"
    r"|(?P<colon>\[:\]|\(:\)|\{:\})"
    r"|(?P<dot>\[[ ]?(?:\.|dot)[ ]?\]|\([ ]?(?:\.|dot)[ ]?\)|\{[ ]?(?:\.|dot)[ ]?\})"
    r"|(?P<at>\[[ ]?(?:@|at)[ ]?\]|\([ ]?(?:@|at)[ ]?\)|\{[ ]?(?:@|at)[ ]?\})"
    r"|(?P<slash>\[/\])",
    re.IGNORECASE | re.ASCII,
)
_PLAIN = {"root": "://", "colon": ":", "dot": ".", "at": "@", "slash": "/"}


def refang(text: str) -> tuple[str, list[int]]:
    """Undo the ways reports break links: `hxxp [.] (.) {.} [dot] [:] [://] [at] [@]` and kin.

    Returns:
        The plain text and an offset map: `map[i]` is where character `i` of the plain text began
        in `text`, and `map[len(plain)]` is `len(text)`; a plain span `(a, b)` thus covers
        `text[map[a]:map[b]]`. Case is kept, so `HXXP` gives `HTTP`.
    """
    out: list[str] = []
    offsets: list[int] = []
    at = 0
    for match in _DEFANGED.finditer(text):
        start, end = match.span()
        out.append(text[at:start])
        offsets.extend(range(at, start))
        kind = match.lastgroup or ""
        if kind in ("scheme", "ftp"):
            plain = match[0].translate(_UNCROSS)
            offsets.extend(range(start, end))
        else:
            plain = _PLAIN[kind]
            offsets.extend([start] + [min(start + 1, end)] * (len(plain) - 1))
        out.append(plain)
        at = end
    out.append(text[at:])
    offsets.extend(range(at, len(text) + 1))
    return "".join(out), offsets


_UNCROSS = str.maketrans({"x": "t", "X": "T"})
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def _mended(text: str) -> str:
    """`refang` without the map; most values are plain, and a set of them can be a million."""
    if "[" in text or "(" in text or "{" in text or "xp" in text.lower():
        return refang(text)[0]
    return text


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
    plain = _mended(text.strip()).strip()
    for family, shape in _SHAPES:
        if shape.fullmatch(plain):
            kind = HASH_KIND[len(plain)] if family == "hash" else family
            if kind == "domain" and not _known_top(plain):
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
    text = _mended(text).removesuffix("/32")
    if ":" in text and ":" not in (mapped := _ipv6(text)):
        return mapped
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise _wrong("ipv4", text, "it is not four numbers 0..255 without leading zeros") from None


def _ipv6(text: str) -> str:
    text = _mended(text).removesuffix("/128")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        address = ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        raise _wrong("ipv6", text, "it is not an IPv6 address") from None
    mapped = address.ipv4_mapped
    return str(address if mapped is None else mapped)


def _cidr(text: str) -> str:
    text = _mended(text)
    address, slash, length = text.partition("/")
    if not slash or not length.isascii() or not length.isdigit() or str(int(length)) != length:
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
    name = _mended(text).removesuffix(".")
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
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def _url(text: str) -> str:
    plain = _mended(text)
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
    if port and int(port) > 65535:
        raise _wrong("url", text, f"port {port} is over 65535")
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
    text = unicodedata.normalize("NFC", text)

    def one(match: re.Match[str]) -> str:
        char = chr(int(match[0][1:], 16))
        return char if char in _UNRESERVED else match[0].upper()

    # Decoding may complete a new escape (`%%341`), so go on until nothing changes.
    while (again := _PERCENT.sub(one, text)) != text:
        text = again
    if text.isascii():
        return text
    return "".join(
        ch if ch.isascii() else "".join(f"%{byte:02X}" for byte in ch.encode()) for ch in text
    )


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
    plain = _mended(text)
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


_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(shape, re.IGNORECASE | re.ASCII if kind != "domain" else re.IGNORECASE))
    for kind, shape in (
        ("hash", r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}"),
        ("ipv4", r"[0-9.]+(?:/32)?"),
        ("cidr", r"[0-9.]+/\d+|[0-9a-f:.]*:[0-9a-f:.]*/\d+"),
        ("mac", r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}"),
        ("ipv6", r"\[?[0-9a-f:.]*:[0-9a-f:.]*(?:%[\w.-]+)?\]?(?:/128)?"),
        ("cve", r"CVE-\d{4}-\d+"),
        ("attack-id", r"(?-i:T\d{4}(?:\.\d{3})?|TA\d{4}|[CGMS]\d{4})"),
        ("asn", r"AS ?\d+"),
        ("registry-key", r"(?:HKEY_[A-Z_]+|HKLM|HKCU|HKCR|HKU|HKCC)(?:\\.*)?"),
        ("url", r"[a-z][a-z0-9+.-]*://.+"),
        ("email", r"(?:mailto:)?[^\s@/\\]+@[^\s@/\\]+"),
        ("path", r"[a-z]:[\\/].*|\\\\.+|%[\w()]+%\\.*|~?/.+|[^/]+\\.*"),
        ("url", r"[^\s/\\:@?#]+\.[^\s/\\:@?#]+(?::\d+)?[/?].*"),
        ("domain", r"[\w-]+(?:\.[\w-]+)+\.?"),
        ("file-name", r"[^\s/\\:*?\"<>|][^/\\:*?\"<>|]*\.(?=[0-9]*[a-z])[a-z0-9]{1,8}"),
        ("user-agent", r"[\w.-]+/\d[\w.]*(?:[ (;].*)?"),
    )
)


def _known_top(name: str) -> bool:
    name = name.rstrip(".")
    top = name.rpartition(".")[2].lower()
    if top in RESERVED_TOP:
        return True
    try:
        return public_suffixes().publicsuffix(_domain(name)) is not None
    except IndicatorError:
        return False


# --- STIX patterns --------------------------------------------------------------------------

_HASH_PROPERTY = {"md5": "MD5", "sha1": "'SHA-1'", "sha256": "'SHA-256'", "sha512": "'SHA-512'"}
_AGENT = "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"
_PATH_OF: dict[str, str] = {
    "ipv4": "ipv4-addr:value",
    "ipv6": "ipv6-addr:value",
    "domain": "domain-name:value",
    "url": "url:value",
    "email": "email-addr:value",
    **{kind: f"file:hashes.{name}" for kind, name in _HASH_PROPERTY.items()},
    "file-name": "file:name",
    "registry-key": "windows-registry-key:key",
    "mutex": "mutex:name",
    "user-agent": _AGENT,
    "mac": "mac-addr:value",
}
_KIND_OF: dict[str, str] = {
    "ipv4-addr:value": "address",
    "ipv6-addr:value": "address",
    "domain-name:value": "domain",
    "url:value": "url",
    "email-addr:value": "email",
    "file:name": "file-name",
    "directory:path": "path",
    "windows-registry-key:key": "registry-key",
    "mutex:name": "mutex",
    "mac-addr:value": "mac",
    "autonomous-system:number": "asn",
    _AGENT.replace("'", ""): "user-agent",
}
_HASH_OF = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def pattern_for(kind: str, value: str) -> str | None:
    """The STIX 2.1 pattern of one value; None for what is no observable (`cve`, `attack-id`).

    Raises:
        IndicatorError: `value` has no normal form of `kind`.

    Spec: STIX 2.1 §9.
    """
    value = normalise(kind, value)
    if kind in ("cve", "attack-id"):
        return None
    if kind == "asn":
        return f"[autonomous-system:number = {value.removeprefix('AS')}]"
    if kind == "cidr":
        family = "ipv6" if ":" in value else "ipv4"
        return f"[{family}-addr:value ISSUBSET {_quoted(value)}]"
    if kind == "path":
        slash = "\\" if "\\" in value else "/"
        folder, _, name = value.rpartition(slash)
        if not name or not folder:
            return f"[directory:path = {_quoted(value)}]"
        return (
            f"[file:name = {_quoted(name)} AND file:parent_directory_ref.path = {_quoted(folder)}]"
        )
    if kind == "ipv6" and ":" not in value:
        kind = "ipv4"
    return f"[{_PATH_OF[kind]} = {_quoted(value)}]"


_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\['\\])*')|(?P<op>!=|=|[\[\](),])"
    r"|(?P<word>[A-Za-z0-9_-]+(?::(?:[A-Za-z0-9_-]+|'(?:[^'\\]|\\.)*')"
    r"(?:\.(?:[A-Za-z0-9_-]+|'(?:[^'\\]|\\.)*')|\[[0-9*]+\])*)?))",
    re.DOTALL,
)


def comparisons(pattern: str) -> list[tuple[str, str]]:
    """The (kind, value as written) pairs of a pattern that says only "any of these values".

    That is: `=`, `IN` or `ISSUBSET` on one property, or an OR of such, in one or several
    observations. `file:name = N AND file:parent_directory_ref.path = P` counts as one path.

    Returns:
        An empty list where the pattern says more (AND, NOT, LIKE, WITHIN, ...), names a property
        that has no kind here, or is no pattern at all: then no list of values stands for it.
    """
    tokens: list[str] = []
    at = 0
    pattern = pattern.strip()
    while at < len(pattern):
        match = _TOKEN.match(pattern, at)
        if match is None or match.end() == at:
            return []
        tokens.append(match[0].strip())
        at = match.end()
    try:
        return _Alternatives(tokens).read()
    except _NotPlainError:
        return []


def needles_of(pattern: str) -> list[tuple[str, str]]:
    """`comparisons` with each value in its normal form; empty where it is empty.

    Raises:
        IndicatorError: a value in the pattern has no normal form.
    """
    return [settle(kind, value) for kind, value in comparisons(pattern)]


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
        plain = _mended(value.strip())
        single = plain.endswith("/128" if ":" in plain else "/32")
        kind = "cidr" if "/" in plain and not single else "ipv6" if ":" in plain else "ipv4"
    if kind == "url" and _BARE_HOST.fullmatch(plain := _mended(value.strip())):
        kind = "ipv4" if plain.replace(".", "").isdigit() else "domain"
    form = normalise(kind, value)
    if kind == "ipv6" and ":" not in form:
        kind = "ipv4"
    return kind, form


_BARE_HOST = re.compile(r"[^\s/\\:@?#\[\]]+\.[^\s/\\:@?#\[\]]+")


class _NotPlainError(Exception):
    """The pattern is not a plain list of alternatives."""


class _Alternatives:
    """Reads the tokens of one pattern; any turn we do not know ends it."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def read(self) -> list[tuple[str, str]]:
        found = self._either(self._observation)
        if self._at != len(self._tokens):
            raise _NotPlainError
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *expected: str) -> str:
        token = self._peek()
        if not token or (expected and token not in expected):
            raise _NotPlainError
        self._at += 1
        return token

    def _either(self, part: Callable[[], list[tuple[str, str]]]) -> list[tuple[str, str]]:
        found = part()
        while self._peek() == "OR":
            self._take()
            found = found + part()
        return found

    def _observation(self) -> list[tuple[str, str]]:
        if self._take("[", "(") == "(":
            found = self._either(self._observation)
            self._take(")")
            return found
        found = self._either(self._comparison)
        self._take("]")
        return found

    def _comparison(self) -> list[tuple[str, str]]:
        if self._peek() == "(":
            self._take()
            found = self._either(self._comparison)
            self._take(")")
            return found
        first = self._test()
        if self._peek() != "AND":
            if first[0] == "folder":
                raise _NotPlainError
            return first[1]
        self._take()
        second = self._test()
        return [self._joined(dict((first, second)))]

    def _joined(self, both: dict[str, list[tuple[str, str]]]) -> tuple[str, str]:
        """A file's name and its folder, said of one and the same file, are one path."""
        names, folders = both.get("file-name", []), both.get("folder", [])
        if len(names) != 1 or len(folders) != 1:
            raise _NotPlainError
        folder, name = folders[0][1], names[0][1]
        slash = "\\" if "\\" in folder or re.fullmatch(r"[A-Za-z]:", folder) else "/"
        return ("path", folder.rstrip(slash) + slash + name)

    def _test(self) -> tuple[str, list[tuple[str, str]]]:
        path = self._take()
        kind = self._kind(path.replace("'", ""))
        operator = self._take("=", "IN", "ISSUBSET")
        if operator == "ISSUBSET" and kind != "address":
            raise _NotPlainError
        if operator != "IN":
            return kind, [(kind, self._value(kind))]
        self._take("(")
        found = [(kind, self._value(kind))]
        while self._take(",", ")") == ",":
            found.append((kind, self._value(kind)))
        return kind, found

    def _kind(self, path: str) -> str:
        if path == "file:parent_directory_ref.path":
            return "folder"
        kind = _KIND_OF.get(path)
        if kind is None:
            head, _, name = path.partition(":hashes.")
            kind = _HASH_OF.get(name) if head in ("file", "artifact", "x509-certificate") else None
        if kind is None:
            raise _NotPlainError
        return kind

    def _value(self, kind: str) -> str:
        token = self._take()
        if token.startswith("'"):
            return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)
        if kind == "asn" and token.isdigit():
            return "AS" + token
        raise _NotPlainError


# --- recognisers ----------------------------------------------------------------------------


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
    if kind == "email" and not (broken or _known_top(form.rpartition("@")[2])):
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
    if not _known_top(host):
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
