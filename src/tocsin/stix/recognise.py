"""The values in a running text, each with its place and the way it was written.

Two lists come of a text: what was found, and what looks like a value and was held back, each with
the reason. The shapes stand here; why one is held back is decided in `stix/held.py`.

Spec: design/claims.md §3.9.
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress

from msgspec import Struct

from tocsin.errors import IndicatorError
from tocsin.stix.held import (
    FILE_ENDS,
    LOOSE_ENDS,
    Place,
    hash_reason,
    host_reason,
    name_reason,
    number_reason,
    reference_zones,
)
from tocsin.stix.values import DEFANGED, HASH_KIND, RESERVED_TOP, known_top, normalise, refang


class Found(Struct, frozen=True, kw_only=True):
    """One value seen in a text, where and how it stood there.

    `value` is the normal form of its `kind`; `raw` the very text from `start` to `end` (code
    points, half-open); `defanged` says it was written broken (`[.]`, `hxxp`). Notes:
    `not-public` (private, reserved or documentation address, a name no registry sells),
    `example-domain` (a name set aside for documentation), `may-be-a-version` (four small numbers
    that nothing else in the line explains), `port N`, `wrapped` (it went on in the next line).
    """

    kind: str
    value: str
    raw: str
    start: int
    end: int
    defanged: bool
    notes: tuple[str, ...] = ()


class Held(Struct, frozen=True, kw_only=True):
    """What looks like a value and was not taken for one; `why` is a code of `held.REASONS`."""

    kind: str
    value: str
    raw: str
    start: int
    end: int
    why: str


class Survey(Struct, frozen=True, kw_only=True):
    """All that a text holds, each list in order of its place."""

    found: tuple[Found, ...]
    held: tuple[Held, ...]


_UNIX_ROOTS = (
    "tmp|var|etc|usr|opt|home|root|dev|bin|sbin|lib|lib64|proc|boot|mnt|srv|run|Library|Users|"
    "Applications|System|private"
)
# A person's name is often blotted out: C:\\Users\\<user>\\a.exe
_SEGMENT = r"(?:[^\\/\s\"'“”‘’<>|,;:*?`]|<[A-Za-z ]{1,20}>)+"
_WORD = r"[^\\/\s\"'“”‘’<>|,;:*?`%]+"
_INNER = rf"{_SEGMENT}(?:(?: {_WORD}){{1,6}}(?=\\))?"  # "Program Files (x86)\\"
_STEPS = rf"(?:\\{{1,2}}{_INNER})+"

# In this order: what an earlier one took, a later one leaves alone. No pattern can be made to
# look at one stretch of text more than a bounded number of times.
_RECOGNISERS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(shape, flags))
    for kind, shape, flags in (
        (
            "user-agent",
            r"Mozilla/[45]\.0 \([^()\n]{1,200}\)"
            r"(?: [A-Za-z][\w.]{0,40}/[\w.]{1,40}(?: \([^()\n]{1,200}\))?){0,12}"
            r"|(?:(?i:user[- ]agent(?: string)?)[ \t]{0,8}[:=|][ \t]{0,8}|\$ua\w{0,8} = )[\"'`“]?"
            r"(?P<value>[A-Za-z][\w.-]{1,40}/\d[\w.]{0,20}(?:[ ;][^\"'`”|\n]{1,200})?)",
            re.ASCII,
        ),
        (
            "yara-rule",
            r"^[ \t]{0,12}(?:(?:private|global)[ \t]{1,4}){0,2}rule[ \t]{1,4}"
            r"(?P<value>[A-Za-z_]\w{0,127})[ \t]{0,4}(?::[ \w\t]{0,120})?\s{0,4}\{",
            re.ASCII | re.MULTILINE,
        ),
        (
            "certificate-serial",
            r"\bserial(?:[ _-]?(?:number|no\.?|nr\.?))?[ \t]{0,8}[:=|#]?[ \t]{0,8}(?:0x)?"
            r"(?P<value>[0-9a-f]{2}(?::[0-9a-f]{2}){3,19}|[0-9a-f]{10,40})(?![\w:])",
            re.IGNORECASE | re.ASCII,
        ),
        (
            "certificate-hash",
            r"\b(?:thumb ?print|finger ?print)[^\n:]{0,30}[ \t]{0,4}[:=|]?[ \t]{0,4}"
            r"(?P<value>[0-9a-f]{2}(?::[0-9a-f]{2}){19}(?:(?::[0-9a-f]{2}){12})?)(?![\w:])",
            re.IGNORECASE | re.ASCII,
        ),
        (
            "account",
            r"\b(?:creat(?:ed?|es|ing)|add(?:ed|s|ing)?|named|called|new|rogue|hidden)[ \t]{1,3}"
            r"(?:(?:a|an|the|new|local|hidden|domain|backdoor|rogue|admin|administrator|privileged"
            r"|user|windows)[ \t]{1,3}){0,5}(?:account|user|username)s?"
            r"(?:[ \t]{1,3}(?:named|called|name))?[ \t:]{1,3}"
            r"[\"'`“](?P<value>[\w.$@-]{1,64})[\"'`”]"
            r"|\bnet1?(?:\.exe)?[ \t]{1,3}user[ \t]{1,3}(?P<plain>[\w.$-]{1,64})[ \t]{1,3}"
            r"[^\s|&]{1,64}[ \t]{1,3}/add\b",
            re.IGNORECASE,
        ),
        (
            "email-subject",
            r"\bsubject(?:[ \t]lines?)?(?:[ \t](?:of|was|is|were|reads|reading|read|said))?"
            r"[ \t]?[:,=]?[ \t]{0,4}(?:[\"`“«](?P<value>[^\n\"`“”«»]{3,200})[\"`”»])"
            r"|\be-?mail[ \t_-]subject[ \t]{0,4}[:|=][ \t]{0,4}[\"'`“]?"
            r"(?P<plain>[^\n|\"`”]{3,200})",
            re.IGNORECASE,
        ),
        (
            "ssdeep",
            r"(?<![\w:/])\d{1,9}:[A-Za-z0-9/+]{3,64}:[A-Za-z0-9/+]{3,64}(?![\w:/+])",
            re.ASCII,
        ),
        ("tlsh", r"(?<!\w)T1[0-9A-Fa-f]{70}(?!\w)", re.ASCII),
        ("jarm", r"(?<!\w)[0-9A-Fa-f]{62}(?!\w)", re.ASCII),
        (
            "package",
            r"\b(?:npm|PyPI|NuGet|crates?\.io|RubyGems|Packagist|Maven)(?:'s)? packages?"
            r"(?: named| called|:)? (?:[\"'`“](?P<value>@?[\w./:-]{2,100})[\"'`”]"
            r"|(?P<plain>@?[A-Za-z0-9./]{1,60}[_-][\w./-]{1,100}))",
            re.ASCII | re.IGNORECASE,
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
            + _STEPS
            # A name of two words, where the sentence or the line ends behind it.
            + r"(?:(?<=[A-Za-z0-9])(?: [A-Z][\w-]{1,30}){1,2}(?=[.,;)](?:\s|\Z)|\n|\Z))?",
            0,
        ),
        (
            "mutex",
            r"(?<![\w\\])(?:Global|Local)\\{1,2}(?P<value>[\w{}.-]{3,120})(?!\\)",
            0,
        ),
        (
            "path",
            rf"(?<=[\"'“‘`])[A-Za-z]:(?:\\{{1,2}}[^\\/\"'“”‘’<>|:*?`\n]{{1,120}}){{1,24}}(?=[\"'”’`])"
            rf"|(?<![\w])(?:[A-Za-z]:|%[A-Za-z()0-9_]{{2,40}}%|\\\\{_SEGMENT}){_STEPS}",
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
            "wallet",
            r"(?<!\w)(?:0x[0-9A-Fa-f]{40}|(?:bc|ltc)1[02-9ac-hj-np-z]{11,80}"
            r"|[1-9A-HJ-NP-Za-km-z]{26,35})(?!\w)",
            re.ASCII,
        ),
        (
            "hash",
            r"(?<![\w])[0-9A-Fa-f]{8,120}-?\n[ \t]{0,40}[0-9A-Fa-f]{8,120}(?![\w])",
            0,
        ),
        (
            "hash",
            r"(?<![\w])[0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{32}|[0-9A-Fa-f]{96})?(?![\w])",
            0,
        ),
        ("cve", r"(?<![\w-])CVE-\d{4}-\d{4,19}(?![\w])", re.IGNORECASE | re.ASCII),
        ("cwe", r"(?<![\w-])CWE-\d{1,5}(?![\w])", re.ASCII),
        ("ghsa", r"(?<![\w-])GHSA(?:-[23456789cfghjmpqrvwx]{4}){3}(?![\w-])", re.ASCII),
        (
            "attack-id",
            r"(?<![\w./-])(?:T[01]\d{3}(?:\.\d{3})?|TA01?\d{2,3}|G[01]\d{3}|S[01]\d{3}|M[01]\d{3}"
            r"|C00\d{2})(?![\w-])"
            r"|\battack\.(?P<value>[tgs]\d{4}(?:\.\d{3})?)(?![\w-])",
            re.ASCII,
        ),
        ("asn", r"(?<![\w-])(?:ASN? ?\d{3,10})(?![\w-]|\.\d)", re.ASCII),
        (
            "mutex",
            r"\b[Mm]ut(?:ex|ant)(?:es)?(?: named| called| name)?"
            r"(?::? ?[\"“'‘`](?P<value>[\w{%\\][^\n\"”'’`]{1,120})[\"”'’`]"
            r"|(?: named|: ?| called| is(?= ?\{)) ?(?P<plain>[\w{}\\.-]{3,120}))",
            0,
        ),
        (
            "file-name",
            rf"(?<![\w./\\+@-])\w[\w.+-]{{0,120}}?\.(?:{FILE_ENDS}|{LOOSE_ENDS})(?![\w-]|\.\w|/\w)",
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
# What holds other values, each of which is still found for itself.
_HOLDERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "command-line",
        re.compile(
            r"\b(?:command[ -]?line|CommandLine|cmdline)(?:[ \t](?:was|is|used|executed|argument))?"
            r"[ \t*`\"']{0,4}[:=|][ \t]{0,4}(?P<value>[^\s*|:=][^\n|]{5,400})",
            re.IGNORECASE,
        ),
    ),
)
_PROGRAM = re.compile(
    r"[\"'`]?(?:[^\s\"'`]{0,200}[\\/])?(?:[\w.-]{1,60}\.(?:exe|dll|com|bat|cmd|ps1|vbs|sh|py)"
    r"|powershell|pwsh|cmd|rundll32|regsvr32|mshta|wscript|cscript|reg|net1?|sc|schtasks|wmic"
    r"|bitsadmin|certutil|vssadmin|wevtutil|nltest|whoami|curl|wget|bash|sh|python3?|perl|nohup"
    r"|chmod|crontab|systemctl|ssh|nc|ncat|socat|tar|7z|rar|rclone|netsh|ntdsutil|procdump)"
    r"[\"'`]?[ \t]+\S",
    re.IGNORECASE,
)
_TRIMMED = frozenset(("url", "path", "registry-key", "domain", "mutex", "file-name", "user-agent"))

# Broken at the end of a line, as PDF readers give it: after a hyphen or a dot of a broken name.
_UNDONE = re.compile(
    r"(?P<ended>(?<=[A-Za-z0-9])(?:\[\.\]|\(\.\)|\[dot\])\n(?=[A-Za-z0-9]))|"
    + DEFANGED
    + r"|(?P<hyphen>(?<=[A-Za-z0-9])-\n(?=[A-Za-z0-9-]{1,63}(?:\[\.\]|\(\.\)|\[dot\])))",
    re.IGNORECASE | re.ASCII,
)
_SLASHED = re.compile(r"\bh(?:tt|xx|__|\*\*)ps?:\\\\[^\s\"'<>]{1,2048}", re.IGNORECASE)
_APART = re.compile(
    r"^[ \t•*·–-]{0,12}((?:[A-Za-z0-9-]{1,63} (?:\.|dot) ){1,6}[A-Za-z]{2,24})[ \t]{0,12}$",
    re.MULTILINE,
)
_WIDE = re.compile("[\u3001-\u30ff\u3400-\u9fff\uac00-\ud7a3\uff00-\uffef]+")
_HYPERLINK = re.compile(r"\n[ \t]{0,40}(?P<rest>[A-Za-z0-9%_~./?=&#-]{2,400})")
_QUERY = re.compile(r"[A-Za-z0-9_.-]{1,40}=[A-Za-z0-9%_~./=&#-]{0,400}")
_COPYRIGHT = re.compile(
    r"^[^\n]{0,160}(?:©|\(c\) ?\d{4}|copyright \D{0,4}\d{4})[^\n]{0,160}?\b(?:https?://)?"
    r"(?:www\.)?(?P<host>(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,24})(?![\w@-])",
    re.IGNORECASE | re.MULTILINE,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PROSE_WORDS = _words(
    "a an and are as at but by for from had has have in is it its of on or she so that the"
    " their then there they this to was we were when where which while who will with"
)


def recognise(text: str, *, own_site: str | None = None) -> list[Found]:
    """Every value in `text` that one of our kinds can be, in order of its place.

    `survey` without what was held back.

    Spec: design/claims.md §3.9.
    """
    return list(survey(text, own_site=own_site).found)


def survey(text: str, *, own_site: str | None = None) -> Survey:
    """Every value in `text`, and all that was held back, each with its place.

    Values may be written broken or plain. Held back, with the reason: numbers that count versions
    or sections, bare names that end like a file, products and words of programs, a full stop glued
    to the next word, references and the outlet's own site. What is written broken was meant as a
    value and is held back only where it cannot be one.

    Args:
        text: any text.
        own_site: the host the text was published on; what is written broken is none of its own.

    Spec: design/claims.md §3.9.
    """
    return _Reader(text, own_site).read()


class _Reader:
    """One pass over one text."""

    def __init__(self, text: str, own_site: str | None) -> None:
        self.text, self.own_site = text, own_site
        self.signed = _signed(text) if own_site is None else None
        self.plain, self.offsets = refang(_evened(text), pattern=_UNDONE)
        self.taken = bytearray(len(self.plain))
        self.zones = reference_zones(self.plain)
        self.found: list[Found] = []
        self.held: list[Held] = []

    def read(self) -> Survey:
        for kind, shape in _RECOGNISERS:
            at = 0
            while (match := shape.search(self.plain, at)) is not None:
                at = max(self._one(kind, match), match.start() + 1)
        self._families()
        for kind, shape in _HOLDERS:
            for match in shape.finditer(self.plain):
                self._holder(kind, *match.span("value"))
        self.found.sort(key=lambda one: one.start)
        self.held.sort(key=lambda one: one.start)
        return Survey(found=tuple(self.found), held=tuple(self.held))

    def _families(self) -> None:
        """Four numbers that begin as a version of this text does are one of its versions."""
        counted = {
            one.value.rpartition(".")[0].rpartition(".")[0]
            for one in self.held
            if one.why == "version-number" and one.kind == "ipv4"
        }
        kept: list[Found] = []
        for one in self.found:
            family = one.value.rpartition(".")[0].rpartition(".")[0]
            doubtful = one.kind == "ipv4" and not one.defanged and "may-be-a-version" in one.notes
            if not (doubtful and family in counted):
                kept.append(one)
                continue
            raw, why = one.raw, "version-number"
            self.held.append(
                Held(kind=one.kind, value=one.value, raw=raw, start=one.start, end=one.end, why=why)
            )
        self.found = kept

    def _one(self, kind: str, match: re.Match[str]) -> int:
        """Judge one match; where to look on."""
        plain = self.plain
        start, end = _span(match)
        if kind in _TRIMMED:
            end = _trimmed(plain, start, end)
        if kind in ("ipv4", "ipv6") and "/" in plain[start:end] and not _network(plain[start:end]):
            end = start + plain[start:end].index("/")  # an address that says how wide its net is
        resume = max(end, match.end())
        notes: tuple[str, ...] = ()
        if kind == "url":
            end = _cell(plain, start, end)
            end = self._wrapped(start, end)
            resume = end
        elif kind == "domain":
            end = _first_host(plain, start, end)
            resume = end
        if end <= start or self.taken.find(1, start, end) >= 0:
            return resume
        low, high = self.offsets[start], self._end(end)
        raw = self.text[low:high]
        written = plain[start:end]
        broken = raw != written and "\n" not in raw
        if "\n" in raw:
            broken = "[" in raw or "(" in raw or raw[:4].lower() == "hxxp"
            notes += ("wrapped",)
        place = Place(plain, start, end, broken)
        if kind == "ipv4":
            notes += place.notes_of_address()
        judged = _judge(kind, written, place, self.zones)
        if judged is None:
            # The second line of two may begin what is one with the third.
            return start + len(written.partition("\n")[0]) if kind == "hash" else resume
        kind, value, why = judged
        host = _host_of(kind, value)
        if self.own_site is not None and not broken and _below(host, self.own_site):
            why = "own-site"
        if self.signed is not None and why is None and not broken and _below(host, self.signed):
            why = "own-site"
        self.taken[start:end] = b"\x01" * (end - start)
        if why is not None:
            self.held.append(Held(kind=kind, value=value, raw=raw, start=low, end=high, why=why))
            return resume
        notes = _notes(kind, value) + notes
        self.found.append(
            Found(
                kind=kind,
                value=value,
                raw=raw,
                start=low,
                end=high,
                defanged=broken,
                notes=notes,
            )
        )
        return resume

    def _holder(self, kind: str, start: int, end: int) -> None:
        """A value in which others stand: they stay what they are."""
        plain = self.plain
        while end > start and plain[end - 1] in " \t.,;":
            end -= 1
        if plain[start] in "\"'`“" and plain[end - 1] in "\"'`”":
            start, end = start + 1, end - 1
        if "*" in (plain[start], plain[end - 1]) or not _PROGRAM.match(plain, start, end):
            return
        low, high = self.offsets[start], self.offsets[end]
        written, raw = plain[start:end], self.text[low:high]
        with suppress(IndicatorError):
            value = normalise(kind, written)
            self.found.append(
                Found(kind=kind, value=value, raw=raw, start=low, end=high, defanged=raw != written)
            )

    def _end(self, end: int) -> int:
        """Where a span of the plain text ends in the text; never inside what stood for one mark."""
        return self.offsets[end]

    def _wrapped(self, start: int, end: int) -> int:
        """Where a URL ends that a PDF reader has cut at the end of a line."""
        plain = self.plain
        if plain[end : end + 2] == "?\n" and end - start >= 12:
            asked = _QUERY.match(plain, end + 2)
            return end if asked is None else _trimmed(plain, start, asked.end())
        if end - start < 24 or plain[end - 1] not in "/-_=&?%" or plain[start:end].count("/") < 4:
            return end
        if self.text[self.offsets[start] : self.offsets[end]] == plain[start:end]:
            return end
        match = _HYPERLINK.match(plain, end)
        if match is None or match["rest"].lower().strip(".,") in _PROSE_WORDS:
            return end
        return _trimmed(plain, start, match.end())


def _signed(text: str) -> str | None:
    """The host in the line that says whose text it is: "Copyright 2026 NAME. www.name.com"."""
    match = _COPYRIGHT.search(text, max(0, len(text) - 20_000))
    return match["host"].lower() if match is not None and known_top(match["host"]) else None


def _span(match: re.Match[str]) -> tuple[int, int]:
    groups = match.re.groupindex
    for name in ("value", "plain"):
        if name in groups and match[name] is not None:
            start, end = match.span(name)
            # An object's folder is part of its name: Global\\gate
            return (match.start() if match[0][:6] in ("Global", "Local\\") else start), end
    return match.span()


def _evened(text: str) -> str:
    """The text with what hides a value's edges made plain, character for character.

    Backslashes of a broken URL, dots set apart in a line of their own, and East Asian text that
    touches a name without a space.
    """
    if ":\\\\" in text:
        text = _SLASHED.sub(lambda match: match[0].replace("\\", "/"), text)

    def apart(match: re.Match[str]) -> str:
        return match[0].replace(" dot ", "[dot]").replace(" . ", "[.]")

    if " . " in text or " dot " in text:
        text = _APART.sub(apart, text)

    def parted(match: re.Match[str]) -> str:
        before = text[match.start() - 1 : match.start()]
        after = text[match.end() : match.end() + 1]
        if before in ("\\", "/", "%") or not (_ascii_name(before) or _ascii_name(after)):
            return match[0]
        return " " * len(match[0])

    return text if text.isascii() else _WIDE.sub(parted, text)


def _ascii_name(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _network(text: str) -> bool:
    try:
        normalise("cidr", text)
    except IndicatorError:
        return False
    return True


def _cell(text: str, start: int, end: int) -> int:
    """A URL in a cell of a comma-separated line ends at the comma."""
    if text[start - 1 : start] == ",":
        comma = text.find(",", start, end)
        return comma if comma >= 0 else end
    return end


def _first_host(text: str, start: int, end: int) -> int:
    """`a.com/b.org` in a list of alternatives is two names, if both are hosts and nothing more."""
    parts = text[start:end].split("/", 2)
    if len(parts) < 2 or not re.fullmatch(r"(?:[\w-]{1,63}\.)+[^\W\d_]{2,63}", parts[1]):
        return end
    tail = parts[1].rpartition(".")[2].lower()
    if re.fullmatch(f"(?:{FILE_ENDS}|{LOOSE_ENDS})", tail) or not known_top(parts[1]):
        return end
    return start + len(parts[0])


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


def _judge(
    kind: str, value: str, place: Place, zones: list[tuple[int, int]]
) -> tuple[str, str, str | None] | None:
    """Kind, normal form and why it is held back; None for what is no value at all."""
    why: str | None = None
    if kind == "hash":
        value = "".join(value.replace("-", "").split())
        if len(value) not in HASH_KIND or not place.one_hash():
            return None
        named = place.fingerprint() if len(value) == 32 else None
        kind = named or HASH_KIND[len(value)]
        if named is None and len(value) != 128 and place.of_certificate():
            kind = "certificate-hash"
        why = hash_reason(value, place)
    elif kind == "ipv4":
        why = number_reason(value, place)
        kind = "cidr" if "/" in value and not value.endswith("/32") else kind
    elif kind == "ipv6":
        if "::" not in value and value.count(":") < 6:
            return None
        if not any(char.isdigit() for char in value) or value.count(":") < 2:
            return None
        if not place.broken and sum(char.isalnum() for char in value) < 4 and value != "::1":
            return None  # "3::4" counts goals or slices
        kind = "cidr" if "/" in value and not value.endswith("/128") else kind
    elif kind == "url":
        value = "".join(value.split())  # wrapped at the end of a line
    elif kind == "asn":
        value = "AS" + value.lstrip("ASN ")
    elif kind in ("path", "registry-key", "mutex") and not value.startswith("\\\\\\"):
        unc = "\\\\" if value.startswith("\\\\") else ""
        value = unc + value.removeprefix(unc).replace("\\\\", "\\")
    elif kind == "email" and place.message_id():
        kind, value = "domain", value.rpartition("@")[2]
    elif kind == "file-name":
        why = name_reason(value, place)
        if why == "host":
            return None
    elif kind == "domain":
        return _named_host(value, place, zones)
    elif (kind == "ssdeep" and not place.fuzzy()) or (
        kind == "certificate-serial" and not re.search("[a-fA-F:]", value)
    ):
        return None
    try:
        form = normalise(kind, value)
    except IndicatorError:
        return None
    if kind == "ipv6" and ":" not in form:
        kind = "ipv4"
    if kind == "email" and not (place.broken or known_top(form.rpartition("@")[2])):
        return None
    if why is None and kind in ("url", "email") and not place.broken and place.cited(zones):
        why = "reference"
    return kind, form, why


def _named_host(
    value: str, place: Place, zones: list[tuple[int, int]]
) -> tuple[str, str, str | None] | None:
    host, slash, _ = value.partition("/")
    if not known_top(host):
        return None
    *labels, top = host.split(".")
    if not place.broken and len(top) <= 2 and all(len(label) == 1 for label in labels):
        return None  # "e.g", "i.e", "p.m"
    kind = "url" if slash and len(value) > len(host) + 1 else "domain"
    try:
        form = normalise(kind, value if kind == "url" else host)
    except IndicatorError:
        return None
    why = None if place.broken else host_reason(host, place)
    if why is None and not place.broken and place.cited(zones):
        why = "reference"
    return kind, form, why


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
    if host[-1].isdigit() or ":" in host:
        with suppress(ValueError):
            network = ipaddress.ip_network(host, strict=False)
            return () if network.is_global and not network.is_multicast else ("not-public",)
    top = host.rpartition(".")[2]
    if top == "example" or any(_below(host, name) for name in _EXAMPLES):
        return ("not-public", "example-domain")
    return ("not-public",) if top in RESERVED_TOP and top != "onion" else ()
