"""Who may use the TAXII server: programs with a password or a token, each for one party.

A password is made here, shown once, and kept as scrypt; an account is bound to a party of the
directory, to what it may do and to collections. Its party's audiences decide what it reads.

Spec: exchange.md §2 "Auth", console.md §5.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.errors import ConflictError, UsageError
from tocsin.flows.intake import stamp
from tocsin.flows.node import Node
from tocsin.policy import TLP_ORDER, Tlp

KIND = "taxii-user"
LABEL = "taxii"
"""Of tokens that belong to an account."""
SCRYPT_N = 2**15
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class User(Struct, frozen=True, kw_only=True):
    """An account of the TAXII server."""

    name: str
    party: str
    write: bool = False
    """It may put objects in, and take back what its party put in."""
    collections: tuple[str, ...] = ()
    """Aliases it is bound to; none: all that its party may open."""
    tlp: Tlp = "AMBER+STRICT"
    """What it puts in is said under this marking; an object's own marking only tightens it."""
    to: tuple[str, ...] = ()
    """And to these parties."""
    salt: bytes = b""
    password: bytes = b""
    """scrypt of the password."""
    bearer: bool = False
    """It has a token instead of a password."""
    made: str = ""


def add(node: Node, user: User) -> str:
    """Keep a new account; gives its password, or "" where it has a token. Shown once.

    Raises:
        UsageError: the name, the marking or a collection is none, or its party, or one it writes
            to, is not in the directory.
        ConflictError: there is one of this name.
    """
    if _NAME.fullmatch(user.name) is None:
        raise UsageError(
            f"{user.name[:80]!r} is no name for an account",
            remedy="lower-case letters, digits, dots and hyphens, 64 at most",
        )
    if user.tlp not in TLP_ORDER:
        raise UsageError(f"there is no marking {user.tlp!r}", remedy=", ".join(TLP_ORDER))
    for party in (user.party, *user.to):
        # Who makes accounts may read the whole directory: nothing is given away by naming it.
        if node.directory.party(party) is None:
            raise UsageError(
                f"{party[:80]!r} is no party of the directory",
                remedy="see: tocsin party list; admit it first: tocsin party invite PARTY",
            )
    secret = "" if user.bearer else base64.urlsafe_b64encode(node.rng(24)).decode()
    salt = node.rng(16)
    kept = msgspec.structs.replace(
        user,
        salt=salt,
        password=hashed(secret, salt) if secret else b"",
        made=stamp(node.clock()),
    )
    try:
        node.store.keep_local(KIND, user.name, msgspec.json.encode(kept), None)
    except ConflictError:
        raise ConflictError(
            f"there is an account {user.name} already",
            remedy=f"remove it first: tocsin taxii user remove {user.name}",
        ) from None
    return secret


def hashed(password: str, salt: bytes) -> bytes:
    """scrypt, N = 2^15: a tenth of a second, and 32 MiB."""
    return hashlib.scrypt(
        password.encode(), salt=salt, n=SCRYPT_N, r=8, p=1, maxmem=64 * 1024 * 1024, dklen=32
    )


def find(node: Node, name: str) -> tuple[User, int] | None:
    """An account and the version of its row; None: there is none."""
    row = node.store.local(KIND, name) if _NAME.fullmatch(name) else None
    return (msgspec.json.decode(row.value, type=User), row.version) if row else None


def users(node: Node) -> list[User]:
    """All accounts, by name."""
    return [msgspec.json.decode(row.value, type=User) for row in node.store.list_local(KIND)]


def remove(node: Node, name: str) -> None:
    """End an account: its next request is refused. Raises UsageError: there is none."""
    row = node.store.local(KIND, name)
    if row is None:
        raise UsageError(f"there is no account {name[:80]!r}", remedy="tocsin taxii user list")
    node.store.keep_local(KIND, name, None, row.version)


def shown(user: User) -> dict[str, Any]:
    """An account without its secrets."""
    made: dict[str, Any] = msgspec.to_builtins(user)
    del made["salt"], made["password"]
    return made
