"""Writes docs/gallery.md from the tutorials and what they found.

python examples/tutorials/01_autoencoders.py --output docs/gallery/01_autoencoders   # and so on
python examples/tutorials/gallery.py docs
"""

from __future__ import annotations

import ast
import json
import pathlib
import sys

from keras_genzoo.files import replacing

INTRODUCTION = """# Gallery

What the tutorials in `examples/tutorials/` show. Each is a script that runs alone and offline, and
fails if it doesn't find what it says; its cells open as a notebook in VS Code, or by jupytext in
Jupyter, started in that folder. `--data NAME` takes other images of about ten classes (but for the
game on a plane), any of tensorflow-datasets among them, and 5,000 of them; `--quick` runs it in a
minute without learning anything. The numbers on this page are read from the `results.json` beside
each picture (`python examples/tutorials/gallery.py docs`); seconds are those of two CPU cores.
"""

SECTION = """
## {title}

![{caption}](gallery/{name}/picture.png)

{caption}

{claim}
{table}
`python examples/tutorials/{name}.py --output docs/gallery/{name}` ({seconds} s)
"""


def text(tutorial: pathlib.Path) -> tuple[str, str]:
    """The caption and the claim, with the numbers' names in braces."""
    for node in ast.walk(ast.parse(tutorial.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lesson.finish":
            _, caption, claim, _ = node.args
            return caption.value, claim.value
    raise ValueError(f"A tutorial must end in `lesson.finish`. Received: {tutorial}")


def markdown(table: dict[str, list[float]], columns: list) -> str:
    """A row a name, with the mean at its end."""
    lines = [["", *columns, "mean"], ["---"] * (len(columns) + 2)]
    for name, row in table.items():
        lines.append([name, *(f"{value:.3f}" for value in [*row, sum(row) / len(row)])])
    return "".join("\n| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def page(docs: pathlib.Path) -> str:
    """The text of the gallery."""
    sections = []
    for tutorial in sorted(pathlib.Path(__file__).parent.glob("[0-9]*.py")):
        results = json.loads((docs / "gallery" / tutorial.stem / "results.json").read_text())
        caption, claim = text(tutorial)
        numbers = results["numbers"]
        table = markdown(numbers["table"], numbers["classes"]) if "table" in numbers else ""
        claim = claim.format(**numbers)
        sections.append(SECTION.format(caption=caption, claim=claim, table=table, **results))
    return INTRODUCTION + "".join(sections)


if __name__ == "__main__":
    docs = pathlib.Path(sys.argv[1])
    with replacing(docs / "gallery.md") as temporary:
        temporary.write_text(page(docs))
