"""Selection without target labels: scores that read none, and the guard against collapsed models."""

from sterna.select._atc import atc
from sterna.select._auto import AutoTransfer
from sterna.select._bnm import bnm
from sterna.select._class_ami import class_ami
from sterna.select._collapse import collapse_reason
from sterna.select._combine import CombinedScores, combine_scores
from sterna.select._confidence import average_confidence, doc
from sterna.select._dev import dev, devn
from sterna.select._effective import effective_sample_size
from sterna.select._entropy import entropy
from sterna.select._guard import guard
from sterna.select._importance_weighted import importance_weights
from sterna.select._importance_weighted_validation import importance_weighted_validation
from sterna.select._information_maximisation import information_maximisation
from sterna.select._leave_one_source_out import leave_one_source_out
from sterna.select._mano import mano
from sterna.select._mcc import mcc
from sterna.select._mixval import mixval
from sterna.select._rankme import rankme
from sterna.select._reverse_validation import reverse_validation
from sterna.select._search import TransferSearch
from sterna.select._snd import snd
from sterna.select._splitters import LeaveOneSourceOut, SourceFold, TargetFold

__all__ = [
    "AutoTransfer",
    "CombinedScores",
    "LeaveOneSourceOut",
    "SourceFold",
    "TargetFold",
    "TransferSearch",
    "atc",
    "average_confidence",
    "bnm",
    "class_ami",
    "collapse_reason",
    "combine_scores",
    "dev",
    "devn",
    "doc",
    "effective_sample_size",
    "entropy",
    "guard",
    "importance_weighted_validation",
    "importance_weights",
    "information_maximisation",
    "leave_one_source_out",
    "mano",
    "mcc",
    "mixval",
    "rankme",
    "reverse_validation",
    "snd",
]
