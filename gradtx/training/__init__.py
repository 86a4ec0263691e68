"""Training: the compiled step that everybody writes, and the loop around it."""

from gradtx.training._fit import Fitted, Snapshot, fit
from gradtx.training._history import History, early_stop
from gradtx.training._metrics import Metrics
from gradtx.training._scaling import DynamicLossScale, dynamic_loss_scale
from gradtx.training._step import Step, make_step

__all__ = [
    "DynamicLossScale",
    "Fitted",
    "History",
    "Metrics",
    "Snapshot",
    "Step",
    "dynamic_loss_scale",
    "early_stop",
    "fit",
    "make_step",
]
