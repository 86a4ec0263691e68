"""The table of cases: one row for every factory of transformations, and the problem that the laws run them on."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

import gradtx as gx
from gradtx import GradientTransformation
from gradtx.testing import Case


def negated(updates: Any) -> Any:
    return jax.tree.map(jnp.negative, updates)


def by_name(path: str, leaf: Any) -> bool:
    return path.startswith("s")


FUNCTIONS = "its arguments are functions, which no data can name"
WHOLE_LEAF = "it measures or chooses leaves as wholes"
KEYED = "each leaf has random numbers of its own, by its path"
BY_NAME = "it chooses leaves by their names"
PATTERN = "its pattern over paths matches no leaf there, which is an error"
MEANS = "the mean over an axis that is sharded needs the sums of all shards, one for each output"
DENSE = "it solves with the whole Hessian, which every device needs"
CURVATURE = "its curvature is measured in the precision of the parameters"
ANY_EXTRA = "another library's part may take extras under any name"


def functions(*laws: str) -> dict[str, str]:
    return dict.fromkeys(("specs_round_trip", *laws), FUNCTIONS)


def draws() -> dict[str, str]:
    return dict.fromkeys(("arranging_leaves_changes_nothing", "splitting_a_leaf_changes_nothing"), KEYED)


def whole_leaf() -> dict[str, str]:
    return {"splitting_a_leaf_changes_nothing": WHOLE_LEAF}


LOSS = ("value_fn",)
SECOND_ORDER = {"small_steps_add_up": CURVATURE}
HESSIAN = SECOND_ORDER | dict.fromkeys(("no_leaf_is_gathered", "explicit_meshes_work"), DENSE)
FROZEN = {
    "every_kind_of_tree": PATTERN,
    "arranging_leaves_changes_nothing": BY_NAME,
}

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
    Case(gx.skip_nonfinite(gx.adam(0.1)), survives="all"),
    Case(gx.adabelief(0.1, eps=1e-8, eps_moment=1e-8)),
    Case(gx.adagrad(0.1, 0.1)),
    Case(gx.adam(0.1)),
    Case(gx.adamax(0.1)),
    Case(gx.adamw(0.1, where=lambda path, leaf: leaf.ndim > 1), exempt=functions("pickles_round_trip", "repr_is_the_call") | whole_leaf()),
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


def make_params(dtype: Any = jnp.float32, seed: int = 0) -> dict[str, Any]:
    keys = jax.random.split(jax.random.key(seed), 3)
    return {
        "w": jax.random.normal(keys[0], (4, 3)).astype(dtype),
        "b": jax.random.normal(keys[1], (3,)).astype(dtype),
        "s": jax.random.normal(keys[2], ()).astype(dtype),
    }


def loss(params: Any) -> jax.Array:
    """A wavy convex bowl with a different curvature for each weight."""
    leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(params) if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact)]
    if not leaves:
        return jnp.zeros(())
    flat = jnp.concatenate(leaves)
    curvature = (jnp.arange(1, flat.size + 1) / flat.size).astype(flat.dtype)
    return jnp.sum(curvature * (flat - 0.5) ** 2) + 0.1 * jnp.sum(jnp.cos(flat))


def step(tx: GradientTransformation, params: Any, state: Any, dtype: Any = None) -> tuple[Any, Any, Any]:
    """One step of training; gradients in `dtype` where given."""
    grads = jax.grad(loss)(params)
    if dtype is not None:
        grads = jax.tree.map(lambda g: g.astype(dtype), grads)
    updates, state = tx.update(grads, state, params, value_fn=loss)
    return gx.apply_updates(params, updates), state, updates


def train(tx: GradientTransformation, params: Any, steps: int) -> Any:
    """The parameters and the state after `steps` steps, by scan."""

    def body(carry: Any, _: None) -> tuple[Any, None]:
        params, state, _ = step(tx, *carry)
        return (params, state), None

    return jax.lax.scan(body, (params, tx.init(params)), None, length=steps)[0]
