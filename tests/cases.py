"""The table of cases: one row for every factory of transformations, and the problem that the laws run them on."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

import gradtx as gx
from gradtx import GradientTransformation


@dataclasses.dataclass(frozen=True)
class Case:
    """A factory's row: how to make one, and the laws it is exempt from, each with its reason."""

    name: str
    make: Callable[[], GradientTransformation]
    exempt: dict[str, str] = dataclasses.field(default_factory=dict[str, str])


def negated(updates: Any) -> Any:
    return jax.tree.map(jnp.negative, updates)


def case(tx: Callable[[], GradientTransformation], **exempt: str) -> Case:
    return Case(tx().form.name, tx, exempt)


FUNCTIONS = "its arguments are another library's functions, which no data can name"

CASES = [
    case(lambda: gx.chain(gx.clip(1.0), gx.ema(0.9))),
    case(lambda: gx.foreign(optax.trace(0.9).init, optax.trace(0.9).update), spec=FUNCTIONS, pickle=FUNCTIONS, repr=FUNCTIONS),
    case(gx.identity),
    case(lambda: gx.named("mine", gx.trace(0.9))),
    case(lambda: gx.stateless(negated), spec=FUNCTIONS, repr=FUNCTIONS),
    case(lambda: gx.belief_average(0.9, 1e-3)),
    case(lambda: gx.bias_correction(gx.ema(0.9))),
    case(lambda: gx.dozat_average(0.9, 0.8, 0.85)),
    case(lambda: gx.ema(0.9)),
    case(lambda: gx.nesterov(gx.trace(0.9))),
    case(lambda: gx.decaying_max(0.9)),
    case(lambda: gx.running_max(gx.ema(0.9))),
    case(lambda: gx.running_sum(0.1)),
    case(lambda: gx.trace(0.9)),
    case(lambda: gx.two_rate_average(0.9, 0.99)),
    case(lambda: gx.yogi_average(0.9, 0.1)),
    case(lambda: gx.add_decayed_weights(0.1, "w*")),
    case(lambda: gx.add_noise(0.1, 0.55, 7)),
    case(lambda: gx.centralize()),
    case(lambda: gx.clip(0.2)),
    case(lambda: gx.clip_by_block_rms(0.2)),
    case(lambda: gx.clip_by_global_norm(0.5)),
    case(lambda: gx.keep_best_draw(0.1, 3)),
    case(lambda: gx.scale(0.5)),
    case(lambda: gx.scale_by_abs(gx.decaying_max(0.9), 1e-3)),
    case(lambda: gx.scale_by_conjugate_gradient(0.1, 5, 1e-6)),
    case(lambda: gx.scale_by_hessian(0.1)),
    case(lambda: gx.scale_by_learning_rate(0.1)),
    case(lambda: gx.scale_by_momentum(gx.ema(0.9))),
    case(lambda: gx.scale_by_rectified_rms(0.9, 1e-3)),
    case(lambda: gx.scale_by_rms(gx.ema(0.9), 1e-3, eps_root=1e-4, floor=1e-3, exponent=0.4)),
    case(lambda: gx.scale_by_stddev(gx.ema(0.9), 1e-2)),
    case(lambda: gx.scale_by_tree(2.0)),
    case(gx.sign),
    case(gx.zero_nonfinite),
    case(lambda: gx.freeze("s*", gx.trace(0.9))),
    case(lambda: gx.skip_nonfinite(gx.adam(0.1))),
    case(lambda: gx.adabelief(0.1, eps=1e-8, eps_moment=1e-8)),
    case(lambda: gx.adagrad(0.1, 0.1)),
    case(lambda: gx.adam(0.1)),
    case(lambda: gx.adamax(0.1)),
    case(lambda: gx.adamw(0.1, where=lambda path, leaf: leaf.ndim > 1), spec=FUNCTIONS, pickle=FUNCTIONS, repr=FUNCTIONS),
    case(lambda: gx.amsgrad(0.1)),
    case(lambda: gx.centered_rmsprop(0.1)),
    case(lambda: gx.laprop(0.1)),
    case(lambda: gx.lion(0.1, weight_decay=0.1)),
    case(lambda: gx.nadam(0.1)),
    case(lambda: gx.newton(0.5, 0.1)),
    case(lambda: gx.newton_cg(0.5, 0.1, 5)),
    case(lambda: gx.radam(0.1)),
    case(lambda: gx.random_search(0.1, 3)),
    case(lambda: gx.rmsprop(0.1, momentum=gx.trace(0.9))),
    case(lambda: gx.sgd(0.1, gx.nesterov(gx.trace(0.9)))),
    case(lambda: gx.signum(0.1)),
    case(lambda: gx.uncorrected_adam(0.1)),
    case(lambda: gx.yogi(0.1)),
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
