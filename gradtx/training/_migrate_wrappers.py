"""What parts are to those inside and behind them, where a state is carried over."""

import functools
from collections.abc import Collection
from typing import Any

from gradtx import GradientTransformation
from gradtx._core.call import Call
from gradtx._core.kinds import is_schedule

TRANSPARENT = {
    *("partition", "masked", "freeze", "adam_elsewhere", "skip_nonfinite", "skip_spikes", "accumulate", "every", "lookahead"),
    *("average", "uniform_average"),
}
"""Wrappers in which a part keeps what it keeps outside of them: a statistic of the same gradients, or of some of the leaves."""

UNSCALED = {
    *("clip", "clip_by_global_norm", "clip_by_block_norm", "clip_by_block_rms", "adaptive_grad_clip", "per_example_clip_by_global_norm"),
    *("add_decayed_weights", "add_corrected_decayed_weights", "add_noise", "add_private_noise", "zero_nonfinite", "centralize"),
    *("limit_norm_growth", "reduce_on_plateau", "observe", "reduce_variance", "scale_by_optimistic_gradient", "sam", "identity"),
}
"""Parts behind which a gradient is about as large as before: what is averaged there is still an average of gradients."""

BASES = {"in_basis", "scaled_in_basis"}
"""Parts that keep axes as `basis`, and something in these axes as `inner`."""

LAGGED = {"scale_by_lagged_belief"}
"""Parts that divide by what they kept from the step before: zeros beside what is older would be divided by."""

WEIGHED = {"scale_by_rectified_rms"}
"""Parts that keep the weight of their second moments themselves, and correct them by it."""

BY_STEP = {
    *("ema_from_first", "scale_by_lagged_rms", "dual_average"),
    *("rms_correction_schedule", "rectification_schedule", "adam_correction_schedule"),
}
"""Parts, and schedules of parts, that tell from the step, which goes on, how young a statistic is."""

AVERAGES = {"average": "weight", "uniform_average": "taken_in"}
"""Wrappers that average parameters, and the slot that says how much each average has taken in."""


def goes_by_step(part: Any) -> bool:
    """Whether a part, or a schedule among its numbers or within one, is one of those."""
    inner = (value for value in part.arguments.values() if isinstance(value, Call))
    return part.form.spec_name in BY_STEP or any(map(goes_by_step, inner))


def scheduled_outside(part: Any, counting: Collection[str]) -> bool:
    """Whether a schedule, or a learning rate that may be one, stands outside of the innermost of the wrappers that count steps."""
    inner = [child for _, child in part.children() if isinstance(child, GradientTransformation)]
    if part.form.spec_name in counting and not any(map(functools.partial(_counts, counting), inner)):
        return False
    return any(is_schedule(value) or name == "learning_rate" for name, value in part.arguments.items()) or any(
        scheduled_outside(child, counting) for child in inner
    )


def _counts(counting: Collection[str], part: Any) -> bool:
    return part.form.spec_name in counting or any(
        _counts(counting, child) for _, child in part.children() if isinstance(child, GradientTransformation)
    )
