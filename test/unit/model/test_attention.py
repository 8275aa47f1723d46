from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.model import attention
from pi0_ros.model.attention import attend


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_hand(queries, keys, values, mask):
    """One head after the other."""
    heads = []
    for h in range(queries.shape[1]):
        k = h // (queries.shape[1] // keys.shape[1])
        logits = queries[:, h] @ keys[:, k].mT / math.sqrt(queries.shape[-1])
        heads.append((logits if mask is None else logits + mask[:, 0]).softmax(-1) @ values[:, k])
    return torch.cat(heads, -1)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 6),
    st.sampled_from(["none", "each", "all"]), st.booleans(),
)  # fmt: skip
def test_both_ways_give_what_heads_give_one_by_one(batch, heads, group, asking, seen, kind, fused):
    q, k, v = draw(batch, asking, heads * group, 4), draw(batch, heads, seen, 4), draw(
        batch, heads, seen, 4, seed=1
    )  # fmt: skip
    q = q.transpose(1, 2)  # as a projection leaves it
    mask = None
    if kind != "none":
        mask = draw(batch, 1, asking if kind == "each" else 1, seen, seed=2)
    way = attend if fused else attention._multiplied
    found = way(q, k, v, mask)
    torch.testing.assert_close(found, by_hand(q, k, v, mask), atol=1e-5, rtol=0)


def test_bfloat16_on_the_cpu_is_near_float32():
    q, k, v = draw(1, 8, 5, 16), draw(1, 1, 9, 16), draw(1, 1, 9, 16, seed=1)
    rounded = attend(q.bfloat16(), k.bfloat16(), v.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), attend(q, k, v), atol=0.03, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_query_that_may_see_nothing_still_gets_a_number(dtype):
    """Padding asks, too; NaN from it would spread to every token of the next layer."""
    q, k, v = (draw(1, 2, 3, 4).to(dtype) for _ in range(3))
    hidden = torch.full((1, 1, 3, 3), 0.7 * torch.finfo(dtype).min, dtype=dtype)
    assert attend(q, k, v, hidden).isfinite().all()
