"""What a checker says: findings as data, and the one table of their codes.

`error` breaks a MUST, `warning` a SHOULD or a vocabulary, `note` is where we cannot judge.
"""

from __future__ import annotations

from typing import Any, Literal

import orjson
from msgspec import Struct

Severity = Literal["error", "warning", "note"]


class About(Struct, frozen=True):
    """The object a finding is about."""

    id: str
    sha256: str


class Finding(Struct, frozen=True, kw_only=True):
    """One thing found in one object, or around the objects."""

    code: str
    severity: Severity
    pointer: str
    """Where, as a JSON pointer (RFC 6901) into what was checked."""
    clause: str
    """The part of the standard that asks for it."""
    object: About | None = None
    value: str | None = None
    """What stands there, as JSON, cut to 200 characters."""
    detail: str
    remedy: str


class Code(Struct, frozen=True):
    """What one code means."""

    severity: Severity
    clause: str
    meaning: str
    remedy: str


def _error(clause: str, meaning: str, remedy: str) -> Code:
    return Code("error", clause, meaning, remedy)


def _warning(clause: str, meaning: str, remedy: str) -> Code:
    return Code("warning", clause, meaning, remedy)


def _note(clause: str, meaning: str, remedy: str) -> Code:
    return Code("note", clause, meaning, remedy)


CODES: dict[str, Code] = {
    # --- structure
    "object-unusable": _error(
        "STIX 2.1 §3.2",
        "It has no type or id by which it could be taken as a STIX object.",
        "Give it a type, and an id of that type: type, two hyphens, a UUID.",
    ),
    "property-missing": _error(
        "STIX 2.1 §3.1",
        "A required property is not there.",
        "Add it.",
    ),
    "property-type": _error(
        "STIX 2.1 §2",
        "A value has another JSON type than the property asks for.",
        "Write it as the type that the clause names.",
    ),
    "property-not-allowed": _error(
        "STIX 2.1 §3.2",
        "A common property that this type must not have, or a reserved one.",
        "Leave it out.",
    ),
    "null-value": _error(
        "STIX 2.1 §2",
        "A property is null. STIX has no null: what is not known is left out.",
        "Leave the property out.",
    ),
    "list-empty": _error(
        "STIX 2.1 §2.12",
        "A list has nothing in it.",
        "Leave the property out.",
    ),
    "custom-hole": _warning(
        "STIX 2.1 §2.12",
        "Inside a value that STIX does not define stands null or an empty list.",
        "Leave it out: STIX has neither.",
    ),
    "dictionary-empty": _error(
        "STIX 2.1 §2.3",
        "A dictionary has nothing in it.",
        "Leave the property out.",
    ),
    "key-name": _error(
        "STIX 2.1 §2.3",
        "A dictionary key is not 1 to 250 letters, digits, hyphens and underscores.",
        "Write the key with those only.",
    ),
    "property-name": _error(
        "STIX 2.1 §11.1.1",
        "The name of a custom property is not 3 to 250 of a-z, 0-9 and underscore.",
        "Rename it, best into an extension of your own.",
    ),
    "number-range": _error(
        "STIX 2.1 §2.10",
        "A number is smaller or larger than the property allows.",
        "Check it; leave it out if it is not known.",
    ),
    "spec-version": _error(
        "STIX 2.1 §3.2",
        "spec_version is not 2.1.",
        'Write "spec_version": "2.1", or leave it out of a STIX 2.0 object.',
    ),
    "binary-form": _error(
        "STIX 2.1 §2.1", "Binary that is not base64.", "Encode it by RFC 4648 §4, with padding."
    ),
    "hex-form": _error(
        "STIX 2.1 §2.8",
        "Hexadecimal that is not an even number of hex digits.",
        "Write two digits a byte.",
    ),
    "one-of": _error(
        "STIX 2.1 §4 to §7",
        "Properties that need each other, exclude each other, or of which one is needed.",
        "Give what the detail says.",
    ),
    "version-twice": _error(
        "STIX 2.1 §3.6",
        "One id and modified stand on two objects that are not the same.",
        "Give the newer one a later modified.",
    ),
    "object-repeated": _warning(
        "STIX 2.1 §3.6",
        "The same object stands here twice.",
        "Send it once.",
    ),
    "custom-property": _note(
        "STIX 2.1 §11.1",
        "A property that STIX does not define. It is carried and not judged.",
        "Define it in an extension: custom properties are deprecated since 2.1.",
    ),
    "custom-property-prefix": _warning(
        "STIX 2.1 §11.1.1",
        "A property that STIX does not define, without x_ before its name; perhaps misspelt.",
        "Correct its name, or put it into an extension.",
    ),
    "custom-type": _note(
        "STIX 2.1 §11.2",
        "A type that STIX does not define. Only its common properties are judged.",
        "Define it in an extension: custom objects are deprecated since 2.1.",
    ),
    "type-name": _error(
        "STIX 2.1 §11.2.1",
        "The name of a custom type is not 3 to 250 of a-z, 0-9 and hyphen.",
        "Rename the type.",
    ),
    # --- ids
    "id-uuid": _error(
        "STIX 2.1 §2.9",
        "The end of an id is no UUID of RFC 4122: the digit that says its variant is not 8, 9, "
        "a or b.",
        "Make ids with a UUID library.",
    ),
    "id-upper-case": _warning(
        "STIX 2.1 §2.9",
        "An id is written with upper-case digits; readers compare ids as text.",
        "Write UUIDs in lower case.",
    ),
    "id-not-v4": _warning(
        "STIX 2.1 §2.9",
        "The id of a domain or relationship object is no random UUID (version 4).",
        "Use UUIDv4, unless a fixed id is meant.",
    ),
    "id-process": _error(
        "STIX 2.1 §6.13.1",
        "The id of a process is no random UUID (version 4).",
        "Use UUIDv4: no property identifies a process everywhere.",
    ),
    "id-not-derived": _warning(
        "STIX 2.1 §2.9",
        "The id of an observable does not follow from its properties, so that two who see the "
        "same thing give it two ids.",
        "Use the id in the detail: a UUIDv5 of the contributing properties.",
    ),
    "id-no-contributors": _error(
        "STIX 2.1 §2.9",
        "An observable has none of the properties its id would follow from, and no UUIDv4.",
        "Give it a UUIDv4.",
    ),
    # --- time
    "timestamp-form": _error(
        "STIX 2.1 §2.16.1",
        "A time is not written as STIX asks: RFC 3339 in UTC, with T and Z.",
        "Write it as 2026-01-31T23:59:59.000Z.",
    ),
    "timestamp-calendar": _error(
        "STIX 2.1 §2.16.1",
        "A time that no calendar or clock has.",
        "Check day, month and hour.",
    ),
    "timestamp-precision": _error(
        "STIX 2.1 §3.2",
        "created or modified has fewer than three digits of a second.",
        "Write milliseconds: 2026-01-31T23:59:59.000Z.",
    ),
    "modified-before-created": _error(
        "STIX 2.1 §3.2",
        "An object was modified before it was created.",
        "Let modified be created or later.",
    ),
    "time-order": _error(
        "STIX 2.1 §4 to §6",
        "Something ends before it begins.",
        "Check both times.",
    ),
    # --- values
    "hash-form": _warning(
        "STIX 2.1 §10.7",
        "A hash has not the length or the characters of its algorithm.",
        "Check the value and the name of the algorithm.",
    ),
    "value-form": _warning(
        "STIX 2.1 §6",
        "An address, name, URL or code is not written as its standard asks.",
        "Write it in the form that the detail names; put defanged text nowhere but in text.",
    ),
    "language-code": _error(
        "STIX 2.1 §3.2",
        "A language is not written as RFC 5646 asks.",
        "Write it as en, de-CH or zh-Hant.",
    ),
    # --- words
    "vocabulary": _warning(
        "STIX 2.1 §2.14",
        "A word that is not in the open vocabulary of this property.",
        "Use a word of the vocabulary where one fits.",
    ),
    "enum": _error(
        "STIX 2.1 §2.4",
        "A word that is not in the closed enumeration of this property.",
        "Use one of the words in the detail.",
    ),
    # --- references
    "reference-form": _error(
        "STIX 2.1 §2.9",
        "A reference is not an id: a type, two hyphens and a UUID.",
        "Put the id of the object there.",
    ),
    "reference-type": _error(
        "STIX 2.1 §3.3",
        "A reference points to a type that this property may not point to.",
        "Point to one of the types in the detail.",
    ),
    "reference-unresolved": _note(
        "STIX 2.1 §3.3",
        "An object that is pointed to is neither here nor known.",
        "Send it too, if its readers need it.",
    ),
    "relationship-type-form": _error(
        "STIX 2.1 §5.1",
        "A relationship type is not a-z, 0-9 and hyphens.",
        "Write it in lower case with hyphens.",
    ),
    "relationship-not-listed": _warning(
        "STIX 2.1 §3.7",
        "STIX names no such relationship between these two types; readers may not know it.",
        "Use one that STIX names where it says the same, or related-to.",
    ),
    # --- markings
    "marking-circular": _error(
        "STIX 2.1 §3.2", "A marking definition marks itself.", "Leave the reference out."
    ),
    "marking-empty": _error(
        "STIX 2.1 §7.2.1.1",
        "A marking definition that defines nothing, or half of it.",
        "Give definition_type and definition, or an extension.",
    ),
    "marking-unknown-type": _note(
        "STIX 2.1 §7.2.1.1",
        "A definition_type that STIX does not define. Who is not named cannot read such objects.",
        "Use statement, TLP, or an extension that your readers know.",
    ),
    "tlp-contradicted": _error(
        "STIX 2.1 §7.2.1.4",
        "Under the id of a TLP level stands something else than that level.",
        "Send the definition as it is published.",
    ),
    "tlp-own-definition": _error(
        "STIX 2.1 §7.2.1.4",
        "A TLP level is defined under an id of one's own.",
        "Point to the published definition: its id is in the detail.",
    ),
    "tlp-two-levels": _warning(
        "FIRST TLP 2.0",
        "An object carries two TLP levels. The stricter counts.",
        "Keep one.",
    ),
    "tlp-in-label": _warning(
        "STIX 2.1 §7.2",
        "A label spells a TLP level that the object's markings do not carry. It only tightens "
        "here, and other readers do not see it.",
        "Mark the object with object_marking_refs.",
    ),
    "granular-target": _error(
        "STIX 2.1 §7.2.3.1",
        "A granular marking has not exactly one of marking_ref and lang.",
        "Give one of the two.",
    ),
    "selector-form": _error(
        "STIX 2.1 §7.2.3.1",
        "A selector is not property names and [n] with dots between them.",
        "Write it as description, labels.[0] or hashes.MD5.",
    ),
    "selector-missing": _error(
        "STIX 2.1 §7.2.3.1",
        "A selector names something that the object has not.",
        "Name a property or list item that is there.",
    ),
    # --- versions
    "version-created": _error(
        "STIX 2.1 §3.2",
        "Two versions of one object say they were created at two times.",
        "Keep created as it was in the first version.",
    ),
    "version-creator": _error(
        "STIX 2.1 §3.6",
        "Two versions of one object have two creators. Only its creator makes versions of it.",
        "Make an object of your own, and relate it by derived-from.",
    ),
    "version-after-revoked": _error(
        "STIX 2.1 §3.6",
        "A version is later than the one that revoked the object.",
        "Make a new object.",
    ),
    # --- extensions
    "extension-key": _error(
        "STIX 2.1 §11.3.1",
        "The key of an extension is neither the id of an extension definition nor a name that ends "
        "in -ext.",
        "Use the id of its extension-definition.",
    ),
    "extension-custom-key": _warning(
        "STIX 2.1 §11.3",
        "An extension under a name of one's own, as STIX 2.0 had them; deprecated since 2.1.",
        "Publish an extension-definition and use its id.",
    ),
    "extension-place": _error(
        "STIX 2.1 §3.10",
        "A predefined extension stands on a type it does not belong to.",
        "Move it to the type in the detail.",
    ),
    "extension-type": _error(
        "STIX 2.1 §3.2",
        "An extension does not say what it is, or says something that STIX does not know.",
        "Write extension_type as the definition has it.",
    ),
    "extension-core-name": _warning(
        "STIX 2.1 §7.3",
        "A property extension has a property named like one of the object itself.",
        "Name it otherwise: readers confuse the two.",
    ),
    "extension-unknown": _note(
        "STIX 2.1 §7.3",
        "The definition of an extension is neither here nor known, so its content is not judged.",
        "Send the extension-definition with the objects that use it.",
    ),
    # --- patterns
    "pattern": _warning(
        "STIX 2.1 §9",
        "A STIX pattern cannot be read, or can never match. The indicator is kept and served, "
        "and not looked for.",
        "Correct the pattern at the character that the detail names.",
    ),
    "pattern-language": _note(
        "STIX 2.1 §4.7.1",
        "A pattern in another language is carried and not judged.",
        "Check it with that language's own tool.",
    ),
    # --- around the objects
    "stix-2.0": _note(
        "STIX 2.0",
        "Objects of STIX 2.0. They are kept as they are, and read where 2.0 and 2.1 agree.",
        "Ask the producer for STIX 2.1.",
    ),
    "bundle-id": _error(
        "STIX 2.1 §8.1",
        "The bundle has no id, or one that is not bundle-- and a UUID.",
        "Give it one, new each time.",
    ),
    "bundle-spec-version": _note(
        "STIX 2.1 §8",
        "The bundle itself has a spec_version, as STIX 2.0 had it.",
        "Leave it out: since 2.1 each object says its own.",
    ),
    "bundle-property": _warning(
        "STIX 2.1 §8",
        "The bundle has a property that STIX does not define.",
        "Leave it out: a bundle is a wrapping and is not kept.",
    ),
    "bundle-empty": _error(
        "STIX 2.1 §2.12",
        "objects is an empty list.",
        "Leave objects out of an empty bundle.",
    ),
    "more": _note(
        "–",
        "More was found here than is listed.",
        "Correct what is listed, then check again.",
    ),
}
"""Every code: severity, clause, meaning, remedy. Docs are made from this table."""


def shown(value: Any) -> str:
    """A value as JSON, cut to 200 characters."""
    if isinstance(value, str):
        value = value[:201]
    elif isinstance(value, dict | list) and len(value) > 50:
        return f"({len(value)} entries)"
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except (TypeError, orjson.JSONEncodeError):
        text = repr(value)
    return text if len(text) <= 200 else text[:199] + "…"


def pointer_to(*steps: str | int) -> str:
    """A JSON pointer of these steps (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
