"""Training: checkpoints that survive what happens to machines."""

from gradtx.training._checkpoint import save
from gradtx.training._checkpoint_errors import DamagedCheckpointError, MismatchedCheckpointError
from gradtx.training._import_adam import Imported
from gradtx.training._import_optax import from_optax
from gradtx.training._import_torch import from_torch
from gradtx.training._migrate_report import Migration, Move
from gradtx.training._restore import Checkpoint, restore

__all__ = [
    "Checkpoint",
    "DamagedCheckpointError",
    "Imported",
    "Migration",
    "MismatchedCheckpointError",
    "Move",
    "from_optax",
    "from_torch",
    "restore",
    "save",
]
