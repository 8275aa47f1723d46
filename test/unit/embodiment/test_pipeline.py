from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.loading import load_convention
from pi0_ros.embodiment.normalisation import Normalisation, NormStats
from pi0_ros.embodiment.normaliser import ZScore
from pi0_ros.embodiment.pipeline import Pipeline
from pi0_ros.embodiment.vector import padded

Numbers = dict[str, np.ndarray]


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


def chain(stats: dict[int, NormStats], name: str, kind: str) -> Pipeline:
    return Pipeline(load_convention(name), stats[32].normalisation(kind, "norm_stats.json"))


def half_metres() -> Pipeline:
    """One relative number and one that is not; both normalised by a half."""
    half = ZScore(np.zeros(2), np.full(2, 0.5), 0.0, 0.0)
    convention = Convention(
        name="c", title="t", state_width=2, action_width=2, delta=(1, -1),
        action_maps=({"map": "flip", "dims": (1,)},),  # type: ignore[arg-type]
    )  # fmt: skip
    return Pipeline(convention, Normalisation(half, half))


def test_openpis_aloha_chain_is_reproduced(
    openpi: Numbers, openpi_stats: dict[int, NormStats]
) -> None:
    aloha = chain(openpi_stats, "aloha", "z_score")
    raw = openpi["aloha.raw_state"]
    close(padded(aloha.state(raw), 32), openpi["chain.aloha.model_state"])
    sampled = openpi["chain.aloha.model_actions"]
    close(aloha.actions(sampled, raw), openpi["chain.aloha.robot_actions"])


def test_openpis_droid_chain_is_reproduced(
    openpi: Numbers, openpi_stats: dict[int, NormStats]
) -> None:
    droid = chain(openpi_stats, "droid", "quantile")
    joints, gripper = openpi["chain.droid.raw_joint_position"], "chain.droid.raw_gripper_position"
    raw = np.concatenate([joints, openpi[gripper]])
    close(droid.state(raw), openpi["chain.droid.model_state_unpadded"])
    sampled = openpi["chain.aloha.model_actions"]
    close(droid.actions(sampled, raw), openpi["chain.droid.robot_actions"])
    back = droid.normalisation.state.denormalise(padded(droid.state(raw), 32))
    close(back, openpi["chain.droid.unnorm_state"])


def test_openpis_libero_chain_is_reproduced(
    openpi: Numbers, openpi_stats: dict[int, NormStats]
) -> None:
    libero = chain(openpi_stats, "libero", "z_score")
    raw = openpi["chain.libero.raw_state"]
    close(padded(libero.state(raw), 32), openpi["chain.libero.model_state"])
    sampled = openpi["chain.aloha.model_actions"]
    close(libero.actions(sampled, raw), openpi["chain.libero.robot_actions"])


def test_targets_are_relative_before_they_are_normalised() -> None:
    targets = half_metres().targets(np.array([[3.0, 3.0]]), np.array([1.0, 1.0]))
    np.testing.assert_array_equal(targets, [[4.0, -6.0]])


@given(
    arrays(np.float64, (4, 14), elements=st.floats(-3, 3)),
    arrays(np.float64, 14, elements=st.floats(0, 1)),
)
@pytest.mark.parametrize("name", ["aloha", "aloha_sim", "ur5_dual"])
def test_a_network_that_learned_its_targets_moves_the_robot_as_it_was_shown(
    openpi_stats: dict[int, NormStats], name: str, actions: np.ndarray, state: np.ndarray
) -> None:
    for kind in ("z_score", "quantile"):
        pipeline = chain(openpi_stats, name, kind)
        learned = padded(pipeline.targets(actions, state), 32)
        np.testing.assert_allclose(pipeline.actions(learned, state), actions, atol=1e-11)


def test_what_pads_the_networks_output_is_never_looked_at() -> None:
    sampled = np.array([[1.0, 1.0, np.nan]])
    actions = half_metres().actions(sampled, np.array([1.0, 1.0]))
    np.testing.assert_array_equal(actions, [[1.5, -0.5]])
