"""Instances: weigh source rows by what they are worth to the target."""

from sterna.reweight._domain_classifier import DomainClassifierRatio
from sterna.reweight._kmm import KMM
from sterna.reweight._rulsif import RuLSIF
from sterna.reweight._tradaboost import TrAdaBoost
from sterna.reweight._tradaboost_r2 import TrAdaBoostR2

__all__ = ["KMM", "DomainClassifierRatio", "RuLSIF", "TrAdaBoost", "TrAdaBoostR2"]
