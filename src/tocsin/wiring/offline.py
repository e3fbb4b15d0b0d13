"""Reading, standings and verdicts on files, without a node."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from tocsin.claims.model import Broken
from tocsin.errors import NoteError, NotFoundError, UnreadableError, UsageError
from tocsin.importers.interface import sniff, to_json
from tocsin.stix.bundle import open_bundle
from tocsin.wiring.folder import find_home, load_config
from tocsin.wiring.keys import load_log_signer
from tocsin.wiring.peering import policy_of
from tocsin.wiring.shipped import IMPORTERS, sheet_page


def read_file(raw: bytes, name: str, *, published: date | None) -> dict[str, Any]:
    """A report or bundle read, and nothing kept. Raises as its importer does."""
    name = name.encode("utf-8", "backslashreplace").decode()
    return to_json(IMPORTERS[sniff(raw, name)].read(raw, name, published=published))


def standings_of_file(
    raw: bytes,
    name: str,
    *,
    only: str | None,
    reader: str | None,
    as_known: str | None,
    coder: str | None,
) -> tuple[list[dict[str, Any]], list[list[str]], tuple[Broken, ...]]:
    """Standings of a bundle's claims by id, their sentences, and what broke the carrier.

    Raises:
        BundleError: not a bundle.
        NotFoundError: `only` is no claim of it.
    """
    from tocsin.claims import carrier
    from tocsin.claims.explain import explain
    from tocsin.claims.standing import standing
    from tocsin.flows.weigh import as_known as instant_of

    view = carrier.read((o.data, o.sha256) for o in open_bundle(raw) if o.problem is None)
    if only is not None and only not in view.claims:
        raise NotFoundError(f"no claim {only} in {name}", remedy="leave out --claim to see all")
    at = instant_of(as_known)
    wanted = [only] if only else sorted(view.claims)
    found = [standing(view, c, reader=reader, at=at, coder=coder) for c in wanted]
    return [s.to_json() for s in found], [explain(s, view) for s in found], view.broken


def verify_files(
    files: Sequence[tuple[str, bytes]],
    *,
    policy: bytes | None,
    root: bytes | str | None,
    home: str | None,
) -> tuple[dict[str, Any], str | None]:
    """The verdict on dossiers or sheets, and what is said of a sheet's page.

    Trust comes from the reader's own policy and root, on a node from its own.

    Raises:
        UsageError: no policy is given, and there is no node to take it from.
        UnreadableError: a file is neither a dossier nor a sheet.
        VerificationError: a sheet's page is not what its dossier gives.
    """
    from tocsin.cases import sheet
    from tocsin.record import checkpoint, dossier

    if policy is None or root is None:
        try:
            folder = find_home(home)
        except UnreadableError:
            folder = None
        if folder is not None and policy is None and (folder / "keys" / "log.ed25519").exists():
            own = load_log_signer(folder, load_config(folder).party)
            policy = policy_of(folder, own).encode("utf-8", "surrogateescape")
        if folder is not None and root is None:
            root = (folder / "root.json").read_bytes()
    if policy is None:
        raise UsageError(
            "no policy: whose log is to be trusted?",
            remedy="--policy FILE (from its owner: tocsin log show --policy-out FILE)",
        )
    try:
        trusted = checkpoint.open_policy(policy)
    except NoteError as wrong:
        raise UsageError(f"the policy: {wrong.message}", remedy=wrong.remedy) from wrong
    bodies, said = [], None
    for name, raw in files:
        if sheet.is_sheet(raw):
            bodies.append(sheet.compare_sheet(raw, sheet_page()))
            said = f"{name}: every byte is what its dossier gives"
        else:
            bodies.append(raw)
    verdict = dossier.verify(bodies, trusted, root)
    plain: dict[str, Any] = msgspec.to_builtins(verdict)
    return plain, said
