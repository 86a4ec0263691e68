"""Adam-mini."""

from typing import Any

from gradtx._core.selection import NO_VECTOR, Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.block_mean import block_mean
from gradtx._storage.channel_mean import channel_mean
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._wrappers.partition import adam_elsewhere, partition


@transformation
def adam_mini(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.01,
    where: Where = None,
    blocks: Codec = channel_mean(),
    storage: Codec | None = None,
) -> Any:
    """AdamW with one second moment for each output neuron: θ ← θ − η (m̂ / (√v̂ + eps) + λ θ), v = ema(mean(g²) over the inputs).

    Half of AdamW's memory at its learning rate. `blocks` says what shares a number: `channel_mean()` the inputs of an output in
    kernels of shape (in, out) as in Flax, `channel_mean((0,))` in those of shape (out, in). Vectors have one number as wholes.
    `where` chooses the leaves that are treated so; the others train as with AdamW, which biases do in the authors' code, and did
    embeddings and the head before its version 1.1: these have one number for each token now, `channel_mean((0,))` for (tokens,
    features). Query and key have one for each head there, `channel_mean((1,))` for (in, heads, features); one for each output
    is finer. `storage` is a codec for m. (Zhang et al. 2024, arXiv 2406.16793, algorithm 1.)
    """
    wide, flat = (scale_by_rms(bias_correction(stored(ema(b2), codec)), eps) for codec in (blocks, block_mean()))
    momentum = scale_by_momentum(bias_correction(stored(ema(b1), storage)))
    blockwise = partition((NO_VECTOR, wide), (None, flat))
    return chain(
        adam_elsewhere(where, chain(momentum, blockwise), b1, b2, eps, storage),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
