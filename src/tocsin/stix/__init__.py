"""STIX 2.1 as it arrives: bytes kept, limits first, typed views beside."""
