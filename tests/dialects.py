"""Other forms of a method, each a chain: the paper's where gradtx departs from it, Optax's and Keras's where they do."""

import jax
import jax.numpy as jnp

import gradtx as gx
from gradtx import (
    add_decayed_weights,
    bias_correction,
    chain,
    decaying_max,
    dozat_average,
    ema,
    join_schedules,
    nadam_momentum_schedule,
    running_max,
    running_sum,
    scale,
    scale_by_learning_rate,
    scale_by_momentum,
    scale_by_rms,
    scale_by_stddev,
    shifted_schedule,
    yogi_average,
)

TINY = 1e-300
"""An epsilon that changes no float64 here, for papers that have none."""


@gx.schedule
def float32_decay():
    """1 − t^−0.8, computed in float32."""
    return lambda time: 1 - (time.astype(jnp.float32) + 1) ** -0.8


@gx.schedule
def root_weight(decay: gx.Decay):
    """√(1 − βᵗ), the root of what the bias correction divides by, with t from 1."""
    return lambda time: jnp.sqrt(1 - decay ** (time + 1))


@gx.schedule
def inverse_weight(decay: gx.Decay):
    """1 / (1 − βᵗ), the bias correction of an average that starts somewhere, with t from 1."""
    return lambda time: 1 / (1 - decay ** (time + 1))


@gx.transformation(averages=True)
def ema_from(initial: gx.Number, decay: gx.Decay):
    """m ← β m + (1 − β) x, from m = `initial`."""

    def init(params):
        return {"average": jax.tree.map(lambda p: jnp.full_like(p, initial), params)}

    def update(updates, state):
        average = jax.tree.map(lambda m, x: decay * m + (1 - decay) * x, state["average"], updates)
        return average, {"average": average}

    return init, update


def paper_amsgrad(lr: float, b1: float, b2: float) -> gx.GradientTransformation:
    return chain(scale_by_momentum(ema(b1)), scale_by_rms(running_max(ema(b2)), TINY), scale_by_learning_rate(lr))


def paper_nadam(lr: float, b1: float, b2: float, eps: float, momentum_decay: float) -> gx.GradientTransformation:
    """Averaging with μₜ; the ν = b2 in Dozat's n̂ moves into the numbers: α / (√(ν n̂) + ε) = (α / √ν) / (√n̂ + ε / √ν)."""
    now = nadam_momentum_schedule(b1, momentum_decay)
    return chain(
        scale_by_momentum(dozat_average(now, now, shifted_schedule(now, 1))),
        scale_by_rms(bias_correction(ema(b2)), eps / b2**0.5),
        scale_by_learning_rate(lr / b2**0.5),
    )


def torch_centered_rmsprop(lr: float, decay: float, eps: float, momentum: gx.GradientTransformation) -> gx.GradientTransformation:
    return chain(scale_by_stddev(ema(decay), eps), scale_by_momentum(momentum), scale_by_learning_rate(lr))


def rooted_adagrad(lr: float, initial: float, eps: float) -> gx.GradientTransformation:
    """Epsilon inside the root: Optax and Keras."""
    return chain(scale_by_rms(running_sum(initial), eps_root=eps), scale_by_learning_rate(lr))


def rooted_rmsprop(lr: float, decay: float, eps: float) -> gx.GradientTransformation:
    """Epsilon inside the root: Optax and Keras."""
    return chain(scale_by_rms(ema(decay), eps_root=eps), scale_by_learning_rate(lr))


def optax_adafactor(lr: float) -> gx.GradientTransformation:
    return gx.adafactor(lr, float32_decay(), storage=gx.rank_one(2))


def optax_nadam(lr: float, b1: float, b2: float, eps: float) -> gx.GradientTransformation:
    """The momentum is constant."""
    return chain(scale_by_momentum(dozat_average(b1, b1, b1)), scale_by_rms(bias_correction(ema(b2)), eps), scale_by_learning_rate(lr))


def optax_amsgrad(lr: float, b1: float, b2: float, eps: float) -> gx.GradientTransformation:
    """The largest of the corrected moments, where gradtx and PyTorch correct the largest."""
    return chain(
        scale_by_momentum(bias_correction(ema(b1))),
        scale_by_rms(running_max(bias_correction(ema(b2))), eps),
        scale_by_learning_rate(lr),
    )


def optax_radam(lr: float, b1: float, b2: float, eps: float) -> gx.GradientTransformation:
    """Epsilon beside the corrected root: √(1 − βᵗ) / (√v + ε √(1 − βᵗ)) = 1 / (√v̂ + ε)."""
    return gx.radam(lr, b1, b2, eps * root_weight(b2))


def optax_yogi(lr: float, b1: float, b2: float, eps: float, initial: float = 1e-6) -> gx.GradientTransformation:
    """Both moments start at `initial` and both are corrected, as if they had started at 0."""
    return chain(
        scale_by_momentum(chain(ema_from(initial, b1), scale(inverse_weight(b1)))),
        scale_by_rms(chain(yogi_average(b2, initial), scale(inverse_weight(b2))), eps),
        scale_by_learning_rate(lr),
    )


def keras_adam(lr: float, b1: float, b2: float, eps: float) -> gx.GradientTransformation:
    """Epsilon joins √v before the bias correction: m̂ √(1 − βᵗ) / (√v + ε)."""
    return chain(*before_learning_rate(ema(b2), b1, b2, eps), scale_by_learning_rate(lr))


def keras_amsgrad(lr: float, b1: float, b2: float, eps: float) -> gx.GradientTransformation:
    return chain(*before_learning_rate(running_max(ema(b2)), b1, b2, eps), scale_by_learning_rate(lr))


def keras_adamw(lr: float, b1: float, b2: float, eps: float, weight_decay: float) -> gx.GradientTransformation:
    return chain(*before_learning_rate(ema(b2), b1, b2, eps), add_decayed_weights(weight_decay), scale_by_learning_rate(lr))


def before_learning_rate(second: gx.GradientTransformation, b1: float, b2: float, eps: float) -> tuple[gx.GradientTransformation, ...]:
    return scale_by_momentum(bias_correction(ema(b1))), scale_by_rms(second, eps), scale(root_weight(b2))


def keras_adamax(lr: float, b1: float, b2: float, eps: float) -> gx.GradientTransformation:
    """Epsilon is added to u and not to ∣g∣: max(b2 u, ∣g∣) is the root of a maximum of g² that decays by b2²."""
    return chain(scale_by_momentum(bias_correction(ema(b1))), scale_by_rms(decaying_max(b2**2), eps), scale_by_learning_rate(lr))


@gx.schedule
def adam_correction(b1: gx.Decay, b2: gx.Decay):
    """√(1 − β₂ᵗ) / (1 − β₁ᵗ), what Adam's two corrections come to, with t from 1."""
    return lambda time: jnp.sqrt(1 - b2 ** (time + 1)) / (1 - b1 ** (time + 1))


def optax_prodigy(b1, b2):
    """Prodigy whose learning rate makes Adam's bias correction, without an ε."""
    return gx.prodigy(adam_correction(b1, b2), b1, b2, eps=TINY)


def from_first(decay: float) -> gx.GradientTransformation:
    """An average that begins at its first value."""
    return ema(join_schedules((0.0, decay), (1,)))


def paper_adan(lr: float, b1: float, b2: float, b3: float, eps: float) -> gx.GradientTransformation:
    """Averages of the gradient and of its square begin at the first; that of the difference at 0, which is the first difference."""
    return chain(
        gx.scale_by_extrapolated_momentum(from_first(b1), ema(b2), b2),
        scale_by_rms(from_first(b3), eps),
        scale_by_learning_rate(lr),
    )


def optax_adan(lr: float, b1: float, b2: float, b3: float, eps: float) -> gx.GradientTransformation:
    """Differences are mixed in with 1 − b2, where the paper has b2."""
    return chain(
        gx.scale_by_extrapolated_momentum(bias_correction(ema(b1)), bias_correction(ema(b2)), 1 - b2),
        scale_by_rms(bias_correction(ema(b3)), eps),
        scale_by_learning_rate(lr),
    )


def paper_nadamw(lr: float, b1: float, b2: float, eps: float, weight_decay: float, momentum_decay: float) -> gx.GradientTransformation:
    """As `paper_nadam`; the decay keeps its own factor, so it is divided by what the learning rate was multiplied by."""
    *before, rate = paper_nadam(lr, b1, b2, eps, momentum_decay).transformations
    return chain(*before, add_decayed_weights(weight_decay * b2**0.5), rate)


def optax_nadamw(lr: float, b1: float, b2: float, eps: float, weight_decay: float) -> gx.GradientTransformation:
    """The momentum is constant."""
    *before, rate = optax_nadam(lr, b1, b2, eps).transformations
    return chain(*before, add_decayed_weights(weight_decay), rate)


def optax_acprop(lr: float, b1: float, b2: float, eps: float, eps_moment: float) -> gx.GradientTransformation:
    """The deviation is from the average of the step before, g − m_old = (g − m) / b1, so all but the first step is b1 times as long."""
    return chain(
        gx.scale_by_lagged_belief(b1, b2, b1 * eps, b1**2 * eps_moment),
        scale(join_schedules((1.0, b1), (1,))),
        scale_by_learning_rate(lr),
    )


@gx.schedule
def rounded_rate(learning_rate: gx.Positive):
    """η such that η √t is the product of two float32 numbers, with t from 1."""

    def value(time):
        weight = jnp.asarray(learning_rate, jnp.float32) * jnp.sqrt(time.astype(jnp.float32) + 1)
        return weight.astype(time.dtype) / jnp.sqrt(time + 1)

    return value


def optax_madgrad(lr: float, eps: float) -> gx.GradientTransformation:
    """Epsilon is added to the learning rate too, whose product with √t is in float32."""
    return gx.madgrad(rounded_rate(lr + eps), eps=eps)


def optax_schedule_free_adamw(lr: float, b1: float, b2: float, eps: float) -> gx.GradientTransformation:
    """The second moment is corrected, so that the correction is not in the weights of the average."""
    return gx.schedule_free(chain(scale_by_rms(bias_correction(ema(b2)), eps), scale_by_learning_rate(lr)), lr, b1)


@gx.transformation
def one_step_late():
    """The updates of the step before, and none where there are none now."""

    def init(params):
        return {"before": jax.tree.map(jnp.zeros_like, params)}

    def update(updates, state):
        return jax.tree.map(lambda u, before: jnp.where(u == 0, 0, before), updates, state["before"]), {"before": updates}

    return init, update


def optax_rprop(lr: float) -> gx.GradientTransformation:
    """Each step is taken when the next gradient has come, and is lost if that turns."""
    return chain(gx.scale_by_rprop(lr), one_step_late(), scale_by_learning_rate(1.0))
