"""A row for every combinator and wrapper."""

import gradtx as gx
from gradtx.testing import Case

CASES = [
    Case(gx.average(gx.adam(0.1), 0.9)),
    Case(gx.uniform_average(gx.adam(0.1), 1.0, 2.0)),
    Case(gx.lookahead(gx.adam(0.1), 2.0)),
    Case(gx.schedule_free(gx.sgd(0.1), 0.1)),
    Case(gx.schedule_free_sgd(0.1)),
    Case(gx.schedule_free_adamw(0.1)),
]
