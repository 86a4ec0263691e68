"""Holding the laws against a transformation, and saying what came of it."""

import dataclasses
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from gradtx._core.hints import nearest
from gradtx.testing import _laws as _laws
from gradtx.testing._case import Case
from gradtx.testing._law import LAWS, Law, NotApplicableError, Violation

Outcome = Literal["kept", "broken", "exempt", "not applicable"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What came of one law: kept, broken (where, what was expected, what was seen), exempt or not applicable (why)."""

    law: Law
    outcome: Outcome
    leaf: str = ""
    expected: str = ""
    seen: str = ""
    reason: str = ""

    @property
    def remedy(self) -> str:
        """How to mend it, if it is broken."""
        return self.law.remedy if self.outcome == "broken" else ""


@dataclasses.dataclass(frozen=True)
class Report:
    """The verdicts on one transformation. It prints as a table."""

    name: str
    verdicts: tuple[Verdict, ...]

    @property
    def broken(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.outcome == "broken")

    def count(self, outcome: Outcome) -> int:
        return sum(verdict.outcome == outcome for verdict in self.verdicts)

    def __bool__(self) -> bool:
        """Whether no law is broken."""
        return not self.broken

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __str__(self) -> str:
        counts = ", ".join(
            f"{self.count(outcome)} {outcome}" for outcome in ("kept", "broken", "exempt", "not applicable") if self.count(outcome)
        )
        width = max((len(verdict.law.name) for verdict in self.verdicts), default=0)
        lines = [f"{self.name}: {counts or 'no laws'}"]
        for verdict in self.verdicts:
            lines.append(f"  {verdict.law.name.ljust(width)}  {verdict.outcome}{f': {verdict.reason}' if verdict.reason else ''}")
            if verdict.outcome == "broken":
                details = (("at", verdict.leaf), ("expected", verdict.expected), ("saw", verdict.seen), ("mend", verdict.remedy))
                lines += [line for label, text in details if text for line in _indented(label, text)]
        return "\n".join(lines)


def _indented(label: str, text: str) -> list[str]:
    return textwrap.wrap(text, 110, initial_indent=f"      {label:>8}  ", subsequent_indent=" " * 16) or []


def verdict(case: Case, law: Law) -> Verdict:
    """Try one law on one case."""
    if law.name in case.exempt:
        return Verdict(law, "exempt", reason=case.exempt[law.name])
    try:
        law(case)
    except NotApplicableError as reason:
        return Verdict(law, "not applicable", reason=str(reason))
    except Violation as violation:
        return Verdict(law, "broken", violation.leaf, violation.expected, violation.seen)
    except Exception as error:
        return Verdict(law, "broken", expected="no error", seen=f"{type(error).__name__}: {_first_line(error)}")
    return Verdict(law, "kept")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")


def check(
    transformation: Any,
    *,
    arguments: Mapping[str, Any] | None = None,
    needs: Sequence[str] | Mapping[str, Callable[[Any, Any], Any]] = (),
    laws: Iterable[str | Law] | None = None,
    **about: Any,
) -> Report:
    """Hold the laws against a transformation: which it keeps, which it breaks, at which leaf, and how to mend that.

    `transformation` is a value of gradtx, a pair with `init` and `update` from any library, or a factory called with
    `arguments`; of a pair the numbers cannot be seen, so give factory and arguments for the laws about them. `needs`
    names the extras that its update asks for: `"value"`, `"grad"`, `"value_fn"`, or a mapping from names to functions
    of parameters and gradients. `laws` chooses some (all by default). `params`, `survives`, `exempt` and `name` are
    those of `Case`.

    ```python
    from gradtx import adam, testing

    report = testing.check(adam(1e-3), laws=["scan_works", "init_aliases_nothing"])
    print(report)
    ```

    ```text
    adam: 2 kept
      scan_works            kept
      init_aliases_nothing  kept
    ```
    """
    case = transformation if isinstance(transformation, Case) else Case(transformation, arguments or {}, needs, **about)
    return Report(case.name, tuple(verdict(case, law) for law in _chosen(laws)))


def _chosen(laws: Iterable[str | Law] | None) -> list[Law]:
    chosen = list(LAWS.values()) if laws is None else [LAWS.get(law, law) if isinstance(law, str) else law for law in laws]
    for law in chosen:
        if not isinstance(law, Law):
            raise ValueError(f"there is no law {law!r}{nearest(str(law), LAWS)}. The laws are {', '.join(LAWS)}.")
    return [law for law in chosen if isinstance(law, Law)]


def assert_lawful(transformation: Any, **about: Any) -> None:
    """Raise an AssertionError that holds the report if a law is broken. Arguments as for `check`."""
    report = check(transformation, **about)
    if not report:
        broken = Report(report.name, report.broken)
        raise AssertionError(str(broken))
