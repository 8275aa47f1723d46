"""Which parameters stay in float32 when the model runs in a narrower type."""

from __future__ import annotations

import re

import torch

from pi0_ros.model.pi0 import Pi0

# They are small, and the residual stream or the actions themselves pass through them.
_FLOAT32 = re.compile(
    r"(state_in|action_in|action_out|time_in|time_out)\."
    r"|vision\.(patch\.|position$)"
    r"|expert\..*norm\.dense\."
)


def parameter_dtype(name: str, dtype: torch.dtype) -> torch.dtype:
    """Return the type of one parameter in a model that runs in `dtype`.

    Args:
        name: Name of the parameter, as in `Pi0.named_parameters`.
        dtype: Type of the model's large matrices.

    Returns:
        float32 for the state, action and time projections, the patch embedding and what
        modulates adaptive norms;
        `dtype` for everything else.

    Source: openpi, which runs released checkpoints so; but it also keeps the scales of Gemma's
    norms in float32, which no fused norm of torch takes. Rounded to bfloat16 they move the actions
    by no more than bfloat16 does anyway (docs/measurements.md).
    """
    return torch.float32 if _FLOAT32.match(name) else dtype


def cast(model: Pi0, dtype: torch.dtype) -> Pi0:
    """Convert a model in place to run in `dtype`, and return it.

    Args:
        model: The model.
        dtype: ``torch.float32`` or ``torch.bfloat16``.

    Raises:
        ValueError: The type is too narrow for π0's attention mask and activations.
    """
    check_dtype(dtype)
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data.to(parameter_dtype(name, dtype))
    return model


def check_dtype(dtype: torch.dtype) -> None:
    """Refuse types in which the model has not been shown to work.

    Raises:
        ValueError: The type is neither float32 nor bfloat16.
    """
    if dtype not in (torch.float32, torch.bfloat16):
        raise ValueError(
            f"dtype is {dtype}; the model runs in torch.float32 or torch.bfloat16. Choose one."
        )
