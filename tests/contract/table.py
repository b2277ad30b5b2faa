"""The contract of a table of models, checked cell by cell and written down in Markdown.

`PYTHONPATH=tests python -m contract.table docs/contract.md` checks every model of the zoo.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
import re
import sys

from contract.cases import CASES
from contract.jobs import JOBS
from contract.properties import PROPERTIES, NotApplicable


class Contract:
    """The properties of some models, with the background processes that a few of these need.

    As a context manager, stops the processes at the end.

    Args:
        cases: The models, a dict of `Case` by name.
        module: The name of a module whose attribute `CASES` is this dict. Background processes
            import it.
    """

    def __init__(self, cases, module):
        self.cases, self.module = cases, module
        self.jobs = {}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for job in self.jobs.values():
            job.stop()

    def start(self, cells):
        """Starts the processes that some cells of the table need, each for the models it needs.

        Args:
            cells: Pairs `(title, name)` of a property and a model.
        """
        needed = {}
        for title, name in cells:
            kind = PROPERTIES[title].job
            if kind is not None:
                needed.setdefault(kind, {})[name] = None  # each once, in this order
        for kind, names in needed.items():
            self.jobs[kind] = JOBS[kind](self.module, list(names))

    def check(self, title, name):
        """Checks one property of one model.

        Raises:
            NotApplicable: If the model cannot have the property.
            Exception: If the model lacks it.
        """
        check, kind = PROPERTIES[title].check, PROPERTIES[title].job
        result = () if kind is None else (self.jobs[kind].result(name),)
        check(self.cases[name], *result)


def rows(contract):
    """Checks all properties of all models.

    Yields:
        `(row, failures)` for each model: a row of the Markdown table, and a line on each property
        that the model lacks.
    """
    contract.start(itertools.product(PROPERTIES, contract.cases))
    for name in contract.cases:
        cells, failures = [], []
        for title in PROPERTIES:
            try:
                contract.check(title, name)
                cells.append("yes")
            except NotApplicable:
                cells.append("–")
            except Exception as error:
                cells.append("**no**")
                failures.append(f"- {name}, {title}: {one_line(error):.200}")
        yield markdown_row(name, *cells), failures


def markdown_row(*cells):
    return "| " + " | ".join(cells) + " |"


def one_line(error):
    """Describes an exception in one line, without Keras's codes for bold letters."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return re.sub("\x1b\\[[0-9]*m", "", message)


HEADER = """# The contract

The properties that every model of the zoo was seen to have in one run of
`PYTHONPATH=tests python -m contract.table docs/contract.md` on two CPU cores, with a dash where a
property does not apply. `tests/contract/properties.py` defines the columns, and
`tests/test_contract.py` checks the same. The models are small, the replicas are two logical devices
of a CPU, and the workers are two processes on one machine (both with `TF_ENABLE_ONEDNN_OPTS=0`: see
[distribution](distribution.md)); nothing was run on a GPU or TPU. Weights are compared to 1e-5
relative (1e-6 absolute) and logs to 1e-4; "exact" means bit for bit. XLA draws other noise from the
same seed, so the numbers are compared only for the models without noise.
"""


def main(contract, header=HEADER):
    """Runs the command line: writes the table to a file, and returns whether anything failed."""
    parser = argparse.ArgumentParser(description="Checks the contract and writes its table.")
    parser.add_argument("output", type=pathlib.Path, help="the Markdown file to write")
    output = parser.parse_args().output
    lines = ["| " + markdown_row(*PROPERTIES), "|---" * (1 + len(PROPERTIES)) + "|"]
    failures = []
    with contract:
        for row, failed in rows(contract):
            print(row, flush=True)
            lines.append(row)
            failures += failed
    reasons = ["", "```text", *failures, "```"] if failures else []
    output.write_text("\n".join([header, *lines, *reasons, ""]))
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(Contract(CASES, "contract.cases")))
