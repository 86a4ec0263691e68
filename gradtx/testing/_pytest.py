"""One test for each law on each case."""

import itertools
from collections.abc import Iterable
from typing import Any

from gradtx.testing._case import Case
from gradtx.testing._law import LAWS


def each_law(cases: Iterable[Case], laws: Iterable[str] | None = None) -> Any:
    """A pytest mark that makes one test per case and law, which it hands on as `case` and `law`.

    ```python
    import gradtx
    from gradtx import testing

    CASES = [testing.Case(gradtx.adam(1e-3)), testing.Case(gradtx.clip_by_global_norm(1.0), survives="none")]

    @testing.each_law(CASES)
    def test_law(case, law):
        testing.assert_lawful(case, laws=[law])
    ```
    """
    import pytest

    chosen = [LAWS[name] for name in laws] if laws is not None else list(LAWS.values())
    pairs = list(itertools.product(cases, chosen))
    return pytest.mark.parametrize(("case", "law"), pairs, ids=[f"{case.name}-{law.name}" for case, law in pairs])
