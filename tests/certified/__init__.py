"""What is certified: a row for each optimizer, with its paper, the same numbers in the other libraries, and the reasons to differ."""

from tests.certified import controllers, elementwise, foundation, layerwise, matrix, privacy, storage, wrappers
from tests.certified.certificate import Certificate

__all__ = ["CERTIFICATES", "Certificate"]

CERTIFICATES: list[Certificate] = [
    *foundation.CERTIFICATES,
    *controllers.CERTIFICATES,
    *elementwise.CERTIFICATES,
    *layerwise.CERTIFICATES,
    *matrix.CERTIFICATES,
    *privacy.CERTIFICATES,
    *storage.CERTIFICATES,
    *wrappers.CERTIFICATES,
]
