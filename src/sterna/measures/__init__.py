"""How far the domains are apart and in what way, and how well features transfer."""

from sterna.measures._ben_david_bound import BenDavidBound, ben_david_bound
from sterna.measures._chi2_divergence import chi2_divergence
from sterna.measures._cka import cka
from sterna.measures._classifier_two_sample_test import classifier_two_sample_test
from sterna.measures._column_drift import column_drift
from sterna.measures._compare_layers import compare_layers
from sterna.measures._coral_distance import coral_distance
from sterna.measures._domain_auc import domain_auc
from sterna.measures._energy_distance import energy_distance
from sterna.measures._frechet_distance import frechet_distance
from sterna.measures._gbc import gbc
from sterna.measures._h_divergence import h_divergence
from sterna.measures._h_score import h_score
from sterna.measures._hdh_divergence import hdh_divergence
from sterna.measures._js_divergence import js_divergence
from sterna.measures._kl_divergence import kl_divergence
from sterna.measures._knn_score import knn_score
from sterna.measures._label_shift import label_shift
from sterna.measures._leep import leep, nleep
from sterna.measures._linear_probe import Probe, linear_probe
from sterna.measures._logme import logme
from sterna.measures._measure import Measurement, measure
from sterna.measures._measure_interval import MeasureInterval, measure_interval
from sterna.measures._mmd import mmd
from sterna.measures._mmd_block import mmd_block
from sterna.measures._mmd_linear_time import mmd_linear_time
from sterna.measures._mmd_random_features import mmd_random_features
from sterna.measures._nce import nce
from sterna.measures._otdd import otdd
from sterna.measures._overlap import overlap
from sterna.measures._parc import parc
from sterna.measures._proxy_a_distance import proxy_a_distance
from sterna.measures._rank_backbones import rank_backbones, rank_features
from sterna.measures._rank_sources import rank_sources
from sterna.measures._ranking import Ranked, Ranking
from sterna.measures._rsa import rsa
from sterna.measures._sinkhorn_divergence import sinkhorn_divergence
from sterna.measures._situation import allowed_strategies
from sterna.measures._sliced_wasserstein_distance import sliced_wasserstein_distance
from sterna.measures._svcca import svcca
from sterna.measures._task2vec import task2vec
from sterna.measures._task2vec_distance import task2vec_distance
from sterna.measures._transrate import transrate
from sterna.measures._wasserstein_distance import wasserstein_distance

__all__ = [
    "BenDavidBound",
    "MeasureInterval",
    "Measurement",
    "Probe",
    "Ranked",
    "Ranking",
    "allowed_strategies",
    "ben_david_bound",
    "chi2_divergence",
    "cka",
    "classifier_two_sample_test",
    "column_drift",
    "compare_layers",
    "coral_distance",
    "domain_auc",
    "energy_distance",
    "frechet_distance",
    "gbc",
    "h_divergence",
    "h_score",
    "hdh_divergence",
    "js_divergence",
    "kl_divergence",
    "knn_score",
    "label_shift",
    "leep",
    "linear_probe",
    "logme",
    "measure",
    "measure_interval",
    "mmd",
    "mmd_block",
    "mmd_linear_time",
    "mmd_random_features",
    "nce",
    "nleep",
    "otdd",
    "overlap",
    "parc",
    "proxy_a_distance",
    "rank_backbones",
    "rank_features",
    "rank_sources",
    "rsa",
    "sinkhorn_divergence",
    "sliced_wasserstein_distance",
    "svcca",
    "task2vec",
    "task2vec_distance",
    "transrate",
    "wasserstein_distance",
]
