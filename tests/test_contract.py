"""The contract of `contract/`, one test for each property of each model."""

import keras
import pytest
from contract.cases import CASES, QUICK, TRANSLATING, ZOO
from contract.properties import PROPERTIES, NotApplicable
from contract.table import Contract

import keras_genzoo as genzoo


@pytest.fixture(scope="module")
def contract(request):
    """The contract, with the background processes that the selected tests need."""
    here = [item for item in request.session.items if item.getparent(pytest.Module) is request.node]
    selected = [item.callspec.params for item in here if "contract" in item.fixturenames]
    with Contract(CASES, "contract.cases") as contract:
        contract.start((cell["title"], cell["name"]) for cell in selected)
        yield contract


# Background processes and XLA take minutes.
TITLES = [
    pytest.param(title, marks=[pytest.mark.slow] if title == "XLA" or needed.job else [])
    for title, needed in PROPERTIES.items()
]


@pytest.mark.parametrize("name", [name for name in CASES if name not in TRANSLATING])
@pytest.mark.parametrize("title", TITLES)
def test_contract(contract, title, name):
    check(contract, title, name)


def check(contract, title, name):
    try:
        contract.check(title, name)
    except NotApplicable as reason:
        pytest.skip(str(reason))


def test_every_public_model_is_in_the_table():
    named = {name.split(",")[0] for name in ZOO}
    public = (getattr(genzoo, name) for name in genzoo.__all__)
    classes = (cls for cls in public if isinstance(cls, type) and issubclass(cls, keras.Model))
    models = {cls.__name__ for cls in classes} - {"GenerativeModel"}
    assert models == named and set(CASES) >= QUICK
