"""A row for every part that Optax's users expect and no other theme has."""

import gradtx as gx
from gradtx.testing import Case
from tests.cases.exemptions import whole_leaf

CASES = [
    Case(gx.normalize_by_update_norm(1e-3), survives="all"),
    Case(gx.scale_by_param_block_norm(0.1), survives="all", exempt=whole_leaf()),
]
