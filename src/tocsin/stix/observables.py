"""Which properties the cyber-observables and their extensions have; see `properties.py`.

Spec: STIX 2.1 §6.
"""

from __future__ import annotations

from collections.abc import Mapping

Rows = Mapping[str, str]
"""Property, with `!` if it is required, and its kind."""

_ADDRESS: Rows = {"value!": "string", "belongs_to_refs": "[ref autonomous-system]"}
_FILE_TIMES: Rows = {"ctime": "timestamp", "mtime": "timestamp", "atime": "timestamp"}
_ENDPOINT = "ref ipv4-addr|ipv6-addr|mac-addr|domain-name"

OBSERVABLES: dict[str, tuple[str, str, Rows]] = {
    "artifact": (
        "sco",
        "§6.1",
        {
            "mime_type": "string",
            "payload_bin": "binary",
            "url": "string",
            "hashes": "hashes",
            "encryption_algorithm": "enum encryption-algorithm-enum",
            "decryption_key": "string",
        },
    ),
    "autonomous-system": (
        "sco",
        "§6.2",
        {"number!": "integer", "name": "string", "rir": "string"},
    ),
    "directory": (
        "sco",
        "§6.3",
        {
            "path!": "string",
            "path_enc": "string",
            **_FILE_TIMES,
            "contains_refs": "[ref file|directory]",
        },
    ),
    "domain-name": (
        "sco",
        "§6.4",
        {"value!": "string", "resolves_to_refs": "[ref ipv4-addr|ipv6-addr|domain-name]"},
    ),
    "email-addr": (
        "sco",
        "§6.5",
        {"value!": "string", "display_name": "string", "belongs_to_ref": "ref user-account"},
    ),
    "email-message": (
        "sco",
        "§6.6",
        {
            "is_multipart!": "boolean",
            "date": "timestamp",
            "content_type": "string",
            "from_ref": "ref email-addr",
            "sender_ref": "ref email-addr",
            "to_refs": "[ref email-addr]",
            "cc_refs": "[ref email-addr]",
            "bcc_refs": "[ref email-addr]",
            "message_id": "string",
            "subject": "string",
            "received_lines": "[string]",
            "additional_header_fields": "dictionary",
            "body": "string",
            "body_multipart": "[struct mime-part-type]",
            "raw_email_ref": "ref artifact",
        },
    ),
    "file": (
        "sco",
        "§6.7",
        {
            "hashes": "hashes",
            "size": "integer 0..",
            "name": "string",
            "name_enc": "string",
            "magic_number_hex": "hex",
            "mime_type": "string",
            **_FILE_TIMES,
            "parent_directory_ref": "ref directory",
            "contains_refs": "[ref sco]",
            "content_ref": "ref artifact",
        },
    ),
    "ipv4-addr": ("sco", "§6.8", {**_ADDRESS, "resolves_to_refs": "[ref mac-addr]"}),
    "ipv6-addr": ("sco", "§6.9", {**_ADDRESS, "resolves_to_refs": "[ref mac-addr]"}),
    "mac-addr": ("sco", "§6.10", {"value!": "string"}),
    "mutex": ("sco", "§6.11", {"name!": "string"}),
    "network-traffic": (
        "sco",
        "§6.12",
        {
            "start": "timestamp",
            "end": "timestamp",
            "is_active": "boolean",
            "src_ref": _ENDPOINT,
            "dst_ref": _ENDPOINT,
            "src_port": "integer 0..65535",
            "dst_port": "integer 0..65535",
            "protocols!": "[string]",
            "src_byte_count": "integer 0..",
            "dst_byte_count": "integer 0..",
            "src_packets": "integer 0..",
            "dst_packets": "integer 0..",
            "ipfix": "dictionary",
            "src_payload_ref": "ref artifact",
            "dst_payload_ref": "ref artifact",
            "encapsulates_refs": "[ref network-traffic]",
            "encapsulated_by_ref": "ref network-traffic",
        },
    ),
    "process": (
        "sco",
        "§6.13",
        {
            "is_hidden": "boolean",
            "pid": "integer",
            "created_time": "timestamp",
            "cwd": "string",
            "command_line": "string",
            "environment_variables": "dictionary",
            "opened_connection_refs": "[ref network-traffic]",
            "creator_user_ref": "ref user-account",
            "image_ref": "ref file",
            "parent_ref": "ref process",
            "child_refs": "[ref process]",
        },
    ),
    "software": (
        "sco",
        "§6.14",
        {
            "name!": "string",
            "cpe": "string",
            "swid": "string",
            "languages": "[language]",
            "vendor": "string",
            "version": "string",
        },
    ),
    "url": ("sco", "§6.15", {"value!": "string"}),
    "user-account": (
        "sco",
        "§6.16",
        {
            "user_id": "string",
            "credential": "string",
            "account_login": "string",
            "account_type": "open account-type-ov",
            "display_name": "string",
            "is_service_account": "boolean",
            "is_privileged": "boolean",
            "can_escalate_privs": "boolean",
            "is_disabled": "boolean",
            "account_created": "timestamp",
            "account_expires": "timestamp",
            "credential_last_changed": "timestamp",
            "account_first_login": "timestamp",
            "account_last_login": "timestamp",
        },
    ),
    "windows-registry-key": (
        "sco",
        "§6.17",
        {
            "key": "string",
            "values": "[struct windows-registry-value-type]",
            "modified_time": "timestamp",
            "creator_user_ref": "ref user-account",
            "number_of_subkeys": "integer 0..",
        },
    ),
    "x509-certificate": (
        "sco",
        "§6.18",
        {
            "is_self_signed": "boolean",
            "hashes": "hashes",
            "version": "string",
            "serial_number": "string",
            "signature_algorithm": "string",
            "issuer": "string",
            "validity_not_before": "timestamp",
            "validity_not_after": "timestamp",
            "subject": "string",
            "subject_public_key_algorithm": "string",
            "subject_public_key_modulus": "string",
            "subject_public_key_exponent": "integer",
            "x509_v3_extensions": "struct x509-v3-extensions-type",
        },
    ),
}
"""Every observable: its group, its section, and what it has beyond the common properties."""

STRUCTS_OF_OBSERVABLES: dict[str, tuple[str, Rows]] = {
    "mime-part-type": (
        "§6.6.2",
        {
            "body": "string",
            "body_raw_ref": "ref artifact|file",
            "content_type": "string",
            "content_disposition": "string",
        },
    ),
    "windows-registry-value-type": (
        "§6.17.2",
        {"name": "string", "data": "string", "data_type": "enum windows-registry-datatype-enum"},
    ),
    "x509-v3-extensions-type": (
        "§6.18.2",
        {
            **dict.fromkeys(
                (
                    "basic_constraints",
                    "name_constraints",
                    "policy_constraints",
                    "key_usage",
                    "extended_key_usage",
                    "subject_key_identifier",
                    "authority_key_identifier",
                    "subject_alternative_name",
                    "issuer_alternative_name",
                    "subject_directory_attributes",
                    "crl_distribution_points",
                    "inhibit_any_policy",
                    "certificate_policies",
                    "policy_mappings",
                ),
                "string",
            ),
            "private_key_usage_period_not_before": "timestamp",
            "private_key_usage_period_not_after": "timestamp",
        },
    ),
    "alternate-data-stream-type": (
        "§6.7.3",
        {"name!": "string", "hashes": "hashes", "size": "integer 0.."},
    ),
    "windows-pe-optional-header-type": (
        "§6.7.6",
        {
            **dict.fromkeys(
                (
                    "magic_hex",
                    "win32_version_value_hex",
                    "checksum_hex",
                    "subsystem_hex",
                    "dll_characteristics_hex",
                    "loader_flags_hex",
                ),
                "hex",
            ),
            **dict.fromkeys(
                (
                    "major_linker_version",
                    "minor_linker_version",
                    "address_of_entry_point",
                    "base_of_code",
                    "base_of_data",
                    "image_base",
                    "section_alignment",
                    "file_alignment",
                    "major_os_version",
                    "minor_os_version",
                    "major_image_version",
                    "minor_image_version",
                    "major_subsystem_version",
                    "minor_subsystem_version",
                    "number_of_rva_and_sizes",
                ),
                "integer",
            ),
            **dict.fromkeys(
                (
                    "size_of_code",
                    "size_of_initialized_data",
                    "size_of_uninitialized_data",
                    "size_of_image",
                    "size_of_headers",
                    "size_of_stack_reserve",
                    "size_of_stack_commit",
                    "size_of_heap_reserve",
                    "size_of_heap_commit",
                ),
                "integer 0..",
            ),
            "hashes": "hashes",
        },
    ),
    "windows-pe-section-type": (
        "§6.7.6",
        {"name!": "string", "size": "integer 0..", "entropy": "float", "hashes": "hashes"},
    ),
}
"""Objects inside observables."""

EXTENSIONS: dict[str, tuple[str, str, Rows]] = {
    "archive-ext": (
        "file",
        "§6.7.2",
        {"contains_refs!": "[ref file|directory]", "comment": "string"},
    ),
    "ntfs-ext": (
        "file",
        "§6.7.3",
        {"sid": "string", "alternate_data_streams": "[struct alternate-data-stream-type]"},
    ),
    "pdf-ext": (
        "file",
        "§6.7.4",
        {
            "version": "string",
            "is_optimized": "boolean",
            "document_info_dict": "dictionary",
            "pdfid0": "string",
            "pdfid1": "string",
        },
    ),
    "raster-image-ext": (
        "file",
        "§6.7.5",
        {
            "image_height": "integer",
            "image_width": "integer",
            "bits_per_pixel": "integer",
            "exif_tags": "dictionary",
        },
    ),
    "windows-pebinary-ext": (
        "file",
        "§6.7.6",
        {
            "pe_type!": "open windows-pebinary-type-ov",
            "imphash": "string",
            "machine_hex": "hex",
            "number_of_sections": "integer 0..",
            "time_date_stamp": "timestamp",
            "pointer_to_symbol_table_hex": "hex",
            "number_of_symbols": "integer 0..",
            "size_of_optional_header": "integer 0..",
            "characteristics_hex": "hex",
            "file_header_hashes": "hashes",
            "optional_header": "struct windows-pe-optional-header-type",
            "sections": "[struct windows-pe-section-type]",
        },
    ),
    "http-request-ext": (
        "network-traffic",
        "§6.12.2",
        {
            "request_method!": "string",
            "request_value!": "string",
            "request_version": "string",
            "request_header": "dictionary",
            "message_body_length": "integer",
            "message_body_data_ref": "ref artifact",
        },
    ),
    "icmp-ext": (
        "network-traffic",
        "§6.12.3",
        {"icmp_type_hex!": "hex", "icmp_code_hex!": "hex"},
    ),
    "socket-ext": (
        "network-traffic",
        "§6.12.4",
        {
            "address_family!": "enum network-socket-address-family-enum",
            "is_blocking": "boolean",
            "is_listening": "boolean",
            "options": "dictionary",
            "socket_type": "enum network-socket-type-enum",
            "socket_descriptor": "integer 0..",
            "socket_handle": "integer",
        },
    ),
    "tcp-ext": ("network-traffic", "§6.12.5", {"src_flags_hex": "hex", "dst_flags_hex": "hex"}),
    "windows-process-ext": (
        "process",
        "§6.13.2",
        {
            "aslr_enabled": "boolean",
            "dep_enabled": "boolean",
            "priority": "string",
            "owner_sid": "string",
            "window_title": "string",
            "startup_info": "dictionary",
            "integrity_level": "enum windows-integrity-level-enum",
        },
    ),
    "windows-service-ext": (
        "process",
        "§6.13.3",
        {
            "service_name": "string",
            "descriptions": "[string]",
            "display_name": "string",
            "group_name": "string",
            "start_type": "enum windows-service-start-type-enum",
            "service_dll_refs": "[ref file]",
            "service_type": "enum windows-service-type-enum",
            "service_status": "enum windows-service-status-enum",
        },
    ),
    "unix-account-ext": (
        "user-account",
        "§6.16.2",
        {"gid": "integer", "groups": "[string]", "home_dir": "string", "shell": "string"},
    ),
}
"""The extensions STIX predefines: the type they belong to, their section, their properties."""
