"""COCOB."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, Positive
from gradtx._transforms.bet_on_coins import bet_on_coins


@transformation(stands="last")
def cocob(learning_rate: LearningRate = 1.0, alpha: Positive = 100.0, eps: Positive = 1e-8) -> Any:
    """Coin betting for each weight: θ ← θ₀ − s (L + R) / (L max(G + L, α L)), of sums s, G, the largest L and the reward R of g.

    There is no step size: `learning_rate` weighs gradients against earlier ones, and a constant one changes nothing. The first bets are
    a share 1 / `alpha` and smaller; take less where training starts too slowly. Nothing else may move the weights, so it is the last of its
    chain, and an L2 penalty stands before it. (Orabona & Tommasi 2017, arXiv 1705.07795, algorithm 2.)
    """
    return chain(bet_on_coins(learning_rate, alpha, eps))
