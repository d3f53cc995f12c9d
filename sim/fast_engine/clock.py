"""Processor time in compiled code: the C library's ``clock``."""

from __future__ import annotations

import os
from typing import Any

from numba.core import types

CLOCKS_PER_S = 1000 if os.name == "nt" else 1_000_000

clock: Any = types.ExternalFunction("clock", types.int64())
"""Processor time of this process; see ``CLOCKS_PER_S``."""
