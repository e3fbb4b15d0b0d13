"""Which relationship STIX names between which two types.

Any other is allowed; it is only not one that every reader knows.

Spec: STIX 2.1 §3.7 and the "Relationships" part of each type in §4 and §6.
"""

from __future__ import annotations

from collections.abc import Iterator

COMMON = ("derived-from", "duplicate-of", "related-to")
"""Between any two; the first two between objects of one type (§3.7)."""

_OBSERVABLES = (
    "artifact autonomous-system directory domain-name email-addr email-message file ipv4-addr "
    "ipv6-addr mac-addr mutex network-traffic process software url user-account "
    "windows-registry-key x509-certificate"
)
_USED = "attack-pattern infrastructure malware tool"

# source -> verb -> targets
_NAMED: dict[str, dict[str, str]] = {
    "attack-pattern": {
        "delivers": "malware",
        "targets": "identity location vulnerability",
        "uses": "malware tool",
    },
    "campaign": {
        "attributed-to": "intrusion-set threat-actor",
        "compromises": "infrastructure",
        "originates-from": "location",
        "targets": "identity location vulnerability",
        "uses": _USED,
    },
    "course-of-action": {
        "investigates": "indicator",
        "mitigates": "attack-pattern indicator malware tool vulnerability",
        "remediates": "malware vulnerability",
    },
    "domain-name": {"resolves-to": "domain-name ipv4-addr ipv6-addr"},
    "identity": {"located-at": "location"},
    "indicator": {
        "based-on": "observed-data",
        "indicates": "attack-pattern campaign infrastructure intrusion-set malware threat-actor "
        "tool",
    },
    "infrastructure": {
        "communicates-with": "domain-name infrastructure ipv4-addr ipv6-addr url",
        "consists-of": "infrastructure observed-data " + _OBSERVABLES,
        "controls": "infrastructure malware",
        "delivers": "malware",
        "has": "vulnerability",
        "hosts": "malware tool",
        "located-at": "location",
        "uses": "infrastructure",
    },
    "intrusion-set": {
        "attributed-to": "threat-actor",
        "compromises": "infrastructure",
        "hosts": "infrastructure",
        "originates-from": "location",
        "owns": "infrastructure",
        "targets": "identity location vulnerability",
        "uses": _USED,
    },
    "ipv4-addr": {"belongs-to": "autonomous-system", "resolves-to": "mac-addr"},
    "ipv6-addr": {"belongs-to": "autonomous-system", "resolves-to": "mac-addr"},
    "malware": {
        "authored-by": "intrusion-set threat-actor",
        "beacons-to": "infrastructure",
        "communicates-with": "domain-name ipv4-addr ipv6-addr url",
        "controls": "malware",
        "downloads": "file malware tool",
        "drops": "file malware tool",
        "exfiltrates-to": "infrastructure",
        "exploits": "vulnerability",
        "originates-from": "location",
        "targets": "identity infrastructure location vulnerability",
        "uses": _USED,
        "variant-of": "malware",
    },
    "malware-analysis": {
        "analysis-of": "malware",
        "characterizes": "malware",
        "dynamic-analysis-of": "malware",
        "static-analysis-of": "malware",
    },
    "threat-actor": {
        "attributed-to": "identity",
        "compromises": "infrastructure",
        "hosts": "infrastructure",
        "impersonates": "identity",
        "located-at": "location",
        "owns": "infrastructure",
        "targets": "identity location vulnerability",
        "uses": _USED,
    },
    "tool": {
        "delivers": "malware",
        "drops": "malware",
        "has": "vulnerability",
        "targets": "identity infrastructure location vulnerability",
        "uses": "infrastructure",
    },
}


def _rows() -> Iterator[tuple[str, str, str]]:
    for source, verbs in _NAMED.items():
        for verb, targets in verbs.items():
            for target in targets.split():
                yield source, verb, target


RELATIONSHIPS = frozenset(_rows())
"""(source type, relationship type, target type)."""

VERBS = tuple(sorted({verb for _, verb, _ in RELATIONSHIPS} | set(COMMON)))
"""Every relationship type that STIX names."""


def named(source: str, verb: str, target: str) -> bool:
    """Whether STIX names this relationship between these two types."""
    if (source, verb, target) in RELATIONSHIPS or verb == "related-to":
        return True
    return verb in COMMON and source == target


def verbs_between(source: str, target: str) -> tuple[str, ...]:
    """The relationship types STIX names between these two types, the common ones left out."""
    return tuple(sorted(verb for a, verb, b in RELATIONSHIPS if (a, b) == (source, target)))
