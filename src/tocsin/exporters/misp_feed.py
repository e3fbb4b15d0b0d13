"""The static feed as an exporter of its own; `misp.py` makes it."""

from __future__ import annotations

from tocsin.exporters.misp import write_feed as write

__all__ = ["write"]
