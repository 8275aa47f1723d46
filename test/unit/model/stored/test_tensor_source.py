from __future__ import annotations

import math

import pytest
import torch

from pi0_ros.model.stored.tensor_source import READABLE, check_finite


@pytest.mark.parametrize("dtype", READABLE.values())
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_bad_entry_among_many_is_found_and_counted(dtype, bad):
    tensor = torch.ones(7, 9, dtype=dtype)
    check_finite("file", "a.weight", tensor)
    tensor[3, 4] = bad
    with pytest.raises(ValueError, match=r"file: 1 of 63 entries of a\.weight are NaN or inf"):
        check_finite("file", "a.weight", tensor)


def test_the_largest_numbers_are_finite():
    check_finite("file", "a.weight", torch.full((9,), torch.finfo(torch.float32).max))
