"""Random search."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Key, NonNegative
from gradtx._transforms.keep_best_draw import keep_best_draw


@transformation
def random_search(radius: NonNegative, key: Key) -> Any:
    """Draw a point nearby and keep it if it is better: θ ← θ + r ξ if that lowers the loss, ξ ~ N(0, I).

    It reads no gradient (pass any tree like the parameters) and needs `value_fn`. A baseline that every method should
    beat. (Spall 2003, section 2.2: algorithm B.)
    """
    return chain(keep_best_draw(radius, key))
