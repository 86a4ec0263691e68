"""Gradient transformations for JAX in which an optimizer is a value."""

from gradtx._core.at_first_use import at_first_use as _at_first_use

with _at_first_use(globals()):
    from gradtx._bases.kl import kl_eigensystem
    from gradtx._bases.kronecker import kronecker_eigenbasis, kronecker_eigensystem
    from gradtx._bases.low_rank import low_rank_basis
    from gradtx._bases.random import random_basis
    from gradtx._core.apply import apply_updates
    from gradtx._core.commit import Commit, compensated_commit, stochastic_commit
    from gradtx._core.describe import describe
    from gradtx._core.eval_params import eval_params
    from gradtx._core.flow import Flow
    from gradtx._core.hyperparameters import hyperparameters
    from gradtx._core.roles import Role, Roles, role, roles
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
    from gradtx._moments.mixed_average import mixed_average
    from gradtx._moments.nesterov import nesterov
    from gradtx._moments.output_mean import output_mean
    from gradtx._moments.quasi_hyperbolic import quasi_hyperbolic
    from gradtx._moments.running_max import decaying_max, running_max
    from gradtx._moments.running_sum import running_sum
    from gradtx._moments.stored import stored
    from gradtx._moments.trace import trace
    from gradtx._moments.two_rate_average import two_rate_average
    from gradtx._moments.yogi_average import yogi_average
    from gradtx._optimizers.acprop import acprop
    from gradtx._optimizers.adabelief import adabelief
    from gradtx._optimizers.adadelta import adadelta
    from gradtx._optimizers.adafactor import adafactor
    from gradtx._optimizers.adagrad import adagrad
    from gradtx._optimizers.adam import adam
    from gradtx._optimizers.adam_mini import adam_mini
    from gradtx._optimizers.adamax import adamax
    from gradtx._optimizers.adamaxw import adamaxw
    from gradtx._optimizers.adamc import adamc
    from gradtx._optimizers.adamh import adamh
    from gradtx._optimizers.adamuon import adamuon
    from gradtx._optimizers.adamw import adamw
    from gradtx._optimizers.adan import adan
    from gradtx._optimizers.ademamix import ademamix
    from gradtx._optimizers.adopt import adopt
    from gradtx._optimizers.amsgrad import amsgrad
    from gradtx._optimizers.apollo import apollo
    from gradtx._optimizers.came import came
    from gradtx._optimizers.centered_rmsprop import centered_rmsprop
    from gradtx._optimizers.cocob import cocob
    from gradtx._optimizers.dadapt_adamw import dadapt_adamw
    from gradtx._optimizers.dion import dion
    from gradtx._optimizers.dog import dog
    from gradtx._optimizers.dowg import dowg
    from gradtx._optimizers.dpsgd import dpsgd
    from gradtx._optimizers.fromage import fromage
    from gradtx._optimizers.ftrl import ftrl
    from gradtx._optimizers.galore import galore
    from gradtx._optimizers.kl_shampoo import kl_shampoo
    from gradtx._optimizers.lamb import lamb
    from gradtx._optimizers.laprop import laprop
    from gradtx._optimizers.lars import lars
    from gradtx._optimizers.lion import lion
    from gradtx._optimizers.madgrad import madgrad
    from gradtx._optimizers.mars_adamw import mars_adamw
    from gradtx._optimizers.momo import momo
    from gradtx._optimizers.momo_adam import momo_adam
    from gradtx._optimizers.muon import muon
    from gradtx._optimizers.muonh import muonh
    from gradtx._optimizers.nadam import nadam
    from gradtx._optimizers.nadamw import nadamw
    from gradtx._optimizers.newton import newton
    from gradtx._optimizers.newton_cg import newton_cg
    from gradtx._optimizers.noisy_sgd import noisy_sgd
    from gradtx._optimizers.normuon import normuon
    from gradtx._optimizers.novograd import novograd
    from gradtx._optimizers.optimistic_adam import optimistic_adam
    from gradtx._optimizers.optimistic_gradient_descent import optimistic_gradient_descent
    from gradtx._optimizers.polyak_sgd import polyak_sgd
    from gradtx._optimizers.prodigy import prodigy
    from gradtx._optimizers.psgd_kron import psgd_kron
    from gradtx._optimizers.qhadam import qhadam
    from gradtx._optimizers.qhm import qhm
    from gradtx._optimizers.radam import radam
    from gradtx._optimizers.random_search import random_search
    from gradtx._optimizers.rmsprop import rmsprop
    from gradtx._optimizers.rprop import rprop
    from gradtx._optimizers.schedule_free_adamw import schedule_free_adamw
    from gradtx._optimizers.schedule_free_radam import schedule_free_radam
    from gradtx._optimizers.schedule_free_sgd import schedule_free_sgd
    from gradtx._optimizers.scion import scion
    from gradtx._optimizers.sgd import sgd
    from gradtx._optimizers.sgdw import sgdw
    from gradtx._optimizers.shampoo import shampoo
    from gradtx._optimizers.sign_sgd import sign_sgd
    from gradtx._optimizers.signum import signum
    from gradtx._optimizers.simplified_ademamix import simplified_ademamix
    from gradtx._optimizers.sinkgd import sinkgd
    from gradtx._optimizers.sm3 import sm3
    from gradtx._optimizers.soap import soap
    from gradtx._optimizers.sophia import sophia
    from gradtx._optimizers.tiger import tiger
    from gradtx._optimizers.uncorrected_adam import uncorrected_adam
    from gradtx._optimizers.yogi import yogi
    from gradtx._schedules.adafactor_decay_schedule import adafactor_decay_schedule
    from gradtx._schedules.adam_correction_schedule import adam_correction_schedule
    from gradtx._schedules.cosine import cosine_decay_schedule, warmup_cosine_decay_schedule
    from gradtx._schedules.decay import exponential_decay, inverse_sqrt_schedule, inverse_time_decay, staircase_decay
    from gradtx._schedules.half_life_schedule import half_life_schedule
    from gradtx._schedules.joining import join_schedules, piecewise_constant_schedule, shifted_schedule
    from gradtx._schedules.kron_period_schedule import kron_period_schedule
    from gradtx._schedules.nadam_momentum_schedule import nadam_momentum_schedule
    from gradtx._schedules.onecycle import cosine_onecycle_schedule, linear_onecycle_schedule
    from gradtx._schedules.polynomial import constant_schedule, linear_schedule, polynomial_schedule
    from gradtx._schedules.power_schedule import power_schedule
    from gradtx._schedules.rectification_schedule import rectification_schedule
    from gradtx._schedules.rms_correction_schedule import rms_correction_schedule
    from gradtx._schedules.sgdr_schedule import sgdr_schedule
    from gradtx._schedules.warmup_stable_decay import warmup_stable_decay_schedule
    from gradtx._storage.bfloat16 import bfloat16
    from gradtx._storage.block_mean import block_mean
    from gradtx._storage.channel_mean import channel_mean
    from gradtx._storage.codec import Codec, Coding, codec
    from gradtx._storage.companded import companded
    from gradtx._storage.cover import cover
    from gradtx._storage.int4 import int4
    from gradtx._storage.int8 import int8
    from gradtx._storage.rank_one import rank_one
    from gradtx._transforms.adaptive_grad_clip import adaptive_grad_clip
    from gradtx._transforms.add_corrected_decayed_weights import add_corrected_decayed_weights
    from gradtx._transforms.add_decayed_weights import add_decayed_weights
    from gradtx._transforms.add_noise import add_noise
    from gradtx._transforms.add_private_noise import add_private_noise
    from gradtx._transforms.bet_on_coins import bet_on_coins
    from gradtx._transforms.cautious import cautious
    from gradtx._transforms.centralize import centralize
    from gradtx._transforms.clip import clip
    from gradtx._transforms.clip_by_block_norm import clip_by_block_norm
    from gradtx._transforms.clip_by_block_rms import clip_by_block_rms
    from gradtx._transforms.clip_by_global_norm import clip_by_global_norm
    from gradtx._transforms.dual_average import dual_average
    from gradtx._transforms.follow_regularized_leader import follow_regularized_leader
    from gradtx._transforms.grams import grams
    from gradtx._transforms.keep_best_draw import keep_best_draw
    from gradtx._transforms.limit_norm_growth import limit_norm_growth
    from gradtx._transforms.low_rank import low_rank, orthonormal_low_rank
    from gradtx._transforms.measures import gradient_norm, nonfinite, update_gradient_cosine, update_norm, update_to_parameter_ratio
    from gradtx._transforms.normalize import normalize, normalize_by_update_norm, normalize_rms
    from gradtx._transforms.normalize_rows import normalize_columns, normalize_rows, sinkhorn
    from gradtx._transforms.observe import observations, observe
    from gradtx._transforms.orthogonalize import orthogonalize, orthogonalize_by
    from gradtx._transforms.per_example_clip_by_global_norm import per_example_clip_by_global_norm
    from gradtx._transforms.projections import (
        projection_box,
        projection_l1_ball,
        projection_l2_ball,
        projection_non_negative,
        projection_simplex,
    )
    from gradtx._transforms.reduce_on_plateau import reduce_on_plateau
    from gradtx._transforms.reduce_variance import reduce_variance
    from gradtx._transforms.retract_to_sphere import retract_to_sphere
    from gradtx._transforms.sam import sam
    from gradtx._transforms.scale import scale
    from gradtx._transforms.scale_by_abs import scale_by_abs
    from gradtx._transforms.scale_by_block_norm import scale_by_block_norm
    from gradtx._transforms.scale_by_confidence import scale_by_confidence
    from gradtx._transforms.scale_by_conjugate_gradient import scale_by_conjugate_gradient
    from gradtx._transforms.scale_by_dadapt import scale_by_dadapt
    from gradtx._transforms.scale_by_dog import scale_by_dog
    from gradtx._transforms.scale_by_dowg import scale_by_dowg
    from gradtx._transforms.scale_by_eigenvalues import scale_by_eigenvalues
    from gradtx._transforms.scale_by_extrapolated_momentum import scale_by_extrapolated_momentum
    from gradtx._transforms.scale_by_hessian import scale_by_hessian
    from gradtx._transforms.scale_by_hessian_diagonal import scale_by_hessian_diagonal
    from gradtx._transforms.scale_by_kron import scale_by_kron
    from gradtx._transforms.scale_by_lagged_belief import scale_by_lagged_belief
    from gradtx._transforms.scale_by_lagged_rms import scale_by_lagged_rms
    from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
    from gradtx._transforms.scale_by_local_rate import scale_by_local_rate
    from gradtx._transforms.scale_by_momentum import scale_by_momentum
    from gradtx._transforms.scale_by_momo import scale_by_momo
    from gradtx._transforms.scale_by_momo_adam import scale_by_momo_adam
    from gradtx._transforms.scale_by_optimistic_gradient import scale_by_optimistic_gradient
    from gradtx._transforms.scale_by_param_block_rms import scale_by_param_block_norm, scale_by_param_block_rms
    from gradtx._transforms.scale_by_polyak import scale_by_polyak
    from gradtx._transforms.scale_by_prodigy import scale_by_prodigy
    from gradtx._transforms.scale_by_proximal_learning_rate import scale_by_proximal_learning_rate
    from gradtx._transforms.scale_by_rectified_rms import scale_by_rectified_rms
    from gradtx._transforms.scale_by_rms import scale_by_rms
    from gradtx._transforms.scale_by_rprop import scale_by_rprop
    from gradtx._transforms.scale_by_shape import (
        scale_by_aspect_ratio,
        scale_by_inputs,
        scale_by_larger_side,
        scale_by_tall_aspect_ratio,
    )
    from gradtx._transforms.scale_by_stddev import scale_by_stddev
    from gradtx._transforms.scale_by_step_rms import scale_by_step_rms
    from gradtx._transforms.scale_by_tree import scale_by_tree
    from gradtx._transforms.scale_by_trust_ratio import scale_by_trust_ratio
    from gradtx._transforms.scaled_sign import scaled_sign
    from gradtx._transforms.shrink_weights import shrink_weights
    from gradtx._transforms.sign import sign
    from gradtx._transforms.subtract_decayed_weights import subtract_decayed_weights
    from gradtx._transforms.top_k import top_k
    from gradtx._transforms.zero_nonfinite import zero_nonfinite
    from gradtx._wrappers.accumulate import accumulate
    from gradtx._wrappers.add import add
    from gradtx._wrappers.average import average
    from gradtx._wrappers.cautious_weight_decay import cautious_weight_decay
    from gradtx._wrappers.error_feedback import error_feedback
    from gradtx._wrappers.every import every
    from gradtx._wrappers.freeze import freeze
    from gradtx._wrappers.graft import graft
    from gradtx._wrappers.in_basis import in_basis
    from gradtx._wrappers.in_blocks import in_blocks
    from gradtx._wrappers.layerwise import layerwise
    from gradtx._wrappers.lookahead import lookahead
    from gradtx._wrappers.mechanic import mechanic
    from gradtx._wrappers.partition import adam_elsewhere, masked, partition
    from gradtx._wrappers.scaled_in_basis import scaled_in_basis
    from gradtx._wrappers.schedule_free import schedule_free
    from gradtx._wrappers.select import select
    from gradtx._wrappers.skip_nonfinite import skip_nonfinite
    from gradtx._wrappers.skip_spikes import skip_spikes
    from gradtx._wrappers.uniform_average import uniform_average

__all__ = [
    "Codec",
    "Coding",
    "Commit",
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
    "Role",
    "Roles",
    "Schedule",
    "Schedules",
    "Tree",
    "Where",
    "accumulate",
    "acprop",
    "adabelief",
    "adadelta",
    "adafactor",
    "adafactor_decay_schedule",
    "adagrad",
    "adam",
    "adam_correction_schedule",
    "adam_elsewhere",
    "adam_mini",
    "adamax",
    "adamaxw",
    "adamc",
    "adamh",
    "adamuon",
    "adamw",
    "adan",
    "adaptive_grad_clip",
    "add",
    "add_corrected_decayed_weights",
    "add_decayed_weights",
    "add_noise",
    "add_private_noise",
    "ademamix",
    "adopt",
    "amsgrad",
    "apollo",
    "apply_updates",
    "average",
    "belief_average",
    "bet_on_coins",
    "bfloat16",
    "bias_correction",
    "block_mean",
    "came",
    "cautious",
    "cautious_weight_decay",
    "centered_rmsprop",
    "centralize",
    "chain",
    "channel_mean",
    "check_gradient",
    "clip",
    "clip_by_block_norm",
    "clip_by_block_rms",
    "clip_by_global_norm",
    "cocob",
    "codec",
    "companded",
    "compensated_commit",
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "cover",
    "dadapt_adamw",
    "decaying_max",
    "describe",
    "dion",
    "dog",
    "dowg",
    "dozat_average",
    "dpsgd",
    "dual_average",
    "ema",
    "ema_from_first",
    "error_feedback",
    "eval_params",
    "every",
    "exponential_decay",
    "follow_regularized_leader",
    "foreign",
    "freeze",
    "from_spec",
    "fromage",
    "ftrl",
    "galore",
    "gradient_norm",
    "graft",
    "grams",
    "half_life_schedule",
    "hyperparameters",
    "identity",
    "in_basis",
    "in_blocks",
    "int4",
    "int8",
    "inverse_sqrt_schedule",
    "inverse_time_decay",
    "join_schedules",
    "keep_best_draw",
    "kl_eigensystem",
    "kl_shampoo",
    "kron_period_schedule",
    "kronecker_eigenbasis",
    "kronecker_eigensystem",
    "lamb",
    "laprop",
    "lars",
    "layerwise",
    "limit_norm_growth",
    "linear_onecycle_schedule",
    "linear_schedule",
    "lion",
    "lookahead",
    "low_rank",
    "low_rank_basis",
    "madgrad",
    "mars_adamw",
    "masked",
    "mechanic",
    "mixed_average",
    "momo",
    "momo_adam",
    "muon",
    "muonh",
    "nadam",
    "nadam_momentum_schedule",
    "nadamw",
    "named",
    "nesterov",
    "newton",
    "newton_cg",
    "noisy_sgd",
    "nonfinite",
    "normalize",
    "normalize_by_update_norm",
    "normalize_columns",
    "normalize_rms",
    "normalize_rows",
    "normuon",
    "novograd",
    "numerical_gradient",
    "observations",
    "observe",
    "one_sided_numerical_gradient",
    "optimistic_adam",
    "optimistic_gradient_descent",
    "orthogonalize",
    "orthogonalize_by",
    "orthonormal_low_rank",
    "output_mean",
    "partition",
    "per_example_clip_by_global_norm",
    "piecewise_constant_schedule",
    "polyak_sgd",
    "polynomial_schedule",
    "power_schedule",
    "prodigy",
    "projection_box",
    "projection_l1_ball",
    "projection_l2_ball",
    "projection_non_negative",
    "projection_simplex",
    "psgd_kron",
    "qhadam",
    "qhm",
    "quasi_hyperbolic",
    "radam",
    "random_basis",
    "random_search",
    "rank_one",
    "rectification_schedule",
    "reduce_on_plateau",
    "reduce_variance",
    "retract_to_sphere",
    "rms_correction_schedule",
    "rmsprop",
    "role",
    "roles",
    "rprop",
    "running_max",
    "running_sum",
    "sam",
    "scale",
    "scale_by_abs",
    "scale_by_aspect_ratio",
    "scale_by_block_norm",
    "scale_by_confidence",
    "scale_by_conjugate_gradient",
    "scale_by_dadapt",
    "scale_by_dog",
    "scale_by_dowg",
    "scale_by_eigenvalues",
    "scale_by_extrapolated_momentum",
    "scale_by_hessian",
    "scale_by_hessian_diagonal",
    "scale_by_inputs",
    "scale_by_kron",
    "scale_by_lagged_belief",
    "scale_by_lagged_rms",
    "scale_by_larger_side",
    "scale_by_learning_rate",
    "scale_by_local_rate",
    "scale_by_momentum",
    "scale_by_momo",
    "scale_by_momo_adam",
    "scale_by_optimistic_gradient",
    "scale_by_param_block_norm",
    "scale_by_param_block_rms",
    "scale_by_polyak",
    "scale_by_prodigy",
    "scale_by_proximal_learning_rate",
    "scale_by_rectified_rms",
    "scale_by_rms",
    "scale_by_rprop",
    "scale_by_stddev",
    "scale_by_step_rms",
    "scale_by_tall_aspect_ratio",
    "scale_by_tree",
    "scale_by_trust_ratio",
    "scaled_in_basis",
    "scaled_schedule",
    "scaled_sign",
    "schedule",
    "schedule_free",
    "schedule_free_adamw",
    "schedule_free_radam",
    "schedule_free_sgd",
    "scion",
    "select",
    "sgd",
    "sgdr_schedule",
    "sgdw",
    "shampoo",
    "shifted_schedule",
    "shrink_weights",
    "sign",
    "sign_sgd",
    "signum",
    "simplified_ademamix",
    "sinkgd",
    "sinkhorn",
    "skip_nonfinite",
    "skip_spikes",
    "sm3",
    "soap",
    "sophia",
    "staircase_decay",
    "stateless",
    "stochastic_commit",
    "stored",
    "subtract_decayed_weights",
    "summed_schedule",
    "tiger",
    "to_spec",
    "top_k",
    "trace",
    "transformation",
    "two_rate_average",
    "uncorrected_adam",
    "uniform_average",
    "update_gradient_cosine",
    "update_norm",
    "update_to_parameter_ratio",
    "warmup_cosine_decay_schedule",
    "warmup_stable_decay_schedule",
    "yogi",
    "yogi_average",
    "zero_nonfinite",
]
