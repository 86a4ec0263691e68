"""Optuna's samplers drive batches of members."""

import math
import sys

import jax
import numpy as np
import optuna
import pytest

import gradtx as gx
from gradtx import sweep

optuna.logging.set_verbosity(optuna.logging.WARNING)


def made(seed=0, **options):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=8))
    return study, sweep.ask_tell(study, gx.sgd, learning_rate=sweep.log_uniform(1e-6, 1.0), **options)


def scored(txs):
    return jax.vmap(lambda tx: (jax.numpy.log10(tx.learning_rate) + 2) ** 2)(txs)


def test_batches_go_back_and_forth_and_the_sampler_learns():
    study, search = made()
    for _ in range(8):
        search.tell(scored(search.ask(8)))
    assert len(study.trials) == 64
    rates = np.array([trial.user_attrs["learning_rate"] for trial in study.trials])
    assert ((rates >= 1e-6) & (rates <= 1.0)).all()
    distance = np.abs(np.log10(rates) + 2)
    at_random = (4**2 / 2 + 2**2 / 2) / 6
    assert distance[-32:].mean() < 0.5 * at_random
    assert search.best == gx.sgd(rates[distance.argmin()])
    np.testing.assert_allclose(study.best_value, distance.min() ** 2, rtol=1e-3, atol=1e-6)


def test_the_same_seed_asks_for_the_same_members():
    assert made(1)[1].ask(4) == made(1)[1].ask(4) != made(2)[1].ask(4)


def test_a_diverged_member_is_a_failed_trial():
    study, search = made()
    search.ask(3)
    search.tell([1.0, math.nan, 0.5])
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert study.best_value == 0.5


def test_the_best_is_one_of_those_asked_for_here():
    study, search = made()
    search.ask(2)
    with pytest.raises(ValueError, match="no best yet"):
        _ = search.best
    search.tell([0.1, 0.2])
    later = sweep.ask_tell(study, gx.sgd, learning_rate=sweep.log_uniform(1e-6, 1.0))
    members = later.ask(2)
    later.tell([0.5, 0.4])
    assert np.float32(later.best.learning_rate) == members.learning_rate[1]


def test_a_factory_that_fails_leaves_failed_trials_and_the_search_goes_on():
    study, search = made(momentum=sweep.choice([gx.trace(0.9), 0.5]))
    for _ in range(2):
        with pytest.raises(TypeError, match="momentum must be"):
            search.ask(8)
    assert {trial.state.name for trial in study.trials} == {"FAIL"}
    assert len(study.trials) == 16


def test_errors_teach(monkeypatch):
    study, search = made()
    with pytest.raises(ValueError, match="at least 1"):
        search.ask(0)
    search.ask(2)
    with pytest.raises(RuntimeError, match=r"2 members are waiting .* tell\(scores\) first"):
        search.ask(1)
    with pytest.raises(ValueError, match="each of 2 members"):
        search.tell([1.0])
    for scores in ([None, 1.0], ["good", "bad"], [1j, 2.0]):
        with pytest.raises(TypeError, match="scores must be real numbers, NaN for a member that failed"):
            search.tell(scores)
    with pytest.raises(ValueError, match="none of the arguments is a distribution"):
        sweep.ask_tell(study, gx.sgd, learning_rate=0.1)
    with pytest.raises(ValueError, match="the study has 2 objectives"):
        sweep.ask_tell(optuna.create_study(directions=["minimize"] * 2), gx.sgd, learning_rate=sweep.uniform(0.0, 1.0))
    with pytest.raises(TypeError, match="a study of Optuna, got str"):
        sweep.ask_tell("study", gx.sgd)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"gradtx\[optuna\]"):
        sweep.ask_tell(study, gx.sgd)
