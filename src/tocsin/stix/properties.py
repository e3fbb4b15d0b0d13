"""Which properties each STIX type has, and of what kind.

A kind is one or two words: `string`, `integer 0..100`, `ref identity|location`, `open region-ov`,
`enum opinion-enum`, `struct kill-chain-phase`; in brackets a list of it. A property that must be
there ends in `!`. `kinds.py` reads them.

The observables stand in `observables.py`.

Spec: STIX 2.1 §3.2, §4, §5 and §7.
"""

from __future__ import annotations

from tocsin.stix.observables import OBSERVABLES, Rows

_ALWAYS: Rows = {"type!": "string", "id!": "identifier"}
_MARKED: Rows = {
    "object_marking_refs": "[ref marking-definition]",
    "granular_markings": "[struct granular-marking]",
}
_CREATED: Rows = {
    **_ALWAYS,
    "spec_version!": "version",
    "created_by_ref": "ref identity",
    "created!": "instant",
    "external_references": "[struct external-reference]",
    **_MARKED,
}
_VERSIONED: Rows = {
    **_CREATED,
    "modified!": "instant",
    "revoked": "boolean",
    "labels": "[string]",
    "extensions": "extensions",
}
_DOMAIN: Rows = {**_VERSIONED, "confidence": "integer 0..100", "lang": "language"}
_OBSERVABLE: Rows = {
    **_ALWAYS,
    "spec_version": "version",
    **_MARKED,
    "defanged": "boolean",
    "extensions": "extensions",
}

COMMON: dict[str, Rows] = {
    "sdo": _DOMAIN,
    "sro": _DOMAIN,
    "sco": _OBSERVABLE,
    "language-content": {**_VERSIONED, "confidence": "integer 0..100"},
    "marking-definition": {**_CREATED, "extensions": "extensions"},
    "extension-definition": {
        name: kind for name, kind in _VERSIONED.items() if name != "extensions"
    },
}
"""The common properties (§3.2) of each group of types."""

COMMON_NAMES = frozenset(name.rstrip("!") for rows in COMMON.values() for name in rows)
"""Every property that §3.2 defines for some type."""

_SEEN: Rows = {"first_seen": "timestamp", "last_seen": "timestamp"}
_NAMED: Rows = {"name!": "string", "description": "string"}
_PHASES: Rows = {"kill_chain_phases": "[struct kill-chain-phase]"}
_ALIASES: Rows = {"aliases": "[string]"}
_MOTIVES: Rows = {
    "resource_level": "open attack-resource-level-ov",
    "primary_motivation": "open attack-motivation-ov",
    "secondary_motivations": "[open attack-motivation-ov]",
}

OBJECTS: dict[str, tuple[str, str, Rows]] = {
    **OBSERVABLES,
    "attack-pattern": ("sdo", "§4.1", {**_NAMED, **_ALIASES, **_PHASES}),
    "campaign": ("sdo", "§4.2", {**_NAMED, **_ALIASES, **_SEEN, "objective": "string"}),
    "course-of-action": ("sdo", "§4.3", {**_NAMED, "action": "reserved"}),
    "grouping": (
        "sdo",
        "§4.4",
        {
            "name": "string",
            "description": "string",
            "context!": "open grouping-context-ov",
            "object_refs!": "[ref *]",
        },
    ),
    "identity": (
        "sdo",
        "§4.5",
        {
            **_NAMED,
            "roles": "[string]",
            "identity_class": "open identity-class-ov",
            "sectors": "[open industry-sector-ov]",
            "contact_information": "string",
        },
    ),
    "incident": ("sdo", "§4.6", {**_NAMED}),
    "indicator": (
        "sdo",
        "§4.7",
        {
            "name": "string",
            "description": "string",
            "indicator_types": "[open indicator-type-ov]",
            "pattern!": "string",
            "pattern_type!": "open pattern-type-ov",
            "pattern_version": "string",
            "valid_from!": "timestamp",
            "valid_until": "timestamp",
            **_PHASES,
        },
    ),
    "infrastructure": (
        "sdo",
        "§4.8",
        {
            **_NAMED,
            "infrastructure_types": "[open infrastructure-type-ov]",
            **_ALIASES,
            **_PHASES,
            **_SEEN,
        },
    ),
    "intrusion-set": (
        "sdo",
        "§4.9",
        {**_NAMED, **_ALIASES, **_SEEN, "goals": "[string]", **_MOTIVES},
    ),
    "location": (
        "sdo",
        "§4.10",
        {
            "name": "string",
            "description": "string",
            "latitude": "float -90..90",
            "longitude": "float -180..180",
            "precision": "float 0..",
            "region": "open region-ov",
            "country": "string",
            "administrative_area": "string",
            "city": "string",
            "street_address": "string",
            "postal_code": "string",
        },
    ),
    "malware": (
        "sdo",
        "§4.11",
        {
            "name": "string",
            "description": "string",
            "malware_types": "[open malware-type-ov]",
            "is_family!": "boolean",
            **_ALIASES,
            **_PHASES,
            **_SEEN,
            "operating_system_refs": "[ref software]",
            "architecture_execution_envs": "[open processor-architecture-ov]",
            "implementation_languages": "[open implementation-language-ov]",
            "capabilities": "[open malware-capabilities-ov]",
            "sample_refs": "[ref artifact|file]",
        },
    ),
    "malware-analysis": (
        "sdo",
        "§4.12",
        {
            "product!": "string",
            "version": "string",
            "host_vm_ref": "ref software",
            "operating_system_ref": "ref software",
            "installed_software_refs": "[ref software]",
            "configuration_version": "string",
            "modules": "[string]",
            "analysis_engine_version": "string",
            "analysis_definition_version": "string",
            "submitted": "timestamp",
            "analysis_started": "timestamp",
            "analysis_ended": "timestamp",
            "result_name": "string",
            "result": "open malware-result-ov",
            "analysis_sco_refs": "[ref sco]",
            "sample_ref": "ref artifact|file|network-traffic",
        },
    ),
    "note": (
        "sdo",
        "§4.13",
        {
            "abstract": "string",
            "content!": "string",
            "authors": "[string]",
            "object_refs!": "[ref *]",
        },
    ),
    "observed-data": (
        "sdo",
        "§4.14",
        {
            "first_observed!": "timestamp",
            "last_observed!": "timestamp",
            "number_observed!": "integer 1..999999999",
            "objects": "dictionary",
            "object_refs": "[ref sco|sro]",
        },
    ),
    "opinion": (
        "sdo",
        "§4.15",
        {
            "explanation": "string",
            "authors": "[string]",
            "opinion!": "enum opinion-enum",
            "object_refs!": "[ref *]",
        },
    ),
    "report": (
        "sdo",
        "§4.16",
        {
            **_NAMED,
            "report_types": "[open report-type-ov]",
            "published!": "timestamp",
            "object_refs!": "[ref *]",
        },
    ),
    "threat-actor": (
        "sdo",
        "§4.17",
        {
            **_NAMED,
            "threat_actor_types": "[open threat-actor-type-ov]",
            **_ALIASES,
            **_SEEN,
            "roles": "[open threat-actor-role-ov]",
            "goals": "[string]",
            "sophistication": "open threat-actor-sophistication-ov",
            **_MOTIVES,
            "personal_motivations": "[open attack-motivation-ov]",
        },
    ),
    "tool": (
        "sdo",
        "§4.18",
        {
            **_NAMED,
            "tool_types": "[open tool-type-ov]",
            **_ALIASES,
            **_PHASES,
            "tool_version": "string",
        },
    ),
    "vulnerability": ("sdo", "§4.19", {**_NAMED}),
    "relationship": (
        "sro",
        "§5.1",
        {
            "relationship_type!": "verb",
            "description": "string",
            "source_ref!": "ref sdo|sco",
            "target_ref!": "ref sdo|sco",
            "start_time": "timestamp",
            "stop_time": "timestamp",
        },
    ),
    "sighting": (
        "sro",
        "§5.2",
        {
            "description": "string",
            **_SEEN,
            "count": "integer 0..999999999",
            "sighting_of_ref!": "ref sdo",
            "observed_data_refs": "[ref observed-data]",
            "where_sighted_refs": "[ref identity|location]",
            "summary": "boolean",
        },
    ),
    "language-content": (
        "language-content",
        "§7.1",
        {
            "object_ref!": "ref *",
            "object_modified": "timestamp",
            "contents!": "dictionary",
        },
    ),
    "marking-definition": (
        "marking-definition",
        "§7.2.1",
        {"name": "string", "definition_type": "string", "definition": "dictionary"},
    ),
    "extension-definition": (
        "extension-definition",
        "§7.3",
        {
            "created_by_ref!": "ref identity",
            **_NAMED,
            "schema!": "string",
            "version!": "string",
            "extension_types!": "[enum extension-type-enum]",
            "extension_properties": "[string]",
        },
    ),
}
"""Every type of STIX 2.1: its group, its section, and what it has beyond the common properties."""

STRUCTS: dict[str, tuple[str, Rows]] = {
    "external-reference": (
        "§2.5",
        {
            "source_name!": "string",
            "description": "string",
            "url": "string",
            "hashes": "hashes",
            "external_id": "string",
        },
    ),
    "kill-chain-phase": ("§2.11", {"kill_chain_name!": "string", "phase_name!": "string"}),
    "granular-marking": (
        "§7.2.3",
        {"lang": "language", "marking_ref": "ref marking-definition", "selectors!": "[string]"},
    ),
}
"""Objects inside objects."""

ONE_AT_LEAST: dict[str, tuple[str, ...]] = {
    "file": ("hashes", "name"),
    "x509-certificate": (),
    "user-account": (),
    "process": (),
    "windows-registry-key": (),
    "windows-registry-value-type": (),
    "x509-v3-extensions-type": (),
    "windows-pe-optional-header-type": (),
    "ntfs-ext": (),
    "pdf-ext": (),
    "raster-image-ext": (),
    "tcp-ext": (),
    "windows-process-ext": (),
    "windows-service-ext": (),
    "unix-account-ext": (),
    "external-reference": ("description", "url", "external_id"),
    "network-traffic": ("src_ref", "dst_ref"),
    "malware-analysis": ("result", "analysis_sco_refs"),
}
"""Types that need at least one of these; empty: of all their own properties."""

IN_ORDER: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "campaign": (("first_seen", "last_seen", True),),
    "indicator": (("valid_from", "valid_until", False),),
    "infrastructure": (("first_seen", "last_seen", True),),
    "intrusion-set": (("first_seen", "last_seen", True),),
    "malware": (("first_seen", "last_seen", True),),
    "network-traffic": (("start", "end", True),),
    "observed-data": (("first_observed", "last_observed", True),),
    "relationship": (("start_time", "stop_time", False),),
    "sighting": (("first_seen", "last_seen", True),),
    "threat-actor": (("first_seen", "last_seen", True),),
}
"""Two times of a type, the earlier first, and whether they may be equal."""

TYPES_20 = frozenset(
    {
        "attack-pattern",
        "campaign",
        "course-of-action",
        "identity",
        "indicator",
        "intrusion-set",
        "malware",
        "marking-definition",
        "observed-data",
        "relationship",
        "report",
        "sighting",
        "threat-actor",
        "tool",
        "vulnerability",
    }
)
"""The types of STIX 2.0."""

DIFFERENCES_20: dict[str, str] = {
    "campaign": "its labels mean nothing in particular in 2.1",
    "identity": "identity_class is required in 2.0 and not in 2.1",
    "indicator": "pattern is a STIX pattern of 2.0, no pattern_type says so; labels are what "
    "indicator_types is in 2.1",
    "malware": "labels are what malware_types is in 2.1; is_family is not said",
    "observed-data": "the observables stand inside it, in `objects`, and are carried unread",
    "report": "labels are what report_types is in 2.1",
    "threat-actor": "labels are what threat_actor_types is in 2.1",
    "tool": "labels are what tool_types is in 2.1",
}
"""What a STIX 2.0 object of a type says otherwise than one of STIX 2.1."""

GROUP_OF: dict[str, str] = {name: group for name, (group, _, _) in OBJECTS.items()}
"""The group of each type of STIX."""
