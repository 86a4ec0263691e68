"""The annotations that factories use: what a number may be, and in which range."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import jax

from gradtx._core.annotations import TupleKind
from gradtx._core.kinds import Interval, KeyKind, NumberKind, TreeKind
from gradtx._core.schedule import Schedule, ScheduleKind
from gradtx._core.structure import StaticKind

PyTree: TypeAlias = Any
"""A pytree of arrays: parameters, gradients, updates, state."""

Number: TypeAlias = Annotated[float | jax.Array | Schedule, NumberKind()]
"""A finite number, an array of them (a batch of optimizers), or a schedule."""

NonNegative: TypeAlias = Annotated[float | jax.Array | Schedule, NumberKind(Interval(low=0.0))]
"""A number that is at least 0."""

Positive: TypeAlias = Annotated[float | jax.Array | Schedule, NumberKind(Interval(low=0.0, low_open=True))]
"""A number above 0."""

Decay: TypeAlias = Annotated[
    float | jax.Array | Schedule,
    NumberKind(Interval(0.0, 1.0, high_open=True), "It is the weight of the past: 0 keeps nothing, 0.9 averages over about 10 steps."),
]
"""The weight of the past in a running statistic, in [0, 1)."""

OpenDecay: TypeAlias = Annotated[
    float | jax.Array | Schedule, NumberKind(Interval(0.0, 1.0, low_open=True, high_open=True), "It is the weight of the past.")
]
"""A decay in (0, 1)."""

Fraction: TypeAlias = Annotated[float | jax.Array | Schedule, NumberKind(Interval(0.0, 1.0))]
"""A number in [0, 1]."""

LearningRate: TypeAlias = Annotated[
    float | jax.Array | Schedule,
    NumberKind(Interval(low=0.0), "The updates already point downhill; to ascend, negate the loss."),
]
"""A step size, at least 0."""

Key: TypeAlias = Annotated[int | jax.Array, KeyKind()]
"""A random key, or the integer seed of one."""

Count: TypeAlias = Annotated[int, StaticKind(types=(int,), least=1)]
"""An integer of at least 1, part of the structure."""

Tree: TypeAlias = Annotated[PyTree, TreeKind()]
"""A pytree of numbers or arrays."""

Numbers: TypeAlias = Annotated[Sequence[float | jax.Array | Schedule], TupleKind((NumberKind(),))]
"""Several numbers."""

Schedules: TypeAlias = Annotated[Sequence[Schedule | float], TupleKind((ScheduleKind(),))]
"""Several schedules; a number stands for the constant."""
