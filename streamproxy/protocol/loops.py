"""Keep proxies from fetching through one another in a circle, and in chains without end.

Each instance names itself in the User-Agent that it sends upstream, behind those that the
request came through: ``streamproxy/1.0 (first; second)``. A request that names its receiver
has come round. Via would be the field for it, but what servers see must tell no more than
it has to, and some refuse what a proxy has touched.

Source: RFC 9110, sections 7.6.3 (what Via is for) and 10.1.5 (User-Agent).
"""

import re
from collections.abc import Iterable, Sequence

from streamproxy.errors import BlockedTarget

# Two in a row is a proxy at home behind a rented one; five is nobody's intention.
MAX_INSTANCES = 5

_INSTANCE = "[0-9a-f]{16}"
_PRODUCT = re.compile(
    rf"streamproxy/[0-9A-Za-z.+-]{{1,40}} \(({_INSTANCE}(?:; {_INSTANCE})*)\)", re.ASCII
)


def make_user_agent(version: str, instances: Sequence[str]) -> str:
    """Return the User-Agent that names the instances on the way, the own one last."""
    return f"streamproxy/{version} ({'; '.join(instances)})"


def parse_instances(user_agents: Iterable[str]) -> tuple[str, ...]:
    """Return the instances that the User-Agent fields of a request name, in their order."""
    named = "\n".join(user_agents)
    if "streamproxy/" not in named:
        return ()
    return tuple(
        instance for product in _PRODUCT.finditer(named) for instance in product[1].split("; ")
    )


def check_loop(user_agents: Sequence[str], own: str) -> None:
    """Refuse a request that has come round, or through too many instances.

    :param own: the receiver's instance; it counts in whatever form it is named.
    :raises BlockedTarget: with the reason.
    """
    if own in "\n".join(user_agents):
        raise BlockedTarget("The link leads back to this proxy.")
    if len(parse_instances(user_agents)) >= MAX_INSTANCES:
        raise BlockedTarget("The link leads through too long a chain of proxies.")
