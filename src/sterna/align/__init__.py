"""Features: represent both domains so that one model serves both."""

from sterna.align._coral import CORAL

__all__ = ["CORAL"]
