"""The tutorials run, and the gallery says what they found."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from matplotlib import pyplot as plt

ROOT = pathlib.Path(__file__).parents[2]
sys.path.append(str(ROOT / "examples" / "tutorials"))  # where they find each other as scripts

import gallery  # noqa: E402
import lesson  # noqa: E402

TUTORIALS = sorted((ROOT / "examples" / "tutorials").glob("[0-9]*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_quick(path, tmp_path):
    command = [sys.executable, str(path), "--quick", "--output", str(tmp_path / "out")]
    environment = os.environ | {"MPLBACKEND": "Agg"}
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr[-3000:]
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["quick"] and results["checks"] and results["name"] == path.stem
    assert gallery.text(path)[1].format(**results["numbers"]) in run.stdout
    assert (tmp_path / "out" / "picture.png").stat().st_size > 10_000
    assert sorted(os.listdir(tmp_path)) == ["out"]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_is_short_and_opens_as_a_notebook(path):
    lines = path.read_text().splitlines()
    assert len(lines) < 150
    assert lines[0] == "# %% [markdown]" and lines[1].startswith("# # ")
    assert sum(line.startswith("# %%") for line in lines) >= 5


def test_the_gallery_says_what_was_found():
    table = "\n|  | 0 | 1 | mean |\n| --- | --- | --- | --- |\n| a | 0.500 | 1.000 | 0.750 |\n"
    assert gallery.markdown({"a": [0.5, 1.0]}, [0, 1]) == table
    assert (ROOT / "docs" / "gallery.md").read_text() == gallery.page(ROOT / "docs")


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_results_are_those_of_the_tutorial_as_it_is(path):
    directory = ROOT / "docs" / "gallery" / path.stem
    results = json.loads((directory / "results.json").read_text())
    assert results["code"] == lesson.code(path.stem)
    assert results["data"] in (None, lesson.OWN_DATA) and not results["quick"]
    assert all(results["checks"].values()) and results["seconds"] < 600
    assert (directory / "picture.png").stat().st_size > 10_000


def test_the_checksum_is_of_the_code_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(lesson, "__file__", str(tmp_path / "lesson.py"))

    def checksum(*lines):
        (tmp_path / "one.py").write_text("\n".join(lines))
        return lesson.code("one")

    first = checksum("# %%", "x = 1", 'finish("a",', '    "b",', '    {"c": x > 0})')
    assert first == checksum("# other", "x = 1", 'finish("a",', '    "bb"', "", '    {"c": x > 0})')
    assert first != checksum("# %%", "x = 2", 'finish("a",', '    "b",', '    {"c": x > 0})')
    assert first != checksum("# %%", "x = 1", 'finish("a",', '    "b",', '    {"c": x > -9})')


def test_settings_of_a_notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    monkeypatch.setattr(sys, "argv", ["kernel", "-f", "file.json"])
    one = lesson.Lesson("one", "One", data="digits", quick=True)
    assert (one.data, one.quick, one.few(5, 2)) == ("digits", True, 2)
    one.finish(plt.figure(), "", "{n}", {"never so": False}, n=1)
    other = lesson.Lesson("one", "One")
    with pytest.raises(AssertionError, match="one did not show: never so"):
        other.finish(plt.figure(), "", "{n}", {"so": True, "never so": False}, n=1)
    (tmp_path / "file").write_text("")
    monkeypatch.delitem(sys.modules, "ipykernel")
    monkeypatch.setattr(sys, "argv", ["one.py", "--output", str(tmp_path / "file" / "new")])
    with pytest.raises(ValueError, match="`--output` must be where files can be written"):
        lesson.Lesson("one", "One")
