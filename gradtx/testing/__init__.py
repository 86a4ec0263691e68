"""The laws that every transformation should keep, to be held against your own in one line."""

from gradtx.testing._case import Case, Survival
from gradtx.testing._check import Report, Verdict, assert_lawful, check
from gradtx.testing._law import LAWS, Law, NotApplicableError, Violation, law
from gradtx.testing._pytest import each_law

__all__ = [
    "LAWS",
    "Case",
    "Law",
    "NotApplicableError",
    "Report",
    "Survival",
    "Verdict",
    "Violation",
    "assert_lawful",
    "check",
    "each_law",
    "law",
]
