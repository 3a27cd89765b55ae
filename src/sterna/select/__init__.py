"""Selection without target labels: scores that read none, and the guard against collapsed models."""

from sterna.select._collapse import collapse_reason
from sterna.select._importance_weighted import importance_weights
from sterna.select._information_maximisation import information_maximisation

__all__ = ["collapse_reason", "importance_weights", "information_maximisation"]
