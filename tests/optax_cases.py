"""The table of Optax's factories: one row for every public factory of transformations and of schedules of Optax 0.2.8.

A row makes a transformation that is stable on a small convex bowl, names its numbers so that each can be traced, and says what its
`update` needs. The numbers are the numeric defaults of the factory's signature and those that the row gives.
"""

import dataclasses
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib  # `import optax` alone does not promise it
from optax import contrib

EXTRAS: dict[str, Callable[[Callable[[Any], jax.Array], Any], Any]] = {
    "value": lambda loss, params: loss(params),
    "grad": lambda loss, params: jax.grad(loss)(params),
    "value_fn": lambda loss, params: loss,
    "obj_fn": lambda loss, params: loss,
}
"""What each extra should be: the loss at the parameters, its gradient there, or the loss itself."""


def small_tree() -> dict[str, jax.Array]:
    return {"w": jnp.linspace(-1.0, 1.5, 12).reshape(4, 3), "b": jnp.array([0.5, -0.25, 1.0]), "s": jnp.float32(0.75)}


def bowl(params: Any) -> jax.Array:
    """A convex quadratic whose curvature differs from leaf to leaf and whose minimum is nowhere at zero."""
    leaves = enumerate(jax.tree.leaves(params), start=1)
    return sum(((0.2 * k * jnp.sum((leaf - 0.3) ** 2)) for k, leaf in leaves), start=jnp.zeros(()))


def itself(params: Any) -> Any:
    return params


@dataclasses.dataclass(frozen=True)
class OptaxCase:
    """A factory's row."""

    name: str
    """The public path below `optax`, such as "adam" or "contrib.prodigy"."""
    with_numbers: Callable[..., Any]
    """The transformation from its numbers by name. They may be tracers."""
    numbers: dict[str, float]
    sizes: dict[str, int]
    """Integers that fix a shape or unroll a loop. No tracer can stand for them."""
    extras: tuple[str, ...]
    """The names in `EXTRAS` that `update` needs."""
    needs_params: bool
    """Whether `update` needs the parameters, or raises without them."""
    batched: bool
    """Whether the gradient of each leaf has a batch axis before the leaf's own."""
    tree: Callable[[], Any]
    """Parameters that the factory can train."""
    differentiated: Callable[[Any], Any]
    """The part of the parameters that the gradient is taken with respect to."""
    untraceable: tuple[str, ...]
    """The numbers that cannot be tracers: measured, and kept true by the tests."""
    note: str

    def make(self) -> Any:
        return self.with_numbers(**self.numbers)

    def gradient(self, params: Any, loss: Callable[[Any], jax.Array] = bowl) -> Any:
        gradient = jax.grad(loss)(self.differentiated(params))
        return jax.tree.map(lambda g: jnp.stack([0.5 * g, 1.5 * g]), gradient) if self.batched else gradient

    def arguments(self, params: Any, loss: Callable[[Any], jax.Array] = bowl) -> dict[str, Any]:
        """The extras for a call of `update` at these parameters."""
        return {name: EXTRAS[name](loss, self.differentiated(params)) for name in self.extras}

    def step(self, tx: Any, params: Any, state: Any, loss: Callable[[Any], jax.Array] = bowl) -> tuple[Any, Any]:
        return tx.update(self.gradient(params, loss), state, params, **self.arguments(params, loss))


def named(path: str) -> Any:
    found: Any = optax
    for part in path.split("."):
        found = getattr(found, part)
    return found


def numeric_defaults(factory: Callable[..., Any]) -> dict[str, float]:
    parameters = inspect.signature(factory).parameters.values()
    return {p.name: p.default for p in parameters if isinstance(p.default, int | float) and not isinstance(p.default, bool)}


def row(
    name: str,
    call: Callable[..., Any] | None = None,
    *,
    given: dict[str, Any] | None = None,
    sizes: dict[str, int] | None = None,
    extras: tuple[str, ...] = (),
    needs_params: bool = False,
    batched: bool = False,
    tree: Callable[[], Any] = small_tree,
    differentiated: Callable[[Any], Any] = itself,
    untraceable: tuple[str, ...] = (),
    note: str = "",
    **numbers: float,
) -> OptaxCase:
    """A row whose transformation is `call(**numbers)`; `call` is the factory itself, with what is `given`, where it needs no help."""
    factory = named(name)
    given, sizes = given or {}, sizes or {}
    defaults = {} if isinstance(factory, type) else numeric_defaults(factory)
    numbers = {argument: value for argument, value in {**defaults, **numbers}.items() if argument not in sizes}

    def with_numbers(**numbers: Any) -> Any:
        return (call or factory)(**{**given, **sizes, **numbers})

    return OptaxCase(name, with_numbers, numbers, sizes, extras, needs_params, batched, tree, differentiated, untraceable, note)


def betas(factory: Callable[..., Any]) -> Callable[..., Any]:
    """A factory that takes `betas`, with the two by name."""
    return lambda b1, b2, **rest: factory(betas=(b1, b2), **rest)


def coefficients(factory: Callable[..., Any]) -> Callable[..., Any]:
    """A factory that takes `ns_coeffs`, with the three by name."""
    return lambda ns_a, ns_b, ns_c, **rest: factory(ns_coeffs=(ns_a, ns_b, ns_c), **rest)


def matrices(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, tree)


def kinds(tree: Any) -> Any:
    return jax.tree.map(lambda matrix: "matrix" if matrix else "other", matrices(tree))


def no_scalar() -> dict[str, jax.Array]:
    tree = small_tree()
    return {"w": tree["w"], "b": tree["b"]}


def one_matrix() -> jax.Array:
    return small_tree()["w"]


def fast_and_slow() -> optax.LookaheadParams:
    # Two trees, for `init_synced` would hold every array twice.
    return optax.LookaheadParams(small_tree(), small_tree())


def behind_descent(factory: Callable[..., Any]) -> Callable[..., Any]:
    """A line search behind the direction that it searches."""
    return lambda **numbers: optax.chain(optax.sgd(1.0), factory(**numbers))


def quietly(factory: Callable[..., Any]) -> Callable[..., Any]:
    """A factory without its warning that it is deprecated."""

    def make(*given: Any, **named: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return factory(*given, **named)

    return make


INNER = {"inner": optax.adam(0.1)}
EVEN = {"should_transform_fn": lambda step: step % 2 == 0}
GROUPS = {"matrix": optax.adam(0.1), "other": optax.sgd(0.1)}
SEARCH = ("value", "grad", "value_fn")
NEWTON_SCHULZ = {"ns_a": 3.4445, "ns_b": -4.775, "ns_c": 2.0315}
ADAM = numeric_defaults(optax.adam)
DESCENT = "searches along the updates that come in, so it stands behind a descent direction"

ALIASES = [
    row("adabelief", learning_rate=0.1),
    row("adadelta", learning_rate=1.0, needs_params=True),
    row("adafactor", learning_rate=0.1, momentum=0.9, weight_decay_rate=1e-3, sizes={"min_dim_size_to_factor": 2}, needs_params=True),
    row("adagrad", learning_rate=0.1),
    row("adam", learning_rate=0.1),
    row("adamax", learning_rate=0.1),
    row("adamaxw", learning_rate=0.1, needs_params=True),
    row("adamw", learning_rate=0.1, needs_params=True),
    row("adan", learning_rate=0.1, needs_params=True),
    row("amsgrad", learning_rate=0.1),
    row("fromage", learning_rate=0.1, needs_params=True),
    row("lamb", learning_rate=0.1, needs_params=True),
    row("lars", learning_rate=0.1, needs_params=True),
    row("lbfgs", learning_rate=0.5, sizes={"memory_size": 3}, extras=SEARCH, needs_params=True),
    row("lion", learning_rate=0.1, needs_params=True),
    row("nadam", learning_rate=0.1),
    row("nadamw", learning_rate=0.1, needs_params=True),
    row("noisy_sgd", learning_rate=0.1, given={"key": 0}),
    row("novograd", learning_rate=0.1, needs_params=True),
    row("optimistic_adam", quietly(optax.optimistic_adam), learning_rate=0.1, optimism=0.1, note="deprecated"),
    row("optimistic_adam_v2", learning_rate=0.1),
    row("optimistic_gradient_descent", learning_rate=0.1),
    row("polyak_sgd", extras=("value",)),
    row("radam", learning_rate=0.1),
    row("rmsprop", learning_rate=0.1, momentum=0.9),
    row("rprop", learning_rate=0.1),
    row("sgd", learning_rate=0.1, momentum=0.9),
    row("sign_sgd", learning_rate=0.1),
    row("signum", learning_rate=0.1),
    row("sm3", learning_rate=0.1, tree=no_scalar, note="raises IndexError on a scalar leaf (D23)"),
    row("yogi", learning_rate=0.1),
]

TRANSFORMS = [
    row("adaptive_grad_clip", clipping=0.1, needs_params=True),
    row("add_decayed_weights", weight_decay=0.1, needs_params=True),
    row("add_noise", eta=0.1, gamma=0.55, given={"key": 0}),
    row("apply_every", k=2),
    row("centralize"),
    row("clip", max_delta=0.2),
    row("clip_by_block_rms", threshold=0.2),
    row("clip_by_global_norm", max_norm=0.5),
    row("ema", decay=0.9),
    row("identity"),
    row("keep_params_nonnegative", needs_params=True),
    row("measure_with_ema", decay=0.9, given={"measure": optax.tree.norm}, note="its updates are the measurement, a scalar"),
    row("monitor", given={"measures": {"norm": optax.tree.norm}}),
    row("normalize_by_update_norm"),
    row("scale", step_size=0.5),
    row("scale_by_adadelta"),
    row("scale_by_adam"),
    row("scale_by_adamax"),
    row("scale_by_adan"),
    row("scale_by_amsgrad"),
    row(
        "scale_by_backtracking_linesearch",
        behind_descent(optax.scale_by_backtracking_linesearch),
        sizes={"max_backtracking_steps": 8},
        extras=SEARCH,
        needs_params=True,
        note=DESCENT + "; without parameters it searches from nowhere in silence",
    ),
    row("scale_by_belief"),
    row(
        "scale_by_distance_over_gradients",
        needs_params=True,
        tree=no_scalar,
        note="the update of a scalar leaf has the shape (1,) (D16)",
    ),
    row("scale_by_factored_rms", sizes={"min_dim_size_to_factor": 2}, needs_params=True),
    row("scale_by_lbfgs", sizes={"memory_size": 3}, needs_params=True),
    row("scale_by_learning_rate", learning_rate=0.1),
    row("scale_by_lion"),
    row("scale_by_novograd", needs_params=True),
    row("scale_by_optimistic_gradient"),
    row("scale_by_param_block_norm", needs_params=True),
    row("scale_by_param_block_rms", needs_params=True),
    row("scale_by_polyak", extras=("value",)),
    row("scale_by_radam"),
    row("scale_by_rms"),
    row("scale_by_rprop", learning_rate=0.1),
    row("scale_by_rss"),
    row("scale_by_schedule", given={"step_size_fn": optax.linear_schedule(0.1, 0.01, 10)}),
    row("scale_by_sign"),
    row("scale_by_sm3", b2=0.9, tree=no_scalar, untraceable=("b2",), note="raises IndexError on a scalar leaf (D23)"),
    row("scale_by_stddev"),
    row("scale_by_trust_ratio", needs_params=True),
    row("scale_by_yogi"),
    row(
        "scale_by_zoom_linesearch",
        behind_descent(optax.scale_by_zoom_linesearch),
        max_learning_rate=1.0,
        sizes={"max_linesearch_steps": 8},
        extras=SEARCH,
        needs_params=True,
        note=DESCENT,
    ),
    row("set_to_zero"),
    row("snapshot", given={"measure_name": "norm", "measure": optax.tree.norm}),
    row("stateless", given={"f": lambda updates, params: optax.tree.scale(-0.1, updates)}),
    row("stateless_with_tree_map", given={"f": lambda update, param: -0.1 * update}),
    row("trace", decay=0.9),
    row("zero_nans"),
]

WRAPPERS = [
    row(
        "MultiSteps",
        lambda **k: optax.MultiSteps(optax.adam(0.1), **k).gradient_transformation(),
        every_k_schedule=2,
        untraceable=("every_k_schedule",),
    ),
    row("apply_if_finite", max_consecutive_errors=3, given=INNER),
    row("chain", lambda: optax.chain(optax.clip(0.5), optax.adam(0.1))),
    row("conditionally_mask", given={**INNER, **EVEN}),
    row("conditionally_transform", given={"inner": optax.clip(0.2), **EVEN}),
    row("flatten", given=INNER),
    row("freeze", given={"mask": matrices}),
    row("inject_hyperparams", optax.inject_hyperparams(optax.adam), learning_rate=0.1, **ADAM),
    row(
        "inject_stateful_hyperparams", quietly(optax.inject_stateful_hyperparams)(optax.adam), learning_rate=0.1, note="deprecated", **ADAM
    ),
    row(
        "lookahead",
        given={"fast_optimizer": optax.sgd(0.1)},
        sync_period=2,
        slow_step_size=0.5,
        needs_params=True,
        tree=fast_and_slow,
        differentiated=lambda params: params.fast,
        untraceable=("sync_period",),
        note="trains a pair of fast and slow parameters; the gradient is that of the fast ones, the updates are a pair",
    ),
    row("masked", given={"inner": optax.clip(0.2), "mask": matrices}),
    row("multi_transform", given={"transforms": GROUPS, "param_labels": kinds}, note="another name of partition"),
    row("named_chain", lambda: optax.named_chain(("clip", optax.clip(0.5)), ("adam", optax.adam(0.1)))),
    row("partition", given={"transforms": GROUPS, "param_labels": kinds}),
    row(
        "selective_transform",
        given={"optimizer": optax.adam(0.1), "freeze_mask": False},
        note="its mask must be a tree or one bool; one bool fits every tree",
    ),
    row("with_extra_args_support", given={"tx": optax.adam(0.1)}),
]

CONTRIB = [
    row("contrib.acprop", learning_rate=0.1, needs_params=True),
    row("contrib.ademamix", learning_rate=0.1, needs_params=True),
    row("contrib.adopt", learning_rate=0.1),
    row("contrib.cocob", needs_params=True),
    row("contrib.dadapt_adamw", betas(contrib.dadapt_adamw), b1=0.9, b2=0.999, needs_params=True),
    row(
        "contrib.differentially_private_aggregate",
        l2_norm_clip=1.0,
        noise_multiplier=0.1,
        given={"key": 0},
        batched=True,
        note="takes the gradient of each example along a leading axis",
    ),
    row(
        "contrib.dog",
        lambda reps_rel, **rest: contrib.dog(init_step=("heuristic", reps_rel), **rest),
        reps_rel=1e-6,
        weight_decay=1e-3,
        needs_params=True,
    ),
    row("contrib.dowg", init_estim_sq_dist=1e-4, weight_decay=1e-3, needs_params=True),
    row(
        "contrib.dpsgd",
        quietly(contrib.dpsgd),
        learning_rate=0.1,
        l2_norm_clip=1.0,
        noise_multiplier=0.1,
        momentum=0.9,
        given={"seed": 0},
        batched=True,
        note="takes the gradient of each example along a leading axis",
    ),
    row("contrib.galore", learning_rate=0.1, sizes={"rank": 2}, needs_params=True),
    row(
        "contrib.hutchinson_estimator_diag_hessian",
        extras=("obj_fn",),
        needs_params=True,
        note="its updates are an estimate of the Hessian's diagonal, whatever comes in",
    ),
    row("contrib.madgrad", learning_rate=0.1, needs_params=True),
    row("contrib.mechanize", given={"base_optimizer": optax.sgd(0.1)}, sizes={"num_betas": 6}, needs_params=True),
    row("contrib.momo", extras=("value",), needs_params=True),
    row("contrib.momo_adam", extras=("value",), needs_params=True),
    row(
        "contrib.muon",
        coefficients(contrib.muon),
        learning_rate=0.1,
        adam_learning_rate=0.1,
        consistent_rms=0.2,
        needs_params=True,
        **NEWTON_SCHULZ,
    ),
    row("contrib.normalize"),
    row("contrib.prodigy", betas(contrib.prodigy), b1=0.9, b2=0.999, beta3=0.999**0.5, needs_params=True),
    row("contrib.reduce_on_plateau", extras=("value",), untraceable=("factor", "rtol", "atol")),
    row(
        "contrib.sam",
        given={"optimizer": optax.sgd(0.1), "adv_optimizer": optax.chain(contrib.normalize(), optax.sgd(0.05))},
        needs_params=True,
        untraceable=("sync_period",),
    ),
    row("contrib.scale_by_acprop"),
    row("contrib.scale_by_ademamix"),
    row("contrib.scale_by_adopt"),
    row("contrib.scale_by_cocob", needs_params=True),
    row("contrib.scale_by_galore", sizes={"rank": 2}),
    row("contrib.scale_by_madgrad", learning_rate=0.1, needs_params=True),
    row(
        "contrib.scale_by_muon",
        coefficients(contrib.scale_by_muon),
        tree=one_matrix,
        note="its default fails on every container; a bare matrix works (D19)",
        **NEWTON_SCHULZ,
    ),
    row("contrib.scale_by_simplified_ademamix"),
    row("contrib.schedule_free", given={"base_optimizer": optax.sgd(0.1)}, learning_rate=0.1, needs_params=True),
    row("contrib.schedule_free_adamw", learning_rate=0.1, warmup_steps=5, needs_params=True, untraceable=("warmup_steps",)),
    row(
        "contrib.schedule_free_sgd",
        learning_rate=0.1,
        warmup_steps=5,
        weight_decay=1e-3,
        needs_params=True,
        untraceable=("warmup_steps",),
    ),
    row("contrib.simplified_ademamix", learning_rate=1e-3, needs_params=True),
    row("contrib.sophia", learning_rate=0.05, extras=("obj_fn",), needs_params=True),
    row("contrib.split_real_and_imaginary", given=INNER),
]

CASES = [*ALIASES, *TRANSFORMS, *WRAPPERS, *CONTRIB]


@dataclasses.dataclass(frozen=True)
class ScheduleCase:
    """A schedule factory's row: the schedule from its numbers by name, and those of them that cannot be tracers."""

    name: str
    with_numbers: Callable[..., Callable[[Any], Any]]
    numbers: dict[str, float]
    untraceable: tuple[str, ...]

    def make(self) -> Callable[[Any], Any]:
        return self.with_numbers(**self.numbers)


def schedule(name: str, call: Callable[..., Any] | None = None, *, untraceable: tuple[str, ...] = (), **numbers: float) -> ScheduleCase:
    factory = named(name)
    return ScheduleCase(name, call or factory, {**numeric_defaults(factory), **numbers}, untraceable)


SCHEDULES = [
    schedule("constant_schedule", value=0.1),
    schedule("cosine_decay_schedule", init_value=0.1, decay_steps=10, untraceable=("decay_steps",)),
    schedule(
        "cosine_onecycle_schedule",
        transition_steps=10,
        peak_value=0.1,
        untraceable=("pct_start", "div_factor", "final_div_factor", "transition_steps"),
    ),
    schedule(
        "exponential_decay",
        init_value=0.1,
        transition_steps=5,
        decay_rate=0.5,
        end_value=0.01,
        untraceable=("transition_begin", "transition_steps", "decay_rate"),
    ),
    schedule(
        "join_schedules",
        lambda init_value, end_value, boundary: optax.join_schedules(
            [optax.constant_schedule(init_value), optax.constant_schedule(end_value)], [boundary]
        ),
        init_value=0.1,
        end_value=0.01,
        boundary=4,
    ),
    schedule(
        "linear_onecycle_schedule",
        transition_steps=10,
        peak_value=0.1,
        untraceable=("pct_start", "pct_final", "div_factor", "final_div_factor", "transition_steps"),
    ),
    schedule("linear_schedule", init_value=0.1, end_value=0.01, transition_steps=8, untraceable=("transition_begin", "transition_steps")),
    schedule(
        "piecewise_constant_schedule",
        lambda init_value, boundary, scale: optax.piecewise_constant_schedule(init_value, {boundary: scale}),
        init_value=0.1,
        boundary=4,
        scale=0.5,
        untraceable=("boundary", "scale"),
    ),
    schedule(
        "piecewise_interpolate_schedule",
        lambda init_value, boundary, scale: optax.piecewise_interpolate_schedule("cosine", init_value, {boundary: scale}),
        init_value=0.1,
        boundary=4,
        scale=0.5,
        untraceable=("boundary", "scale"),
    ),
    schedule(
        "polynomial_schedule",
        init_value=0.1,
        end_value=0.01,
        power=2,
        transition_steps=8,
        untraceable=("transition_begin", "transition_steps"),
    ),
    schedule(
        "sgdr_schedule",
        lambda **numbers: optax.sgdr_schedule([numbers, numbers]),
        init_value=0.0,
        peak_value=0.1,
        decay_steps=8,
        warmup_steps=2,
        end_value=0.01,
        untraceable=("peak_value", "decay_steps", "warmup_steps"),
    ),
    schedule("warmup_constant_schedule", init_value=0.0, peak_value=0.1, warmup_steps=4, untraceable=("warmup_steps",)),
    schedule(
        "warmup_cosine_decay_schedule",
        init_value=0.0,
        peak_value=0.1,
        warmup_steps=4,
        decay_steps=10,
        untraceable=("peak_value", "warmup_steps", "decay_steps"),
    ),
    schedule(
        "warmup_exponential_decay_schedule",
        init_value=0.0,
        peak_value=0.1,
        warmup_steps=4,
        transition_steps=5,
        decay_rate=0.5,
        end_value=0.01,
        untraceable=("transition_begin", "warmup_steps", "transition_steps", "decay_rate"),
    ),
]
