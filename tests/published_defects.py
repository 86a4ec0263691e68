"""Defects of Optax 0.2.8, each with a function that says whether it is present: what a kit of laws should find without being told."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import contrib

from tests.references import adan, rprop

LARGEST = np.iinfo(np.int32).max


@dataclasses.dataclass(frozen=True)
class Defect:
    """A defect: where it is, the law that should find it, and what the reproducer does not show."""

    id: str
    row: str
    """The name of the factory's row in `tests.optax_cases`."""
    line: str
    law: str
    is_present: Callable[[], bool]
    siblings: tuple[str, ...] = ()
    """Other rows with the same defect."""
    note: str = ""


DEFECTS: list[Defect] = []


def defect(id: str, row: str, line: str, law: str, **more: Any) -> Callable[[Callable[[], bool]], Callable[[], bool]]:
    """Enter a reproducer in the table."""

    def enter(is_present: Callable[[], bool]) -> Callable[[], bool]:
        DEFECTS.append(Defect(id, row, line, law, is_present, **more))
        return is_present

    return enter


def ones(dtype: Any = jnp.float32) -> jax.Array:
    return jnp.ones(3, dtype)


def error(function: Callable[..., Any], *arguments: Any, **named: Any) -> Exception | None:
    """What the call raises, if anything."""
    try:
        function(*arguments, **named)
    except Exception as raised:  # whatever it is, the reproducer looks at it
        return raised
    return None


def first_update(tx: Any, params: Any, gradient: Any, **extras: Any) -> Any:
    return tx.update(gradient, tx.init(params), params, **extras)[0]


def first_elements(tx: Any, gradients: list[Any]) -> list[float]:
    """The first element of the update at each step."""
    state, seen = tx.init(ones()), []
    for gradient in gradients:
        updates, state = tx.update(gradient, state, ones())
        seen.append(float(updates[0]))
    return seen


def has_nan(tree: Any) -> bool:
    return any(bool(jnp.any(jnp.isnan(leaf))) for leaf in jax.tree.leaves(tree))


def on_eight_devices(program: str) -> str:
    """What a program prints in a process of its own that has eight CPU devices."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    imports = "import jax, optax, jax.numpy as jnp\n"
    done = subprocess.run([sys.executable, "-c", imports + program], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@defect(
    "D1",
    "MultiSteps",
    "one micro-batch of NaN poisons the accumulator for ever, for it is emptied by multiplying with zero",
    "one gradient of NaN is forgotten once its sum is emptied",
    siblings=("apply_every",),
)
def nan_is_accumulated() -> bool:
    gradients = [ones() * jnp.nan, *[ones()] * 5]
    accumulating = [optax.MultiSteps(optax.sgd(1.0), 2).gradient_transformation(), optax.apply_every(2)]
    return all(np.isnan(first_elements(tx, gradients)).all() for tx in accumulating)


@defect(
    "D2",
    "inject_hyperparams",
    "b2 = 0.999 is cast to bfloat16 parameters' dtype and becomes 1, so that the first update is NaN",
    "hyperparameters are float32, whatever the parameters' dtype",
)
def hyperparameters_are_cast() -> bool:
    params, tx = ones(jnp.bfloat16), optax.inject_hyperparams(optax.adam)(1e-3)
    updates, state = tx.update(params, tx.init(params), params)
    return float(state.hyperparams["b2"]) == 1 and has_nan(updates) and not has_nan(first_update(optax.adam(1e-3), params, params))


@defect(
    "D3",
    "adam",
    "float32 gradients on bfloat16 parameters change the dtype of the first moment at the first step",
    "the dtypes of the state never change, and scan works, for every mix of parameter and gradient dtypes",
)
def moments_change_dtype() -> bool:
    params, tx = ones(jnp.bfloat16), optax.adam(1e-3)
    before = tx.init(params)
    _, after = tx.update(ones(), before, params)
    scanned = error(jax.lax.scan, lambda state, _: (tx.update(ones(), state, params)[1], None), before, length=2)
    return (before[0].mu.dtype, after[0].mu.dtype) == (jnp.bfloat16, jnp.float32) and isinstance(scanned, TypeError)


@defect(
    "D4",
    "contrib.prodigy",
    "the state holds the parameters themselves, so that donating both fails",
    "init aliases none of its inputs, and parameters and state can be donated together",
    siblings=(
        "contrib.cocob",
        "contrib.dog",
        "contrib.dowg",
        "contrib.madgrad",
        "contrib.mechanize",
        "contrib.sam",
        "contrib.scale_by_cocob",
        "contrib.scale_by_madgrad",
        "lbfgs",
        "scale_by_distance_over_gradients",
        "scale_by_lbfgs",
    ),
    note="lookahead too where its parameters come from LookaheadParams.init_synced",
)
def init_returns_the_parameters() -> bool:
    params, tx = ones(), contrib.prodigy()
    step = jax.jit(lambda params, state: tx.update(params, state, params), donate_argnums=(0, 1))
    return "donate the same buffer twice" in str(error(step, params, tx.init(params)))


@defect(
    "D5",
    "contrib.differentially_private_aggregate",
    "the state holds the key of the factory's closure, so that donating it leaves a second init with a deleted key",
    "init aliases nothing that outlives it: a second init works after the first state is donated",
    siblings=("contrib.dpsgd",),
)
def donation_deletes_the_key() -> bool:
    tx = contrib.differentially_private_aggregate(1.0, 0.1, key=0)
    step = jax.jit(lambda gradients, state: tx.update(gradients, state), donate_argnums=1)
    step(jnp.ones((2, 3)), tx.init(ones()))
    return "deleted or donated" in str(error(lambda: step(jnp.ones((2, 3)), tx.init(ones()))))


@defect(
    "D6",
    "rmsprop",
    "centered=True takes the root of a variance that rounds below zero: NaN for 16 % of constant gradients",
    "constant gradients give finite updates",
    note="shown with centered=True, which the row does not set",
)
def variance_is_negative() -> bool:
    updates = gradient = jnp.linspace(0.1, 1000.0, 10001)
    tx = optax.rmsprop(0.01, centered=True)
    state, step = tx.init(gradient), jax.jit(tx.update)
    for _ in range(200):  # one program a step: XLA rounds a scan differently
        updates, state = step(gradient, state, gradient)
    return float(jnp.mean(jnp.isnan(updates))) > 0.01


def descent(make: Callable[[Any], Any], params: Any, loss: Callable[[Any], jax.Array], steps: int) -> Callable[[Any], jax.Array]:
    """The loss after some steps, as a function of the learning rate."""

    def final(learning_rate: Any) -> jax.Array:
        tx, moved = make(learning_rate), params
        state = tx.init(moved)
        for _ in range(steps):
            updates, state = tx.update(jax.grad(loss)(moved), state, moved)
            moved = moved + updates
        return loss(moved)

    return final


@defect(
    "D7",
    "radam",
    "the derivative by the learning rate is NaN: the branch not taken has the root of a negative number",
    "gradients through an unrolled optimizer are finite",
)
def rectification_has_no_derivative() -> bool:
    final = descent(optax.radam, ones(), lambda x: jnp.sum(x * x), 3)
    return bool(jnp.isfinite(final(0.1)) & jnp.isnan(jax.grad(final)(0.1)))


@defect(
    "D8",
    "adam",
    "the derivative by the learning rate is NaN where a gradient is always zero",
    "gradients through an unrolled optimizer are finite where a gradient is zero",
)
def root_of_zero_has_no_derivative() -> bool:
    features = jnp.array([[1.0, 0.0], [2.0, 0.0]])
    final = descent(optax.adam, jnp.ones(2), lambda w: jnp.sum((features @ w - 1.0) ** 2), 2)
    return bool(jnp.isfinite(final(0.1)) & jnp.isnan(jax.grad(final)(0.1)))


@defect(
    "D9",
    "contrib.prodigy",
    "one gradient of zero makes the distance estimate 0 / 0 and every later update NaN",
    "zero gradients give finite updates, at the first step as well",
    siblings=("contrib.dadapt_adamw", "contrib.normalize", "contrib.sam"),
    note="contrib.normalize and contrib.sam are NaN at that step alone; contrib.dadapt_adamw from the next step on",
)
def zero_gradient_is_nan() -> bool:
    gradients = [0 * ones(), ones(), ones()]
    prodigy, dadapt = (np.isnan(first_elements(tx, gradients)) for tx in (contrib.prodigy(), contrib.dadapt_adamw()))
    normalize = np.isnan(first_elements(contrib.normalize(), gradients))
    return prodigy.all() and dadapt.tolist() == [False, True, True] and normalize.tolist() == [True, False, False]


@defect(
    "D10",
    "adam",
    "in float16 epsilon is zero and a gradient of zero gives NaN",
    "zero gradients give finite updates in every dtype",
    siblings=("adamw", "nadam", "rmsprop", "adamax", "adabelief"),
)
def epsilon_underflows() -> bool:
    makes = (optax.adam, optax.adamw, optax.nadam, optax.rmsprop, optax.adamax, optax.adabelief)
    gradient = jnp.array([1.0, 0.0], jnp.float16)
    return all(has_nan(first_update(make(1e-3), jnp.ones(2, jnp.float16), gradient)) for make in makes)


@defect(
    "D11",
    "adam",
    "one gradient of 1e20 overflows its square, and the coordinate never moves again",
    "one huge gradient leaves the state finite and later updates alive",
    siblings=("rmsprop", "adagrad", "yogi"),
)
def square_overflows() -> bool:
    def is_stopped(tx: Any) -> bool:
        _, state = tx.update(jnp.array([1e20, 1.0, 1.0]), tx.init(ones()), ones())

        def step(carry: Any, _: None) -> Any:
            return tx.update(ones(), carry[1], ones()), None

        (updates, _), _ = jax.jit(lambda state: jax.lax.scan(step, (ones(), state), length=5000))(state)
        return float(updates[0]) == 0 and float(updates[1]) < 0

    return all(is_stopped(make(0.1)) for make in (optax.adam, optax.rmsprop, optax.adagrad, optax.yogi))


@defect(
    "D12",
    "adam",
    "a gradient of another shape broadcasts in silence, and apply_updates changes the parameter's shape",
    "a gradient of another shape than its parameter is refused, and its path named",
)
def gradient_broadcasts() -> bool:
    updates = first_update(optax.adam(0.1), ones(), jnp.ones((3, 1)))
    return optax.apply_updates(ones(), updates).shape == (3, 3)


@defect(
    "D13",
    "adam",
    "no number is checked, so that descent can go uphill; integer parameters are trained and truncated",
    "numbers out of range are refused; integer leaves have no update",
)
def nothing_is_checked() -> bool:
    uphill = first_update(optax.adam(-1.0, b1=1.5, eps=-1.0), ones(), ones())
    integers = jnp.array([5, 5])
    moved = optax.apply_updates(integers, first_update(optax.adam(0.5), integers, jnp.ones(2)))
    return bool(jnp.all(jnp.isfinite(uphill)) & jnp.all(uphill > 0)) and moved.tolist() == [4, 4]


@defect(
    "D14",
    "adam",
    "jit(init) of sharded parameters puts the whole state on one device, and the second step recompiles",
    "the state is sharded like the parameters, and steps two and three recompile nothing",
)
def state_is_not_sharded() -> bool:
    printed = on_eight_devices("""
mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
params = jax.device_put(jnp.ones((16, 8)), jax.NamedSharding(mesh, jax.P("x")))
tx = optax.adam(0.1)
state = jax.jit(tx.init)(params)
print(type(state[0].mu.sharding).__name__, params.sharding.num_devices)
step = jax.jit(lambda params, state: tx.update(params, state, params))
for _ in range(3):
    _, state = step(params, state)
print(step._cache_size())
""")
    return printed.split() == ["SingleDeviceSharding", "8", "2"]


@defect(
    "D15",
    "contrib.prodigy",
    "a mesh whose shardings are part of the types raises ShardingTypeError, for the whole tree is a dot product",
    "update runs on a mesh with explicit axes",
    siblings=(
        "adaptive_grad_clip",
        "contrib.dadapt_adamw",
        "contrib.galore",
        "contrib.mechanize",
        "contrib.momo",
        "contrib.momo_adam",
        "contrib.muon",
        "contrib.scale_by_galore",
        "lbfgs",
        "scale_by_backtracking_linesearch",
        "scale_by_lbfgs",
        "scale_by_zoom_linesearch",
    ),
    note="apply_if_finite and conditionally_mask raise a TypeError there: the branches of their cond differ in sharding",
)
def explicit_meshes_fail() -> bool:
    printed = on_eight_devices("""
mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
with jax.set_mesh(mesh):
    params = jax.device_put(jnp.ones((16, 8)), jax.P("x"))
    for tx in (optax.contrib.prodigy(), optax.contrib.dadapt_adamw(), optax.contrib.momo()):
        try:
            tx.update(params, tx.init(params), params, **({"value": 1.0} if tx.update.__module__.endswith("_momo") else {}))
        except Exception as error:
            print(type(error).__name__)
""")
    return printed.split() == ["ShardingTypeError"] * 3


@defect(
    "D16",
    "scale_by_distance_over_gradients",
    "the update of a scalar has the shape (1,), and is float32 for a bfloat16 parameter",
    "updates have the shape and the dtype that the gradients came in",
)
def scalar_gets_an_axis() -> bool:
    tx = optax.scale_by_distance_over_gradients()
    scalar, narrow = jnp.float32(1.0), jnp.bfloat16([1.0, 2.0])
    moved = optax.apply_updates(scalar, first_update(tx, scalar, scalar))
    return moved.shape == (1,) and first_update(tx, narrow, narrow).dtype == jnp.float32


@defect(
    "D17",
    "monitor",
    "the state's structure changes at the first update, so that scan is impossible",
    "the structure of the state never changes",
)
def structure_changes() -> bool:
    tx = optax.monitor({"norm": optax.tree.norm})
    scanned = error(jax.lax.scan, lambda state, _: (tx.update(ones(), state)[1], None), tx.init(ones()), length=2)
    return isinstance(scanned, TypeError) and "pytree structure" in str(scanned)


@defect(
    "D18",
    "lbfgs",
    "init gives weakly typed leaves, and the second step recompiles",
    "the types of the state never change, weak types included",
    siblings=("scale_by_zoom_linesearch", "scale_by_backtracking_linesearch"),
)
def state_is_weakly_typed() -> bool:
    def loss(x: jax.Array) -> jax.Array:
        return jnp.sum(x * x)

    tx = optax.lbfgs()
    step = jax.jit(lambda x, state: tx.update(2 * x, state, x, value=loss(x), grad=2 * x, value_fn=loss))
    state = tx.init(ones())
    weak = [state[2].info.num_linesearch_steps.weak_type, state[2].info.decrease_error.weak_type]
    for _ in range(2):
        _, state = step(ones(), state)
    return weak == [True, True] and step._cache_size() == 2


@defect(
    "D19",
    "contrib.scale_by_muon",
    "the documented default, that every parameter is a matrix, fails on every container",
    "a factory runs with its defaults on a tree of matrices",
)
def default_fails() -> bool:
    tx, matrix = contrib.scale_by_muon(), jnp.ones((4, 3))
    containers = ({"w": matrix}, [matrix], (matrix,))
    return all(isinstance(error(first_update, tx, tree, tree), ValueError) for tree in containers)


@defect(
    "D20",
    "contrib.sam",
    "an extra that others need is refused, so that no generic loop can pass it",
    "an extra that some other transformation declares may go unused",
    siblings=("lbfgs", "scale_by_zoom_linesearch", "scale_by_backtracking_linesearch"),
)
def extras_of_others_are_refused() -> bool:
    def loss(x: jax.Array) -> jax.Array:
        return jnp.sum(x * x)

    sam = optax.chain(contrib.sam(optax.sgd(0.1), optax.sgd(0.1)))
    search = {"value": loss(ones()), "grad": 2 * ones(), "value_fn": loss, "step": 0}
    refused = [error(first_update, sam, ones(), ones(), value=1.0), error(first_update, optax.lbfgs(), ones(), 2 * ones(), **search)]
    return all(isinstance(raised, TypeError) and "nexpected keyword" in str(raised) for raised in refused)


@defect(
    "D21",
    "contrib.schedule_free",
    "one schedule is asked for two different steps at once",
    "a schedule is asked for one step at each step",
    siblings=("contrib.schedule_free_adamw", "contrib.schedule_free_sgd"),
)
def schedule_runs_at_two_times() -> bool:
    seen: list[int] = []

    def schedule(step: Any) -> float:
        seen.append(int(step))
        return 0.1

    first_elements(contrib.schedule_free(optax.sgd(schedule), schedule), [ones(), ones()])
    return seen == [1, 0, 2, 1]


@defect(
    "D22",
    "contrib.madgrad",
    "a counter that has reached its largest value is still added to: the root of a negative number is NaN",
    "a counter at the largest integer stays there, and the update is finite",
    siblings=("contrib.scale_by_madgrad", "adafactor", "scale_by_factored_rms"),
)
def counter_overflows() -> bool:
    def last_update(tx: Any) -> Any:
        state = jax.tree.map(lambda x: jnp.int32(LARGEST) if x.dtype == jnp.int32 else x, tx.init(ones()))
        return tx.update(ones(), state, ones())[0]

    return all(has_nan(last_update(tx)) for tx in (contrib.madgrad(0.1), optax.adafactor(0.1), optax.scale_by_factored_rms()))


@defect(
    "D23",
    "sm3",
    "a scalar leaf is an IndexError, and so is the shape (0, 3) an error; contrib.galore fails on a leaf that is None",
    "every kind of tree runs: scalars, leaves of size zero, None, and the empty tree",
    siblings=("scale_by_sm3", "contrib.galore", "contrib.scale_by_galore"),
)
def trees_are_refused() -> bool:
    scalar, nothing = jnp.float32(1.0), jnp.ones((0, 3))
    partial = error(contrib.galore(0.1).init, {"w": jnp.ones((4, 3)), "b": None})
    scheduled = error(lambda: optax.sm3(optax.constant_schedule(0.1)))
    return (
        isinstance(error(first_update, optax.sm3(0.1), scalar, scalar), IndexError)
        and error(first_update, optax.sm3(0.1), nothing, nothing) is not None
        and isinstance(scheduled, TypeError)
        and isinstance(partial, AttributeError)
        and error(first_update, contrib.galore(0.1), {}, {}) is not None
    )


@defect(
    "D24",
    "contrib.dadapt_adamw",
    "complex parameters diverge, for the square is g g and not |g|²; in six real numbers the same run converges",
    "complex parameters behave like their real and imaginary parts, or are refused in words",
    siblings=("contrib.prodigy", "scale_by_backtracking_linesearch", "contrib.adopt", "contrib.sophia", "contrib.madgrad", "rprop", "clip"),
    note="contrib.adopt, contrib.sophia, contrib.madgrad, rprop and clip raise an error from inside JAX",
)
def complex_squares_are_wrong() -> bool:
    start = jnp.array([1 + 2j, -2 + 1j, 0.5 - 1j])
    tx = contrib.dadapt_adamw()

    @jax.jit
    def final(params: jax.Array) -> jax.Array:
        def step(carry: Any, _: None) -> Any:
            params, state = carry
            updates, state = tx.update(2 * params, state, params)
            return (params + updates, state), None

        (params, _), _ = jax.lax.scan(step, (params, tx.init(params)), length=2000)
        return jnp.sum(jnp.abs(params) ** 2)

    refused = [error(first_update, make(0.1), start, start) for make in (contrib.adopt, contrib.madgrad, optax.rprop, optax.clip)]
    in_parts = final(jnp.concatenate([start.real, start.imag]))
    return float(final(start)) > 100 and float(in_parts) < 1e-6 and None not in refused


@defect(
    "D25",
    "novograd",
    "parameters that are needed and missing are reported as a difference of tree structures",
    "missing parameters are reported in words that name the part",
    siblings=("scale_by_novograd", "contrib.sam", "lbfgs", "scale_by_zoom_linesearch"),
    note="contrib.dog, contrib.dowg and contrib.schedule_free_* too, but not with weight decay, as in the rows",
)
def missing_parameters_are_a_riddle() -> bool:
    def complaint(tx: Any) -> str:
        params = {"w": ones()}
        return str(error(lambda: tx.update(params, tx.init(params))))

    makes = (optax.novograd(0.1), contrib.dog(), contrib.dowg(), contrib.schedule_free(optax.sgd(0.1), 0.1))
    return all("pytree structure error" in complaint(tx) for tx in makes)


@defect(
    "D26",
    "MultiSteps",
    "nine of the numbers of Optax's factories cannot be traced",
    "every numeric argument is traceable under vmap",
    siblings=(
        "contrib.reduce_on_plateau",
        "contrib.sam",
        "contrib.schedule_free_adamw",
        "contrib.schedule_free_sgd",
        "lookahead",
        "scale_by_sm3",
    ),
    note="all nine are the field `untraceable` of their rows in `tests.optax_cases`",
)
def numbers_cannot_be_traced() -> bool:
    def update(every: Any) -> Any:
        return first_update(optax.MultiSteps(optax.sgd(0.1), every).gradient_transformation(), ones(), ones())

    return isinstance(error(jax.vmap(update), jnp.array([1, 2])), TypeError)


@defect(
    "D27",
    "clip_by_global_norm",
    "jax_debug_nans raises on a gradient of zero, for the branch not taken is 0 / 0",
    "every checking mode of JAX finds nothing on valid input",
    siblings=("contrib.schedule_free", "contrib.schedule_free_adamw", "contrib.schedule_free_sgd"),
)
def false_alarm() -> bool:
    with jax.debug_nans(True):
        clipping = error(first_update, optax.clip_by_global_norm(1.0), ones(), 0 * ones())
        averaging = error(first_update, contrib.schedule_free(optax.sgd(0.1), 0.1), ones(), 0 * ones())
    finite = not has_nan(first_update(optax.clip_by_global_norm(1.0), ones(), 0 * ones()))
    return isinstance(clipping, FloatingPointError) and isinstance(averaging, FloatingPointError) and finite


@defect(
    "D28",
    "normalize_by_update_norm",
    "beside float32 leaves a bfloat16 leaf gets float32 updates",
    "updates leave in the dtype that the gradients came in, leaf by leaf",
    siblings=("polyak_sgd", "flatten", "contrib.normalize", "contrib.sam", "contrib.dpsgd", "contrib.mechanize"),
    note="contrib.mechanize raises",
)
def neighbour_decides_the_dtype() -> bool:
    params = {"a": ones(jnp.bfloat16), "b": ones()}
    makes = {
        "": optax.normalize_by_update_norm(),
        "value": optax.polyak_sgd(),
        "flat": optax.flatten(optax.sgd(0.1)),
        "c": contrib.normalize(),
    }
    extras = {"value": {"value": jnp.float32(1.0)}}
    updates = [first_update(tx, params, params, **extras.get(name, {})) for name, tx in makes.items()]
    return all(update["a"].dtype == jnp.float32 for update in updates)


@dataclasses.dataclass(frozen=True)
class Deviation:
    """An optimizer that does not follow its paper: the paper in float64, what it follows instead, and how far apart the two are.

    Each reference is a generator for one array, as in `tests.references`. The distance is the largest difference between two paths of
    `STEPS` steps along `drawn_gradients`, relative to the paper's movement.
    """

    row: str
    line: str
    law: str
    optimizer: optax.GradientTransformation
    paper: Callable[[Any, Any], Iterator[Any]]
    follows: Callable[[Any, Any], Iterator[Any]]
    distance: float


STEPS = 60


def drawn_gradients() -> tuple[np.ndarray, np.ndarray]:
    """A start and the gradients of all steps, whose sizes differ from element to element and whose signs turn."""
    rng = np.random.default_rng(0)
    size = 10.0 ** rng.uniform(-2, 1, size=(3, 4))
    return rng.normal(size=(3, 4)), size * (0.3 + rng.normal(size=(STEPS, 3, 4)))


def one_step_late(x: Any, gradients: Any) -> Iterator[Any]:
    """iRprop⁻ with the step of the time before, but where the sign turns now: there it takes none, as it should."""
    before, late = x, np.zeros_like(x)
    for after in rprop.irprop_minus(x, gradients, 0.1):
        step = after - before
        x = x + np.where(step == 0, 0, late)
        before, late = after, step
        yield x


DEVIATIONS = [
    Deviation(
        "rprop",
        "applies the update of the step before, and none at the first step",
        "the first update answers the first gradient, and a trajectory is that of the float64 reference",
        optax.rprop(0.1),
        lambda x, gradients: rprop.irprop_minus(x, gradients, 0.1),
        one_step_late,
        0.289669537,
    ),
    Deviation(
        "adan",
        "mixes the difference of the gradients with 1 − b2 = 0.08, where the paper, whose β₂ is 1 − b2, has 1 − β₂ = b2 = 0.92",
        "a trajectory is that of the float64 reference",
        optax.adan(0.1, eps_root=0.0),
        lambda x, gradients: adan.corrected_adan(x, gradients, 0.1),
        lambda x, gradients: adan.corrected_adan(x, gradients, 0.1, mixed=0.08),
        0.587238303,
    ),
]
