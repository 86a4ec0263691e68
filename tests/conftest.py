"""The devices of a test process: eight of them, on as many threads as their collectives need."""

import os

os.environ.setdefault("NPROC", "32")
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8".strip()
