"""The compiled engine: the rules of docs/design.md over packed arrays, with numba.

Files are named as in ``sim.simpy_engine``, rule for rule. What changes lives in the arrays of a
``World`` (``layout.py``); compiled functions take it as their first argument.
``batch*.py`` step many simulations side by side.
"""
