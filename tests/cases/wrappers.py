"""A row for every combinator and wrapper."""

from typing import Any

import gradtx as gx
from gradtx.testing import Case
from tests.cases.exemptions import BY_NAME, ITS_STEPS, LOSS, OWN_STEPS, PER_LAYER, SECOND_ORDER, by_shape, functions, whole_leaf


def is_even(step: Any) -> Any:
    return step % 2 == 0


ROWS = gx.roles(("w", gx.role("rows", stack=0)), ("*", "whole"))
"""The rows of the matrix are layers."""

SEEN = "schedules_see_every_step_once"
SCHEDULED = ("every_number_may_be_a_schedule", SEEN)

CASES = [
    Case(gx.accumulate(gx.adam(0.1), 2.0), exempt=dict.fromkeys(SCHEDULED, OWN_STEPS)),
    Case(gx.add(gx.ema(0.9), gx.trace(0.8), weights=(1.0, 2.0))),
    Case(gx.average(gx.adam(0.1), 0.9)),
    Case(gx.every(2.0, gx.adam(0.1)), exempt={SEEN: OWN_STEPS}),
    Case(gx.graft(gx.trace(0.5), gx.trace(0.9)), exempt=whole_leaf()),
    Case(
        gx.layerwise(ROWS, gx.lamb(0.1)),
        exempt={"arranging_leaves_changes_nothing": BY_NAME}
        | dict.fromkeys(("state_is_named", "no_leaf_is_gathered"), PER_LAYER)
        | by_shape(),
    ),
    Case(gx.lookahead(gx.adam(0.1), 2.0)),
    Case(gx.sam(0.05), needs=LOSS, survives="all", exempt=SECOND_ORDER),
    Case(gx.schedule_free(gx.sgd(0.1), 0.1)),
    Case(gx.schedule_free_adamw(0.1)),
    Case(gx.schedule_free_radam(0.1, b2=0.9)),
    Case(gx.schedule_free_sgd(0.1)),
    Case(gx.select(is_even, gx.ema(0.9), gx.trace(0.8)), exempt=functions("repr_is_the_call") | {SEEN: ITS_STEPS}),
    Case(gx.skip_spikes(gx.adam(0.1)), survives="all"),
    Case(gx.uniform_average(gx.adam(0.1), 1.0, 2.0)),
]
