"""A row for every factory of storage, and for optimizers whose moments are stored."""

import gradtx as gx
from gradtx.testing import Case
from tests.cases.exemptions import MEANS, whole_leaf

SMALL = 9
"""A size that the matrix of the laws has and its vector has not."""
ROUNDED = {"small_steps_add_up": "its moments are rounded"}

CASES = [
    Case(gx.stored(gx.ema(0.9), gx.int8(4, SMALL)), exempt=whole_leaf()),
    Case(gx.adamw(0.1, storage=gx.int8(4, SMALL)), name="adamw, int8", exempt=whole_leaf()),
    Case(gx.adamw(0.1, storage=gx.int4(4, SMALL)), name="adamw, int4", exempt=whole_leaf()),
    Case(gx.adamw(0.1, storage=gx.companded(4, SMALL)), name="adamw, companded", exempt=whole_leaf()),
    Case(gx.adamw(0.1, storage=gx.bfloat16()), name="adamw, bfloat16"),
    Case(gx.adamw(0.1, storage=gx.bfloat16(stochastic=True, key=3)), name="adamw, stochastic bfloat16"),
    Case(gx.adamw(0.1, storage=gx.block_mean((-1,))), name="adamw, block means", exempt=whole_leaf()),
    Case(gx.amsgrad(0.1, storage=gx.int8(4, SMALL)), name="amsgrad, int8", exempt=whole_leaf()),
    Case(gx.lion(0.1, storage=gx.int8(4, SMALL)), name="lion, int8", exempt=whole_leaf()),
    Case(gx.scale_by_param_block_rms(0.1), survives="all", exempt=whole_leaf()),
    Case(gx.adafactor(0.1), exempt=whole_leaf()),
    Case(gx.adafactor(0.1, storage=gx.rank_one(2)), name="adafactor, factored", exempt=whole_leaf() | {"no_leaf_is_gathered": MEANS}),
    Case(gx.sm3(0.1), exempt=whole_leaf() | {"no_leaf_is_gathered": MEANS}),
]
