"""What is certified of optimizers that are wrappers."""

import optax.contrib

import gradtx as gx
from tests import dialects
from tests.certified.certificate import LR, Certificate, Reason, paper
from tests.references import schedule_free

CERTIFICATES = [
    Certificate(
        "schedule_free_sgd(lr)",
        paper(gx.schedule_free_sgd(LR), schedule_free.schedule_free_sgd, gamma=LR),
        optax=optax.contrib.schedule_free_sgd(LR),
    ),
    Certificate(
        "schedule_free_adamw(lr)",
        paper(gx.schedule_free_adamw(LR), schedule_free.schedule_free_adamw, gamma=LR),
        optax=optax.contrib.schedule_free_adamw(LR, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0),
        reasons={
            "Optax": Reason("the correction of v is not in the weights of x", dialects.optax_schedule_free_adamw(LR, 0.9, 0.999, 1e-8))
        },
    ),
    Certificate("schedule_free_radam(lr)", paper(gx.schedule_free_radam(LR), schedule_free.schedule_free_radam, gamma=LR)),
]
