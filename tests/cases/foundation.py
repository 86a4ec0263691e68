"""A row for every factory of the foundation."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

import gradtx as gx
from gradtx.testing import Case
from tests.cases.exemptions import BY_NAME, FROZEN, HESSIAN, LOSS, MEANS, SECOND_ORDER, by_shape, draws, functions, whole_leaf


def negated(updates: Any) -> Any:
    return jax.tree.map(jnp.negative, updates)


def by_name(path: str, leaf: Any) -> bool:
    return path.startswith("s")


CASES = [
    Case(gx.chain(gx.clip(1.0), gx.ema(0.9))),
    Case(
        gx.foreign(optax.trace(0.9).init, optax.trace(0.9).update),
        exempt=functions("pickles_round_trip", "repr_is_the_call"),
    ),
    Case(gx.identity(), survives="all"),
    Case(gx.named("mine", gx.trace(0.9))),
    Case(gx.stateless(negated), survives="all", exempt=functions("repr_is_the_call")),
    Case(gx.belief_average(0.9, 1e-3)),
    Case(gx.bias_correction(gx.ema(0.9))),
    Case(gx.dozat_average(0.9, 0.8, 0.85)),
    Case(gx.ema(0.9)),
    Case(gx.nesterov(gx.trace(0.9))),
    Case(gx.decaying_max(0.9)),
    Case(gx.running_max(gx.ema(0.9))),
    Case(gx.running_sum(0.1)),
    Case(gx.trace(0.9)),
    Case(gx.two_rate_average(0.9, 0.99)),
    Case(gx.yogi_average(0.9, 0.1)),
    Case(gx.add_decayed_weights(0.1), survives="all"),
    Case(gx.add_noise(0.1, 0.55, 7), survives="all", exempt=draws()),
    Case(gx.centralize(), survives="all", exempt=whole_leaf() | {"no_leaf_is_gathered": MEANS}),
    Case(gx.clip(0.2), survives="all"),
    Case(gx.clip_by_block_rms(0.2), survives="all", exempt=whole_leaf()),
    Case(gx.clip_by_global_norm(0.5), survives="all"),
    Case(gx.keep_best_draw(0.1, 3), needs=LOSS, survives="all", exempt=draws()),
    Case(gx.scale(0.5), survives="all"),
    Case(gx.scale_by_abs(gx.decaying_max(0.9), 1e-3)),
    Case(gx.scale_by_conjugate_gradient(0.1, 5, 1e-6), needs=LOSS, survives="all", exempt=SECOND_ORDER),
    Case(gx.scale_by_hessian(0.1), needs=LOSS, survives="all", exempt=HESSIAN),
    Case(gx.scale_by_learning_rate(0.1), survives="all"),
    Case(gx.scale_by_momentum(gx.ema(0.9))),
    Case(gx.scale_by_rectified_rms(0.9, 1e-3)),
    Case(gx.scale_by_rms(gx.ema(0.9), 1e-3, eps_root=1e-4, floor=1e-3, exponent=0.4)),
    Case(gx.scale_by_stddev(gx.ema(0.9), 1e-2)),
    Case(gx.scale_by_tree(2.0), survives="all"),
    Case(gx.sign(), survives="all"),
    Case(gx.zero_nonfinite(), survives="all"),
    Case(gx.freeze("s*", gx.trace(0.9)), exempt=FROZEN),
    Case(
        gx.freeze(by_name, gx.trace(0.9)),
        name="freeze by function",
        exempt=functions("repr_is_the_call") | {"arranging_leaves_changes_nothing": BY_NAME},
    ),
    Case(gx.masked("s*", gx.trace(0.9)), survives="all", exempt=FROZEN),
    Case(gx.partition(("s*", gx.sgd(0.1)), (None, gx.adam(0.1))), exempt=FROZEN),
    Case(gx.skip_nonfinite(gx.adam(0.1)), survives="all"),
    Case(gx.adabelief(0.1, eps=1e-8, eps_moment=1e-8)),
    Case(gx.adagrad(0.1, 0.1)),
    Case(gx.adam(0.1)),
    Case(gx.adamax(0.1)),
    Case(
        gx.adamw(0.1, where=lambda path, leaf: leaf.ndim > 1),
        exempt=functions("pickles_round_trip", "repr_is_the_call") | whole_leaf() | by_shape(),
    ),
    Case(gx.amsgrad(0.1)),
    Case(gx.centered_rmsprop(0.1)),
    Case(gx.laprop(0.1)),
    Case(gx.lion(0.1, weight_decay=0.1)),
    Case(gx.nadam(0.1)),
    Case(gx.newton(0.5, 0.1), needs=LOSS, survives="all", exempt=HESSIAN),
    Case(gx.newton_cg(0.5, 0.1, 5), needs=LOSS, survives="all", exempt=SECOND_ORDER),
    Case(gx.radam(0.1)),
    Case(gx.random_search(0.1, 3), needs=LOSS, survives="all", exempt=draws()),
    Case(gx.rmsprop(0.1, momentum=gx.trace(0.9))),
    Case(gx.sgd(0.1, gx.nesterov(gx.trace(0.9)))),
    Case(gx.signum(0.1)),
    Case(gx.uncorrected_adam(0.1)),
    Case(gx.yogi(0.1)),
]
