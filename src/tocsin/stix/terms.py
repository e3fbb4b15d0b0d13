"""The words STIX names: open vocabularies, closed enumerations, hash forms.

A word outside an open vocabulary is allowed and worth a look; one outside an enumeration is not
STIX.

Spec: STIX 2.1 §10.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache

VOCABULARIES: dict[str, tuple[str, str]] = {
    "account-type-ov": (
        "§10.1",
        "facebook ldap nis openid radius skype tacacs twitter unix windows-domain windows-local",
    ),
    "attack-motivation-ov": (
        "§10.2",
        "accidental coercion dominance ideology notoriety organizational-gain personal-gain "
        "personal-satisfaction revenge unpredictable",
    ),
    "attack-resource-level-ov": ("§10.3", "individual club contest team organization government"),
    "grouping-context-ov": ("§10.6", "suspicious-activity malware-analysis unspecified"),
    "hash-algorithm-ov": ("§10.7", "MD5 SHA-1 SHA-256 SHA-512 SHA3-256 SHA3-512 SSDEEP TLSH"),
    "identity-class-ov": ("§10.8", "individual group system organization class unknown"),
    "implementation-language-ov": (
        "§10.9",
        "applescript bash c c++ c# go java javascript lua objective-c perl php powershell python "
        "ruby scala swift typescript visual-basic x86-32 x86-64",
    ),
    "indicator-type-ov": (
        "§10.10",
        "anomalous-activity anonymization attribution benign compromised malicious-activity "
        "unknown",
    ),
    "industry-sector-ov": (
        "§10.11",
        "aerospace agriculture automotive chemical commercial communications construction dams "
        "defense education emergency-services energy entertainment financial-services government "
        "government-local government-national government-public-services government-regional "
        "healthcare hospitality-leisure infrastructure insurance manufacturing mining non-profit "
        "nuclear pharmaceuticals retail technology telecommunications transportation utilities "
        "water",
    ),
    "infrastructure-type-ov": (
        "§10.12",
        "amplification anonymization botnet command-and-control control-system exfiltration "
        "firewall hosting-malware hosting-target-lists phishing reconnaissance routers-switches "
        "staging unknown workstation",
    ),
    "malware-result-ov": ("§10.14", "benign malicious suspicious unknown"),
    "malware-capabilities-ov": (
        "§10.13",
        "accesses-remote-machines anti-debugging anti-disassembly anti-emulation "
        "anti-memory-forensics anti-sandbox anti-vm captures-input-peripherals "
        "captures-output-peripherals captures-system-state-data cleans-traces-of-infection "
        "commits-fraud communicates-with-c2 compromises-data-availability "
        "compromises-data-integrity compromises-system-availability controls-local-machine "
        "degrades-security-software degrades-system-updates determines-c2-server emails-spam "
        "escalates-privileges evades-av exfiltrates-data fingerprints-host hides-artifacts "
        "hides-executing-code infects-files infects-remote-machines installs-other-components "
        "persists-after-system-reboot prevents-artifact-access prevents-artifact-deletion "
        "probes-network-environment self-modifies steals-authentication-credentials "
        "violates-system-operational-integrity",
    ),
    "malware-type-ov": (
        "§10.15",
        "adware backdoor bootkit bot ddos downloader dropper exploit-kit keylogger ransomware "
        "remote-access-trojan resource-exploitation rogue-security-software rootkit "
        "screen-capture spyware trojan unknown virus webshell wiper worm",
    ),
    "pattern-type-ov": ("§10.19", "stix pcre sigma snort suricata yara"),
    "processor-architecture-ov": ("§10.20", "alpha arm ia-64 mips powerpc sparc x86 x86-64"),
    "region-ov": (
        "§10.21",
        "africa americas antarctica asia australia-new-zealand caribbean central-america "
        "central-asia eastern-africa eastern-asia eastern-europe europe latin-america-caribbean "
        "melanesia micronesia middle-africa northern-africa northern-america northern-europe "
        "oceania polynesia south-america south-eastern-asia southern-africa southern-asia "
        "southern-europe western-africa western-asia western-europe",
    ),
    "report-type-ov": (
        "§10.22",
        "attack-pattern campaign identity indicator intrusion-set malware observed-data "
        "threat-actor threat-report tool vulnerability",
    ),
    "threat-actor-type-ov": (
        "§10.23",
        "activist competitor crime-syndicate criminal hacker insider-accidental "
        "insider-disgruntled nation-state sensationalist spy terrorist unknown",
    ),
    "threat-actor-role-ov": (
        "§10.24",
        "agent director independent infrastructure-architect infrastructure-operator "
        "malware-author sponsor",
    ),
    "threat-actor-sophistication-ov": (
        "§10.25",
        "none minimal intermediate advanced expert innovator strategic",
    ),
    "tool-type-ov": (
        "§10.26",
        "credential-exploitation denial-of-service exploitation information-gathering "
        "network-capture remote-access unknown vulnerability-scanning",
    ),
    "windows-pebinary-type-ov": ("§10.28", "dll exe sys"),
}
"""Open vocabularies: name, section, terms."""

ENUMS: dict[str, tuple[str, str]] = {
    "encryption-algorithm-enum": ("§10.4", "AES-256-GCM ChaCha20-Poly1305 mime-type-indicated"),
    "extension-type-enum": (
        "§10.5",
        "new-sdo new-sco new-sro property-extension toplevel-property-extension",
    ),
    "network-socket-address-family-enum": (
        "§10.16",
        "AF_UNSPEC AF_INET AF_IPX AF_APPLETALK AF_NETBIOS AF_INET6 AF_IRDA AF_BTH",
    ),
    "network-socket-type-enum": (
        "§10.17",
        "SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_RDM SOCK_SEQPACKET",
    ),
    "opinion-enum": ("§10.18", "strongly-disagree disagree neutral agree strongly-agree"),
    "windows-integrity-level-enum": ("§10.27", "low medium high system"),
    "windows-registry-datatype-enum": (
        "§10.29",
        "REG_NONE REG_SZ REG_EXPAND_SZ REG_BINARY REG_DWORD REG_DWORD_BIG_ENDIAN "
        "REG_DWORD_LITTLE_ENDIAN REG_LINK REG_MULTI_SZ REG_RESOURCE_LIST "
        "REG_FULL_RESOURCE_DESCRIPTION REG_RESOURCE_REQUIREMENTS_LIST REG_QWORD REG_INVALID_TYPE",
    ),
    "windows-service-start-type-enum": (
        "§10.30",
        "SERVICE_AUTO_START SERVICE_BOOT_START SERVICE_DEMAND_START SERVICE_DISABLED "
        "SERVICE_SYSTEM_ALERT",
    ),
    "windows-service-type-enum": (
        "§10.31",
        "SERVICE_KERNEL_DRIVER SERVICE_FILE_SYSTEM_DRIVER SERVICE_WIN32_OWN_PROCESS "
        "SERVICE_WIN32_SHARE_PROCESS",
    ),
    "windows-service-status-enum": (
        "§10.32",
        "SERVICE_CONTINUE_PENDING SERVICE_PAUSE_PENDING SERVICE_PAUSED SERVICE_RUNNING "
        "SERVICE_START_PENDING SERVICE_STOP_PENDING SERVICE_STOPPED",
    ),
}
"""Closed enumerations: name, section, terms."""

TERMS: dict[str, tuple[str, ...]] = {
    name: tuple(words.split()) for name, (_, words) in (VOCABULARIES | ENUMS).items()
}
"""The terms of each vocabulary and enumeration."""

TERM_SETS: dict[str, frozenset[str]] = {name: frozenset(words) for name, words in TERMS.items()}

HASH_FORMS: dict[str, str] = {
    "MD5": "[0-9a-fA-F]{32}",
    "SHA-1": "[0-9a-fA-F]{40}",
    "SHA-256": "[0-9a-fA-F]{64}",
    "SHA-512": "[0-9a-fA-F]{128}",
    "SHA3-256": "[0-9a-fA-F]{64}",
    "SHA3-512": "[0-9a-fA-F]{128}",
    "SSDEEP": "[0-9]{1,20}:[A-Za-z0-9+/]{0,256}:[A-Za-z0-9+/]{0,256}",
    "TLSH": "(?:[tT]1)?[0-9a-fA-F]{70}",
}
"""How a value of each algorithm is written, any case (§10.7)."""

LONGEST_COMPARED = 64
"""A longer word is no misspelt term, and comparing it would take time."""


def nearest(word: str, terms: Iterable[str]) -> str | None:
    """The term that `word` was probably meant to be; None if none is near."""
    if len(word) > LONGEST_COMPARED:
        return None
    return _nearest(word.casefold().replace("_", "-").replace(" ", "-"), tuple(terms))


@lru_cache(maxsize=2048)
def _nearest(word: str, terms: tuple[str, ...]) -> str | None:
    by_fold = {term.casefold(): term for term in terms}
    letters = set(word)
    alike = [
        fold
        for fold in by_fold
        # Comparing two words takes time; most cannot be near.
        if abs(len(fold) - len(word)) <= 2 + len(word) // 3
        and 3 * len(letters.intersection(fold)) >= 2 * len(letters)
    ]
    found = difflib.get_close_matches(word, alike, n=1, cutoff=0.7)
    if not found:
        begun = [fold for fold in by_fold if len(word) > 3 and fold.startswith(word)]
        found = begun if len(begun) == 1 else []
    return by_fold[found[0]] if found else None
