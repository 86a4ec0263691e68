"""What can be wrong with a checkpoint."""


class DamagedCheckpointError(ValueError):
    """A checkpoint is not what was written: cut off, or changed since."""


class MismatchedCheckpointError(ValueError):
    """A checkpoint is whole, and belongs to other trees or to another optimizer. The message names the leaves."""


class OneProcessError(RuntimeError):
    """A process cannot read its part of a checkpoint, and the others do not know."""
