"""Optimal transport: carry the source's rows to where the target's rows lie."""

from sterna.transport._mapping import OTMapping

__all__ = ["OTMapping"]
