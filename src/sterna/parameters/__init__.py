"""Parameters: start from the source's coefficients instead of from zero."""

from sterna.parameters._adaptive_svm import AdaptiveSVM
from sterna.parameters._boosting import BoostingContinuation
from sterna.parameters._gaussian_process import GaussianProcessTransfer
from sterna.parameters._hypothesis import HypothesisTransfer
from sterna.parameters._interpolation import LinearInterpolation
from sterna.parameters._logistic import LogisticTransfer
from sterna.parameters._naive_bayes import NaiveBayesTransfer
from sterna.parameters._ridge import RidgeTransfer
from sterna.parameters._trans_lasso import TransLasso
from sterna.parameters._transfer_forest import SER, STRUT, TransferForest

__all__ = [
    "SER",
    "STRUT",
    "AdaptiveSVM",
    "BoostingContinuation",
    "GaussianProcessTransfer",
    "HypothesisTransfer",
    "LinearInterpolation",
    "LogisticTransfer",
    "NaiveBayesTransfer",
    "RidgeTransfer",
    "TransLasso",
    "TransferForest",
]
