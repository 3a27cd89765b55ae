"""Named sources and a target: reading, checking, aligning, stacking."""

from sterna.domains._domains import Domain, Domains
from sterna.domains._findings import Finding
from sterna.domains._table import TablePreprocessor

__all__ = ["Domain", "Domains", "Finding", "TablePreprocessor"]
