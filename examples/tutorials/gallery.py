"""Writes docs/gallery.md from what the tutorials found.

python examples/tutorials/01_autoencoders.py --output docs/gallery/01_autoencoders   # and so on
python examples/tutorials/gallery.py docs
"""

from __future__ import annotations

import json
import pathlib
import sys

from keras_genzoo.files import replacing

INTRODUCTION = """# Gallery

What the tutorials in `examples/tutorials/` show. Each is a script that runs alone and offline, and
fails if it doesn't find what it says; its cells open as a notebook in VS Code, or by jupytext in
Jupyter, started in that folder. `--data NAME` takes other image data, any of tensorflow-datasets
among them, and 5,000 images of it; `--quick` runs it in a minute without learning anything. The
numbers on this page are read from the `results.json` beside each picture (`python
examples/tutorials/gallery.py docs`); seconds are those of two CPU cores.
"""

SECTION = """
## {title}

![{caption}](gallery/{name}/picture.png)

{caption}

{claim}

`python examples/tutorials/{name}.py --output docs/gallery/{name}` ({seconds} s)
"""


def page(docs: pathlib.Path) -> str:
    """The text of the gallery."""
    sections = []
    for path in sorted(docs.glob("gallery/*/results.json")):
        results = json.loads(path.read_text())
        claim = results.pop("claim").format(**results["numbers"])
        sections.append(SECTION.format(claim=claim, **results))
    return INTRODUCTION + "".join(sections)


if __name__ == "__main__":
    docs = pathlib.Path(sys.argv[1])
    with replacing(docs / "gallery.md") as temporary:
        temporary.write_text(page(docs))
