"""What the search draws: parameters, gradients that fit them, schedules, moments, parts, wrappers, optimizers.

Under the profile `bounded` every run draws the same few examples; `make fuzz` draws many more, from a seed that it prints.
"""

import dataclasses
import os
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import gradtx as gx
from gradtx._core.order import stands

ALWAYS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("bounded", derandomize=True, database=None, **ALWAYS)
settings.register_profile("long", print_blob=True, **ALWAYS)
TIMES = int(os.environ.get("FUZZ_TIMES", "0"))
PROFILE = settings.get_profile("long" if TIMES else "bounded")


def examples(count: int) -> settings:
    """So many examples in the bounded profile, `FUZZ_TIMES` as many in the long one."""
    return settings(PROFILE, max_examples=count * max(TIMES, 1))


# Every operation compiles once for each shape and dtype: the bounded profile has few shapes and no noise, whose bits are many operations.
SHAPES = [(), (0,), (2, 3), *([(1,), (3,), (1, 3), (2, 0), (2, 1, 3)] if TIMES else [])]
NARROW = ["float32", "bfloat16", "float16", "complex64"]
UNTRAINED = ["int32", "bool", "key"]
NAMES = ["w", "b", "step", "average", "max", "of_one", "mean", "second", "real", "imag", "inner", "taken", "ema", "a/b"]
SIZES = {"zero": lambda f: 0.0, "tiny": lambda f: float(f.tiny) * 4, "ordinary": lambda f: 1.0, "huge": lambda f: float(f.max) / 8}


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One leaf of the parameters: its shape, its dtype, or `key`, and the seed of its values."""

    shape: tuple[int, ...]
    dtype: str
    seed: int

    @property
    def trained(self) -> bool:
        return self.dtype not in UNTRAINED

    def numbers(self, size: str, dtype: Any, seed: int = 0) -> jax.Array:
        draw = np.random.default_rng([self.seed, seed])
        largest = SIZES[size](jnp.finfo(dtype))
        real, imag = (np.clip(draw.normal(size=self.shape), -2, 2) * largest for _ in range(2))
        return jnp.asarray((real + 1j * imag if jnp.issubdtype(dtype, np.complexfloating) else real).astype(dtype))

    def param(self) -> Any:
        if self.dtype == "key":
            return jax.random.key(self.seed)
        return self.numbers("ordinary", jnp.dtype(self.dtype)) if self.trained else jnp.ones(self.shape, self.dtype)

    def grad(self, size: str, wide: bool, step: int) -> Any:
        if not self.trained:
            return jnp.zeros(self.shape, "int32") if self.dtype == "int32" else np.zeros(self.shape, jax.dtypes.float0)
        dtype = jnp.dtype(self.dtype)
        return self.numbers(size, jnp.dtype("float32") if wide and not jnp.issubdtype(dtype, np.complexfloating) else dtype, step + 1)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Parameters and three steps of gradients, to be made in the mode of `x64`; gradients in float32 where `wide`."""

    x64: bool
    tree: Any
    sizes: tuple[str, str, str]
    wide: bool

    def mode(self) -> Any:
        return jax.enable_x64(self.x64)

    def params(self) -> Any:
        return jax.tree.map(lambda leaf: leaf.param(), self.tree)

    def grads(self, step: int) -> Any:
        return jax.tree.map(lambda leaf: leaf.grad(self.sizes[step], self.wide, step), self.tree)


@st.composite
def leaves(draw: Any, dtypes: list[str]) -> Leaf:
    dtype = draw(st.sampled_from(dtypes))
    return Leaf(() if dtype == "key" else draw(st.sampled_from(SHAPES)), dtype, draw(st.integers(0, 3)))


def trees(dtypes: list[str]) -> st.SearchStrategy[Any]:
    def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(inner, max_size=3)
        return st.dictionaries(st.sampled_from(NAMES), inner, max_size=3) | several | several.map(tuple)

    return st.recursive(leaves(dtypes) | st.none(), containers, max_leaves=5 if TIMES else 3)


@st.composite
def problems(draw: Any, sizes: tuple[str, ...] = tuple(SIZES), x64: bool | None = None, mixed: bool = True) -> Problem:
    """Any tree of any dtypes; float64 leaves alone where not `mixed`."""
    x64 = (draw(st.booleans()) if TIMES else False) if x64 is None else x64
    dtypes = [*NARROW, *UNTRAINED, *(["float64", "complex128"] if x64 else [])] if mixed else ["float64"]
    drawn = tuple(draw(st.sampled_from(sizes)) for _ in range(3))
    tree = draw(trees(dtypes).filter(lambda tree: tree is not None))  # None for parameters means that none are given
    return Problem(x64, tree, drawn, draw(st.booleans()))


@dataclasses.dataclass(frozen=True)
class Course:
    """A schedule with what is known of it: its value at step 0 and at `end`, and steps between which it is monotone."""

    schedule: gx.Schedule
    first: float
    last: float
    end: float
    corners: tuple[float, ...] = ()


@st.composite
def courses(draw: Any, low: float = 0.0, high: float = 1.0) -> Course:
    """A schedule with values in [low, high], low not negative."""
    a, b, c = (draw(st.floats(low, high)) for _ in range(3))
    m, n, k = (draw(st.integers(1, 9)) for _ in range(3))
    share, rate = draw(st.floats(0.05, 0.95)), draw(st.floats(0.1, 1.0))
    linear, end = gx.linear_schedule(a, b, n), m + n
    known = {
        "constant": lambda: Course(gx.constant_schedule(a), a, a, 10),
        "linear": lambda: Course(linear, a, b, n),
        "begun later": lambda: Course(gx.linear_schedule(a, b, n, m), a, b, end, (m,)),
        "polynomial": lambda: Course(gx.polynomial_schedule(a, b, 3 * rate, n, m), a, b, end, (m,)),
        "cosine": lambda: Course(gx.cosine_decay_schedule(b, n, 1.0), b, b, n),
        "warmup cosine": lambda: Course(gx.warmup_cosine_decay_schedule(a, b, m, end, c), a, c, end, (m,)),
        "joined": lambda: Course(gx.join_schedules((linear, c), (end,)), a, c, end, (n, end - 1e-3)),
        "pieces": lambda: Course(gx.piecewise_constant_schedule((a, b), (m,)), a, b, m),
        "shifted": lambda: Course(gx.shifted_schedule(linear, n), b, b, n),
        "scaled": lambda: Course(linear * 1.0, a, b, n),
        "of schedules": lambda: Course(gx.linear_schedule(linear, gx.constant_schedule(b), n), a, b, n, ()),
    }
    if low == 0.0:
        known |= {
            "exponential": lambda: Course(gx.exponential_decay(a, n, rate, m), a, a * rate**k, m + n * k, (m,)),
            "staircase": lambda: Course(gx.staircase_decay(a, n, rate), a, a, n - 0.5),
            "inverse time": lambda: Course(gx.inverse_time_decay(a, rate), a, a / 2, 1 / rate),
            "inverse root": lambda: Course(gx.inverse_sqrt_schedule(a, n), 0.0, a / 2, 4 * n, (n,)),
            "plateau": lambda: Course(gx.warmup_stable_decay_schedule(a, m, m + n + k, k, b), 0.0, b, m + n + k, (m, m + n)),
            "halved": lambda: Course(0.5 * linear + gx.constant_schedule(0.0), a / 2, b / 2, n),
            "restarts": lambda: Course(gx.sgdr_schedule(a, n, m, 0.0), a, a, n, (n - 1e-2,)),
            "cosine to": lambda: Course(gx.cosine_decay_schedule(a, n, rate), a, a * rate, n),
            "cosine cycle": lambda: Course(gx.cosine_onecycle_schedule(end, a, share, 4.0, 8.0), a / 4, a / 32, end, (share * end,)),
            "linear cycle": lambda: Course(
                gx.linear_onecycle_schedule(end, a, 0.9 * share, share, 4.0, 8.0), a / 4, a / 32, end, (0.9 * share * end, share * end)
            ),
        }
    return known[draw(st.sampled_from(list(known)))]()


def numbers(low: float, high: float) -> st.SearchStrategy[Any]:
    """A number in its range: a float most often, an array, a schedule."""
    plain = st.floats(low, high)
    inside = st.floats(low, high, width=32) if np.float32(low) == low and np.float32(high) == high else plain.map(float)
    return st.one_of(plain, plain, inside.map(np.float32).map(jnp.asarray), courses(low, high).map(lambda course: course.schedule))


DECAYS = numbers(0.0, 0.9990234375)
EPS = numbers(0.0009765625, 1.0)
FACTORS = numbers(0.0, 2.0)

linear_moments = st.one_of(st.builds(gx.ema, DECAYS), st.builds(gx.trace, DECAYS))
"""Statistics that are linear in what they eat, and positive where that is."""

positive_moments = st.recursive(
    st.one_of(
        linear_moments,
        st.builds(gx.running_sum, FACTORS),
        st.builds(gx.decaying_max, DECAYS),
        st.builds(gx.yogi_average, DECAYS, FACTORS),
        st.builds(gx.belief_average, DECAYS, EPS),
        st.builds(gx.bias_correction, linear_moments | linear_moments.map(gx.nesterov)),
        st.builds(gx.bias_correction, linear_moments.map(gx.running_max)),
        st.builds(gx.chain, st.builds(gx.scale, FACTORS), linear_moments),
    ),
    lambda inner: st.builds(gx.nesterov, inner),
    max_leaves=2,
)
any_moments = st.one_of(
    positive_moments,
    st.builds(gx.two_rate_average, DECAYS, numbers(0.25, 0.9990234375)),
    st.builds(gx.dozat_average, DECAYS, DECAYS, DECAYS),
    st.just(gx.identity()),
)
optional_eps = st.none() | EPS
rms_arguments = {"eps_root": optional_eps, "floor": optional_eps, "exponent": st.none() | numbers(0.25, 1.0)}

averaging = st.builds(gx.scale_by_momentum, any_moments.filter(lambda moment: moment != gx.identity()))
uphill = st.builds(gx.add_decayed_weights, FACTORS)
calm = st.one_of(
    st.builds(gx.clip, EPS),
    st.builds(gx.clip_by_block_rms, EPS),
    st.builds(gx.clip_by_global_norm, EPS),
    st.builds(gx.scale, numbers(0.0, 2.0) | st.floats(-2.0, 0.0)),
    st.builds(gx.scale_by_tree, FACTORS.filter(lambda factor: not isinstance(factor, gx.Schedule))),
    st.builds(gx.centralize, st.sampled_from([-1, 0])),
    st.builds(gx.zero_nonfinite),
    st.builds(gx.identity),
    *([st.builds(gx.add_noise, FACTORS, FACTORS, st.integers(0, 9) | st.integers(0, 9).map(jax.random.key))] if TIMES else []),
    st.builds(gx.scale_by_momentum, any_moments),
    any_moments,
    st.builds(gx.scale_by_rms, positive_moments, EPS, of=st.sampled_from(["gradient", "updates"]), **rms_arguments),
    st.builds(gx.scale_by_stddev, st.builds(gx.ema, DECAYS), EPS, eps_root=optional_eps),
    st.builds(gx.scale_by_abs, positive_moments, EPS),
    st.builds(gx.scale_by_rectified_rms, numbers(0.75, 0.9990234375), EPS),
)
"""Parts without jumps that may stand anywhere."""

jumpy = st.builds(gx.sign)
by_deviation = st.builds(gx.scale_by_rms, positive_moments, EPS, of=st.just("deviation"))
optimizers = st.one_of(
    st.builds(gx.adam, FACTORS, DECAYS, DECAYS, EPS),
    st.builds(gx.adamw, FACTORS, DECAYS, DECAYS, EPS, FACTORS),
    st.builds(gx.amsgrad, FACTORS, DECAYS, DECAYS, EPS),
    st.builds(gx.sgd, FACTORS, any_moments),
    st.builds(gx.adabelief, FACTORS, DECAYS, DECAYS, EPS),
    st.builds(gx.lion, FACTORS),
    st.builds(gx.rmsprop, FACTORS, momentum=linear_moments),
)
rarer = st.one_of(
    st.builds(gx.adadelta, FACTORS, DECAYS, EPS),
    st.builds(gx.adagrad, FACTORS, FACTORS, EPS),
    st.builds(gx.adan, FACTORS, DECAYS, DECAYS, DECAYS, EPS, FACTORS),
    st.builds(gx.ademamix, FACTORS, DECAYS, DECAYS, DECAYS, FACTORS, EPS, FACTORS),
    st.builds(gx.adopt, FACTORS, DECAYS, DECAYS, EPS),
    st.builds(gx.fromage, FACTORS),
    st.builds(gx.lamb, FACTORS, DECAYS, DECAYS, EPS, FACTORS),
    st.builds(gx.lars, FACTORS, EPS, FACTORS, linear_moments),
    st.builds(gx.madgrad, FACTORS, DECAYS, EPS),
    st.builds(gx.nadam, FACTORS, DECAYS, DECAYS, EPS),
    st.builds(gx.novograd, FACTORS, DECAYS, DECAYS, EPS, FACTORS),
    st.builds(gx.optimistic_adam, FACTORS, FACTORS, FACTORS, DECAYS, DECAYS, EPS),
    st.builds(gx.qhadam, FACTORS, DECAYS, DECAYS, nu1=numbers(0.0, 1.0), nu2=numbers(0.0, 1.0), eps=EPS),
    st.builds(gx.yogi, FACTORS, DECAYS, DECAYS, EPS, EPS),
)
"""Optimizers for the long search, each with operations that compile for no other."""

rates = st.one_of(st.builds(gx.scale_by_learning_rate, FACTORS), optimizers, *([rarer] if TIMES else []))


@st.composite
def parts(draw: Any, smooth: bool = False, rated: bool = True) -> list[gx.GradientTransformation]:
    """The parts of an optimizer: some, a learning rate, few behind where they may; an average somewhere before a deviation from it."""
    free = calm if smooth else calm | jumpy
    found = draw(st.lists(free | uphill, max_size=3))
    if draw(st.booleans()):
        found += [draw(averaging), *draw(st.lists(free | uphill, max_size=1)), draw(by_deviation)]
    if not rated:
        return found
    rate = draw(rates)
    return [*found, rate, *([] if stands(rate, "last") else draw(st.lists(free, max_size=1)))]


def no_leaf(path: str, leaf: Any) -> bool:
    return False


def some_leaves(path: str, leaf: Any) -> bool:
    return zlib.crc32(path.encode()) % 2 == 0


def freeze_nothing(inner: gx.GradientTransformation) -> gx.GradientTransformation:
    return gx.freeze(no_leaf, inner)


def call_mine(inner: gx.GradientTransformation) -> gx.GradientTransformation:
    return gx.named("mine", inner)


@st.composite
def wrapped(draw: Any, flat: list[Any], wrappers: list[Any], depth: int = 2) -> list[Any]:
    """The same parts, some runs of them within a wrapper around their chain. What has to stand last stays so."""
    begin = draw(st.integers(0, len(flat) - any(stands(part, "last") is not None for part in flat)))
    end = draw(st.integers(begin, len(flat)))
    inside = draw(wrapped(flat[begin:end], wrappers, depth - 1)) if depth else flat[begin:end]
    wrap = draw(st.sampled_from(wrappers))
    return [*flat[:begin], wrap(gx.chain(*inside)), *flat[end:]]


@st.composite
def grouped(draw: Any, flat: list[Any]) -> gx.GradientTransformation:
    """The same parts in chains of chains, grouped in any way."""
    if len(flat) < 2:
        return gx.chain(*flat)
    cut = draw(st.integers(1, len(flat) - 1))
    left, right = draw(grouped(flat[:cut])), draw(grouped(flat[cut:]))
    return gx.chain(left, right)


def freeze_some(inner: gx.GradientTransformation) -> gx.GradientTransformation:
    return gx.freeze(some_leaves, inner)


def every_other(inner: gx.GradientTransformation) -> gx.GradientTransformation:
    return gx.accumulate(inner, 2.0)


def averaged(inner: gx.GradientTransformation) -> gx.GradientTransformation:
    return gx.average(inner, 0.9)


def itself(tx: gx.GradientTransformation) -> gx.GradientTransformation:
    return tx


@st.composite
def whole(draw: Any, smooth: bool = False, functions: bool = True) -> gx.GradientTransformation:
    """An optimizer: its parts, some of them wrapped; in the long search a wrapper around all of it."""
    wrappers = [call_mine, gx.skip_nonfinite, *([freeze_nothing, freeze_some] if functions else [])]
    found = draw(parts(smooth))
    tx = gx.chain(*(draw(wrapped(found, wrappers, 1)) if draw(st.booleans()) else found))
    return draw(st.sampled_from([itself, every_other, averaged]))(tx) if TIMES else tx
