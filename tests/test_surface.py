"""The shape of the package: one path for each name, imports that point down, words that mean one thing."""

import ast
import inspect
import pathlib
import statistics
import subprocess
import sys

import jax
import pytest

import gradtx as gx
from gradtx import sharding, sweep, testing, training
from gradtx._core.at_first_use import import_all
from gradtx._core.call import FORMS, RESERVED

PACKAGE = pathlib.Path(gx.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
LAYERS = [
    {"_core"},
    {"_schedules", "_storage", "_moments"},
    {"_transforms", "_bases"},
    {"_wrappers"},
    {"_optimizers"},
    {"_gradients", "_files"},
    {"testing", "sharding", "sweep", "training"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
CORE_ORDER = [
    "at_first_use",
    "hints",
    "kinds",
    "structure",
    "annotations",
    "asking",
    "written",
    "body",
    "joint",
    "call",
    "factory",
    "schedule",
    "types",
    "layouts",
    "order",
    "flow",
    "numerics",
    "whole",
    "trees",
    "matrices",
    "view",
    "coordinates",
    "patterns",
    "roles",
    "selection",
    "shares",
    "random",
    "rounding",
    "rooted",
    "signals",
    "state",
    "run",
    "placement",
    "contract",
    "evaluation",
    "transformation",
    "eval_params",
    "apply",
    "commit",
    "hyperparameters",
    "spec",
    "describe",
]


def imports(path):
    """The gradtx modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gradtx"):
            whole = "gradtx.__init__" if node.module == "gradtx" else node.module
            yield from ([f"{node.module}.{name.name}" for name in node.names] if node.module == "gradtx._core" else [whole])
        if isinstance(node, ast.Import):
            yield from (f"{name.name}.__init__" for name in node.names if name.name.startswith("gradtx"))


RANK["__init__"] = RANK["testing"]
"""`import gradtx` is for tools, which use it as a user would."""


def part(module):
    return module.split(".")[1]


@pytest.mark.parametrize("path", [p for p in FILES if p.parent != PACKAGE], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = path.relative_to(PACKAGE).parts[0]
    for module in imports(path):
        assert RANK[part(module)] <= RANK[own], f"{path.name} imports {module}, which is above it"
        if own == "_core" == part(module):
            assert CORE_ORDER.index(module.split(".")[2]) < CORE_ORDER.index(path.stem), f"{path.name} imports {module}"
        if own in ("_transforms", "_optimizers", "_wrappers"):
            assert part(module) != own, f"{path.name} imports its neighbour {module}"


def test_every_module_of_the_core_has_its_place():
    assert {path.stem for path in (PACKAGE / "_core").glob("*.py")} - {"__init__"} == set(CORE_ORDER)


def test_one_path_for_each_name():
    assert list(gx.__all__) == sorted(gx.__all__, key=lambda name: (not name[0].isupper(), name))
    public = {name for name in dir(gx) if not name.startswith("_")}
    assert public - {"sharding", "sweep", "testing", "training"} == set(gx.__all__)
    values = [id(getattr(gx, name)) for name in gx.__all__]
    assert len(set(values)) == len(values)
    for path in FILES:
        *_, name = path.relative_to(PACKAGE).with_suffix("").parts
        private = any(part.startswith("_") for part in path.relative_to(PACKAGE).with_suffix("").parts)
        assert private or name == "__init__", f"{path} would be a second public path"


@pytest.mark.parametrize("module", [sharding, sweep, testing, training])
def test_one_path_for_each_name_of_a_tool(module):
    assert list(module.__all__) == sorted(module.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    public = {name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public == set(module.__all__)
    assert not any(getattr(gx, name, None) is getattr(module, name) for name in module.__all__)
    assert all(
        inspect.getdoc(value) for name in module.__all__ if inspect.isroutine(value := getattr(module, name)) or inspect.isclass(value)
    )


OPTIONAL = {
    "_ask_tell": ("optuna",),
    "_checkpoint_orbax": ("orbax",),
    "_history": ("matplotlib",),
    "_pytest": ("pytest",),
    "_pictures": ("matplotlib",),
    "_points": ("scipy",),
    "_progress": ("tqdm",),
    "_results": ("pandas",),
}
"""What is imported where it is used, by those who have it already."""


def test_only_jax_is_needed():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [n.name for n in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                assert name.split(".")[0] in {"jax", "numpy", "gradtx", *OPTIONAL.get(path.stem, ()), *sys.stdlib_module_names}


@pytest.mark.parametrize("path", [p for p in FILES if p.name != "__init__.py"], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_one_file_is_one_idea(path):
    source = path.read_text()
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":"))
    assert len(source.splitlines()) <= 260
    assert path.stem not in {"utils", "misc", "common", "helpers"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "_optimizers").glob("[a-z]*.py")), ids=lambda p: p.stem)
def test_an_optimizer_is_a_docstring_and_a_chain(path):
    tree = ast.parse(path.read_text())
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert not any(isinstance(node, ast.BinOp | ast.UnaryOp) and not isinstance(node.op, ast.BitOr) for node in ast.walk(function))
    *before, last = function.body[1:]
    assert all(isinstance(node, ast.Assign) for node in before)
    assert isinstance(last, ast.Return)
    assert ast.unparse(last.value).startswith("chain(")
    assert "jax" not in {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}


def bodies():
    """The lines of each optimizer below its docstring."""
    for path in sorted((PACKAGE / "_optimizers").glob("[a-z]*.py")):
        source = path.read_text()
        (function,) = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
        yield path.stem, [line.strip() for line in source.splitlines()[function.body[0].end_lineno : function.end_lineno]]


def test_optimizers_are_short_and_share_no_six_lines():
    assert statistics.median(len(lines) for _, lines in bodies()) <= 12
    seen = {}
    for name, lines in bodies():
        for k in range(len(lines) - 5):
            other = seen.setdefault(tuple(lines[k : k + 6]), name)
            assert other == name, f"{name} and {other} share {lines[k : k + 6]}"


@pytest.mark.parametrize("name", [name for name in gx.__all__ if callable(getattr(gx, name))])
def test_public_names_say_what_they_do(name):
    value = getattr(gx, name)
    docstring = inspect.getdoc(value)
    if getattr(value, "__module__", "").startswith("gradtx"):
        assert docstring
        assert len(docstring.splitlines()[0]) <= 140
        assert len([line for line in docstring.splitlines() if "```" not in line]) <= 24


WORDS = {
    "lr": "learning_rate",
    "beta1": "b1",
    "beta2": "b2",
    "epsilon": "eps",
    "mask": "where",
    "rng": "key",
    "seed": "key",
    "wd": "weight_decay",
}


@pytest.mark.parametrize("name", gx.__all__)
def test_one_word_for_each_idea(name):
    form = getattr(getattr(gx, name), "form", None)
    for argument in form.kinds if form else ():
        assert argument not in WORDS, f"{name}: write {WORDS[argument]}"


def test_import_starts_no_backend():
    code = (
        "import gradtx, jax; from gradtx import *; from jax._src import xla_bridge; assert not xla_bridge._backends, xla_bridge._backends"
    )
    in_a_new_process(code)
    assert jax.__version_info__ >= (0, 10)


def test_every_factory_of_gradtx_keeps_what_a_user_is_held_to_when_it_is_made():
    import_all()
    for form in FORMS.values():
        assert not RESERVED & set(form.kinds), form
        assert form.check is None or set(inspect.signature(form.check).parameters) <= set(form.kinds), form


def in_a_new_process(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


MODULES = "len([name for name in sys.modules if name.startswith('gradtx.')])"


def test_import_reads_what_is_used():
    """Three hundred names in two hundred and sixty modules: a program imports those of the optimizers that it uses."""
    read, used = map(int, in_a_new_process(f"import sys, gradtx; print({MODULES}); gradtx.adamw(0.1); print({MODULES})").split())
    assert read <= 3
    assert used < len(FILES) / 5


def test_a_name_is_found_however_it_is_asked_for():
    for code in (
        "import gradtx; print(gradtx.lion(0.1))",
        "from gradtx import lion; print(lion(0.1))",
        "from gradtx import *; print(lion(0.1))",
    ):
        assert in_a_new_process(code).startswith("lion(learning_rate=0.1")
    assert set(in_a_new_process("import gradtx; print(*dir(gradtx))").split()) >= {*gx.__all__, "__name__"}
    with pytest.raises(AttributeError, match="module 'gradtx' has no attribute 'adman'"):
        eval("gx.adman")
    with pytest.raises(ImportError, match="cannot import name 'adman' from 'gradtx'"):
        exec("from gradtx import adman")


THREADS = """
import threading
import gradtx

missed = []

def use(name):
    try:
        getattr(gradtx, name)
    except (ImportError, AttributeError) as error:
        missed.append(f"{name}: {error}")

threads = [threading.Thread(target=use, args=(name,)) for name in gradtx.__all__]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(threads), *missed)
"""


def test_threads_find_names_whole():
    assert in_a_new_process(THREADS).split() == [str(len(gx.__all__))]


def test_a_spec_and_the_extras_of_what_nothing_has_used_are_known():
    spec = "gradtx.from_spec({'factory': 'sgd', 'arguments': {'learning_rate': 0.1}})"
    assert in_a_new_process(f"import gradtx; print({spec})") == "sgd(learning_rate=0.1)\n"
    step = "gradtx.sgd(0.1).update(1.0, gradtx.sgd(0.1).init(1.0), 1.0, hessian_diagonal=1.0)"
    assert float(in_a_new_process(f"import gradtx; print({step}[0])")) == pytest.approx(-0.1)


def test_signatures_are_read_at_their_first_use():
    """Signatures and annotations of two hundred factories take as long as to import them."""
    read_all = "from gradtx import *; from gradtx._core.call import FORMS"
    code = f"{read_all}; print(sum('kinds' in vars(form) for form in FORMS.values()), len(FORMS))"
    read, of = map(int, in_a_new_process(code).split())
    assert read < of / 8 < of - 100
