"""The devices and the compiler of a test process, and the count of laws at the end of a run."""

import collections
import gc
import os
import pathlib
import shutil

import pytest

os.environ.setdefault("NPROC", "32")

# Tests compile thousands of programs and run each a few times: machine code that is made fast takes a third of the time. The numbers
# that it computes are held to the same tolerances either way, and OPTIMIZED=1 runs the tests on the code that users run.
QUICK = ("--xla_backend_optimization_level=0", "--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1")
FLAGS = ("--xla_force_host_platform_device_count=8", *(() if os.environ.get("OPTIMIZED") else QUICK))
os.environ["XLA_FLAGS"] = " ".join((*FLAGS, os.environ.get("XLA_FLAGS", ""))).strip()


# A third of the programs are compiled before, by the other processes of a run or by this one before it forgot them, and all of them in
# a run behind which nothing has changed. What they are is in their keys: program, flags, versions.
PROGRAMS = pathlib.Path(__file__).parents[1] / ".pytest_cache/programs"
MOST = 2**30
"""The bytes of programs with which a run begins; more are thrown away."""

import jax  # noqa: E402 (it reads the flags)

jax.config.update("jax_compilation_cache_dir", str(PROGRAMS))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_enable_xla_caches", "none")

FINISHED: list[None] = []
"""One entry for each test that this process has finished."""


def pytest_configure(config):
    """Begin without programs where there are too many; processes that share a run leave that to the one that began it."""
    if not hasattr(config, "workerinput") and PROGRAMS.is_dir() and sum(file.stat().st_size for file in PROGRAMS.iterdir()) > MOST:
        shutil.rmtree(PROGRAMS)


def pytest_terminal_summary(terminalreporter):
    """How many cells of the table of factories and laws were kept, broken, exempt, or not applicable."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ()) if report.when == "call"]
    outcomes = collections.Counter(value for report in reports for name, value in report.user_properties if name == "outcome")
    if outcomes:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        terminalreporter.write_line(f"laws: {outcomes.total()} cells of factory and law: {counts}")


@pytest.fixture(autouse=True)
def _bounded_memory():
    """What tests have compiled is forgotten from time to time: a process that keeps thousands of programs fills the machine.

    What is kept until then is none of the garbage collector's business.
    """
    yield
    FINISHED.append(None)
    if len(FINISHED) % 3600 == 0:
        gc.unfreeze()
        jax.clear_caches()
        gc.collect()
    if len(FINISHED) % 20 == 0:
        gc.freeze()
