"""Gradient transformations for JAX in which an optimizer is a value."""

from gradtx._core.apply import apply_updates
from gradtx._core.describe import describe
from gradtx._core.flow import Flow
from gradtx._core.hyperparameters import hyperparameters
from gradtx._core.schedule import Schedule, scaled_schedule, schedule, summed_schedule
from gradtx._core.selection import Where
from gradtx._core.spec import from_spec, to_spec
from gradtx._core.transformation import (
    GradientTransformation,
    Moment,
    chain,
    foreign,
    identity,
    named,
    stateless,
    transformation,
)
from gradtx._core.types import (
    Decay,
    Fraction,
    Key,
    LearningRate,
    NonNegative,
    Number,
    Numbers,
    OpenDecay,
    Positive,
    PyTree,
    Schedules,
    Tree,
)
from gradtx._gradients import GradientCheck, LeafCheck, check_gradient, numerical_gradient, one_sided_numerical_gradient
from gradtx._moments.belief_average import belief_average
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.dozat_average import dozat_average
from gradtx._moments.ema import ema
from gradtx._moments.ema_from_first import ema_from_first
from gradtx._moments.nesterov import nesterov
from gradtx._moments.running_max import decaying_max, running_max
from gradtx._moments.running_sum import running_sum
from gradtx._moments.trace import trace
from gradtx._moments.two_rate_average import two_rate_average
from gradtx._moments.yogi_average import yogi_average
from gradtx._optimizers.adabelief import adabelief
from gradtx._optimizers.adagrad import adagrad
from gradtx._optimizers.adam import adam
from gradtx._optimizers.adamax import adamax
from gradtx._optimizers.adamw import adamw
from gradtx._optimizers.amsgrad import amsgrad
from gradtx._optimizers.centered_rmsprop import centered_rmsprop
from gradtx._optimizers.fromage import fromage
from gradtx._optimizers.lamb import lamb
from gradtx._optimizers.laprop import laprop
from gradtx._optimizers.lars import lars
from gradtx._optimizers.lion import lion
from gradtx._optimizers.mars_adamw import mars_adamw
from gradtx._optimizers.nadam import nadam
from gradtx._optimizers.newton import newton
from gradtx._optimizers.newton_cg import newton_cg
from gradtx._optimizers.novograd import novograd
from gradtx._optimizers.radam import radam
from gradtx._optimizers.random_search import random_search
from gradtx._optimizers.rmsprop import rmsprop
from gradtx._optimizers.sgd import sgd
from gradtx._optimizers.signum import signum
from gradtx._optimizers.uncorrected_adam import uncorrected_adam
from gradtx._optimizers.yogi import yogi
from gradtx._schedules.cosine import cosine_decay_schedule, warmup_cosine_decay_schedule
from gradtx._schedules.decay import exponential_decay, inverse_sqrt_schedule, inverse_time_decay, staircase_decay
from gradtx._schedules.joining import join_schedules, piecewise_constant_schedule, shifted_schedule
from gradtx._schedules.nadam_momentum_schedule import nadam_momentum_schedule
from gradtx._schedules.onecycle import cosine_onecycle_schedule, linear_onecycle_schedule
from gradtx._schedules.polynomial import constant_schedule, linear_schedule, polynomial_schedule
from gradtx._schedules.sgdr_schedule import sgdr_schedule
from gradtx._schedules.warmup_stable_decay import warmup_stable_decay_schedule
from gradtx._transforms.adaptive_grad_clip import adaptive_grad_clip
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.add_noise import add_noise
from gradtx._transforms.cautious import cautious
from gradtx._transforms.centralize import centralize
from gradtx._transforms.clip import clip
from gradtx._transforms.clip_by_block_norm import clip_by_block_norm
from gradtx._transforms.clip_by_block_rms import clip_by_block_rms
from gradtx._transforms.clip_by_global_norm import clip_by_global_norm
from gradtx._transforms.grams import grams
from gradtx._transforms.keep_best_draw import keep_best_draw
from gradtx._transforms.limit_norm_growth import limit_norm_growth
from gradtx._transforms.measures import gradient_norm, nonfinite, update_gradient_cosine, update_norm, update_to_parameter_ratio
from gradtx._transforms.observe import observations, observe
from gradtx._transforms.reduce_variance import reduce_variance
from gradtx._transforms.scale import scale
from gradtx._transforms.scale_by_abs import scale_by_abs
from gradtx._transforms.scale_by_block_norm import scale_by_block_norm
from gradtx._transforms.scale_by_conjugate_gradient import scale_by_conjugate_gradient
from gradtx._transforms.scale_by_hessian import scale_by_hessian
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_local_rate import scale_by_local_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rectified_rms import scale_by_rectified_rms
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._transforms.scale_by_stddev import scale_by_stddev
from gradtx._transforms.scale_by_tree import scale_by_tree
from gradtx._transforms.scale_by_trust_ratio import scale_by_trust_ratio
from gradtx._transforms.shrink_weights import shrink_weights
from gradtx._transforms.sign import sign
from gradtx._transforms.subtract_decayed_weights import subtract_decayed_weights
from gradtx._transforms.zero_nonfinite import zero_nonfinite
from gradtx._wrappers.cautious_weight_decay import cautious_weight_decay
from gradtx._wrappers.freeze import freeze
from gradtx._wrappers.skip_nonfinite import skip_nonfinite

__all__ = [
    "Decay",
    "Flow",
    "Fraction",
    "GradientCheck",
    "GradientTransformation",
    "Key",
    "LeafCheck",
    "LearningRate",
    "Moment",
    "NonNegative",
    "Number",
    "Numbers",
    "OpenDecay",
    "Positive",
    "PyTree",
    "Schedule",
    "Schedules",
    "Tree",
    "Where",
    "adabelief",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "adaptive_grad_clip",
    "add_decayed_weights",
    "add_noise",
    "amsgrad",
    "apply_updates",
    "belief_average",
    "bias_correction",
    "cautious",
    "cautious_weight_decay",
    "centered_rmsprop",
    "centralize",
    "chain",
    "check_gradient",
    "clip",
    "clip_by_block_norm",
    "clip_by_block_rms",
    "clip_by_global_norm",
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "decaying_max",
    "describe",
    "dozat_average",
    "ema",
    "ema_from_first",
    "exponential_decay",
    "foreign",
    "freeze",
    "from_spec",
    "fromage",
    "gradient_norm",
    "grams",
    "hyperparameters",
    "identity",
    "inverse_sqrt_schedule",
    "inverse_time_decay",
    "join_schedules",
    "keep_best_draw",
    "lamb",
    "laprop",
    "lars",
    "limit_norm_growth",
    "linear_onecycle_schedule",
    "linear_schedule",
    "lion",
    "mars_adamw",
    "nadam",
    "nadam_momentum_schedule",
    "named",
    "nesterov",
    "newton",
    "newton_cg",
    "nonfinite",
    "novograd",
    "numerical_gradient",
    "observations",
    "observe",
    "one_sided_numerical_gradient",
    "piecewise_constant_schedule",
    "polynomial_schedule",
    "radam",
    "random_search",
    "reduce_variance",
    "rmsprop",
    "running_max",
    "running_sum",
    "scale",
    "scale_by_abs",
    "scale_by_block_norm",
    "scale_by_conjugate_gradient",
    "scale_by_hessian",
    "scale_by_learning_rate",
    "scale_by_local_rate",
    "scale_by_momentum",
    "scale_by_rectified_rms",
    "scale_by_rms",
    "scale_by_stddev",
    "scale_by_tree",
    "scale_by_trust_ratio",
    "scaled_schedule",
    "schedule",
    "sgd",
    "sgdr_schedule",
    "shifted_schedule",
    "shrink_weights",
    "sign",
    "signum",
    "skip_nonfinite",
    "staircase_decay",
    "stateless",
    "subtract_decayed_weights",
    "summed_schedule",
    "to_spec",
    "trace",
    "transformation",
    "two_rate_average",
    "uncorrected_adam",
    "update_gradient_cosine",
    "update_norm",
    "update_to_parameter_ratio",
    "warmup_cosine_decay_schedule",
    "warmup_stable_decay_schedule",
    "yogi",
    "yogi_average",
    "zero_nonfinite",
]
