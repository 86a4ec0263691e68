"""The survey of Optax, measured: `python -m tests.survey` holds the laws against every factory and writes `docs/laws.md`'s tables.

It takes most of an hour on one core. What is measured is kept in `out/survey`, a file for each factory, and measured again where the
law's module, the kit or the table of cases has changed. With `--measured` it writes what is kept there already.
"""

import os

os.environ.setdefault("NPROC", "32")  # threads, of which collectives of eight devices need more than there are cores
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8".strip()

import functools
import hashlib
import json
import pathlib
import sys
import time
import warnings
from collections.abc import Iterable
from typing import Any

import jax
import optax

from gradtx.testing import LAWS, Case, Law, check
from tests.optax_cases import CASES, OptaxCase
from tests.survey_page import write
from tests.surveyed import LEFT_OUT, case_of

ROOT = pathlib.Path(__file__).parents[1]
KEPT = ROOT / "out/survey"
SHARED = [ROOT / "gradtx/testing" / f"_{name}.py" for name in ("case", "check", "compare", "problem")]
SHARED += [ROOT / "tests" / f"{name}.py" for name in ("optax_cases", "surveyed")]


@functools.cache
def digest(law: Law) -> str:
    """What a cell depends on: the law's module, the kit, the table, the versions."""
    texts = [path.read_bytes() for path in (pathlib.Path(law.function.__code__.co_filename), *SHARED)]
    versions = f"{jax.__version__} {optax.__version__}".encode()
    return hashlib.sha256(b"\0".join([*texts, versions])).hexdigest()[:16]


def cell(case: Case, law: Law) -> dict[str, str]:
    """What comes of one law on one factory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (verdict,) = check(case, laws=[law])
    found = {"outcome": verdict.outcome, "leaf": verdict.leaf, "expected": verdict.expected, "seen": verdict.seen, "reason": verdict.reason}
    return {name: text for name, text in found.items() if text}


def measured(row: OptaxCase, case: Case, laws: Iterable[Law]) -> dict[str, dict[str, Any]]:
    """The cells of one factory by law, from the file where they are there and of today."""
    file = KEPT / f"{case.name}.json"
    cells = json.loads(file.read_text()) if file.exists() else {}
    for law in laws:
        if cells.get(law.name, {}).get("digest") != digest(law):
            start = time.perf_counter()
            cells[law.name] = {
                **cell(case_of(row, law.name) if row.untraceable else case, law),
                "digest": digest(law),
                "seconds": round(time.perf_counter() - start, 1),
            }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(cells, indent=1))
    return cells


QUICK = (
    "init_aliases_nothing",
    "init_on_abstract_values",
    "needed_extras_arrive",
    "unknown_extras_are_refused",
    "state_keeps_its_types",
    "state_has_no_weak_types",
    "state_of_half_precision_is_wide",
    "updates_have_the_types_of_gradients",
    "mixed_dtypes_keep_their_own",
    "other_shapes_are_refused",
)
"""Laws that compile no whole step. They are tried first on every factory, so that an interrupted run has most to show."""


def survey() -> dict[str, dict[str, dict[str, Any]]]:
    """The cells of every factory that can be said as a case, by name."""
    found = {}
    rows = [(row, case_of(row)) for row in CASES if row.name not in LEFT_OUT]
    for names in (QUICK, LAWS):
        for k, (row, case) in enumerate(rows):
            start = time.perf_counter()
            if k % 20 == 0:  # compiled programs fill not only memory: there are 65,530 maps for a process
                jax.clear_caches()
            found[case.name] = measured(row, case, [LAWS[name] for name in names])
            print(f"{case.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def already_measured() -> dict[str, dict[str, dict[str, Any]]]:
    """What an earlier run has kept, in the order of the table."""
    names = [row.name for row in CASES if (KEPT / f"{row.name}.json").exists()]
    return {name: json.loads((KEPT / f"{name}.json").read_text()) for name in names}


def main() -> None:
    found = already_measured() if "--measured" in sys.argv else survey()
    write(found)


if __name__ == "__main__":
    main()
