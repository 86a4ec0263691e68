"""What is certified: a row for each optimizer, with its paper, the same numbers in the other libraries, and the reasons to differ."""

from tests.certified import foundation, matrix
from tests.certified import elementwise, foundation
from tests.certified.certificate import Certificate

__all__ = ["CERTIFICATES", "Certificate"]

CERTIFICATES: list[Certificate] = [*foundation.CERTIFICATES, *matrix.CERTIFICATES]
CERTIFICATES: list[Certificate] = [*foundation.CERTIFICATES, *elementwise.CERTIFICATES]
