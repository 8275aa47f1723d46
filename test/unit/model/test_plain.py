"""The network against its plainest form.

What is fused, cached or skipped in the package is written out here as the paper draws it: one
sequence of prefix and suffix, one attention, separate projections, no buffer.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pi0_ros.model.flow import time_embedding
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.sampler import PATHS, Sampler


class Plain:
    def __init__(self, model):
        self.config = model.config
        self.p = {name: p.detach().double() for name, p in model.named_parameters()}

    def linear(self, x, name, rows=slice(None)):
        bias = self.p.get(f"{name}.bias")
        return F.linear(x, self.p[f"{name}.weight"][rows], None if bias is None else bias[rows])

    def layer_norm(self, x, name):
        return F.layer_norm(
            x, x.shape[-1:], self.p[f"{name}.weight"], self.p[f"{name}.bias"], eps=1e-6
        )

    def image_tokens(self, image):
        c = self.config.vision
        x = F.conv2d(
            image, self.p["vision.patch.weight"], self.p["vision.patch.bias"], c.patch_size
        )
        x = x.flatten(2).transpose(1, 2) + self.p["vision.position"]
        for i in range(c.depth):
            block = f"vision.blocks.{i}"
            h = self.layer_norm(x, f"{block}.attention_norm")
            q, k, v = self.linear(h, f"{block}.attention.qkv").chunk(3, -1)
            heads = []
            for q_, k_, v_ in zip(*(part.chunk(c.heads, -1) for part in (q, k, v)), strict=True):
                weights = (q_ @ k_.mT / math.sqrt(c.width / c.heads)).softmax(-1)
                heads.append(weights @ v_)
            x = x + self.linear(torch.cat(heads, -1), f"{block}.attention.out")
            h = self.linear(self.layer_norm(x, f"{block}.mlp_norm"), f"{block}.mlp.up")
            x = x + self.linear(F.gelu(h, approximate="tanh"), f"{block}.mlp.down")
        return self.linear(self.layer_norm(x, "vision.norm"), "vision.projector")

    def norm(self, x, name, condition):
        x = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        if f"{name}.scale" in self.p:
            return x * self.p[f"{name}.scale"], 1.0
        scale, shift, gate = self.linear(condition, f"{name}.dense")[:, None].chunk(3, -1)
        return x * (1 + scale) + shift, gate

    def rotate(self, x, positions):
        half = self.config.head_dim // 2
        angle = positions[..., None] / 10_000 ** (torch.arange(half).double() / half)
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)

    def attention(self, x, expert, layer, positions, condition):
        """Queries, keys and values of one expert: lists over heads."""
        c, name = self.config, f"{expert}.blocks.{layer}"
        h, gate = self.norm(x, f"{name}.attention_norm", condition)
        heads = [
            self.linear(h, f"{name}.attention.qkv", slice(i * c.head_dim, (i + 1) * c.head_dim))
            for i in range(c.heads + 2 * c.kv_heads)
        ]
        q, k, v = heads[: c.heads], heads[c.heads : -c.kv_heads], heads[-c.kv_heads :]
        q, k = ([self.rotate(head, positions) for head in part] for part in (q, k))
        return q, k, v, gate

    def velocity(self, images, image_masks, tokens, token_mask, state, x_t, time):
        c = self.config
        prefix = [self.image_tokens(images[name].double()) for name in c.cameras]
        prefix.append(self.p["embedding.weight"][tokens] * math.sqrt(c.vlm.width))
        pad = [image_masks[name][:, None].expand(-1, c.vision.patches) for name in c.cameras]
        phi = time_embedding(time, c.expert.width).double()
        suffix, condition = self.linear(x_t.double(), "action_in"), None
        if c.variant == "pi0":
            both = torch.cat([suffix, phi[:, None].expand_as(suffix)], -1)
            suffix = self.linear(F.silu(self.linear(both, "time_in")), "time_out")
            suffix = torch.cat([self.linear(state.double(), "state_in")[:, None], suffix], 1)
        else:
            condition = F.silu(self.linear(F.silu(self.linear(phi, "time_in")), "time_out"))
        n, m = c.vision.patches * len(c.cameras) + tokens.shape[1], suffix.shape[1]
        pad = torch.cat([*pad, token_mask, token_mask.new_ones(len(tokens), m)], 1)
        block = torch.zeros(n + m)
        block[n:] = 1  # the first suffix token, and whatever stands with it
        block[n + 1 :] = 2 if c.variant == "pi0" else 1
        mask = (block[None, :] <= block[:, None]) & pad[:, None] & pad[:, :, None]
        positions = pad.long().cumsum(1) - 1
        streams = {"vlm": torch.cat(prefix, 1), "expert": suffix}
        spans = {"vlm": slice(0, n), "expert": slice(n, n + m)}
        for layer in range(c.depth):
            parts = {
                name: self.attention(x, name, layer, positions[:, spans[name]], condition)
                for name, x in streams.items()
            }
            looked = self.look(parts, mask)
            for name, x in streams.items():
                streams[name] = self.update(
                    x, looked[:, spans[name]], name, layer, parts, condition
                )
        out, _ = self.norm(streams["expert"], "expert.norm", condition)
        return self.linear(out[:, -c.horizon :], "action_out")

    def look(self, parts, mask):
        c, heads = self.config, []
        for i in range(c.heads):
            shared = i // (c.heads // c.kv_heads)
            q, k, v = (
                torch.cat([parts[name][kind][at] for name in ("vlm", "expert")], 1)
                for kind, at in ((0, i), (1, shared), (2, shared))
            )
            logits = (q @ k.mT / math.sqrt(c.head_dim)).masked_fill(~mask, -1e30)
            heads.append(logits.softmax(-1) @ v)
        return torch.cat(heads, -1)

    def update(self, x, looked, expert, layer, parts, condition):
        name = f"{expert}.blocks.{layer}"
        x = x + self.linear(looked, f"{name}.attention.out") * parts[expert][3]
        h, gate = self.norm(x, f"{name}.mlp_norm", condition)
        width = self.p[f"{name}.mlp.down.weight"].shape[1]
        opened = self.linear(h, f"{name}.mlp.gate_up", slice(0, width))
        up = self.linear(h, f"{name}.mlp.gate_up", slice(width, None))
        return x + self.linear(F.gelu(opened, approximate="tanh") * up, f"{name}.mlp.down") * gate

    def sample(self, steps, noise, **inputs):
        x = noise.double()
        for k in range(steps):
            time = torch.full((len(x),), 1.0 - k / steps)
            x = x - self.velocity(**inputs, x_t=x, time=time) / steps
        return x


def padded(inputs):
    """Hide the second camera of the first observation, and the end of both prompts."""
    camera = list(inputs["images"])[1]
    inputs["image_masks"][camera] = torch.tensor([False, True])
    inputs["token_mask"][0, 5:] = False
    inputs["token_mask"][1, 2:] = False
    return inputs


@pytest.mark.parametrize("path", PATHS)
def test_samples_are_those_of_the_plain_form(model, observe, draw, path):
    inputs, noise = padded(observe(model.config)), draw(model.config)
    found = Sampler(model, 4, exact_times=True, path=path).sample(**inputs, noise=noise)
    expected = Plain(model).sample(4, noise, **inputs).float()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kv_heads", [1, 4])
@pytest.mark.parametrize("cameras", [("a", "b"), ("a", "b", "c", "d")])
@pytest.mark.parametrize("variant", ["pi0", "pi05"])
def test_any_number_of_cameras_and_key_heads_is_right(
    tiny_config, observe, draw, cameras, kv_heads, variant
):
    config = replace(tiny_config, cameras=cameras, kv_heads=kv_heads, variant=variant)
    model = initialise(Pi0(config), torch.Generator().manual_seed(0)).eval()
    inputs, noise = padded(observe(config)), draw(config)
    found = Sampler(model, 2, exact_times=True).sample(**inputs, noise=noise)
    expected = Plain(model).sample(2, noise, **inputs).float()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_loss_is_that_of_the_plain_form(model, observe, draw):
    inputs, time = padded(observe(model.config)), torch.tensor([0.25, 0.75])
    actions, noise = draw(model.config, seed=3), draw(model.config, seed=4)
    x_t = time[:, None, None] * noise + (1 - time[:, None, None]) * actions
    velocity = Plain(model).velocity(**inputs, x_t=x_t, time=time).float()
    found = model.loss(**inputs, actions=actions, noise=noise, time=time)
    torch.testing.assert_close(found, (noise - actions - velocity) ** 2, atol=1e-4, rtol=1e-4)
