"""What is certified: a row for each optimizer, with its paper, the same numbers in the other libraries, and the reasons to differ."""

from tests.certified import elementwise, foundation, layerwise, matrix, storage, wrappers
from tests.certified.certificate import Certificate

__all__ = ["CERTIFICATES", "Certificate"]

CERTIFICATES: list[Certificate] = [
    *foundation.CERTIFICATES,
    *elementwise.CERTIFICATES,
    *layerwise.CERTIFICATES,
    *matrix.CERTIFICATES,
    *storage.CERTIFICATES,
    *wrappers.CERTIFICATES,
]
