"""The tutorials run, and the gallery says what they found."""

import ast
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "examples" / "tutorials").glob("0*.py"))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_quick(path, tmp_path):
    command = [sys.executable, str(path), "--quick", "--output", str(tmp_path / "out")]
    environment = os.environ | {"MPLBACKEND": "Agg"}
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr[-3000:]
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["quick"] and results["checks"] and results["name"] == path.stem
    assert results["claim"].format(**results["numbers"]) in run.stdout
    assert (tmp_path / "out" / "picture.png").stat().st_size > 10_000
    assert sorted(os.listdir(tmp_path)) == ["out"]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_is_short_and_opens_as_a_notebook(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 150
    assert lines[0] == "# %% [markdown]" and lines[1].startswith("# # ")
    assert sum(line.startswith("# %%") for line in lines) >= 5


def finish(path):
    """The caption, the claim and the checks in a tutorial's source."""
    tree = ast.parse(path.read_text())
    (call,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lesson.finish"
    )
    _, caption, claim, checks = call.args
    return caption.value, claim.value, [key.value for key in checks.keys]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_results_are_those_of_the_tutorial_as_it_is(path):
    results = json.loads((ROOT / "docs" / "gallery" / path.stem / "results.json").read_text())
    assert finish(path) == (results["caption"], results["claim"], list(results["checks"]))


def test_the_gallery_says_what_was_found():
    sys.path.insert(0, str(ROOT / "examples" / "tutorials"))
    try:
        import gallery
    finally:
        sys.path.pop(0)
    assert (ROOT / "docs" / "gallery.md").read_text() == gallery.page(ROOT / "docs")
    for path in ROOT.glob("docs/gallery/*/results.json"):
        results = json.loads(path.read_text())
        assert not results["quick"] and all(results["checks"].values())
        assert results["seconds"] < 600
        assert (path.parent / "picture.png").stat().st_size > 10_000
