"""What wrappers are to the part inside them, where a state is carried over."""

TRANSPARENT = {
    *("partition", "masked", "freeze", "adam_elsewhere", "skip_nonfinite", "skip_spikes", "accumulate", "every", "lookahead"),
    *("average", "uniform_average"),
}
"""Wrappers in which a part keeps what it keeps outside of them: a statistic of the same gradients, or of some of the leaves."""


PARTIAL = {"partition", "masked", "adam_elsewhere"}
"""Those in which a part sees some of the leaves, and others see the rest."""

AVERAGES = {"average": "weight", "uniform_average": "taken_in"}
"""Wrappers that average parameters, and the slot that says how much each average has taken in."""
