"""What is certified of methods that measure the whole tree."""

import functools
from collections.abc import Iterator
from typing import Any

import optax

import gradtx as gx
from tests import dialects
from tests.certified.certificate import Certificate, Reason, on_convex_loss, paper, whole_paper
from tests.dialects import TINY
from tests.references import bowl, controllers
from tests.references.problem import STEPS

ON_BOWL = functools.partial(dict, x=bowl.START, gradient=bowl.gradient, value=bowl.value, steps=STEPS)


def polyak_points() -> Iterator[Any]:
    return controllers.polyak(**ON_BOWL(c=1.0, bound=1.0, least=0.0))


def momo_adam_points() -> Iterator[Any]:
    return controllers.momo_adam(**ON_BOWL(alpha=1e-2, beta1=0.9, beta2=0.999, eps=1e-8, least=0.0))


def momo_points() -> Iterator[Any]:
    return controllers.momo(**ON_BOWL(alpha=1.0, beta=0.9, least=0.0))


CERTIFICATES = [
    Certificate(
        "dog()",
        whole_paper(gx.dog(), controllers.dog, rel=1e-6, eps=1e-8),
        optax=optax.contrib.dog(1.0, ("heuristic", 1e-6), 1e-8),
    ),
    Certificate(
        "dowg()",
        whole_paper(gx.dowg(eps=TINY), controllers.dowg, r=1e-2, eps=0.0),
        optax=optax.contrib.dowg(1.0, 1e-4, 1e-4),
    ),
    Certificate(
        "prodigy()",
        whole_paper(gx.prodigy(), controllers.prodigy, d=1e-6),
        optax=optax.contrib.prodigy(1.0, eps=TINY),
        reasons={"Optax": Reason("corrects both averages; its ε, 0 here, has the d of the next step", dialects.optax_prodigy(0.9, 0.999))},
    ),
    Certificate("polyak_sgd()", on_convex_loss(gx.polyak_sgd(), controllers.polyak, polyak_points)),
    Certificate("momo()", on_convex_loss(gx.momo(), controllers.momo, momo_points)),
    Certificate("momo_adam()", on_convex_loss(gx.momo_adam(), controllers.momo_adam, momo_adam_points)),
    Certificate(
        "cocob()",
        paper(gx.cocob(eps=TINY), controllers.cocob),
        optax=optax.contrib.cocob(),
    ),
    Certificate(
        "dadapt_adamw()",
        whole_paper(gx.dadapt_adamw(), controllers.dadapt_adam, d=1e-6),
        optax=optax.contrib.dadapt_adamw(),
        reasons={"Optax": Reason("corrects both averages", gx.dadapt_adamw(dialects.adam_correction(0.9, 0.999)))},
    ),
]
