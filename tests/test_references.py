"""Every method against its paper: float64 trajectories, written independently in `tests/references`."""

import functools
import importlib
import inspect
import math
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import gradtx as gx
from tests import references
from tests.certified.matrix import first_directions, is_matrix, probes, projections
from tests.dialects import TINY, paper_adan, paper_amsgrad, paper_nadam, paper_nadamw
from tests.paths import drawn, in_gradtx, on_bowl
from tests.references import (
    adam,
    adan,
    adaptive,
    bowl,
    controllers,
    elementwise,
    layerwise,
    matrix,
    momentum,
    newton,
    rprop,
    schedule_free,
    search,
    storage,
)
from tests.references.problem import STEPS, Path, distance, draws, follow, follow_whole


class Case(NamedTuple):
    """An optimizer and the recurrence it should follow: the reference and its numbers."""

    optimizer: gx.GradientTransformation
    reference: Callable[..., Iterator[Any]]
    numbers: dict[str, float]
    follow: Callable[..., Path] = follow
    numbers: dict[str, Any]


CASES = {
    "sgd": Case(gx.sgd(0.1), momentum.gradient_descent, {"alpha": 0.1}),
    "sgd, trace": Case(gx.sgd(0.1, gx.trace(0.8)), momentum.heavy_ball, {"alpha": 0.1, "beta": 0.8}),
    "sgd, ema": Case(gx.sgd(0.1, gx.ema(0.8)), momentum.averaged_gradient, {"alpha": 0.1, "beta": 0.8}),
    "sgd, nesterov trace": Case(gx.sgd(0.1, gx.nesterov(gx.trace(0.8))), momentum.nesterov, {"epsilon": 0.1, "mu": 0.8}),
    "sgd, nesterov ema": Case(gx.sgd(0.1, gx.nesterov(gx.ema(0.8))), momentum.averaged_nesterov, {"alpha": 0.1, "beta": 0.8}),
    "signum": Case(gx.signum(0.1, 0.8), momentum.signum, {"delta": 0.1, "beta": 0.8}),
    "signum defaults": Case(gx.signum(0.1), momentum.signum, {"delta": 0.1, "beta": 0.9}),
    "lion": Case(gx.lion(0.1, 0.8, 0.95, 0.2), momentum.lion, {"eta": 0.1, "beta1": 0.8, "beta2": 0.95, "lamda": 0.2}),
    "lion defaults": Case(gx.lion(0.1), momentum.lion, {"eta": 0.1, "beta1": 0.9, "beta2": 0.99, "lamda": 0.0}),
    "adagrad": Case(gx.adagrad(0.1, eps=0.3), adaptive.adagrad, {"eta": 0.1, "delta": 0.3}),
    "adagrad defaults": Case(gx.adagrad(0.1), adaptive.adagrad, {"eta": 0.1, "delta": 1e-10}),
    "rmsprop": Case(gx.rmsprop(0.1, 0.7, 0.3), adaptive.rmsprop, {"alpha": 0.1, "decay": 0.7, "eps": 0.3}),
    "rmsprop defaults": Case(gx.rmsprop(0.1), adaptive.rmsprop, {"alpha": 0.1, "eps": 1e-8}),
    "centered_rmsprop": Case(
        gx.centered_rmsprop(0.1, 0.8, 0.3, gx.trace(0.7)),
        adaptive.centered_rmsprop,
        {"gimel": 0.1, "aleph": 0.8, "beth": 0.7, "daleth": 0.3},
    ),
    "centered_rmsprop defaults": Case(gx.centered_rmsprop(0.1, momentum=gx.trace(0.9)), adaptive.centered_rmsprop, {"gimel": 0.1}),
    "adam": Case(gx.adam(0.1, 0.8, 0.95, 0.3), adam.adam, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3}),
    "adam defaults": Case(gx.adam(0.1), adam.adam, {"alpha": 0.1}),
    "uncorrected_adam": Case(
        gx.uncorrected_adam(0.1, 0.8, 0.95, 0.3), adam.uncorrected_adam, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3}
    ),
    "uncorrected_adam defaults": Case(gx.uncorrected_adam(0.1), adam.uncorrected_adam, {"alpha": 0.1}),
    # The paper's λ is not multiplied by the learning rate, gradtx's is: λ = η λ'.
    "adamw": Case(
        gx.adamw(0.1, 0.8, 0.95, 0.3, weight_decay=0.2),
        adam.adamw,
        {"alpha": 0.1, "lamda": 0.1 * 0.2, "beta1": 0.8, "beta2": 0.95, "eps": 0.3},
    ),
    "adamw defaults": Case(gx.adamw(0.1), adam.adamw, {"alpha": 0.1, "lamda": 0.1 * 0.01}),
    "nadam": Case(
        gx.nadam(0.1, 0.8, 0.95, 0.3, 0.1),
        adam.constant_average_nadam,
        {"alpha": 0.1, "mu": 0.8, "nu": 0.95, "eps": 0.3, "psi": 0.1},
    ),
    "nadam defaults": Case(gx.nadam(0.1), adam.constant_average_nadam, {"alpha": 0.1}),
    "nadam as published": Case(
        paper_nadam(0.1, 0.8, 0.95, 0.3, 0.1), adam.nadam, {"alpha": 0.1, "mu": 0.8, "nu": 0.95, "eps": 0.3, "psi": 0.1}
    ),
    "amsgrad": Case(gx.amsgrad(0.1, 0.8, 0.95, 0.3), adam.corrected_amsgrad, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3}),
    "amsgrad defaults": Case(gx.amsgrad(0.1), adam.corrected_amsgrad, {"alpha": 0.1}),
    "amsgrad as published": Case(paper_amsgrad(0.1, 0.8, 0.95), adam.amsgrad, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95}),
    "adamax": Case(gx.adamax(0.1, 0.8, 0.95, TINY), adam.adamax, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95}),
    "adamax defaults": Case(gx.adamax(0.1, eps=TINY), adam.adamax, {"alpha": 0.1}),
    "adabelief": Case(gx.adabelief(0.1, 0.8, 0.95, 0.3, 0.3), adam.adabelief, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3}),
    "adabelief defaults": Case(gx.adabelief(0.1), adam.adabelief, {"alpha": 0.1}),
    "yogi": Case(gx.yogi(0.1, 0.8, 0.95, 0.3, 0.7), adam.yogi, {"eta": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "initial": 0.7}),
    "yogi defaults": Case(gx.yogi(0.1), adam.yogi, {"eta": 0.1}),
    # The authors' code rectifies from ρ = 5 on, the paper from 4: see test_radam_departs_from_its_paper_in_the_fifth_step.
    "radam": Case(gx.radam(0.1, 0.8, 0.95, TINY), adam.radam, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "tractable": 5.0}),
    "radam defaults": Case(gx.radam(0.1, eps=TINY), adam.radam, {"alpha": 0.1, "tractable": 5.0}),
    "adafactor": Case(
        gx.adafactor(0.1, 0.8, 1e-30, 0.7, 0.3, storage=gx.rank_one(3)),
        storage.adafactor,
        {"rho": 0.1, "beta": 0.8, "d": 0.7, "eps2": 0.3},
    ),
    "adafactor defaults": Case(gx.adafactor(0.1, storage=gx.rank_one(2)), storage.adafactor, {"rho": 0.1}),
    "came": Case(
        gx.came(0.1, 0.8, 0.9, 0.95, 1e-30, 1e-14, 0.7, 0.2),
        storage.came,
        {"eta": 0.1, "beta1": 0.8, "beta2": 0.9, "beta3": 0.95, "d": 0.7, "lamda": 0.2, "eps2": 1e-14},
    ),
    "came defaults": Case(gx.came(0.1), storage.came, {"eta": 0.1}),
    "adam_mini": Case(
        gx.adam_mini(0.1, 0.8, 0.9, 0.3, 0.2, blocks=gx.channel_mean((0,))),
        storage.adam_mini,
        {"eta": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 0.3, "lamda": 0.2, "axis": 0},
    ),
    "adam_mini defaults": Case(gx.adam_mini(0.1), storage.adam_mini, {"eta": 0.1}),
    "adam_mini elsewhere": Case(gx.adam_mini(0.2, where=lambda path, leaf: False), adam.adamw, {"alpha": 0.2, "lamda": 0.2 * 0.01}),
    "psgd_kron": Case(
        gx.psgd_kron(0.1, 5, 0.8, 0.2, 3.0, 0.3, 1e-3, 3, 0.7),
        matrix.psgd_kron,
        {
            "eta": 0.1,
            "draws": probes(5),
            "beta1": 0.8,
            "lamda": 0.2,
            "every": 3,
            "rate": 0.3,
            "eps": 1e-3,
            "max_size": 3,
            "threshold": 0.7,
        },
    ),
    "psgd_kron defaults": Case(gx.psgd_kron(0.1, 7), matrix.psgd_kron, {"eta": 0.1, "draws": probes(7)}),
    "dion": Case(
        gx.dion(0.1, is_matrix, 5, 2, 0.8, 0.2, 0.7, 0.9, 0.3, 0),
        matrix.dion,
        {
            "eta": 0.1,
            "first": first_directions(5, 2),
            "mu": 0.8,
            "lamda": 0.2,
            "beta1": 0.7,
            "beta2": 0.9,
            "eps": 0.3,
            "axis": 0,
        },
    ),
    "dion defaults": Case(gx.dion(0.1, is_matrix, 7), matrix.dion, {"eta": 0.1, "first": first_directions(7, 1)}),
    "error_feedback, scaled_sign": Case(
        gx.chain(gx.error_feedback(gx.scaled_sign()), gx.scale_by_learning_rate(0.1)),
        momentum.error_feedback,
        {"gamma": 0.1, "compress": lambda p: np.mean(np.abs(p)) * np.sign(p)},
    ),
    "error_feedback, top_k": Case(
        gx.chain(gx.error_feedback(gx.top_k(0.3)), gx.scale_by_learning_rate(0.1)),
        momentum.error_feedback,
        {"gamma": 0.1, "compress": lambda p: np.where(np.abs(p) >= np.sort(np.abs(p), axis=None)[-math.ceil(0.3 * p.size)], p, 0)},
    ),
    "kl_shampoo": Case(
        gx.kl_shampoo(0.1, is_matrix, 0.8, 0.9, 0.2, 1e-3, 0.5, 3, b2=0.95, eps=0.3),
        matrix.kl_shampoo,
        {
            **{"eta": 0.1, "lamda": 0.2, "beta1": 0.8, "beta2": 0.9, "eps": 0.3, "matrix_eps": 1e-3},
            **{"initial": 0.5, "every": 3, "adam2": 0.95},
        },
    ),
    "kl_shampoo defaults": Case(gx.kl_shampoo(0.1, is_matrix), matrix.kl_shampoo, {"eta": 0.1}),
    "apollo, mini": Case(
        gx.apollo(0.1, is_matrix, 7, 1, eps=0.3, factor=2.0, every=3, per="leaf"),
        matrix.apollo,
        {"eta": 0.1, "draws": projections(7, 1, 3), "eps": 0.3, "alpha": 2.0, "mini": True},
    ),
    "sm3": Case(gx.sm3(0.1, gx.identity(), TINY), storage.sm3, {"eta": 0.1}),
    "sm3, momentum": Case(gx.sm3(0.1, gx.ema(0.8), TINY), storage.sm3, {"eta": 0.1, "beta": 0.8}),
    "laprop": Case(gx.laprop(0.1, 0.8, 0.95, 0.3), adam.laprop, {"lamda": 0.1, "mu": 0.8, "nu": 0.95, "eps": 0.3}),
    "laprop defaults": Case(gx.laprop(0.1), adam.laprop, {"lamda": 0.1}),
    "dog": Case(gx.dog(reps_rel=0.03, eps_root=0.3), controllers.dog, {"rel": 0.03, "eps": 0.3}, follow_whole),
    "dog defaults": Case(gx.dog(), controllers.dog, {"rel": 1e-6, "eps": 1e-8}, follow_whole),
    "dowg": Case(gx.dowg(initial_distance=0.3, eps=0.2), controllers.dowg, {"r": 0.3, "eps": 0.2}, follow_whole),
    "dowg defaults": Case(gx.dowg(), controllers.dowg, {"r": 0.01, "eps": 1e-4}, follow_whole),
    "prodigy": Case(
        gx.prodigy(0.7, 0.8, 0.95, 0.3, 0.01, 2.0),
        controllers.prodigy,
        {"d": 0.01, "gamma": 0.7, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "coefficient": 2.0},
        follow_whole,
    ),
    "prodigy defaults": Case(gx.prodigy(), controllers.prodigy, {"d": 1e-6}, follow_whole),
    "cocob": Case(gx.cocob(0.7, 3.0, 0.2), controllers.cocob, {"alpha": 3.0, "eps": 0.2 / 0.7}),
    "cocob defaults": Case(gx.cocob(), controllers.cocob, {"eps": 1e-8}),
    "dadapt_adamw": Case(
        gx.dadapt_adamw(0.7, 0.8, 0.95, 0.3, 0.01, 0.2),
        controllers.dadapt_adam,
        {"d": 0.01, "gamma": 0.7, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "lamda": 0.2},
        follow_whole,
    ),
    "dadapt_adamw defaults": Case(gx.dadapt_adamw(), controllers.dadapt_adam, {"d": 1e-6}, follow_whole),
    "mechanic": Case(
        gx.mechanic(gx.sgd(0.1), 0.2, 0.3, 0.5, (0.7, 0.95)),
        controllers.mechanic_sgd,
        {"gamma": 0.1, "lamda": 0.2, "s_init": 0.3, "eps": 0.5, "betas": (0.7, 0.95)},
        follow_whole,
    ),
    "mechanic defaults": Case(
        gx.mechanic(gx.sgd(1.0)), controllers.mechanic_sgd, {"gamma": 1.0, "betas": 1 - 0.1 ** np.arange(1, 7)}, follow_whole
    ),
    "muon": Case(
        gx.muon(0.1, is_matrix, 0.8, 0.2, 0.7, 0.9, 0.3, orthogonal=gx.orthogonalize("deepseek"), scaling=gx.scale_by_larger_side()),
        matrix.muon,
        {"eta": 0.1, "mu": 0.8, "lamda": 0.2, "beta1": 0.7, "beta2": 0.9, "eps": 0.3, "table": matrix.DEEPSEEK, "rms": 1.0},
    ),
    "muon defaults": Case(gx.muon(0.1, is_matrix), matrix.muon, {"eta": 0.1}),
    "soap": Case(
        gx.soap(0.1, is_matrix, 0.8, 0.9, 0.3, 0.2, 0.7, 3),
        matrix.soap,
        {"eta": 0.1, "lamda": 0.2, "beta1": 0.8, "beta2": 0.9, "eps": 0.3, "decay": 0.7, "every": 3},
    ),
    "soap defaults": Case(gx.soap(0.1, is_matrix), matrix.soap, {"eta": 0.1}),
    "shampoo": Case(
        gx.shampoo(0.1, is_matrix, 0.8, 0.9, 0.3, 0.2, 0.5, 1e-2, 3),
        matrix.shampoo,
        {"eta": 0.1, "lamda": 0.2, "beta1": 0.8, "beta2": 0.9, "eps": 0.3, "exponent": 0.5, "matrix_eps": 1e-2, "every": 3},
    ),
    "shampoo defaults": Case(gx.shampoo(0.1, is_matrix), matrix.shampoo, {"eta": 0.1}),
    "normuon": Case(
        gx.normuon(0.1, is_matrix, 0.8, 0.7, 0.2, 0.7, 0.9, 0.3, 0),
        matrix.normuon,
        {"eta": 0.1, "mu": 0.8, "decay": 0.7, "lamda": 0.2, "beta1": 0.7, "beta2": 0.9, "eps": 0.3, "axis": 0},
    ),
    "normuon defaults": Case(gx.normuon(0.1, is_matrix), matrix.normuon, {"eta": 0.1}),
    "adamuon": Case(
        gx.adamuon(0.1, is_matrix, 0.8, 0.7, 0.2, 0.7, 0.9, 0.3),
        matrix.adamuon,
        {"eta": 0.1, "mu": 0.8, "decay": 0.7, "lamda": 0.2, "beta1": 0.7, "beta2": 0.9, "eps": 0.3},
    ),
    "adamuon defaults": Case(gx.adamuon(0.1, is_matrix), matrix.adamuon, {"eta": 0.1}),
    "sinkgd": Case(
        gx.sinkgd(0.1, is_matrix, 0.7, 0.9, 1e-3, 0.2, 0.3, 2),
        matrix.sinkgd,
        {"eta": 0.1, "lamda": 0.2, "beta1": 0.7, "beta2": 0.9, "eps": 1e-3, "alpha": 0.3, "iterations": 2},
    ),
    "sinkgd defaults": Case(gx.sinkgd(0.1, is_matrix), matrix.sinkgd, {"eta": 0.1}),
    "scion": Case(
        gx.scion(0.1, is_matrix, 2.0, 3.0, 0.8, 0.5, 0),
        matrix.scion,
        {"gamma": 0.1, "rho": 2.0, "alpha": 0.2, "shrink": 0.5, "axis": 0},
    ),
    "scion defaults": Case(gx.scion(0.1, is_matrix), matrix.scion, {"gamma": 0.1}),
    "adan": Case(
        gx.adan(0.1, 0.8, 0.7, 0.95, 0.3), adan.corrected_adan, {"eta": 0.1, "beta1": 0.2, "beta2": 0.3, "beta3": 0.05, "eps": 0.3}
    ),
    "adan defaults": Case(gx.adan(0.1), adan.corrected_adan, {"eta": 0.1}),
    "adan as published": Case(
        paper_adan(0.1, 0.8, 0.7, 0.95, 0.3), adan.adan, {"eta": 0.1, "beta1": 0.2, "beta2": 0.3, "beta3": 0.05, "eps": 0.3}
    ),
    "ademamix": Case(
        gx.ademamix(0.1, 0.8, 0.95, 0.97, 3.0, 0.3, 0.2),
        elementwise.ademamix,
        {"eta": 0.1, "beta1": 0.8, "beta2": 0.95, "beta3": 0.97, "alpha": 3.0, "eps": 0.3, "lamda": 0.2},
    ),
    "ademamix defaults": Case(gx.ademamix(0.1), elementwise.ademamix, {"eta": 0.1}),
    "ademamix, warmups": Case(
        gx.ademamix(
            0.1,
            b3=gx.shifted_schedule(gx.half_life_schedule(0.9, 0.9999, 40), 1),
            alpha=gx.shifted_schedule(gx.linear_schedule(0, 5, 40), 1),
        ),
        elementwise.ademamix,
        {"eta": 0.1, "warmup": 40},
    ),
    "adadelta": Case(gx.adadelta(1.0, 0.7, 0.3), elementwise.adadelta, {"rho": 0.7, "eps": 0.3}),
    "adadelta defaults": Case(gx.adadelta(), elementwise.adadelta, {}),
    "adopt": Case(
        gx.adopt(0.1, 0.8, 0.95, 0.3, gx.power_schedule(1.0, 0.1)),
        elementwise.adopt,
        {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "exponent": 0.1},
    ),
    "adopt defaults": Case(gx.adopt(0.1), elementwise.adopt, {"alpha": 0.1}),
    "sgdw": Case(gx.sgdw(0.1, gx.trace(0.8), 0.2), elementwise.sgdw, {"alpha": 0.1, "lamda": 0.1 * 0.2, "beta1": 0.8}),
    "sgdw defaults": Case(gx.sgdw(0.1), elementwise.sgdw, {"alpha": 0.1, "lamda": 0.1 * 5e-4}),
    "adamaxw": Case(
        gx.adamaxw(0.1, 0.8, 0.95, TINY, 0.2), elementwise.adamaxw, {"alpha": 0.1, "lamda": 0.1 * 0.2, "beta1": 0.8, "beta2": 0.95}
    ),
    "adamaxw defaults": Case(gx.adamaxw(0.1, eps=TINY), elementwise.adamaxw, {"alpha": 0.1, "lamda": 0.1 * 0.01}),
    "nadamw as published": Case(
        paper_nadamw(0.1, 0.8, 0.95, 0.3, 0.2, 0.1),
        elementwise.nadamw,
        {"alpha": 0.1, "lamda": 0.1 * 0.2, "mu": 0.8, "nu": 0.95, "eps": 0.3, "psi": 0.1},
    ),
    "sign_sgd": Case(gx.sign_sgd(0.1), elementwise.sign_sgd, {"delta": 0.1}),
    "rprop": Case(
        gx.rprop(0.1, 0.7, 1.5, 0.02, 0.3),
        rprop.irprop_minus,
        {"delta_0": 0.1, "eta_minus": 0.7, "eta_plus": 1.5, "delta_min": 0.02, "delta_max": 0.3},
    ),
    "rprop defaults": Case(gx.rprop(0.1), rprop.irprop_minus, {"delta_0": 0.1}),
    "simplified_ademamix": Case(
        gx.simplified_ademamix(0.1, 0.8, 0.9, 3.0, 0.3, 0.2),
        elementwise.simplified_ademamix,
        {"eta": 0.1, "beta1": 0.8, "beta2": 0.9, "alpha": 3.0, "eps": 0.3, "lamda": 0.2},
    ),
    "simplified_ademamix defaults": Case(gx.simplified_ademamix(0.1), elementwise.simplified_ademamix, {"eta": 0.1}),
    "galore": Case(
        gx.galore(0.1, is_matrix, 2, 0.8, 0.9, 0.3, 0.2, 0.5, 3),
        matrix.galore,
        {"eta": 0.1, "rank": 2, "lamda": 0.2, "beta1": 0.8, "beta2": 0.9, "eps": 0.3, "alpha": 0.5, "every": 3},
    ),
    "galore defaults": Case(gx.galore(0.1, is_matrix), matrix.galore, {"eta": 0.1}),
    "apollo": Case(
        gx.apollo(0.1, is_matrix, 7, 2, 0.8, 0.9, 0.3, 0.2, 0.5, 1.1, 3),
        matrix.apollo,
        {
            **{"eta": 0.1, "draws": projections(7, 2, 3), "lamda": 0.2},
            **{"beta1": 0.8, "beta2": 0.9, "eps": 0.3, "alpha": 0.5, "gamma": 1.1},
        },
    ),
    "acprop": Case(gx.acprop(0.1, 0.8, 0.95, 0.3, 0.3), elementwise.acprop, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3}),
    "acprop defaults": Case(gx.acprop(0.1), elementwise.acprop, {"alpha": 0.1}),
    "optimistic_gradient_descent": Case(
        gx.optimistic_gradient_descent(0.1, 0.7, 0.4), elementwise.optimistic_gradient_descent, {"eta": 0.1, "alpha": 0.7, "beta": 0.4}
    ),
    "optimistic_gradient_descent defaults": Case(
        gx.optimistic_gradient_descent(0.1), elementwise.optimistic_gradient_descent, {"eta": 0.1}
    ),
    "optimistic_adam": Case(
        gx.optimistic_adam(0.1, 0.7, 0.4, 0.8, 0.95, 0.3),
        elementwise.optimistic_adam,
        {"eta": 0.1, "alpha": 0.7, "beta": 0.4, "beta1": 0.8, "beta2": 0.95, "eps": 0.3},
    ),
    "optimistic_adam defaults": Case(gx.optimistic_adam(0.1), elementwise.optimistic_adam, {"eta": 0.1}),
    "madgrad": Case(gx.madgrad(0.1, 0.7, TINY), elementwise.madgrad, {"gamma": 0.1, "c": 0.3}),
    "madgrad defaults": Case(gx.madgrad(0.1, eps=TINY), elementwise.madgrad, {"gamma": 0.1}),
    "ftrl": Case(gx.ftrl(0.1, 0.3, 0.5, 0.2), elementwise.ftrl, {"alpha": 0.1, "beta": 0.3, "lamda1": 0.5, "lamda2": 0.2}),
    "ftrl defaults": Case(gx.ftrl(0.1), elementwise.ftrl, {"alpha": 0.1}),
    "tiger": Case(gx.tiger(0.1, 0.8, 0.2), elementwise.tiger, {"eta": 0.1, "beta": 0.8, "lamda": 0.2}),
    "tiger defaults": Case(gx.tiger(0.1), elementwise.tiger, {"eta": 0.1}),
    "adamc": Case(
        gx.adamc(gx.linear_schedule(0.1, 0, 80), 0.1, 0.8, 0.95, 0.3, 0.2),
        elementwise.adamc,
        {"gamma_max": 0.1, "steps": 80, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "lamda": 0.2},
    ),
    "adamc defaults": Case(gx.adamc(gx.linear_schedule(0.1, 0, 60), 0.1), elementwise.adamc, {"gamma_max": 0.1, "steps": 60}),
    "qhm": Case(gx.qhm(0.1, 0.8, 0.6), elementwise.qhm, {"alpha": 0.1, "beta": 0.8, "nu": 0.6}),
    "qhm defaults": Case(gx.qhm(0.1), elementwise.qhm, {"alpha": 0.1}),
    "qhadam": Case(
        gx.qhadam(0.1, 0.8, 0.95, 0.6, 0.9, 0.3),
        elementwise.qhadam,
        {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "nu1": 0.6, "nu2": 0.9, "eps": 0.3},
    ),
    "qhadam defaults": Case(gx.qhadam(0.1), elementwise.qhadam, {"alpha": 0.1}),
    "schedule_free_sgd": Case(
        gx.schedule_free_sgd(0.1, 0.8, 0.2), schedule_free.schedule_free_sgd, {"gamma": 0.1, "beta": 0.8, "decay": 0.2}
    ),
    "schedule_free_sgd defaults": Case(gx.schedule_free_sgd(0.1), schedule_free.schedule_free_sgd, {"gamma": 0.1}),
    # The first of 10 steps of warmup has a tenth of the rate.
    "schedule_free_adamw": Case(
        gx.schedule_free_adamw(gx.linear_schedule(0.01, 0.1, 9), 0.8, 0.95, 0.3, 0.2),
        schedule_free.schedule_free_adamw,
        {"gamma": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "decay": 0.2, "warmup": 10},
    ),
    "schedule_free_radam": Case(
        gx.schedule_free_radam(0.1, 0.8, 0.9, 0.3, 0.2),
        schedule_free.schedule_free_radam,
        {"gamma": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 0.3, "decay": 0.2},
    ),
    "schedule_free_radam defaults": Case(gx.schedule_free_radam(0.1), schedule_free.schedule_free_radam, {"gamma": 0.1}),
    "schedule_free_adamw defaults": Case(gx.schedule_free_adamw(0.1), schedule_free.schedule_free_adamw, {"gamma": 0.1}),
    "muonh": Case(
        gx.muonh(0.1, is_matrix, 0.2, 0.8, 0.7, 0.9, 1e-12),
        matrix.muonh,
        {"eta": 0.1, "eta_others": 0.2, "mu": 0.8, "beta1": 0.7, "beta2": 0.9, "eps": 1e-12},
    ),
    "adamh": Case(
        gx.adamh(0.1, is_matrix, 0.2, 0.7, 0.9, 1e-12),
        matrix.adamh,
        {"eta": 0.1, "eta_others": 0.2, "beta1": 0.7, "beta2": 0.9, "eps": 1e-12},
    ),
    "lars": Case(gx.lars(0.1, 0.2, 0.3, gx.trace(0.8)), layerwise.lars, {"gamma": 0.1, "eta": 0.2, "beta": 0.3, "m": 0.8}),
    "lars defaults": Case(gx.lars(0.1), layerwise.lars, {"gamma": 0.1}),
    "lamb": Case(gx.lamb(0.1, 0.8, 0.95, 0.3, 0.2), layerwise.lamb, {"eta": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "lamda": 0.2}),
    "lamb defaults": Case(gx.lamb(0.1), layerwise.lamb, {"eta": 0.1}),
    "novograd": Case(
        gx.novograd(0.1, 0.8, 0.9, 0.3, 0.2), layerwise.novograd, {"lamda": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 0.3, "d": 0.2}
    ),
    "novograd defaults": Case(gx.novograd(0.1, eps=TINY), layerwise.novograd, {"lamda": 0.1}),
    "mars_adamw": Case(
        gx.mars_adamw(0.1, 0.8, 0.95, 0.3, 0.5, 0.2),
        layerwise.mars_adamw,
        {"eta": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "gamma": 0.5, "lamda": 0.2},
    ),
    "mars_adamw defaults": Case(gx.mars_adamw(0.1), layerwise.mars_adamw, {"eta": 0.1}),
    "fromage": Case(gx.fromage(0.3), layerwise.fromage, {"eta": 0.3}),
    "fromage of the authors": Case(gx.fromage(0.01), layerwise.fromage, {"eta": 0.01}),
}


@functools.cache
def trajectory(name: str) -> Path:
    return in_gradtx(CASES[name].optimizer)


@functools.cache
def reference_trajectory(name: str) -> Path:
    return CASES[name].follow(CASES[name].reference, **CASES[name].numbers)


@pytest.mark.parametrize("name", CASES)
def test_trajectory_is_the_papers(name: str) -> None:
    path = trajectory(name)
    assert path["scalar"].dtype == np.float64
    assert distance(path, reference_trajectory(name)) < 1e-9


@pytest.mark.parametrize("name", CASES)
def test_no_other_reference_fits(name: str) -> None:
    """The control: the tolerance above tells every method here from every other, and from itself with other numbers."""
    nearest = min(CASES, key=lambda other: np.inf if other == name else distance(trajectory(name), reference_trajectory(other)))
    assert distance(trajectory(name), reference_trajectory(nearest)) > 1e-6, nearest


def test_radam_departs_from_its_paper_in_the_fifth_step() -> None:
    start, _ = draws()
    published = follow(adam.radam, alpha=0.1, tractable=4.0)["matrix"]
    theirs = np.diff(published, axis=0, prepend=start["matrix"][None])
    ours = np.diff(trajectory("radam defaults")["matrix"], axis=0, prepend=start["matrix"][None])
    differing = np.flatnonzero(np.max(np.abs(ours - theirs), axis=(1, 2)) > 1e-9 * np.max(np.abs(theirs)))
    assert differing.tolist() == [4]


@pytest.mark.parametrize(
    "optimizer",
    [gx.newton(0.3, damping=0.2), gx.newton_cg(0.3, damping=0.2, iterations=10, tolerance=1e-13)],
    ids=["newton", "newton_cg"],
)
def test_newton_steps_are_a_dense_solve(optimizer: gx.GradientTransformation) -> None:
    reference = np.stack(list(newton.newton(bowl.START, bowl.gradient, bowl.hessian, STEPS, eta=0.3, damping=0.2)))
    assert np.max(np.abs(on_bowl(optimizer) - reference)) < 1e-9 * np.max(np.abs(reference - bowl.START))


def test_random_search_keeps_the_draws_that_help() -> None:
    optimizer = gx.random_search(0.3, 0)
    reference = np.stack(list(search.random_search(bowl.START, drawn(optimizer), bowl.value)))
    kept = np.any(np.diff(reference, axis=0, prepend=bowl.START[None]) != 0, axis=1)
    assert 0 < kept.sum() < STEPS
    assert np.max(np.abs(on_bowl(optimizer) - reference)) < 1e-9 * np.max(np.abs(reference - bowl.START))


CITATION = re.compile(
    r"""[A-Z][^"]+ \d{4}, "[^"]+" \((arXiv \d{4}\.\d{4,5}|[A-Z][\w .]+)\), .*(algorithm|equations?|figure|section|slide) [\dA-Z]"""
)


WITHOUT_PLACE = {"kl_shampoo", "kl_shampoo_directions", "on_sphere", "adamh", "muonh"}
"""References without a place in the paper: they are written from an implementation, for the paper's numbering was not at hand."""


def test_every_reference_cites_its_place() -> None:
    modules = [importlib.import_module(f"tests.references.{module.name}") for module in pkgutil.iter_modules(references.__path__)]
    found = [f for module in modules for _, f in inspect.getmembers(module, inspect.isgeneratorfunction)]
    assert {case.reference for case in CASES.values()} <= set(found)
    without = {reference.__name__ for reference in found if not CITATION.match(inspect.getdoc(reference).splitlines()[0])}
    assert without == WITHOUT_PLACE
    assert all("implementation" in inspect.getdoc(f) for f in found if f.__name__ in WITHOUT_PLACE)
