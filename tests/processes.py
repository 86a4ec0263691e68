"""Processes that talk over loopback, each with some simulated devices."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import gradtx

PATH = [str(pathlib.Path(__file__).parent), str(pathlib.Path(gradtx.__file__).parents[1])]

TOGETHER = """
import sys
import jax

jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"127.0.0.1:{sys.argv[2]}", 2, int(sys.argv[1]))
"""
"""How the script of each begins: its number and the port are its first arguments."""


@contextlib.contextmanager
def two_processes(script: str, *arguments: str, devices: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that run a script together, and are waited for at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(PATH),
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", TOGETHER + script, str(k), port, *arguments],
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            for k in range(2)
        ]


def last_lines(processes: list[subprocess.Popen[str]]) -> list[str]:
    """The last line that each prints, after all have ended well."""
    outputs = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return [lines[-1] for lines in outputs]
