"""The contract of the models that translate, so that two processes share the contract's tests."""

import pytest
from contract.cases import TRANSLATING
from test_contract import TITLES, check, contract  # noqa: F401  (a fixture)


@pytest.mark.parametrize("name", TRANSLATING)
@pytest.mark.parametrize("title", TITLES)
def test_contract(contract, title, name):  # noqa: F811
    check(contract, title, name)
