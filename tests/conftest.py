"""The devices of a test process, and the count of laws at the end of a run."""

import collections
import os

os.environ.setdefault("NPROC", "32")
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8".strip()


def pytest_terminal_summary(terminalreporter):
    """How many cells of the table of factories and laws were kept, broken, exempt, or not applicable."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ()) if report.when == "call"]
    outcomes = collections.Counter(value for report in reports for name, value in report.user_properties if name == "outcome")
    if outcomes:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        terminalreporter.write_line(f"laws: {outcomes.total()} cells of factory and law: {counts}")
