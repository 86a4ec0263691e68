"""What the documents show is what the code does: blocks run, printed output matches, tables of defaults are the installed ones."""

import ast
import collections
import contextlib
import inspect
import io
import operator
import re
import unittest.mock
from pathlib import Path

import keras
import optax
import pytest
import torch

import gradtx
from gradtx._core.at_first_use import import_all
from gradtx._core.call import FORMS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "api")]
PUBLIC = set(gradtx.__all__)
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def run(text: str, name: str) -> None:
    """Execute the python blocks in one namespace; each must print exactly what a text block right behind it shows.

    They see the factories of gradtx alone, whatever other tests have defined.
    """
    namespace = {"__name__": "documented"}
    blocks = list(BLOCK.finditer(text))
    import_all()
    own = {name: form for name, form in FORMS.items() if ":" not in name}
    with unittest.mock.patch.dict(FORMS, own, clear=True):
        for block in blocks:
            line = text[: block.start()].count("\n") + 1
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * line + block[1], name, "exec"), namespace)
            assert printed.getvalue() == (block[2] or ""), f"{name}:{line} printed something else than the document shows"
    assert blocks
    assert len(re.findall(r"^ *```(?!sh)\w", text, re.MULTILINE)) == len(blocks) + sum(block[2] is not None for block in blocks)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_blocks_run_and_print_what_is_shown(path):
    run(path.read_text(), named(path))


@pytest.mark.parametrize("name", sorted(name for name in PUBLIC if "```python" in (getattr(gradtx, name).__doc__ or "")))
def test_examples_of_docstrings_run(name):
    run(inspect.cleandoc(getattr(gradtx, name).__doc__) + "\n", name)


def test_every_public_name_has_one_place_in_the_reference():
    entries = (
        name for page in (ROOT / "docs/api").glob("*.md") for name in re.findall(r"^::: gradtx\.(\w+)$", page.read_text(), re.MULTILINE)
    )
    assert collections.Counter(entries) == collections.Counter(PUBLIC)


def table(path: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, row by row."""
    section = (ROOT / path).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def sections(path: str) -> dict[str, list[str]]:
    """The entries of a page of the reference by their heading."""
    parts = (part.split("\n", 1) for part in (ROOT / path).read_text().split("\n## ")[1:])
    return {title: re.findall(r"^::: gradtx\.(\w+)$", body, re.MULTILINE) for title, body in parts}


@pytest.mark.parametrize("path", sorted((ROOT / "docs/api").glob("*.md")), ids=named)
def test_entries_of_the_reference_stand_below_their_section(path):
    """On a page with sections each entry is in one, and no entry is set as if it were a section itself."""
    text = path.read_text()
    if "\n## " in text:
        assert "::: " not in text.split("\n## ")[0]
        assert "heading_level" not in text


def test_the_reference_has_every_member_of_a_transformation():
    members = re.search(
        r"::: gradtx.GradientTransformation\n    options:\n        members: \[(.*)\]", (ROOT / "docs/api/core.md").read_text()
    )
    own = {name for name in vars(gradtx.GradientTransformation) if not name.startswith("_")}
    inner = {"argument_kind", "bind", "nonnegative"}
    assert members
    assert set(members[1].split(", ")) == own - inner | {"replace"}


def defaults(path: str) -> list[list[str]]:
    return [[cell.strip("`") for cell in row[:4]] for row in table(path, "Defaults")]


def default(owner: object, path: str) -> object:
    """The default at `factory.argument`, or at `factory.argument[index]`."""
    factory, argument, index = re.fullmatch(r"([\w.]+)\.(\w+)(?:\[(\d)\])?", path).groups()
    value = inspect.signature(operator.attrgetter(factory)(owner)).parameters[argument].default
    value = value if index is None else value[int(index)]
    return "required" if value is inspect.Parameter.empty else value


def assert_default(owner: object, path: str, shown: str) -> None:
    expected = shown if shown == "required" else ast.literal_eval(shown)
    assert default(owner, path) == expected, f"{path}: {default(owner, path)!r} where the page says {shown}"


PAGES = {
    "docs/coming-from/optax.md": optax,
    "docs/coming-from/pytorch.md": torch.optim,
    "docs/coming-from/keras.md": keras.optimizers,
}


@pytest.mark.parametrize("path", PAGES)
def test_tables_of_defaults_are_those_of_the_installed_library(path):
    for own, own_default, theirs, their_default in defaults(path):
        if own != "–":
            assert_default(gradtx, own, own_default)
        if theirs != "–":
            assert_default(PAGES[path], theirs, their_default)


@pytest.mark.parametrize("path", PAGES)
def test_tables_of_defaults_leave_out_no_number(path):
    rows = defaults(path)
    for own, own_default, *_ in rows:
        if own != "–":
            assert_default(gradtx, own, own_default)
    listed = {own for own, *_ in rows}
    for factory in {own.split(".")[0] for own in listed - {"–"}}:
        parameters = inspect.signature(getattr(gradtx, factory)).parameters.values()
        assert {f"{factory}.{p.name}" for p in parameters if isinstance(p.default, float)} <= listed


def test_what_the_table_of_optax_leaves_out_has_equal_defaults():
    theirs = {**vars(optax.contrib), **vars(optax)}
    listed = {own.split(".")[0] for own, *_ in defaults("docs/coming-from/optax.md")}
    shared = [name for name in sorted(PUBLIC & set(theirs) - listed) if hasattr(getattr(gradtx, name), "form")]
    assert len(shared) > 20
    for name in shared:
        parameters = inspect.signature(theirs[name]).parameters
        for own in inspect.signature(getattr(gradtx, name)).parameters.values():
            if isinstance(own.default, int | float) and own.name in parameters and parameters[own.name].default != inspect.Parameter.empty:
                assert parameters[own.name].default in (own.default, None), f"{name}.{own.name}"


def test_every_optimizer_that_pytorch_has_as_well_is_in_the_table_of_names():
    shared = {name for name, value in vars(torch.optim).items() if inspect.isclass(value) and name.lower() in PUBLIC}
    assert len(shared) > 10
    assert shared <= {name for theirs, *_ in table("docs/coming-from/pytorch.md", "Names") for name in called(theirs)}


NAMESPACES = {
    "docs/coming-from/optax.md": [optax],
    "docs/coming-from/pytorch.md": [torch.optim, torch.optim.lr_scheduler, torch.nn.utils],
    "docs/coming-from/keras.md": [keras.optimizers],
}


def called(cell: str) -> list[str]:
    """The names that the code in a cell begins with."""
    return re.findall(r"`(\w[\w.]*)", cell)


@pytest.mark.parametrize("path", NAMESPACES)
def test_tables_of_names_name_what_the_other_library_has(path):
    for theirs, *_ in table(path, "Names"):
        for name in called(theirs):
            assert any(operator.attrgetter(name)(space) for space in NAMESPACES[path] if hasattr(space, name.split(".")[0])), name


@pytest.mark.parametrize("path", NAMESPACES)
def test_tables_of_names_name_what_is_here(path):
    for theirs, own, *_ in table(path, "Names"):
        names = re.findall(r"\b[a-z_]\w*(?=\()", own) if "`" in own else called(theirs)
        assert names
        assert set(names) <= PUBLIC


def test_the_readme_lists_what_is_in_the_box():
    listed = [name for _, cell in table("README.md", "In the box") for name in called(cell)]
    schedules = {name for names in sections("docs/api/schedules.md").values() for name in names}
    assert sorted(listed) == sorted(name for name in PUBLIC - schedules if name.islower())


@pytest.mark.parametrize("page", ["transforms", "optimizers"])
def test_the_readme_has_a_row_for_each_section_of_the_long_pages(page):
    rows = {title.lower(): sorted(called(cell)) for title, cell in table("README.md", "In the box") if title.startswith(page)}
    assert rows == {f"{page}: {title.lower()}": sorted(names) for title, names in sections(f"docs/api/{page}.md").items()}


def test_the_choice_of_optimizers_leaves_none_out():
    page = (ROOT / "docs/api/optimizers.md").read_text()
    optimizers = re.findall(r"^::: gradtx\.(\w+)$", page, re.MULTILINE)
    assert sorted(row[0].strip("`") for row in table("docs/choosing.md", "Every optimizer")) == sorted(optimizers)
