"""The exercise, loaded into a data folder of its own."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

from tocsin.record.directory import Party
from tocsin.stix import ids
from tocsin.wiring.folder import Config, StoreConfig, fresh_folder
from tocsin.wiring.keys import make_keys
from tocsin.wiring.node import open_node
from tocsin.wiring.party import init_in, party_entry


def load_exercise(
    home: Path, *, swap: bool = False, now: datetime | None = None, store: str = ""
) -> int:
    """Load the exercise into a folder of its own; how many statements its log holds.

    Args:
        store: the database it is kept in; "": a file in its folder.

    Raises:
        ConflictError: there is something in `home` already.
    """
    from tocsin.flows import exercise

    samples = resources.files("tocsin.samples")
    script = exercise.Script(samples.joinpath("exercise.toml").read_text("utf-8"), swap=swap)
    loaded = (now or datetime.now(UTC)).replace(microsecond=0)
    t0 = loaded - exercise.LOADED_AFTER
    shown = [t0 - timedelta(hours=1)]
    counter = [0]
    party, name = script.ids["A.cert"], script.names["A.cert"]

    def identity(key: str) -> str:
        # By its part in the script: what is ordered by id must not depend on who plays it.
        return ids.deterministic("identity", "exercise", key)

    def members(folder: Path) -> list[Party]:
        entries = []
        for key, member in script.ids.items():
            if member != party:
                make_keys(folder, member, log=False, rng=secrets.token_bytes)
                entries.append(
                    party_entry(folder, member, script.names[key], log=None, identity=identity(key))
                )
        return entries

    with fresh_folder(home) as folder:
        init_in(
            folder,
            party,
            name,
            config=Config(
                party=party,
                name=name,
                exercise=True,
                store=StoreConfig(url=store) if store else None,
            ),
            clock=lambda: shown[0],
            rng=secrets.token_bytes,
            members=members,
            identity=identity("A.cert"),
        )
        with open_node(
            folder,
            clock=lambda: shown[0],
            new_id=lambda kind: exercise.new_id(kind, counter),
        ) as node:
            count = exercise.play(node, script, t0, lambda at: shown.__setitem__(0, at))
        (folder / "samples").mkdir()
        (folder / "samples" / script.logs["name"]).write_text(
            exercise.log_lines(script, t0), "utf-8"
        )
        report = samples.joinpath("report.txt").read_text("utf-8")
        (folder / "samples" / "report.txt").write_text(script.say(report), "utf-8")
        bundle = samples.joinpath("bundle.json").read_bytes()
        (folder / "samples" / "bundle.json").write_bytes(bundle)
    return count
