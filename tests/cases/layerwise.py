"""A row for every factory that looks at the norms of leaves, at the sign of the gradient, or decays weights."""

import gradtx as gx
from gradtx.testing import Case
from tests.cases.exemptions import UNIT_NORMS, functions, whole_leaf

CASES = [
    Case(gx.cautious(), survives="all", exempt=whole_leaf()),
    Case(gx.chain(gx.ema(0.9), gx.cautious()), name="ema, cautious", exempt=whole_leaf()),
    Case(gx.grams(), survives="all"),
    Case(gx.chain(gx.ema(0.9), gx.grams()), name="ema, grams"),
    Case(gx.scale_by_local_rate(0.1, 0.2), survives="all", exempt=whole_leaf()),
    Case(gx.scale_by_trust_ratio(0.1, min_norm=0.5, max_norm=2.0), survives="all", exempt=whole_leaf()),
    Case(gx.subtract_decayed_weights(0.1), survives="all"),
    Case(gx.cautious_weight_decay(gx.add_decayed_weights(0.1)), survives="all"),
    Case(gx.ema_from_first(0.9)),
    Case(gx.scale_by_block_norm(gx.ema(0.9), 1e-3), exempt=whole_leaf()),
    Case(gx.reduce_variance(0.9, 0.1), survives="all"),
    Case(gx.clip_by_block_norm(0.2), survives="all", exempt=whole_leaf()),
    Case(gx.adaptive_grad_clip(0.1), survives="all", exempt=whole_leaf() | {"no_leaf_is_gathered": UNIT_NORMS}),
    Case(gx.limit_norm_growth(1.01), survives="all", exempt=whole_leaf()),
    Case(gx.shrink_weights(0.1), survives="all"),
    Case(gx.observe("norm", gx.update_norm), survives="all", exempt=functions("repr_is_the_call")),
    Case(gx.novograd(0.1), exempt=whole_leaf()),
    Case(gx.mars_adamw(0.1), exempt=whole_leaf()),
    Case(gx.fromage(0.1), survives="all", exempt=whole_leaf()),
    Case(gx.lamb(0.1), exempt=whole_leaf()),
    Case(gx.lars(0.1, 0.1), exempt=whole_leaf()),
]
