"""Why something that looks like a value is no indicator: the reasons, and the signs for each.

A report names versions, products, files, its own site and what it read, and most of these have the
shape of an address or a host. Signs are looked for in the line alone, so that a page of them costs
no more than its length. What was written broken is only ever held back where it cannot be a value.

Spec: design/claims.md §3.9.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from msgspec import Struct


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


REASONS: dict[str, str] = {
    "version-number": "counts versions, builds or sections",
    "netmask": "is a netmask",
    "file-or-host": "is a file name more likely than a host",
    "bare-file-name": "is a file name that nothing ties to the attack",
    "system-file": "is part of the operating system",
    "product-name": "is the name of a product or of a part of a program",
    "code-word": "is a word of a program or a field of a log",
    "sentence-end": "is the end of one sentence and the start of the next",
    "filler": "repeats itself: a filler, not a digest",
    "not-a-file-hash": "is no digest of a file",
    "reference": "is a reference or a contact of the report",
    "own-site": "is the site that published the report",
    "warning-list": "is known to everybody and stands on a warning list",
    "public-suffix": "is a name under which unrelated people register",
}
"""Each reason why a value is held back, and what it says of the value."""

FILE_ENDS = (
    "exe|dll|sys|scr|cpl|ocx|msi|msix|ps1|psm1|vbs|vbe|jse|wsf|hta|bat|cmd|lnk|jar|apk|elf|"
    "docm|xlsm|pptm|dotm|xll|iso|img|vhd|vhdx|chm|one|reg|pif|dylib|dmg|war|jsp|jspx|aspx|ashx|php"
)
LOOSE_ENDS = (
    "zip|rar|7z|gz|tgz|tar|pdf|docx?|xlsx?|pptx?|rtf|txt|dat|bin|tmp|log|json|xml|html?|js|py|sh|"
    "pl|md|db|csv|ini|cfg|conf|png|jpe?g|gif|ico|so|rs|cab|ps|eml|key|ink|mov"
)
"""Ends of files that stand in every report: taken where the line ties them to the attack."""
_FILE_TOPS = frozenset(("md", "zip", "py", "sh", "pl", "rs", "mov", "so", "ps", "cab", "ink"))
_SYSTEM = _words(
    "advapi32.dll bash.exe bcdedit.exe bitsadmin.exe calc.exe certutil.exe chrome.exe cmd.exe"
    " conhost.exe cscript.exe csrss.exe curl.exe dllhost.exe excel.exe explorer.exe firefox.exe"
    " fodhelper.exe hal.dll iexplore.exe installutil.exe kernel32.dll kernelbase.dll lsass.exe"
    " msbuild.exe mscoree.dll msedge.exe mshta.exe msiexec.exe net.exe net1.exe netsh.exe"
    " notepad.exe ntdll.dll ntoskrnl.exe odbcconf.exe outlook.exe ping.exe powerpnt.exe"
    " powershell.exe pwsh.exe reg.exe regasm.exe regsvcs.exe regsvr32.exe rundll32.exe sc.exe"
    " schtasks.exe services.exe shell32.dll smss.exe spoolsv.exe svchost.exe taskhostw.exe"
    " taskkill.exe tasklist.exe user32.dll userinit.exe vssadmin.exe w3wp.exe wbadmin.exe"
    " werfault.exe wevtutil.exe whoami.exe wininet.dll wininit.exe winlogon.exe winword.exe"
    " wmic.exe wmiprvse.exe ws2_32.dll wscript.exe"
)
_PRODUCTS = _words("ado.net asp.net deno.land draw.io ml.net paint.net socket.io vb.net")
_PROJECT_FILES = _words(
    "build.gradle changelog.md composer.json contributing.md index.html index.js license.md"
    " license.txt main.py manifest.json package-lock.json package.json pom.xml readme.md"
    " requirements.txt setup.cfg setup.py tsconfig.json __init__.py"
)
_CODE_TOPS = _words(
    "at call cc click data date direct do game host id import in is it link map media name"
    " network open page pl py rs run search select sh so style to zone"
)
_CODE_STEMS = _words(
    "agent app client cloud config console container dest destination device dns document email"
    " error event file group hash host http item log math message network obj object observer os"
    " packet parent pe process registry req request res resp response rule script self server"
    " service session socket source string sub subprocess super sys system target test this"
    " threat time tls url user util utils window winlog x509"
)
_NUMBERED = re.compile(
    r"(?:\b(?:version|versions|ver|v|release|build|firmware|rev|revision|section|sections|chapter"
    r"|clause|figure|table|appendix|patch|abschnitt|kapitel|versión|versione|версия|versions|sp"
    r"|update|upgrad(?:e|ed|ing) to|kernel|branch,? in"
    r"|(?:fixed|patched|corrected)\b[^.\n]{0,30} in)|版本|§)[\s.:#=\"'(|]{0,4}\Z",
    re.IGNORECASE,
)
_COUNTED_ON = re.compile(
    r"[\"')]?,? (?:and|or|und|et|y) (?:earlier|later|prior|below|above|older"
    r"|newer|before|früher|höher)"
    r"|[\"')]? (?:is|are) (?:not|also|no longer) (?:affected|vulnerable|supported)"
    r"|[\"')]? (?:is|are) not[.,;]"
    r"|[\"')]? (?:through|to|bis) \d+\.\d+\.\d+\.\d+ (?:are|is) (?:affected|vulnerable)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^\d{1,2}(?:\.\d{1,2}){1,2}\.? {1,4}[A-Z]", re.MULTILINE)
_NEAR = 2_000  # characters around in which a text's other numbered headings are looked for
_OWNED = re.compile(
    r"\b(?:i\.?p|ips|addr(?:ess)?(?:es)?|hosts?|servers?|c2|c&c|from|to|at|client|src|dst|relay)\b",
    re.IGNORECASE,
)
_FINGERPRINT = re.compile(
    r"\b(?:(?P<ja3>ja3s?(?:[._ -]hash)?)|(?P<imphash>imp(?:ort)?[ _-]?hash))\b", re.IGNORECASE
)
_HASH_LABEL = re.compile(
    r"\b(?:ja3s?(?:[._ -]hash)?|imp(?:ort)?[ _-]?hash|md5|sha-?1|sha-?256|sha-?512|hash\d?|jarm)\b",
    re.IGNORECASE,
)
_NO_DIGEST = re.compile(
    r"\b(?:commit|git|rich ?(?:pe )?header|rich ?hash|vhash|telfhash|build[ -]?id|guid|uuid|token"
    r"|cookie|nonce|session|api[ _-]?key|etag)\b[^A-Fa-f0-9\n]{0,12}\Z",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(
    r"\b(?:thumb ?prints?|(?:certificate|cert)(?:'s)?[ _-](?:with[ _-])?"
    r"(?:(?:md5|sha-?1|sha-?256)\b|finger ?prints?|hash(?:es)?)"
    r"|(?:ssl|tls|x\.?509|signing)[ _-](?:finger ?prints?|hash))"
    r"(?:\b[^\n]{0,40})?\Z",
    re.IGNORECASE,
)
_OF_A_FILE = re.compile(r"\b(?:file|sample|binary|payload|dropper|ssh|host key|pgp|gpg)", re.I)
_TIED = re.compile(
    r"\b(?:file ?names?|files?|names?|attach(?:ment|ed)|drop(?:s|ped)|notes?|archives?|payloads?"
    r"|documents?|named|called|saved as|written to|lure|Datei|Anhang)[\s:=|\"'`“*()-]{1,6}\Z",
    re.IGNORECASE,
)
_DIGEST = re.compile(r"(?<!\w)(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})(?!\w)")
_CITED = re.compile(
    r"(?:\]\(|^[ \t]{0,8}\[\d{1,3}\][ \t]{0,4}"
    r"|\b(?:for (?:more|further|reporting|details|rules|questions)|visit|learn more|read more"
    r"|follow us|subscribe|see also|see our|available (?:at|from)"
    r"|published (?:at|on|by)"
    r"|more at|contact us|siehe auch)\b[^.!?\n]{0,80}"
    r"|\b(?:references?|sources?|quellen?)[\"' \t]{0,4}[:=][^.!?\n]{0,80})\Z",
    re.IGNORECASE,
)
_REFERENCES = re.compile(
    r"^[#*_ \t\d.]{0,12}(?:references?|sources|further reading|bibliography|see also|links|related"
    r" reading|quellen|literatur|références|referencias|bibliografía|参考(?:文献|资料)?)[*_]{0,3}"
    r"[ \t]{0,4}(?::[^\n]{0,400})?$",
    re.IGNORECASE | re.MULTILINE,
)
_LISTED = re.compile(r"[ \t]*(?:[-*•–\[(]|\d{1,3}[.)\]]|$|https?://|[^\n]{0,300}?https?://)")


def reference_zones(text: str) -> list[tuple[int, int]]:
    """The lists under a heading such as References, as half-open spans in their order."""
    zones: list[tuple[int, int]] = []
    for heading in _REFERENCES.finditer(text):
        if zones and heading.start() < zones[-1][1]:
            continue
        at = heading.end()
        while at < len(text):
            line_end = text.find("\n", at + 1)
            line_end = len(text) if line_end < 0 else line_end
            if not _LISTED.match(text, at + 1, line_end):
                break
            at = line_end
        zones.append((heading.start(), at))
    return zones


class Place(Struct, frozen=True):
    """Where a value stands in the plain text, and whether it was written broken."""

    text: str
    start: int
    end: int
    broken: bool

    def before(self, most: int = 120) -> str:
        """What stands before it in its line."""
        low = max(0, self.start - most)
        return self.text[max(low, self.text.rfind("\n", low, self.start) + 1) : self.start]

    def after(self, most: int = 120) -> str:
        """What stands behind it in its line."""
        high = self.end + most
        stop = self.text.find("\n", self.end, high)
        return self.text[self.end : high if stop < 0 else stop]

    def beside_a_digest(self) -> bool:
        """Whether the line holds a hash too."""
        return bool(_DIGEST.search(self.before(400)) or _DIGEST.search(self.after(400)))

    def fingerprint(self) -> str | None:
        """`ja3` or `imphash`, where the nearest label before says that 32 hex digits are one."""
        last: re.Match[str] | None = None
        for match in _HASH_LABEL.finditer(self.before(60)):
            last = match
        named = _FINGERPRINT.fullmatch(last[0]) if last else None
        return named.lastgroup if named else None

    def of_certificate(self) -> bool:
        """Whether the words right before hex digits say that they are a certificate's."""
        before = self.before(90)
        if "rint" not in before and "ert" not in before and "ash" not in before:
            return False
        found = _CERTIFICATE.search(before)
        if found is None or _OF_A_FILE.search(found[0]):
            return False
        return _DIGEST.search(found[0]) is None

    def one_hash(self) -> bool:
        """Whether hex digits over two lines are one hash: the last label has to say so."""
        written = self.text[self.start : self.end]
        if "\n" not in written:
            return True
        parts = [len(part) for part in written.split()]
        wanted = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
        if not any(part in wanted for part in parts):
            return True
        last: re.Match[str] | None = None
        for match in _HASH_LABEL.finditer(self.text, max(0, self.start - 400), self.start):
            last = match
        return last is not None and wanted[sum(parts)] == last[0].lower().replace("-", "")

    def fuzzy(self) -> bool:
        """Whether `n:text:text` is a fuzzy hash: its size is one of those, or a label says so."""
        size, first, second = self.text[self.start : self.end].split(":")
        number, steps = int(size), 0
        while number > 3 and number % 2 == 0:
            number, steps = number // 2, steps + 1
        return (number == 3 and len(first) + len(second) >= 20) or "ssdeep" in self.before().lower()

    def message_id(self) -> bool:
        """Whether this is the number of a message and no address."""
        return bool(re.match(r"(?:Message-ID|In-Reply-To|References):", self.before(), re.I))

    def cited(self, zones: list[tuple[int, int]]) -> bool:
        """Whether it stands where a report names what it read, or whom to write to."""
        row = bisect_right(zones, (self.start, len(self.text))) - 1
        if row >= 0 and zones[row][0] <= self.start < zones[row][1]:
            return True
        return bool(_CITED.search(self.before()))

    def notes_of_address(self) -> tuple[str, ...]:
        """`port N` behind an address; `may-be-a-version` for four small numbers unexplained."""
        port = re.match(r":(\d{1,5})(?![\w.:])", self.after(8))
        if port and 0 < int(port[1]) < 65536:
            return (f"port {int(port[1])}",)
        parts = self.text[self.start : self.end].partition("/")[0].split(".")
        small = all(int(part) < 32 for part in parts if part.isdigit())
        if self.broken or not small or _OWNED.search(self.before(40)):
            return ()
        return ("may-be-a-version",) if re.search(r"\w\s?$", self.before(20)) else ()


def number_reason(value: str, place: Place) -> str | None:
    """Why four numbers are no address."""
    if place.broken:
        return None
    if value.startswith("255.255."):
        return "netmask"
    if _NUMBERED.search(place.before(48)) or _COUNTED_ON.match(place.after(60)):
        return "version-number"
    small = all(int(part) < 32 for part in value.split(".") if part.isdigit())
    if small and not place.before().strip() and re.match(r" {1,4}[A-Z][a-z]", place.after(8)):
        around = place.text[max(0, place.start - _NEAR) : place.start + _NEAR]
        if _HEADING.search(around):
            return "version-number"
    return None


def hash_reason(value: str, place: Place) -> str | None:
    """Why hex digits of the right length are no file's digest."""
    if len(set(value)) < 4:
        return "filler"
    return "not-a-file-hash" if _NO_DIGEST.search(place.before(48)) else None


def name_reason(value: str, place: Place) -> str | None:
    """Why a file's name is no indicator; `host` where it is none, but may be a host."""
    stem, _, end = value.lower().rpartition(".")
    if place.broken:
        return "host" if end in _FILE_TOPS or "." in stem else None
    if re.fullmatch(LOOSE_ENDS, end):
        tied = place.beside_a_digest() or (
            value.lower() not in _PROJECT_FILES and _TIED.search(place.before(40))
        )
        if tied:
            return None
        if end in _FILE_TOPS:
            return "file-or-host" if "." not in stem else "host"
        return "bare-file-name"
    if value.lower() in _SYSTEM and not place.beside_a_digest():
        return "system-file"
    return None


def host_reason(host: str, place: Place) -> str | None:
    """Why a name with dots, written plain, is no host of anybody's."""
    labels = host.split(".")
    stem, top = labels[0], labels[-1]
    if top[0].isupper() and not (host.isupper() and len(labels) > 2):
        # "was down.In May": a capital after the dot and a small letter before it is a new
        # sentence; "ASP.NET" is a product.
        return "sentence-end" if host[: -len(top) - 1].islower() else "product-name"
    if top in _FILE_TOPS and len(labels) == 2:
        return "file-or-host"
    if host.lower() in _PRODUCTS:
        return "product-name"
    called = place.after(1) == "(" and "/" not in place.text[place.start : place.end]
    if called or (stem.lower() in _CODE_STEMS and top.lower() in _CODE_TOPS):
        return "code-word"
    return None
