from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from pi0_ros.model.stored.matching import match
from pi0_ros.model.stored.names import EMBEDDING, TIED_EMBEDDING, Part
from pi0_ros.model.stored.tensor_source import StoredTensor


@dataclass(frozen=True)
class Headers:
    """A source of which only the headers are there."""

    tensors: Mapping[str, StoredTensor]
    place: str = field(default="there")

    def read(self, names):
        raise AssertionError("nothing may be read before all fits")


PARTS = {
    "state_proj.bias": Part("state_in.bias", 0, (4,)),
    EMBEDDING: Part("embedding.weight", 0, (9, 3)),
}
GOOD = {
    "state_proj.bias": StoredTensor((4,), "F32"),
    TIED_EMBEDDING: StoredTensor((9, 3), "BF16"),
}


def test_each_stored_tensor_gets_openpis_name():
    assert match(Headers(GOOD), PARTS) == {"state_proj.bias": "state_proj.bias",
                                           TIED_EMBEDDING: EMBEDDING}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state_proj.bias": None}, r"there does not fit .*: 1 missing: state_proj\.bias\. Use"),
        ({"extra": StoredTensor((1,), "F32")}, r"1 unexpected: extra\."),
        (
            {"state_proj.bias": StoredTensor((5,), "F32")},
            r"1 mis-shaped: state_proj\.bias is \(5,\) instead of \(4,\)",
        ),
        (
            {"state_proj.bias": StoredTensor((4,), "F8_E4M3")},
            r"1 of a type other than F32, BF16, F16: state_proj\.bias is F8_E4M3",
        ),
        ({"state_proj.bias": StoredTensor((4,), "I64")}, r"state_proj\.bias is I64"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    tensors = {name: tensor for name, tensor in (GOOD | change).items() if tensor is not None}
    with pytest.raises(ValueError, match=message):
        match(Headers(tensors), PARTS)


def test_all_faults_are_told_at_once():
    with pytest.raises(ValueError, match=r"2 missing: .*; 1 unexpected: extra"):
        match(Headers({"extra": StoredTensor((1,), "F32")}), PARTS)


def test_many_names_are_counted_and_the_first_eight_listed():
    extra = {f"extra{i:02d}": StoredTensor((1,), "F32") for i in range(11)}
    with pytest.raises(ValueError, match=r"11 unexpected: extra00, .*extra07 and 3 more"):
        match(Headers(GOOD | extra), PARTS)
