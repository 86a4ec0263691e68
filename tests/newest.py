"""Run a subset of the tests on the newest interpreter of this machine, with the newest JAX it can have."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
SUBSET = ["tests/test_surface.py", "tests/test_errors.py", "tests/test_laws.py"]
KEYWORDS = "not test_laws or laprop or newton_cg or skip_nonfinite or scale_by_rms"


def interpreters() -> list[tuple[tuple[int, int], str]]:
    """The interpreters newer than this one, by version."""
    home = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
    names = [shutil.which(f"python3.{minor}") for minor in range(12, 20)]
    candidates = [name for name in names if name] + [str(path) for path in home.glob("3.*/bin/python3")]
    found: set[tuple[tuple[int, int], str]] = set()
    for candidate in candidates:
        ran = subprocess.run(
            [candidate, "-c", "import sys, venv; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
        )
        if ran.returncode == 0 and re.fullmatch(r"3 \d+\n", ran.stdout):
            major, minor = map(int, ran.stdout.split())
            if (major, minor) >= (3, 12) and (major, minor) > sys.version_info[:2]:
                found.add(((major, minor), candidate))
    return sorted(found)


def main() -> None:
    found = interpreters()
    if not found:
        print("no interpreter newer than", sys.version.split()[0], "here: its own tests stand for all")
        return
    (major, minor), interpreter = found[-1]
    venv = ROOT / ".venvs" / f"{major}.{minor}"
    python = str(venv / "bin" / "python")
    if not (venv / ".made").exists():
        subprocess.run([interpreter, "-m", "venv", str(venv)], check=True)
        install = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--upgrade"]
        subprocess.run([*install, "pip>=25.1"], check=True)
        subprocess.run([*install, "--group", "test", "optax", "jax", "--editable", "."], check=True, cwd=ROOT)
        (venv / ".made").touch()
    version = subprocess.run([python, "-c", "import jax; print(jax.__version__)"], capture_output=True, text=True, check=True)
    print(f"Python {major}.{minor}, JAX {version.stdout.strip()}", flush=True)
    # The flags of a quick compiler are XLA's own, and an XLA that does not know one ends the process.
    environment = {**os.environ, "OPTIMIZED": "1"}
    ran = subprocess.run([python, "-m", "pytest", "-n", "auto", *SUBSET, "-k", KEYWORDS], check=False, cwd=ROOT, env=environment)
    sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
