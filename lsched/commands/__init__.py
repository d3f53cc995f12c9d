"""The subcommands of ``lsched``: each module has a dataclass ``Options`` and ``run(options)``."""
