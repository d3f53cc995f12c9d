"""``lsched completion``: the script that completes command lines at TAB."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from lsched.completion import Shell, script


@dataclass(frozen=True, kw_only=True)
class Options:
    """Print the script that completes lsched's command lines in a shell at TAB.

    Save it where the shell looks for such scripts, and open a new shell:

      lsched completion bash > ~/.local/share/bash-completion/completions/lsched
      lsched completion zsh > ~/.zfunc/_lsched      # fpath+=(~/.zfunc) before compinit
      lsched completion fish > ~/.config/fish/completions/lsched.fish

    It knows the schedulers that are there now: print it anew with another version of lsched, or
    when packages of schedulers come or go.
    """

    shell: Annotated[tyro.conf.Positional[Shell], tyro.conf.arg(metavar="SHELL")]
    """bash, zsh or fish."""


def run(options: Options) -> None:
    """Do what the options say."""
    sys.stdout.write(script(options.shell))
