"""Every snippet of the README, the docs and the docstrings runs."""

import inspect
import os
import pathlib
import pkgutil
import re
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

import keras_genzoo as genzoo

ROOT = pathlib.Path(__file__).parents[1]
SNIPPET = re.compile(r"^ *```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def documented_objects():
    """Everything with a docstring in the package, by its place, once."""
    found = {}
    for module in pkgutil.walk_packages(genzoo.__path__, "keras_genzoo."):
        module = __import__(module.name, fromlist=["_"])
        found[module.__name__] = module
        for name, item in vars(module).items():
            if getattr(item, "__module__", "").startswith("keras_genzoo") and callable(item):
                found[f"{item.__module__}.{name}"] = item
                if inspect.isclass(item):
                    for key, method in vars(item).items():
                        if callable(method):
                            found[f"{item.__module__}.{name}.{key}"] = method
    return found


def docstring_snippets():
    for place, item in sorted(documented_objects().items()):
        # A class without a docstring would show that of its parent.
        docstring = vars(item).get("__doc__") if inspect.isclass(item) else item.__doc__
        for snippet in SNIPPET.findall(inspect.cleandoc(docstring or "")):
            yield pytest.param(snippet, id=place)


@pytest.fixture
def short_training(monkeypatch, tmp_path):
    """Trainings of two steps, in an empty directory."""
    fit = keras.Model.fit

    def short_fit(self, *args, **kwargs):
        return fit(self, *args, **kwargs | {"epochs": 1, "steps_per_epoch": 2, "verbose": 0})

    monkeypatch.setattr(keras.Model, "fit", short_fit)
    monkeypatch.chdir(tmp_path)


def folder_of_photos(folder):
    """What `image_dataset_from_directory` reads: 64 small pictures in two folders."""
    for number in range(64):
        path = folder / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(path, np.random.default_rng(number).random((70, 50, 3)))


@pytest.mark.parametrize("snippet", list(docstring_snippets()))
def test_docstring(snippet, short_training):
    exec(textwrap.dedent(snippet), {"genzoo": genzoo, "keras": keras, "np": np})


RUNNER = """
import sys

import keras

fit = keras.Model.fit
short = {"epochs": 1, "steps_per_epoch": 2, "verbose": 0}
keras.Model.fit = lambda self, *args, **kwargs: fit(self, *args, **kwargs | short)
exec(sys.stdin.read(), {})
"""


PAGES = [
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
    # test_serving_docs.py runs docs/serving.md.
    if path.name != "serving.md" and SNIPPET.search(path.read_text())
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_page(page, tmp_path):
    snippets = SNIPPET.findall((ROOT / page).read_text())
    folder_of_photos(tmp_path / "photos")
    # As a reader runs them: one after the other, and in a process of its own, because strategies
    # of several pages or tests would share their collectives.
    process = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input="\n".join(textwrap.dedent(snippet) for snippet in snippets),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]


def test_models_have_examples():
    for name in genzoo.__all__:
        item = getattr(genzoo, name)
        if inspect.isclass(item) and item.__module__.startswith("keras_genzoo.models"):
            assert SNIPPET.search(inspect.cleandoc(item.__doc__)), name
            assert re.search(r"Differs\s+from\s+the\s+(paper|notes)", item.__doc__), name


def test_links_and_pictures_exist():
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        prose = re.sub("```.*?```", "", page.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+)\)", prose):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_import_is_light():
    """The library adds no heavy module to what Keras and TensorFlow import themselves."""
    code = """
import sys, keras, tensorflow
before = set(sys.modules)
import keras_genzoo
heavy = {"matplotlib", "tensorflow_datasets", "sklearn", "mlxtend", "scipy", "pandas"}
print(sorted(heavy & ({name.split(".")[0] for name in set(sys.modules) - before})))
"""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert output.strip().splitlines()[-1] == "[]"
