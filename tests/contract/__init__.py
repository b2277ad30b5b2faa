"""The contract: a table of small models, a table of properties, and the code that compares them.

A new model is one line in `cases.CASES`; `test_contract.py` then checks every property of it.
"""

import os

# Before TensorFlow is imported, which this variable keeps from logging information.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
