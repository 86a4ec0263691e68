"""What every public name of Optax is in gradtx: the same name, another spelling, or nothing, with the reason.

Expressions of Optax are evaluated in `optax_namespace()`, those of gradtx in the namespace that `GIVEN` makes.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import optax
import optax.contrib
from optax import contrib, projections, schedules, transforms

GIVEN = """\
import jax
import jax.numpy as jnp

from gradtx import *

lr, key, where = 0.1, 0, "kernel"
tx, other = sgd(lr), adam(lr)

def even(step):
    return step % 2 == 0

def f(update, param):
    return -0.1 * update
"""
"""What the expressions of gradtx stand on. The page shows it and runs it."""


def optax_namespace() -> dict[str, Any]:
    """The same for the expressions of Optax."""
    given = {"lr": 0.1, "key": 0, "mask": {"kernel": True, "bias": False}, "labels": {"kernel": "a", "bias": "b"}}
    functions = {"even": lambda step: step % 2 == 0, "f": lambda update, param: -0.1 * update}
    optimizers = {"tx": optax.sgd(0.1), "other": optax.adam(0.1)}
    return {**vars(optax), "contrib": contrib, **given, **functions, **optimizers}


class Row(NamedTuple):
    """A name of Optax in an expression of it, the expression of gradtx, and why the two differ, if they do.

    `compared` says that both are transformations, or schedules, and their numbers are compared.
    """

    optax: str
    gradtx: str
    differs: str = ""
    note: str = ""
    compared: bool = True

    @property
    def name(self) -> str:
        return re.match(r"[\w.]+", self.optax)[0]


def told(optax: str, gradtx: str, note: str = "") -> Row:
    """A row of which nothing can be compared by running both."""
    return Row(optax, gradtx, note=note, compared=False)


ALIKE_WITH_RATE = """
adabelief adadelta adafactor adagrad adam adamax adamaxw adamw adan amsgrad fromage lamb lars lion nadam nadamw novograd
optimistic_gradient_descent radam rmsprop rprop sgd sign_sgd signum sm3 yogi contrib.acprop contrib.ademamix contrib.adopt contrib.madgrad
contrib.schedule_free_adamw contrib.schedule_free_sgd contrib.simplified_ademamix
"""
CERTIFIED = ALIKE_WITH_RATE.split()
"""Optimizers that are called alike, `name(lr)`. Certificates say how far the paths are apart."""

WITHOUT_RATE = [
    "polyak_sgd",
    "contrib.cocob",
    "contrib.dadapt_adamw",
    "contrib.dog",
    "contrib.dowg",
    "contrib.momo",
    "contrib.momo_adam",
    "contrib.prodigy",
]
"""Those that are called alike, `name()`."""

ALIKE = [
    "add_decayed_weights(0.1)",
    "apply_updates",
    "chain(clip(0.5), sgd(lr))",
    "clip(0.2)",
    "clip_by_block_rms(0.2)",
    "clip_by_global_norm(0.5)",
    "constant_schedule(0.3)",
    "cosine_decay_schedule(0.3, 20, 0.1)",
    "cosine_onecycle_schedule(20, 0.3)",
    "exponential_decay(0.3, 10, 0.7, 7)",
    "identity()",
    "linear_onecycle_schedule(20, 0.3)",
    "linear_schedule(0.3, 0.1, 20, 7)",
    "normalize_by_update_norm(eps=1e-6)",
    "polynomial_schedule(0.3, 0.1, 2.5, 20, 7)",
    "scale(0.5)",
    "scale_by_learning_rate(lr)",
    "scale_by_optimistic_gradient()",
    "scale_by_param_block_norm()",
    "scale_by_param_block_rms()",
    "scale_by_trust_ratio()",
    "stateless(lambda updates, params: params)",
    "trace(0.9)",
    "warmup_cosine_decay_schedule(0.05, 0.3, 5, 20, 0.01)",
    "GradientTransformation",
    "Schedule",
]
"""The same call in both libraries."""

MEAN, SQUARE = "scale_by_momentum(bias_correction(ema(0.9)))", "scale_by_rms(bias_correction(ema(0.999)), 1e-8)"
RANDOM = "other random numbers"
EVERYWHERE = "every leaf is real inside"
OF_A_MOMENT = "a moment that is corrected, wherever a moment may stand"

OPTIMIZERS = [
    Row("sgd(lr, 0.9)", "sgd(lr, trace(0.9))"),
    Row("sgd(lr, 0.9, nesterov=True)", "sgd(lr, nesterov(trace(0.9)))"),
    Row("rmsprop(lr, centered=True)", "centered_rmsprop(lr, 0.9, 1e-8)"),
    Row("noisy_sgd(lr, key=key)", "noisy_sgd(lr, key)", RANDOM),
    Row("optimistic_adam(lr, 0.1)", "optimistic_adam(lr)", "deprecated there, and takes the last step for the last gradient"),
    Row("optimistic_adam_v2(lr, nesterov=False)", "optimistic_adam(lr)"),
    told("contrib.galore(lr)", "galore(lr, where)", "`where` chooses the matrices"),
    told("contrib.muon(lr)", "muon(lr, where)", "`where` chooses the matrices"),
    told("contrib.reduce_on_plateau()", "reduce_on_plateau()"),
    told("contrib.sam(tx, adv)", "chain(sam(0.05), tx)", "takes the extra `value_fn`"),
    told("contrib.sophia(lr)", "sophia(lr, key)"),
]

OUTSIDE_OF_THE_CHAIN = "behind `per_example_clip_by_global_norm(gradients, 1.0)`: a chain sees one gradient"
PRIVACY = [
    told("contrib.differentially_private_aggregate(1.0, 0.5, key=key)", "add_private_noise(1.0, 0.5, 8, key)", OUTSIDE_OF_THE_CHAIN),
    told("contrib.dpsgd(lr, 1.0, 0.5, key)", "dpsgd(lr, 1.0, 0.5, 8, key)", OUTSIDE_OF_THE_CHAIN),
    told("per_example_global_norm_clip(gradients, 1.0)", "per_example_clip_by_global_norm", "the mean, and no count"),
    told("per_example_layer_norm_clip(gradients, 1.0)", "per_example_clip_by_global_norm", "mapped over the leaves, with a bound for each"),
]

PARTS = [
    Row("adaptive_grad_clip(0.1)", "adaptive_grad_clip(0.1)"),
    told("add_noise(0.1, 0.55, key)", "add_noise(0.1, 0.55, key)", RANDOM),
    Row("centralize()", "centralize(output_axis=0)", note="by default over all axes but the last here, over all but the first there"),
    Row("ema(0.9)", "bias_correction(ema(0.9))"),
    Row("ema(0.9, debias=False)", "ema(0.9)"),
    Row("scale_by_adadelta()", "chain(scale_by_rms(ema(0.9), eps_root=1e-6), scale_by_step_rms(0.9, 1e-6))"),
    Row("scale_by_adam()", f"chain({MEAN}, {SQUARE})"),
    Row("scale_by_adamax()", f"chain({MEAN}, scale_by_abs(decaying_max(0.999)))"),
    Row(
        "scale_by_adan()",
        "chain(scale_by_extrapolated_momentum(bias_correction(ema(0.98)), bias_correction(ema(0.92)), 0.08), "
        "scale_by_rms(bias_correction(ema(0.99)), 1e-8))",
        note="the paper mixes with 0.92",
    ),
    Row("scale_by_amsgrad()", f"chain({MEAN}, scale_by_rms(running_max(bias_correction(ema(0.999))), 1e-8))"),
    Row("scale_by_belief()", f'chain({MEAN}, scale_by_rms(belief_average(0.999), 1e-16, of="deviation"))'),
    Row("scale_by_distance_over_gradients()", "scale_by_dog(1e-6, 1e-8)", "each leaf by itself there, all leaves together here"),
    Row(
        "scale_by_factored_rms(min_dim_size_to_factor=2)",
        "scale_by_rms(stored(ema(adafactor_decay_schedule()), rank_one(2)), eps_root=1e-30)",
        note="the decay is rounded to float32 there",
    ),
    Row("scale_by_lion()", "chain(scale_by_momentum(two_rate_average(0.9, 0.99)), sign())"),
    Row("scale_by_novograd()", "chain(scale_by_block_norm(ema_from_first(0.25), 1e-8), scale_by_momentum(trace(0.9)))"),
    Row("scale_by_polyak()", "scale_by_polyak(0.0, 1.0)"),
    Row("scale_by_radam()", f"chain({MEAN}, scale_by_rectified_rms(0.999, 1e-8))", note="but for where epsilon is added"),
    Row("scale_by_rms()", "scale_by_rms(ema(0.9), eps_root=1e-8)"),
    Row("scale_by_rprop(lr)", "scale_by_rprop(lr)", "each step is taken one step late there"),
    Row("scale_by_rss()", "scale_by_rms(running_sum(0.1), eps_root=1e-7)"),
    Row("scale_by_schedule(linear_schedule(1.0, 0.1, 20))", "scale(linear_schedule(1.0, 0.1, 20))"),
    Row("scale_by_sign()", "sign()"),
    Row("scale_by_sm3()", "chain(scale_by_rms(stored(running_sum(), cover()), eps_root=1e-8), scale_by_momentum(ema(0.9)))"),
    Row("scale_by_stddev()", "scale_by_stddev(ema(0.9), eps_root=1e-8)"),
    Row(
        "scale_by_yogi()",
        "chain(scale_by_momentum(ema(0.9)), scale_by_rms(yogi_average(0.999), 1e-3))",
        "both moments begin at 1e-6 there, and are corrected",
    ),
    Row("set_to_zero()", "scale(0.0)"),
    Row("stateless_with_tree_map(f)", "stateless(lambda updates, params: jax.tree.map(f, updates, params))"),
    Row("trace(0.9, nesterov=True)", "nesterov(trace(0.9))"),
    Row("zero_nans()", "zero_nonfinite()", note="takes infinity too"),
    Row("contrib.normalize()", "normalize_by_update_norm(1e-12)"),
    Row(
        "contrib.scale_by_acprop()",
        "scale_by_lagged_belief(0.9, 0.999, 1e-16, 1e-16)",
        "the deviation is from the average one step older there",
    ),
    Row("contrib.scale_by_ademamix()", f"chain(scale_by_momentum(mixed_average(bias_correction(ema(0.9)), ema(0.9999), 6.0)), {SQUARE})"),
    Row(
        "contrib.scale_by_adopt()",
        "chain(scale_by_lagged_rms(0.9999, 1e-6), clip(power_schedule(1.0, 0.25)), scale_by_momentum(ema(0.9)))",
    ),
    Row("contrib.scale_by_cocob()", "bet_on_coins(1.0, 100.0, 1e-8)"),
    told("contrib.scale_by_galore(8)", "in_basis(low_rank_basis(8), scale_by_rms(ema(0.999), 1e-8))"),
    Row("contrib.scale_by_madgrad(lr)", "dual_average(lr, 0.9, 1e-6)", "epsilon is added to the learning rate too there"),
    told("contrib.scale_by_muon()", "chain(scale_by_momentum(nesterov(ema(0.95))), orthogonalize())"),
    Row(
        "contrib.scale_by_simplified_ademamix()",
        "chain(scale_by_momentum(mixed_average(trace(0.99), identity(), 0.0)), scale_by_rms(bias_correction(ema(0.95)), 1e-8))",
    ),
]

WRAPPERS = [
    Row("MultiSteps(tx, 2).gradient_transformation()", "accumulate(tx, 2)"),
    Row("apply_every(2)", "accumulate(scale(2.0), 2)", note="the sum of the updates"),
    Row("apply_if_finite(tx, 3)", "skip_nonfinite(tx)", note="never gives up"),
    Row("conditionally_mask(tx, even)", "select(even, tx, scale(0.0))", note="`every(2, tx)` costs nothing between its steps"),
    Row("conditionally_transform(tx, even)", "select(even, tx, identity())"),
    Row("flatten(other)", "other", note="leaves of equal shape share one trace here, and norms of leaves keep their meaning"),
    Row("freeze(mask)", "masked(where, scale(0.0))"),
    Row("inject_hyperparams(adam)(lr)", "adam(lr)", note="read with `hyperparameters(tx, state)`; another value is another argument"),
    Row("inject_stateful_hyperparams(adam)(lr)", "adam(lr)", note="a schedule with a state is no value: `reduce_on_plateau` is a part"),
    told("lookahead(tx, 5, 0.5)", "lookahead(tx, 5, 0.5)", "on plain parameters here, on a pair of them there"),
    Row("masked(tx, mask)", "masked(where, tx)"),
    Row('multi_transform({"a": tx, "b": other}, labels)', "partition((where, tx), (None, other))"),
    Row('named_chain(("clip", clip(0.5)), ("sgd", tx))', 'chain(named("clip", clip(0.5)), named("sgd", tx))'),
    Row('partition({"a": tx, "b": other}, labels)', "partition((where, tx), (None, other))", note="the first choice that fits"),
    Row("selective_transform(tx, freeze_mask=mask)", "freeze(where, tx)"),
    Row("with_extra_args_support(tx)", "tx", note="every transformation takes extras by keyword"),
    Row("contrib.mechanize(tx)", "mechanic(tx)", "begins at a scale of 1e-6 there and with no step here; bounds h there"),
    Row("contrib.schedule_free(tx, lr)", "schedule_free(tx, lr)"),
    Row("contrib.split_real_and_imaginary(other)", "other", note=EVERYWHERE),
    told(
        "skip_large_updates(updates, 0, 0, params, max_squared_norm=4.0)",
        "skip_spikes(tx)",
        "against the usual norm, no fixed one; `clip_by_global_norm(2.0)` bounds it instead",
    ),
    told("skip_not_finite(updates, 0, 0, params)", "skip_nonfinite(tx)"),
]

OF_SLICES = "here a part, of each leaf by itself or of slices along an `axis`; there a function of a tree, all leaves together"
PROJECTIONS = [
    Row("keep_params_nonnegative()", "projection_non_negative()"),
    told("projections.projection_non_negative(params)", "projection_non_negative()", "here a part, last in a chain"),
    told("projections.projection_box(params, -1.0, 1.0)", "projection_box(-1.0, 1.0)"),
    told("projections.projection_hypercube(params)", "projection_box(0.0, 1.0)"),
    told("projections.projection_linf_ball(params, 2.0)", "projection_box(-2.0, 2.0)"),
    told("projections.projection_simplex(params)", "projection_simplex()", OF_SLICES),
    told("projections.projection_l1_ball(params)", "projection_l1_ball()", OF_SLICES),
    told("projections.projection_l2_ball(params)", "projection_l2_ball()", OF_SLICES),
    told("projections.projection_l2_sphere(params)", "retract_to_sphere()", "of the norm that the weights began with"),
]

SEEING = [
    told('monitor({"norm": global_norm})', 'observe("norm", update_norm)', "read with `observations(state)`"),
    told("measure_with_ema(global_norm, 0.9)", 'observe("norm", update_norm, bias_correction(ema(0.9)))'),
    Row('snapshot("norm", global_norm)', 'observe("norm", update_norm)'),
]

SCHEDULES = [
    Row("exponential_decay(0.3, 10, 0.7, staircase=True)", "staircase_decay(0.3, 10, 0.7)"),
    Row(
        "join_schedules([linear_schedule(0.0, 0.3, 10), cosine_decay_schedule(0.3, 20)], [10])",
        "join_schedules((linear_schedule(0.0, 0.3, 10), cosine_decay_schedule(0.3, 20)), (10,))",
    ),
    Row("piecewise_constant_schedule(0.1, {10: 0.5})", "piecewise_constant_schedule((0.1, 0.05), (10,))", note="values, not factors"),
    Row(
        'piecewise_interpolate_schedule("linear", 1.0, {4: 0.1, 8: 0.01})',
        "join_schedules((linear_schedule(1.0, 0.1, 4), linear_schedule(0.1, 0.001, 4)), (4,))",
    ),
    Row(
        "sgdr_schedule([dict(init_value=0.3, peak_value=0.3, decay_steps=k, warmup_steps=0, end_value=0.01) for k in (8, 16, 32)])",
        "sgdr_schedule(0.3, 8, 2.0, 0.01)",
    ),
    Row("warmup_constant_schedule(0.0, 0.3, 10)", "linear_schedule(0.0, 0.3, 10)"),
    Row(
        "warmup_exponential_decay_schedule(0.0, 0.3, 10, 5, 0.5)",
        "join_schedules((linear_schedule(0.0, 0.3, 10), exponential_decay(0.3, 5, 0.5)), (10,))",
    ),
    told("WrappedSchedule(linear_schedule(0.0, 0.3, 10))", "linear_schedule(0.0, 0.3, 10)", "every schedule is a value"),
]

FUNCTIONS = [
    told("global_norm(updates)", 'observe("norm", update_norm)', "the norm itself is `update_norm(updates, updates, None)`"),
    told("incremental_update(params, slow, 0.1)", "ema_from_first(0.9)", "a moment of the parameters: `update(params, state)`"),
    told("periodic_update(params, slow, step, 10)", "lookahead(tx, 10, 1.0)", "`eval_params(tx, params, state)` is the slow copy"),
    told("contrib.schedule_free_eval_params(state, params)", "eval_params", "`eval_params(tx, params, state)`, of whatever averages"),
    told("bias_correction(m, 0.9, step)", "bias_correction(ema(0.9))", OF_A_MOMENT),
    told("update_moment(updates, m, 0.9, 1)", "ema(0.9)", "`ema(0.9).update(updates, state)`"),
    told("update_moment_per_elem_norm(updates, m, 0.9, 2)", "scale_by_rms(ema(0.9), 1e-8)", "where a square is fed to a moment"),
    told("update_infinity_moment(updates, m, 0.9, 1e-8)", "scale_by_abs(decaying_max(0.9), 1e-8)"),
    told("GradientTransformationExtraArgs(init, update)", "foreign(tx.init, tx.update)", "or the factory that `transformation` makes"),
    told("MaskOrFn", "Where"),
    told("OptState", "PyTree"),
    told("Params", "PyTree"),
    told("Updates", "PyTree"),
    told("ScalarOrSchedule", "Number", "and `LearningRate`, `Positive`, `Decay`..., which say the range"),
]

SPELLED = {
    "Optimizers": OPTIMIZERS,
    "Parts": PARTS,
    "Wrappers": WRAPPERS,
    "Projections": PROJECTIONS,
    "Differential privacy": PRIVACY,
    "Seeing inside": SEEING,
    "Schedules": SCHEDULES,
    "Functions and types": FUNCTIONS,
}

SEARCHES = (
    "a step of it takes several evaluations of the loss and goes back on them, which is a solver and no transformation of a gradient: "
    "take Optimistix, whose solvers are made of descents and searches, or `optax.lbfgs`, which can stand in a chain here; "
    "`newton` and `newton_cg` use curvature in one evaluation"
)

OF_FUNCTIONS = "types of functions; a factory's annotations say what an argument is"

ABSENT: dict[str, str] = {
    "lbfgs scale_by_lbfgs scale_by_backtracking_linesearch scale_by_zoom_linesearch value_and_grad_from_state ZoomLinesearchInfo": SEARCHES,
    "contrib.hutchinson_estimator_diag_hessian": "estimates and moves nothing: `scale_by_hessian_diagonal` does both",
    "transforms.unitwise_clip transforms.unitwise_norm": "steps of `adaptive_grad_clip`",
    "safe_increment safe_int32_increment safe_norm safe_root_mean_squares": "inside parts; ask for `step` instead of counting",
    "matrix_inverse_pth_root power_iteration nnls": "linear algebra: `jnp.linalg` and Lineax; `shampoo` and `soap` have their own",
    "microbatch": "a transformation of functions, not of gradients: `jax.lax.map` does it, and `accumulate` averages over steps",
    "scale_gradient": "belongs into the model: `jax.custom_vjp`",
    "multi_normal": "a distribution, for gradients of expectations: NumPyro or Distrax",
    "tree_map_params": "each slot of the state is a tree like the parameters under its own name, so paths find it",
    "LookaheadParams": "`lookahead` keeps the slow weights in its state",
    "MaskedNode": "leaves that are not chosen are None",
    "EmptyState init_empty_state": "a part that remembers nothing has no entry",
    "ApplyEvery": "a state, in spite of its name",
    "projections.projection_l1_sphere": "no convex set; `projection_simplex` where weights are positive, `projection_l1_ball` where not",
    "projections.projection_halfspace projections.projection_hyperplane projections.projection_vector": "their normals are trees: "
    "`stateless(lambda updates, params: ...)` is a line",
    "contrib.GaLoreDimensionNumbers contrib.MuonDimensionNumbers": "`where` chooses matrices; other kernels want a reshape",
    "TransformInitFn TransformUpdateFn TransformUpdateExtraArgsFn ShouldSkipUpdateFunction transforms.ConditionFn": OF_FUNCTIONS,
    "schedules.StatefulSchedule": "a schedule is a function of the step; what reads a loss is a part, as `reduce_on_plateau`",
}
"""What is not here, and why."""

OUTSIDE = {
    "losses": "functions of predictions and targets: take Optax's, or Flax's and Equinox's",
    "tree": "arithmetic on trees: `jax.tree.map` and `jnp`",
    "tree_utils": "as `tree`, under older names",
    "second_order": "Hessians of a loss: `jax.hessian`, `jax.jvp` of `jax.grad`; `newton` and `sophia` have their own",
    "assignment": "a combinatorial solver, no matter of gradients",
    "perturbations": "gradients through argmax: Optax's is the better tool",
    "microbatching": "as `microbatch`",
    "experimental": "aggregators of gradients for each example, in flux",
}
"""Modules of Optax that are about something else. Names that `optax` itself repeats from them are theirs."""

COVERED = {"contrib": contrib, "projections": projections, "schedules": schedules, "transforms": transforms}
"""Modules whose names are all in the tables, but for those that `optax` has itself."""


def rows() -> Iterator[Row]:
    for section in SPELLED.values():
        yield from section


def same_calls() -> list[str]:
    """The calls that are the same in both libraries, as Optax writes them."""
    return [*(f"{name}(lr)" for name in CERTIFIED), *(f"{name}()" for name in WITHOUT_RATE), *ALIKE]


def here(call: str) -> str:
    """A call of Optax as gradtx has it: there is one path for each name."""
    return call.removeprefix("contrib.")


def name_of(call: str) -> str:
    return re.match(r"[\w.]+", call)[0]


def answered() -> list[str]:
    """Every name of Optax that the tables answer for."""
    spelled = [row.name for row in rows()]
    return [*map(name_of, same_calls()), *spelled, *(name for names in ABSENT for name in names.split()), *OUTSIDE]


def public_names(module: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


def is_state(name: str) -> bool:
    """Named tuples of what a transformation remembers: one rule for them all."""
    return name.endswith("State")


def outside_names() -> set[str]:
    """What `optax` repeats from modules that are outside."""
    return {name for module in OUTSIDE for name, value in public_names(getattr(optax, module)).items() if vars(optax).get(name) is value}


def optax_names() -> set[str]:
    """Every public name of the installed Optax that wants an answer, by its first path."""
    found = {name for name, value in public_names(optax).items() if value not in COVERED.values()}
    for prefix, covered in COVERED.items():
        found |= {f"{prefix}.{name}" for name, value in public_names(covered).items() if vars(optax).get(name) is not value}
    by_rule = {name for name in found if is_state(name)} | outside_names()
    return found - (by_rule - set(answered()))
