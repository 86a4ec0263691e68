"""What is certified of methods that remember less."""

import optax

import gradtx as gx
from tests import dialects
from tests.certified.certificate import LR, Certificate, Reason, paper
from tests.dialects import TINY
from tests.references import storage

CERTIFICATES = [
    Certificate(
        "adafactor(lr, storage=rank_one(2))",
        paper(gx.adafactor(LR, storage=gx.rank_one(2)), storage.adafactor, rho=LR),
        ("Adafactor", {"lr": LR}),
        optax.adafactor(LR, min_dim_size_to_factor=2),
        None,
        {"Optax": Reason("its decay is computed in float32", dialects.optax_adafactor(LR))},
    ),
    Certificate("came(lr)", paper(gx.came(LR), storage.came, eta=LR)),
    Certificate("adam_mini(lr)", paper(gx.adam_mini(LR), storage.adam_mini, eta=LR)),
    Certificate("sm3(lr)", paper(gx.sm3(LR, eps_root=TINY), storage.sm3, eta=LR, beta=0.9)),
]
"""Optax's SM3 takes no scalars, and the problem has one: `tests/test_storage.py` compares it on the rest."""
