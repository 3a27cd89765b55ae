"""PyTorch tensors for tests of the array API: on the CPU, but as if that were a device of its own."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from unittest import mock

import numpy as np
import pytest
import scipy
import sklearn
from sklearn.utils.fixes import parse_version

torch = pytest.importorskip("torch", reason="tensors need PyTorch")
if parse_version(scipy.__version__) < parse_version("1.14"):
    pytest.skip("scipy before 1.14 cannot be switched to the array API", allow_module_level=True)

_EXITS = ("numpy", "cpu", "tolist", "__array__", "__dlpack__")  # the ways of a tensor to the host


@contextmanager
def dispatched():
    """scikit-learn's array API dispatch is on.

    scikit-learn asks for the variable at each call; scipy reads it when it is imported, but no function of scipy gets a tensor.
    """
    with mock.patch.dict("os.environ", SCIPY_ARRAY_API="1"), sklearn.config_context(array_api_dispatch=True):
        yield


@contextmanager
def on_device(largest):
    """Dispatch is on; tensors of more than `largest` floats cannot be read on the host, and new ones are elsewhere unless told."""
    with dispatched(), ExitStack() as stack:
        for name in _EXITS:
            stack.enter_context(mock.patch.object(torch.Tensor, name, _refusing(name, getattr(torch.Tensor, name), largest)))
        stack.enter_context(torch.device("meta"))  # tensors here hold nothing, and cannot be combined with those of the CPU
        yield


def _refusing(name, method, largest):
    def refuse(self, *args, **kwargs):
        assert not self.is_floating_point() or self.numel() <= largest, f"{name} of a tensor of shape {tuple(self.shape)}"
        return method(self, *args, **kwargs)

    return refuse


def tensor(array):
    return torch.from_numpy(np.array(array))


def integer_labels(y):
    """NaN as -1, so that labels are told from features by their kind."""
    return np.where(np.isnan(y), -1, y).astype(int)
