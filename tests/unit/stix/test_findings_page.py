"""docs/guides/stix-findings.md says what the table of codes says, and nothing else.

After a change of the table, write the page anew: python tests/unit/stix/test_findings_page.py
"""

from __future__ import annotations

from pathlib import Path

from tocsin.stix.findings import CODES, Code

PAGE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "stix-findings.md"
HEAD = """\
# What `tocsin stix check` finds

```sh
tocsin stix check bundle.json                      # by code, the gravest first
tocsin stix check bundle.json --code vocabulary    # every finding of one code
tocsin stix check bundle.json --jsonl              # one JSON finding a line
```

A bundle, a TAXII envelope, a list of objects or one object is opened and never changed. Each
finding has a code, a severity, a JSON pointer, the clause of the standard, the object's id and
SHA-256, the value, what is wrong with it and what to do. What many objects share (a custom
property, an unlisted relationship, a reference to something that is not here) is said once, at the
first of them, with their number.

| severity | means | a node |
|---|---|---|
| error | it breaks a MUST | neither says it nor passes it on; `ingest` and TAXII's status name it |
| warning | it breaks a SHOULD, or a word is in no vocabulary | takes it |
| note | it cannot be judged here | takes it |

Exit codes: 0 no error, 1 errors, 2 the file cannot be opened. STIX 2.0 is read where 2.0 and 2.1
agree. 50 findings of one object and 20,000 in all are listed; `more` says how many are not, and an
object's first error always is.

Clauses are those of the OASIS Standard STIX Version 2.1 of 10 June 2021. The draft of its Errata 01
(2 April 2025) keeps their numbers.
"""
PARTS = {
    "error": "Errors",
    "warning": "Warnings",
    "note": "Notes",
}


def page() -> str:
    """The page, made from the table."""
    parts = [HEAD]
    for severity, title in PARTS.items():
        rows = [(name, code) for name, code in CODES.items() if code.severity == severity]
        parts.append(f"## {title}\n")
        parts.append("| code | clause | what it means | what to do |\n|---|---|---|---|")
        parts[-1] += "".join(_row(name, code) for name, code in rows) + "\n"
    return "\n".join(parts)


def _row(name: str, code: Code) -> str:
    return f"\n| `{name}` | {code.clause} | {code.meaning} | {code.remedy} |"


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text("utf-8") == page()


def test_every_code_says_what_is_wrong_and_what_to_do() -> None:
    for name, code in CODES.items():
        assert name == name.lower()
        assert code.meaning.endswith(".")
        assert code.remedy.endswith(".")
        assert code.clause.startswith(("STIX 2.", "FIRST TLP 2.0", "–"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
