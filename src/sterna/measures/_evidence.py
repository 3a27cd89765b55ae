"""What was found out about two domains: the numbers that the kind of shift is read from."""

from __future__ import annotations

from dataclasses import dataclass

from sterna.domains._stack import Array
from sterna.measures._class_sets import ClassSets
from sterna.measures._common_subspace import CommonSubspace
from sterna.measures._domain_auc import DomainAUC
from sterna.measures._label_shift import LabelShift
from sterna.measures._mmd import MMD
from sterna.measures._overlap import Overlap

#: A difference of the features is called slight, and names no shift, where the area under the curve is surely below this.
SLIGHT = 0.55
#: With fewer rows that have a counterpart in the other domain, the relation of features and label cannot be compared.
MIN_COMPARABLE = 30
#: With fewer target labels no subspace is looked for, and only a large change of the relation would show.
FEW_LABELS = 50
N_TESTS = 5


@dataclass(frozen=True)
class Mapped:
    """How well the target fits the source once its columns are mapped; better and worse: the source model's loss there."""

    p_given_label: float | None  # of "rows of one label have the same features in both domains"
    p_better: float  # of "the source model loses no less on the mapped rows"
    p_worse: float
    error: float


@dataclass(frozen=True)
class Evidence:
    """What the tests found; None where a test could not be made."""

    level: float  # of the whole; each of the tests that name a kind has a fifth of it
    auc: DomainAUC
    auc_low: float  # the lower bound at the level of one test
    mmd: MMD
    overlap: Overlap
    beyond: float  # the share of target rows that lie where hardly a source row does
    label: LabelShift | None
    p_axes: float = 1.0  # of "the means do not differ along a principal axis"
    classes: ClassSets | None = None
    common: Evidence | None = None  # of the rows of the classes in common, where the class sets differ
    n_labels: int = 0
    informative: bool = False  # whether the features tell of the label in the source
    p_relation: float | None = None  # given the features, does the label depend on the domain
    n_comparable: float = 0.0
    p_carries: float | None = None  # does the source model err on the target as on its own rows
    p_given_label: float | None = None
    error_source: float | None = None
    error_weighted: float | None = None
    error_target: float | None = None
    rescaled: Mapped | None = None  # each column with the source's mean and spread
    turned: Mapped | None = None  # and some of them turned round
    subspace: CommonSubspace | None = None
    auc_aligned: DomainAUC | None = None
    spread_ratio: float = 1.0  # of the median column
    mean_distance: float = 0.0  # of the median column, in standard deviations
    coarse: bool = False  # whether a column has few values in both domains
    columns_changed: bool = False  # and not the choice of rows alone; looked at where labels do not tell
    shares: Array | None = None  # of the classes in an unlabelled target, if label shift were all
    auc_matched: DomainAUC | None = None  # once the source has these shares

    @property
    def test_level(self) -> float:
        """The level of one test."""
        return self.level / N_TESTS

    @property
    def features_differ(self) -> bool:
        """Whether the features differ, and not slightly."""
        signs = self.auc_low > 0.5 or min(self.mmd.p_value, self.p_axes) <= self.test_level
        return signs and self.auc.high >= SLIGHT

    @property
    def labels_differ(self) -> bool:
        """Whether the labels are distributed differently."""
        return self.label is not None and self.label.p_value <= self.test_level

    @property
    def alike_given_label(self) -> bool:
        """Whether rows of one label could be compared, and there is no sign that they have other features in the target."""
        return fits(self.p_given_label, self.test_level)

    @property
    def label_explains(self) -> bool:
        """Whether the labels differ and label shift is not contradicted.

        It is where rows of one label look different, be it at the level of the whole only if at that level covariate shift is not
        contradicted; and where the relation changed while the features did not in the least, although they tell of the label: other
        shares of it would have changed them.
        """
        features_alike = self.auc.low <= 0.5 and self.mmd.p_value > self.level
        contradicted = self.relation_differs and features_alike and self.informative
        doubted = fits(self.p_relation, self.level) and not fits(self.p_given_label, self.level)
        return self.labels_differ and self.alike_given_label and not contradicted and not doubted

    @property
    def relation_differs(self) -> bool:
        """Whether the label depends otherwise on the features, where both domains have rows.

        Where neither features nor labels differ, only another relation lets the source model err otherwise on the target, too.
        """
        if self.p_relation is None:
            return False
        if self.features_differ or self.labels_differ or self.p_carries is None:
            return self.p_relation <= self.test_level
        return 2 * min(self.p_relation, self.p_carries) <= self.test_level

    @property
    def carries(self) -> bool:
        """Whether there is no sign that the source model errs otherwise on the target than on its own rows."""
        return self.p_carries is None or self.p_carries > self.test_level

    @property
    def asks_for_subspace(self) -> bool:
        """Whether the source model fails on the target, and other labels do not explain that."""
        return not self.carries and not self.labels_differ and self.n_labels >= FEW_LABELS

    @property
    def beyond_source(self) -> bool:
        """Whether most target rows lie where hardly a source row does."""
        return self.features_differ and self.beyond > 0.5

    @property
    def comparable(self) -> bool:
        """Whether the relation of features and label can be compared where the target lies."""
        return not self.features_differ or (self.n_comparable >= MIN_COMPARABLE and not self.beyond_source)

    @property
    def matched_alike(self) -> bool:
        """Whether class shares that were estimated without labels explain the features."""
        return self.auc_matched is not None and self.auc_matched.value - 0.5 < (self.auc.value - 0.5) / 3

    @property
    def alignment_removes(self) -> bool:
        """Whether giving the columns of both domains the same mean and spread removes half of the difference or more."""
        return self.auc_aligned is not None and self.auc_aligned.value - 0.5 <= (self.auc.value - 0.5) / 2

    @property
    def alignment_parts(self) -> bool:
        """Whether equal means and spreads part the domains: where columns have few values, they then fall beside the source's."""
        return self.coarse and self.auc_aligned is not None and self.auc_aligned.low > self.auc.value


def fits(p_value: float | None, level: float) -> bool:
    """Whether a test could be made and does not reject."""
    return p_value is not None and p_value > level
