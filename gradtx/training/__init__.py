"""Training: the compiled step that everybody writes, and the loop around it."""

from gradtx.training._metrics import Metrics
from gradtx.training._scaling import DynamicLossScale, dynamic_loss_scale
from gradtx.training._step import Step, make_step

__all__ = [
    "DynamicLossScale",
    "Metrics",
    "Step",
    "dynamic_loss_scale",
    "make_step",
]
