"""Commands of the README and the guides, typed one after the other as on a terminal.

In an expected line `…` stands for anything; a line of `…` alone stands for any lines. What a node
makes (ids, a fingerprint) is taken from its answers and goes into the commands after it.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MADE = {
    "case": re.compile(r"^(?:opened )(case--\S+)$", re.MULTILINE),
    "statement": re.compile(r"^statement (\S+?)(?:  log index .*)?$", re.MULTILINE),
    "claim": re.compile(r"^claim (note--\S+)  ", re.MULTILINE),
    "report": re.compile(r"--report ([0-9a-f]{16})"),
    "evidence": re.compile(r"show it with: tocsin evidence (grouping--\S+) "),
    "fingerprint": re.compile(r"^fingerprint  (\S+)$", re.MULTILINE),
}
"""What an answer makes, by how it is printed; a guide writes a name of its own in that place."""
ASKED = re.compile(r"(\[y/N\]|that \S+ read out by telephone): ")

SHOWS = re.compile(r" (?:case list|peers|holders|witness list|directory fetch|directory show)\b")
"""Verbs that change nothing, and whose answer another node may still be on its way to change."""


def blocks(text: str) -> Iterator[list[tuple[str, list[str]]]]:
    """Every console block: [(command, expected lines)]."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        found: list[tuple[str, list[str]]] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
        yield found


def pattern(expected: list[str]) -> re.Pattern[str]:
    """Lines as a pattern. Runs of blanks are one: columns are as wide as what is in them."""
    parts = []
    for line in expected:
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            words = re.escape(re.sub(r" +", " ", line.rstrip()))
            parts.append(words.replace("…", ".*") + r"\n")
    return re.compile("".join(parts))


class Walk:
    """A folder in which commands are typed. `with`: nodes that were started end with it."""

    def __init__(self, folder: Path, home: Path | None = None, **env: str) -> None:
        self.folder = folder
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")},
            "HOME": str(folder), "XDG_DATA_HOME": str(folder / ".local" / "share"),
            "PYTHONUNBUFFERED": "1", "NO_PROXY": "*", "COLUMNS": "80", **env,
        }  # fmt: skip
        if home is not None:
            self.env["TOCSIN_HOME"] = str(home)
        self.folders: dict[str, str] = {}
        """Whose folder a command is for, by the word that stands behind it: `# a registrar`."""
        self.known: dict[str, str] = {}
        """What the guide writes, and what it is here."""
        self.heard = ""
        """The fingerprint that was read out by telephone."""
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Walk:
        return self

    def __exit__(self, *_: object) -> None:
        for node in self._running:
            node.terminate()
        for node in self._running:
            node.wait(30)

    def ports(self, *written: int) -> None:
        """Take free ports in the place of those that are written."""
        held = [socket.socket() for _ in written]
        for port, one in zip(written, held, strict=True):
            one.bind(("127.0.0.1", 0))
            self.known[f":{port}"] = f":{one.getsockname()[1]}"
        for one in held:
            one.close()

    def type(self, *words: str, code: int = 0) -> str:
        """Run a command; stdout and stderr as they come on a terminal, questions answered."""
        return self._typed(words, code)[0]

    def _typed(self, words: tuple[str, ...], code: int = 0, only: bool = False) -> tuple[str, str]:
        """What is shown, and with `only` what a file gets in its place."""
        answer = self.heard if "join" in words and "party" in words else "y"
        keyboard, terminal = pty.openpty()
        try:
            os.write(keyboard, answer.encode() + b"\n")
            done = subprocess.run(
                [sys.executable, "-m", *words] if words[0] == "tocsin" else words,
                env=self.env, cwd=self.folder, stdin=terminal, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if only else subprocess.STDOUT,
                text=True, timeout=120, check=False,
            )  # fmt: skip
        finally:
            os.close(keyboard)
            os.close(terminal)
        if done.returncode == 1 and "say this again" in done.stdout:
            code = 1  # somebody else comes next: it is not done, and nothing is wrong
        assert done.returncode == code, (words, done.stdout, done.stderr)
        shown, file = (done.stderr, done.stdout) if only else (done.stdout, "")
        return ASKED.sub(rf"\1: {answer}\n", shown), file

    def start(self, *words: str) -> str:
        """`tocsin … up`, until it says how it is stopped; what it printed until then."""
        log = self.folder / f"up-{len(self._running)}.txt"
        with log.open("wb") as out:
            node = subprocess.Popen(
                [sys.executable, "-m", *words],
                env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip
        self._running.append(node)
        until = time.monotonic() + 120
        while "stop    Ctrl-C\n" not in (shown := log.read_text("utf-8")):
            assert node.poll() is None, (words, shown)
            assert time.monotonic() < until, (words, shown)
            time.sleep(0.05)
        return shown

    def go(self, text: str) -> list[str]:
        """Type all console blocks of a text; the commands that were typed."""
        typed = []
        for block in blocks(text):
            for command, expected in block:
                if command.startswith("make"):
                    continue
                typed.append(command)
                printed = self.one(command)
                until = time.monotonic() + 60
                while SHOWS.search(command) and time.monotonic() < until:
                    if not expected or self._fits(expected, printed):
                        break
                    time.sleep(0.5)
                    printed = self.one(command)
                if expected:
                    self._compare(command, expected, printed)
        return typed

    def one(self, command: str) -> str:
        """Type one command as it is written."""
        said, _, who = self.here(command).partition("  #")
        words, _, target = said.partition(" > ")
        args = [w.replace("~", str(self.folder), 1) for w in shlex.split(words)]
        if args[0] == "curl" and shutil.which("curl") is None:
            args = [sys.executable, "-c", CURL, *args]
        for named, home in self.folders.items():
            if named in who:
                args[1:1] = ["--home", home]
        if args[0] == "tocsin" and "up" in args:
            return self.start(*args)
        shown, file = self._typed(tuple(args), only=bool(target))
        if target:
            (self.folder / target.strip()).write_text(file, "utf-8")
        return shown

    def here(self, text: str) -> str:
        """A text of the guide with what its names are here."""
        for there in sorted(self.known, key=len, reverse=True):
            text = text.replace(there, self.known[there])
        return text

    def _compare(self, command: str, expected: list[str], printed: str) -> None:
        for kind, form in MADE.items():
            said, made = form.search("\n".join(expected)), form.search(printed)
            if made and kind == "fingerprint":
                self.heard = made[1]
            elif said and made and said[1] != "…":
                self.known[said[1]] = made[1]
        assert self._fits(expected, printed), f"{command}\n--- printed\n{printed}"

    def _fits(self, expected: list[str], printed: str) -> bool:
        lines = [self.here(line) for line in expected]
        got = "".join(re.sub(r" +", " ", line.rstrip()) + "\n" for line in printed.splitlines())
        return pattern(lines).fullmatch(got) is not None


CURL = """
import base64, sys, urllib.request as r
given = dict(zip(sys.argv[3:-1:2], sys.argv[4:-1:2]))
name, _, value = given["-H"].partition(": ")
basic = "Basic " + base64.b64encode(given["-u"].encode()).decode()
with r.urlopen(r.Request(sys.argv[-1], headers={name: value, "authorization": basic})) as answer:
    print(answer.read().decode())
"""
"""`curl -s -u USER:PASSWORD -H HEADER URL`, where there is no curl."""
