"""The main job end to end: a report comes in, a verifiable joint response goes out.

Three parties with folders and keys of their own; one runs the node, two join it by invitation. The
verbs are the real ones; the node is a real server process; the last step runs in a process that has
the dossier, a policy and the root file, and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ARTICLE = """Northland calls for joint response to grid attacks
Published 18 November 2026

“Eastmere has carried out large-scale attacks on our power grid,” said Tomas Brandt, spokesman of \
the Northland Foreign Ministry.

“Eastmere firmly rejects these groundless accusations,” said Lena Castell, spokeswoman of the \
Eastmere Foreign Ministry.

“GridCo is a victim of this attack,” Ines Halvorsen told reporters.

“They came back three times, and each time the door was open.”

Operators should look for sign-ins from 203[.]0[.]113[.]77 and for lockstep-update[.]example.
"""
LOG = (
    "2026-11-17T02:04:11Z gw2 sign-in user=svc from=203.0.113.77 ok\n"
    "2026-11-17T02:05:00Z gw2 dns query=cdn.lockstep-update.example type=A\n"
    "2026-11-17T02:06:00Z gw2 sign-in user=svc from=203.0.113.7 ok\n"
)


class Home:
    """One party's data folder and its terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cwd = folder.parent

    def run(self, *args: str, code: int = 0, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tocsin", "--home", str(self.folder), "--no-input", *args],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.cwd,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *args: str) -> Any:
        return json.loads(self.run(*args, "--json"))


@contextmanager
def node(home: Home) -> Iterator[str]:
    """The party's node as a process of its own, on a free port of loopback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "--home", str(home.folder), "up", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home.cwd,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        url = ""
        for line in process.stdout:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            url = found[0] if found else url
            if line.startswith("stop"):
                break
        assert url, process.stderr.read()
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        del out


def joined(tmp_path: Path, inviting: Home, url: str, party: str, name: str) -> Home:
    invitation = tmp_path / f"{party}.invitation.json"
    invitation.write_text(inviting.run("party", "invite", party, "--url", url), "utf-8")
    fingerprint = inviting.json("log", "show")["fingerprint"]
    home = Home(tmp_path / party)
    home.run("party", "join", str(invitation), "--name", name, "--fingerprint", "AAAA " * 8, code=3)
    assert not home.folder.exists(), "a wrong fingerprint makes nothing"
    home.run("party", "join", str(invitation), "--name", name, "--fingerprint", fingerprint)
    home.run("party", "join", str(invitation), "--fingerprint", fingerprint, code=1)
    return home


# Some fifty commands in processes of their own, each of which takes seconds on a busy machine.
@pytest.mark.timeout(900)
def test_a_report_comes_in_and_a_verifiable_joint_response_goes_out(
    tmp_path: Path, corpus: Callable[[str], Path]
) -> None:
    north = Home(tmp_path / "north")
    north.run("init", "--party", "cert.northland.example", "--name", "CERT Northland")
    north.run("init", "--party", "cert.northland.example", code=1)

    report = tmp_path / "report.txt"
    report.write_text(ARTICLE, "utf-8")
    with node(north) as url:
        gridco = joined(tmp_path, north, url, "gridco.example", "GridCo")
        southmark = joined(tmp_path, north, url, "cert.southmark.example", "CERT Southmark")

        # Article → drafts. Nothing is said by reading.
        size = north.json("log", "show")["size"]
        reading = north.json("ingest", str(report), "--published", "2026-11-18")
        assert [d["claim_type"] for d in reading["drafts"]] == [
            "call",
            "accusation",
            "denial",
            "victim-claim",
            "assessment",
        ]
        assert all(ARTICLE[d["span"][0] : d["span"][1]] == d["words"] for d in reading["drafts"])
        assert {i["value"] for i in reading["indicators"]} == {
            "203.0.113.77",
            "lockstep-update.example",
        }
        assert north.json("log", "show")["size"] == size

        # A case with two more parties.
        case = north.json("case", "open", "Grid wiper", "--tlp", "AMBER")["case"]
        for home, party in ((gridco, "gridco.example"), (southmark, "cert.southmark.example")):
            hidden = home.run("case", "show", case, code=1)
            unknown = home.run("case", "show", "case--nowhere", code=1)
            assert hidden.replace(case, "it") == unknown.replace("case--nowhere", "it")
            north.run("case", "invite", case, party, "--role", "affected")
            home.run("case", "join", case)

        # Drafts → accepted claims. A missing date is asked for; twice is refused.
        drafts = [f"{d['report']}.{d['n']}" for d in north.json("accept")]
        assert "when was it said" in north.run("accept", drafts[1], "--case", case, code=1)
        north.run(
            "accept",
            *drafts,
            "--case",
            case,
            "--date",
            "2026-11-18",
            "--outlet",
            "The Courier",
            "--yes",
        )
        assert "accepted already" in north.run("accept", drafts[1], "--case", case, code=1)

        # Standing: what has been shown. The denial and the call have no level.
        claims = {c["word"]: c for c in gridco.json("claims", "--case", case)}
        assert claims["accusation"]["now_words"] == "no grounds shown here"
        assert claims["denial"]["level_now"] is None
        assert claims["call"]["level_now"] is None
        assert claims["assessment"]["speaker"] is None
        [standing] = gridco.json("standing", claims["accusation"]["id"])
        assert standing["links"] == {
            name: {"grade": "none-shown", "shown": False}
            for name in ("activity", "actor", "sponsor")
        }

        # Sweep of a sample log: needs no node, key or network.
        log = tmp_path / "gateway.log"
        log.write_text(LOG, "utf-8")
        lone = Home(tmp_path / "nowhere")
        swept = json.loads(
            lone.run(
                "sweep",
                str(log),
                "--indicators",
                str(report),
                "--json",
                "--override",
                "documentation",
            )
        )
        assert [(h["line"], h["rule"]) for h in swept["hits"]] == [(1, "exact"), (2, "parent")]

        # An advisory, frozen, co-signed by two parties, published. Nothing is silently relabelled.
        def drafted(tlp: str) -> str:
            found = north.json(
                *("advisory", "draft", "--case", case, "--title", "LOCKSTEP", "--tlp", tlp),
                *("--summary", "Look here.", "--quorum", "2/3"),
                *("--claim", claims["accusation"]["id"]),
            )
            return str(found["id"])

        looser = north.run("advisory", "freeze", drafted("GREEN"), code=1)
        assert "mark the text TLP:AMBER" in looser
        advisory = drafted("AMBER")
        north.run("advisory", "freeze", advisory)
        assert "of 2 signatures" in north.run("advisory", "publish", advisory, "--yes", code=1)
        gridco.run("advisory", "cosign", advisory, "--as", "co-author", "--yes")
        southmark.run(
            "advisory", "cosign", advisory, "--refuse", "--dissent", "one source", "--yes"
        )
        north.run("advisory", "cosign", advisory, "--as", "author", "--yes")
        out = tmp_path / "published"
        north.run("advisory", "publish", advisory, "--to", str(out), "--yes")
        assert {p.suffix for p in out.iterdir()} == {".json", ".html"}
        answers = southmark.json("advisory", "show", advisory)["cosigns"]
        assert {a["party"]["name"]: a["word"] for a in answers} == {
            "CERT Northland": "signed as author",
            "GridCo": "signed as co-author",
            "CERT Southmark": "refused",
        }

        # Dossier and sheet.
        north.run("log", "show", "--policy-out", "policy.txt", "--root-out", "root.json")
        gridco.run("export", case, "--out", "case.tocsin")
        gridco.run("export", case, "--as", "sheet", "--out", "case.html")

    # Verified by a process that has only the dossier, a policy and the root file.
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    for name in ("case.tocsin", "case.html", "policy.txt", "root.json"):
        (stranger / name).write_bytes((tmp_path / name).read_bytes())

    def verify(name: str) -> tuple[int, Any]:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tocsin",
                "verify",
                name,
                "--json",
                "--policy",
                "policy.txt",
                "--root",
                "root.json",
            ],
            capture_output=True,
            cwd=stranger,
            env={**os.environ, "XDG_DATA_HOME": str(stranger), "HOME": str(stranger)},
            timeout=120,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout) if done.stdout else None

    code, verdict = verify("case.tocsin")
    assert (code, verdict["ok"]) == (0, True), verdict["problems"]
    shown = [s for s in verdict["statements"] if s["kind"]]
    assert len(shown) > 15
    assert all(s["signature"] and s["included"] for s in shown)
    assert all(s["included"] for s in verdict["statements"]), "withheld ones are proven too"
    code, verdict = verify("case.html")
    assert (code, verdict["ok"]) == (0, True), verdict["problems"]

    # Every part of either, changed by one byte, is refused: a sample in processes here, every byte
    # in tests/properties/test_dossier_bytes.py.
    for name in ("case.tocsin", "case.html"):
        whole = (stranger / name).read_bytes()
        for at in range(0, len(whole), len(whole) // 3):
            (stranger / "changed").write_bytes(
                whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            )
            assert verify("changed")[0] in (2, 3), (name, at)

    with zipfile.ZipFile(stranger / "case.tocsin") as dossier:
        assert "statements.jsonl" in dossier.namelist()
