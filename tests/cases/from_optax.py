"""A row for every part that Optax's users expect and no other theme has."""

import gradtx as gx
from gradtx.testing import Case
from tests.cases.exemptions import draws, whole_leaf

CASES = [
    Case(gx.normalize_by_update_norm(1e-3), survives="all"),
    Case(gx.scale_by_param_block_norm(0.1), survives="all", exempt=whole_leaf()),
    Case(gx.add_private_noise(1.0, 0.5, 4.0, 7), survives="all", exempt=draws()),
    Case(gx.dpsgd(0.1, 1.0, 0.5, 4.0, 7, gx.trace(0.9)), exempt=draws()),
    Case(gx.projection_non_negative(), survives="all"),
    Case(gx.projection_box(-0.5, 0.75), survives="all"),
    Case(gx.projection_simplex(2.0), survives="all", exempt=whole_leaf()),
    Case(gx.projection_l1_ball(2.0), survives="all", exempt=whole_leaf()),
    Case(gx.projection_l2_ball(0.7), survives="all", exempt=whole_leaf()),
]
