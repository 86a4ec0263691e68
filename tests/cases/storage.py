"""A row for every factory of storage, and for optimizers whose moments are stored."""

import gradtx as gx
from gradtx.testing import Case
from tests.cases.exemptions import HALF, MAXIMA, MEANS, draws, whole_leaf

SMALL = 9
"""A size that the matrix of the laws has and its vector has not."""
ROUNDED = {"state_of_half_precision_is_wide": HALF}

CASES = [
    Case(gx.stored(gx.ema(0.9), gx.int8(4, SMALL)), exempt=whole_leaf()),
    Case(gx.adamw(0.1, storage=gx.int8(4, SMALL)), name="adamw, int8", exempt=whole_leaf()),
    Case(gx.adamw(0.1, storage=gx.int4(4, SMALL)), name="adamw, int4", exempt=whole_leaf() | {"no_leaf_is_gathered": MAXIMA}),
    Case(gx.adamw(0.1, storage=gx.companded(4, SMALL)), name="adamw, companded", exempt=whole_leaf()),
    Case(gx.adamw(0.1, storage=gx.bfloat16()), name="adamw, bfloat16", exempt=ROUNDED),
    Case(gx.adamw(0.1, storage=gx.bfloat16(stochastic=True, key=3)), name="adamw, stochastic bfloat16", exempt=draws() | ROUNDED),
    Case(gx.adamw(0.1, storage=gx.block_mean((-1,))), name="adamw, block means"),
    Case(gx.amsgrad(0.1, storage=gx.int8(4, SMALL)), name="amsgrad, int8", exempt=whole_leaf()),
    Case(gx.lion(0.1, storage=gx.int8(4, SMALL)), name="lion, int8"),
    Case(gx.scale_by_param_block_rms(0.1), survives="all", exempt=whole_leaf()),
    Case(gx.adafactor(0.1, 0.9), exempt=whole_leaf()),
    Case(gx.adafactor(0.1, 0.9, storage=gx.rank_one(2)), name="adafactor, factored", exempt=whole_leaf() | {"no_leaf_is_gathered": MEANS}),
    Case(gx.adam_mini(0.1), exempt=whole_leaf() | {"no_leaf_is_gathered": MEANS}),
    Case(gx.scale_by_confidence(gx.ema(0.9), gx.ema(0.99), 1e-6)),
    Case(gx.came(0.1), exempt=whole_leaf() | {"no_leaf_is_gathered": MEANS}),
    Case(gx.sm3(0.1), exempt=whole_leaf() | {"no_leaf_is_gathered": MAXIMA}),
]
