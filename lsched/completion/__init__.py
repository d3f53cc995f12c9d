"""Scripts that complete ``lsched`` command lines at TAB, in bash, zsh and fish."""

from lsched.completion.script import SHELLS, Shell, script

__all__ = ["SHELLS", "Shell", "script"]
