"""A fixed list of cases, the best rules for each, and how policies compare with them."""

from lsched.suite.cases import CASES, SuiteCase, find_cases
from lsched.suite.policies import Policies, read_policies
from lsched.suite.run import run_case
from lsched.suite.tuned import Tuned, read_tuned
from lsched.suite.tuning import tune_cases

__all__ = [
    "CASES",
    "Policies",
    "SuiteCase",
    "Tuned",
    "find_cases",
    "read_policies",
    "read_tuned",
    "run_case",
    "tune_cases",
]
