"""policy_node plans from the checkpoints of others, as their programs write them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from pi0_msgs.msg import ActionChunk
from safetensors.torch import save_file

from pi0_ros.embodiment.files import share_directory
from pi0_ros.embodiment.vector import state_to_model
from pi0_ros.model.config import ExpertConfig, Pi0Config, VisionConfig
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored import weights
from pi0_ros.nodes import qos
from pi0_ros.nodes.policy_node import PolicyNode

SIZES = Pi0Config(
    vision=VisionConfig(28, 14, width=768, depth=1, heads=12, mlp=32),  # a width of SigLIP's
    vlm=ExpertConfig(32, 48),
    expert=ExpertConfig(16, 24),
    depth=1,
    heads=8,
    kv_heads=1,
    head_dim=8,
    vocab=400,
    action_dim=32,
    horizon=50,
    prompt_length=48,
)
PIECES = (
    share_directory() / "config" / "golden" / "openpi" / "pipeline" / "tiny_sentencepiece.model"
)


def write_network(folder):
    model = initialise(Pi0(SIZES), torch.Generator().manual_seed(0))
    layout = weights.stored_layout(SIZES, torch.float32)
    weights.write_weights(folder / "model.safetensors", layout, weights.stored_tensors(model))
    (folder / "tokenizer.model").write_bytes(PIECES.read_bytes())


def write_openpi(folder, home):
    """openpi's files say relative actions of this robot: they tremble about where it is."""
    write_network(folder)
    assets = folder / "assets" / "ur5e_dual"
    assets.mkdir(parents=True)
    still, about = {"mean": [0.0] * 14, "std": [0.005] * 14}, {"mean": home, "std": [0.1] * 14}
    statistics = {"norm_stats": {"state": about, "actions": still}}
    (assets / "norm_stats.json").write_text(json.dumps(statistics))


def write_lerobot(folder, home):
    write_network(folder)
    cameras = ("base_camera", "left_wrist_camera", "right_wrist_camera")
    features = {"observation.state": {"type": "STATE", "shape": [14]}} | {
        f"observation.images.{name}": {"type": "VISUAL", "shape": [3, 28, 28]} for name in cameras
    }
    actions = {"action": {"type": "ACTION", "shape": [14]}}
    about = {"type": "pi0", "input_features": features, "output_features": actions}
    (folder / "config.json").write_text(json.dumps(about))
    settings = {"norm_map": {"STATE": "MEAN_STD", "ACTION": "MEAN_STD"}}
    for when, step in (("pre", "normalizer_processor"), ("post", "unnormalizer_processor")):
        one = {"registry_name": step, "config": settings, "state_file": "stats.safetensors"}
        (folder / f"policy_{when}processor.json").write_text(json.dumps({"steps": [one]}))
    keys = ("observation.state", "action")
    mean = {f"{key}.mean": torch.tensor(home) for key in keys}
    std = {f"{key}.std": torch.full((14,), 0.005) for key in keys}
    save_file(mean | std, folder / "stats.safetensors")


@pytest.mark.parametrize("write", [write_openpi, write_lerobot], ids=["openpi", "lerobot"])
def test_checkpoints_of_others_plan_as_they_stand(peer, start, robot, tmp_path, write):
    chunks = peer.listen(ActionChunk, "policy_node/action_chunk", qos.CHUNKS)
    home = state_to_model(robot, robot.home).tolist()
    write(tmp_path, home)
    start(PolicyNode, policy="pi0", checkpoint=str(tmp_path), prompt="fold the towel", steps=2)
    gray = np.full((120, 160, 3), 150, np.uint8)

    def feed():
        peer.publish_pose()
        peer.publish_images(gray)

    peer.until(lambda: chunks, feed)
    actions = np.array(chunks[0].actions).reshape(50, -1)
    assert 1e-4 < np.abs(actions - robot.home).max() < 0.1
