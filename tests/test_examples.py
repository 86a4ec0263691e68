"""Every example runs and prints what it is there to show; the demo draws its pictures."""

import json
import pathlib
import re
import subprocess
import sys

import jax
import matplotlib.image
import numpy as np
import pytest
from PIL import Image

from gradtx import training

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
NUMBER = r"([-+]?[\d.]+(?:e[-+]?\d+)?)"


def output_of(*command) -> str:
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers_after(label: str, text: str) -> list[float]:
    return [float(number) for number in re.findall(label + r"\s*" + NUMBER, text)]


def test_quickstart_reaches_the_minimum_with_one_program():
    text = output_of(EXAMPLES / "quickstart.py")
    assert len(numbers_after("loss", text)) == 3
    assert max(numbers_after("loss", text)) < 1e-3
    assert numbers_after("compiled", text) == [1]


def test_custom_transformation_learns_and_is_differentiable():
    text = output_of(EXAMPLES / "custom_transformation.py")
    (loss,) = numbers_after("loss after 100 steps:", text)
    assert loss < 1e-2
    derivative = re.search(r"with respect to the optimizer:\n\s*steady_sgd\((.*)\)", text)
    assert derivative is not None
    assert numbers_after("learning_rate=", derivative[1])[0] < 0
    assert numbers_after("init_value=", derivative[1])[0] > 0
    losses = [float(number) for number in re.findall(NUMBER, text.split("give")[1])]
    assert losses == sorted(losses, reverse=True)


def test_learning_rate_sweep_finds_the_best_of_its_table():
    text = output_of(EXAMPLES / "learning_rate_sweep.py")
    rows = [line.split() for line in text.splitlines() if line.startswith("rate ")]
    losses = np.array([[float(value) for value in row[2:]] for row in rows])
    assert losses.shape == (12, 3)
    (best,) = numbers_after("held-out loss", text.split("best:")[1])
    assert best == losses.min() < losses[0].min() / 2
    assert numbers_after("programs compiled for 72 optimizers:", text) == [1]


def test_fine_tuning_leaves_the_encoder_and_beats_training_from_scratch():
    text = output_of(EXAMPLES / "fine_tuning.py")
    assert "encoder as before: True" in text
    read, frozen, scratch = numbers_after("unseen images", text)
    assert read > 90
    assert frozen > scratch + 3


def test_sharded_training_gives_one_loss_on_every_mesh():
    text = output_of(EXAMPLES / "sharded_training.py")
    losses, sizes = numbers_after("loss", text), [int(size) for size in re.findall(r"(\d+) B of state", text)]
    assert len(losses) == 5
    assert np.ptp(losses) <= 1e-4 * losses[0]
    one, data, zero, full, tensor = sizes
    scalars = one - 2 * 4 * (64 * 256 + 256 * 16)
    assert one == data == 8 * (zero - scalars) + scalars
    assert zero == full
    assert one == 4 * (tensor - scalars) + scalars


def trained_by(processes: int, folder: pathlib.Path, killed: bool = False) -> dict[str, np.ndarray]:
    """The last checkpoint of so many processes, one of which may be killed on the way."""
    script = EXAMPLES / "many_processes.py"
    if killed:
        command = [sys.executable, str(script), str(folder), "--processes", str(processes), "--kill-at", "12"]
        assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 1
        assert training.restore(folder).step == 10
    text = output_of(script, folder, "--processes", processes)
    assert f"steps {11 if killed else 1} to 20 on {processes} processes" in text
    found = training.restore(folder)
    assert found.step == 20
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path((found.params, found.state))}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return trained_by(1, tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("processes", [2, 4])
def test_many_processes_end_where_one_does_although_one_of_them_is_killed(processes, tmp_path_factory, alone):
    killed = trained_by(processes, tmp_path_factory.mktemp("killed"), killed=True)
    for leaf, value in killed.items():
        np.testing.assert_allclose(value, alone[leaf], rtol=2e-5, atol=1e-6)  # sums over processes in another order
    if processes == 2:
        for leaf, value in trained_by(processes, tmp_path_factory.mktemp("together")).items():
            np.testing.assert_array_equal(value, killed[leaf])


def test_every_script_has_a_test_here():
    source = pathlib.Path(__file__).read_text()
    assert [script.name for script in SCRIPTS if f'"{script.name}"' not in source] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_stays_short(script):
    assert len(script.read_text().splitlines()) < 60


def test_demo_prints_its_figures_and_draws_its_pictures(tmp_path):
    text = output_of(EXAMPLES / "demo", "--quick", "--out", tmp_path)
    check_figures(text)
    assert f"The pictures are in {tmp_path}" in text
    for name in ("race.png", "sweep.png", "paths.png", "look_ahead.png"):
        check_picture(tmp_path / name)
    check_animation(tmp_path / "paths.gif")


def check_figures(text: str) -> None:
    assert text.count("DISAGREES") == 1
    methods = ("random search", "SGD", "momentum", "Nesterov", "AdaGrad", "RMSProp", "Adam", "Newton-CG")
    rows = {name: re.search(rf"^{name} .* {NUMBER} +{NUMBER}% +{NUMBER} ms$", text, re.MULTILINE) for name in methods}
    accuracies = {name: float(row[2]) for name, row in rows.items() if row}
    assert accuracies.keys() == set(methods)
    assert accuracies["Adam"] > 90 > accuracies["random search"]
    assert numbers_after("programs compiled:", text) == [1, 0]
    derivative = re.search(rf"^derivative +adam\(learning_rate={NUMBER}, b1={NUMBER}, b2={NUMBER}, eps={NUMBER}\)$", text, re.MULTILINE)
    assert derivative is not None
    assert float(derivative[1]) < 0


def check_picture(file: pathlib.Path) -> None:
    picture = matplotlib.image.imread(file)
    height, width, _ = picture.shape
    assert width >= 800
    assert height >= 400
    colors = np.unique((picture[..., :3] * 15).round().reshape(-1, 3), axis=0)
    assert len(colors) > 50


def check_animation(file: pathlib.Path) -> None:
    assert file.stat().st_size < 3e6
    with Image.open(file) as animation:
        assert animation.n_frames == 12
        first = np.asarray(animation.convert("RGB"), dtype=int)
        animation.seek(11)
        last = np.asarray(animation.convert("RGB"), dtype=int)
    assert np.mean(np.abs(first - last).max(axis=-1) > 64) > 0.005


def test_the_comparison_ranks_what_it_trains(tmp_path):
    """Twenty steps of two optimizers: the table has a row for each, and the picture is drawn."""
    text = output_of(EXAMPLES / "comparison", "--out", tmp_path, "--steps", 20, "--seeds", 2, "--only", "Lion")
    rows = re.findall(r"^\| (AdamW|Lion) \| \S+ \| ([\d.]+) ± ([\d.]+) \| (\d+|–) \| ([\d.]+) \|$", text, re.MULTILINE)
    assert {row[0] for row in rows} == {"AdamW", "Lion"}
    assert all(2 < float(loss) < 5 for _, loss, *_ in rows)
    assert {name: float(size) for name, *_, size in rows}["Lion"] == pytest.approx(4.0, abs=0.01)
    assert matplotlib.image.imread(tmp_path / "comparison.png").std() > 0.05


def test_the_page_of_the_comparison_shows_what_was_measured():
    """The table is that of the figures beside it, and what the page says of them holds."""
    docs = EXAMPLES.parent / "docs"
    found, page = json.loads((docs / "comparison.json").read_text())["optimizers"], (docs / "comparison.md").read_text()
    ends = {name: np.array(one["curves"])[:, -1] for name, one in found.items()}
    for name, one in found.items():
        assert f"| {name} | {one['rate']:.1e} | {ends[name].mean():.3f} ± {ends[name].std(ddof=1):.3f} |" in page
    assert abs(ends["AdamW, 8 bits"].mean() - ends["AdamW"].mean()) < ends["AdamW"].std(ddof=1)
    assert {len(one["curves"]) for one in found.values()} == {5}
    assert "five other seeds" in page
    means = {name: np.mean(one["curves"], axis=0) for name, one in found.items()}
    reached = {name: np.flatnonzero(mean <= means["AdamW"][-1]) for name, mean in means.items()}
    assert (20 * (1 + reached["SOAP"][0]), 20 * (1 + reached["Muon + AdamW"][0])) == (320, 340)
    assert "reach AdamW's final loss in 320 and 340 of its 400 steps" in page
    assert max(ends["SOAP"].max(), ends["Muon + AdamW"].mean()) < ends["AdamW"].min()
    edges = {name for name, one in found.items() if np.argmin(one["tuning"]) in (0, len(one["tuning"]) - 1)}
    assert edges == {"Lion"}
