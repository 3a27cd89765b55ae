import numpy as np
import pytest
from scipy import sparse
from scipy.stats import kstest, norm

from sterna.measures import mmd, mmd_block, mmd_linear_time
from sterna.measures._mmd_rows import shuffled_pair


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("shift", [0.0, 1.0, 1000.0])
def test_equals_the_mean_of_the_discrepancies_of_the_blocks(shift, form):
    """`mmd`, which has its own test, of each block of five rows; rows 15 to 18 are left over."""
    rng = np.random.default_rng(0)
    X, Y = form(rng.normal(size=(23, 3))), form(rng.normal(size=(19, 3)) + shift)
    source, target, bandwidth, _ = shuffled_pair(X, Y, None, 100, 0)
    blocks = [mmd(source[i : i + 5], target[i : i + 5], bandwidth=bandwidth, n_permutations=1).value for i in (0, 5, 10)]
    result = mmd_block(X, Y, block_size=5, random_state=0)
    assert result.value == pytest.approx(np.mean(blocks), abs=1e-7)
    error = np.std(blocks, ddof=1) / np.sqrt(3)
    assert result.p_value == pytest.approx(norm.sf(np.mean(blocks) / error), abs=1e-5)


def test_of_several_bandwidths_it_is_the_mean():
    rng = np.random.default_rng(0)
    pair = rng.normal(size=(23, 3)), rng.normal(size=(19, 3)) + 0.5
    many = mmd_block(*pair, block_size=5, bandwidth=[0.5, 1.0, 3.0], random_state=0)
    each = [mmd_block(*pair, block_size=5, bandwidth=width, random_state=0).value for width in (0.5, 1.0, 3.0)]
    assert many.value == pytest.approx(np.mean(each), abs=1e-9)
    assert many.bandwidth == (0.5, 1.0, 3.0)


def test_a_block_of_all_rows_is_mmd():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) + 0.5
    whole = mmd_block(X, Y, block_size=1000, bandwidth=1.0, random_state=0)
    assert whole.value == pytest.approx(mmd(X, Y, bandwidth=1.0, n_permutations=1).value, abs=1e-9)
    assert whole.p_value == 1.0


def test_p_values_keep_their_level_where_nothing_differs():
    p_values = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        pair = rng.normal(size=(250, 2)), rng.normal(size=(300, 2))
        p_values.append(mmd_block(*pair, block_size=10, bandwidth=1.5, random_state=seed).p_value)
    assert kstest(p_values, "uniform").pvalue > 0.001
    assert np.mean(np.array(p_values) <= 0.05) <= 0.12


def test_sees_what_disjoint_pairs_do_not():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(20_000, 3)), rng.normal(size=(20_000, 3)) + 0.15
    assert mmd_block(source, target, random_state=0).p_value < 1e-3 < mmd_linear_time(source, target, random_state=0).p_value


@pytest.mark.parametrize(
    ("options", "message"),
    [({"block_size": 1}, "block_size is 1"), ({"bandwidth": -1}, "bandwidth is -1"), ({"max_rows": 1}, "max_rows is 1")],
)
def test_bad_options_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        mmd_block(np.ones((5, 1)), np.ones((5, 1)), **options)
