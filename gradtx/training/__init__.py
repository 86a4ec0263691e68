"""Training: checkpoints that survive what happens to machines."""

from gradtx.training._checkpoint import save
from gradtx.training._checkpoint_errors import DamagedCheckpointError, MismatchedCheckpointError
from gradtx.training._migrate_report import Migration, Move
from gradtx.training._restore import Checkpoint, restore

__all__ = [
    "Checkpoint",
    "DamagedCheckpointError",
    "MismatchedCheckpointError",
    "Migration",
    "Move",
    "restore",
    "save",
]
