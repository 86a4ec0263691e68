"""Training: the compiled step that everybody writes, the loop around it, and checkpoints that survive what happens to machines."""

from gradtx.training._checkpoint import save
from gradtx.training._checkpoint_errors import DamagedCheckpointError, MismatchedCheckpointError
from gradtx.training._fit import Fitted, Snapshot, fit
from gradtx.training._history import History, early_stop
from gradtx.training._import_adam import Imported
from gradtx.training._import_optax import from_optax
from gradtx.training._import_torch import from_torch
from gradtx.training._metrics import Metrics
from gradtx.training._migrate_report import Migration, Move
from gradtx.training._restore import Checkpoint, restore
from gradtx.training._scaling import DynamicLossScale, dynamic_loss_scale
from gradtx.training._step import Step, make_step

__all__ = [
    "Checkpoint",
    "DamagedCheckpointError",
    "DynamicLossScale",
    "Fitted",
    "History",
    "Imported",
    "Metrics",
    "Migration",
    "MismatchedCheckpointError",
    "Move",
    "Snapshot",
    "Step",
    "dynamic_loss_scale",
    "early_stop",
    "fit",
    "from_optax",
    "from_torch",
    "make_step",
    "restore",
    "save",
]
