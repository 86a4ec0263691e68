"""A row for every method that measures the whole tree. First steps are large enough for float16."""

import gradtx as gx
from gradtx.testing import Case

VALUE = ("value",)

CASES = [
    Case(gx.scale_by_dog(0.1, 1e-4), survives="none"),
    Case(gx.scale_by_dowg(0.1, 1e-2), survives="none"),
    Case(gx.scale_by_prodigy(1.0, gx.ema(0.9), gx.ema(0.99), 0.99, 1e-3, 0.1, 1.0), survives="none"),
    Case(gx.scale_by_polyak(0.1, 1.0), needs=VALUE, survives="all"),
    Case(gx.scale_by_momo(0.1, gx.ema_from_first(0.9), 0.1), needs=VALUE, survives="none"),
    Case(gx.reduce_on_plateau(0.5, 1.0, cooldown=1.0, accumulation_size=1.0), needs=VALUE, survives="all"),
    Case(gx.dog(1.0, 0.1), survives="none"),
    Case(gx.dowg(1.0, 0.1), survives="none"),
    Case(gx.prodigy(d0=0.1), survives="none"),
    Case(gx.polyak_sgd(), needs=VALUE, survives="all"),
    Case(gx.momo(0.1), needs=VALUE, survives="none"),
    Case(gx.bet_on_coins(1.0, 10.0, 1e-2)),
    Case(gx.scale_by_dadapt(0.1, 0.9, 0.99, 1e-3, 0.1, 0.1), survives="none"),
    Case(
        gx.scale_by_momo_adam(0.1, gx.bias_correction(gx.ema(0.9)), gx.bias_correction(gx.ema(0.99)), 1e-3, 0.1),
        needs=VALUE,
        survives="none",
    ),
    Case(gx.cocob(alpha=10.0)),
    Case(gx.dadapt_adamw(d0=0.1, weight_decay=0.1), survives="none"),
    Case(gx.momo_adam(0.1), needs=VALUE, survives="none"),
    Case(gx.mechanic(gx.adam(1.0), s_init=0.1, betas=(0.9, 0.99)), survives="none"),
]
