"""Query scheduling as a Gymnasium environment; importing this registers it."""

try:
    import gymnasium
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "lsched.gym needs the gym extra: pip install 'lsched[gym]'", name=error.name
    ) from None

from lsched.gym.environment import QueryScheduling
from lsched.gym.flat import Flat

ENVIRONMENT_ID = "lsched/QueryScheduling-v0"

__all__ = ["ENVIRONMENT_ID", "Flat", "QueryScheduling"]

if ENVIRONMENT_ID not in gymnasium.registry:
    gymnasium.register(ENVIRONMENT_ID, "lsched.gym.environment:QueryScheduling")
