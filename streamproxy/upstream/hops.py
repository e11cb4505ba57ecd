"""Where redirects led, for a short time: so that a seek goes there straight away."""

from dataclasses import dataclass

from multidict import MultiMapping

from streamproxy.targets.links import Link

# Seconds, from when the redirects were followed: long enough for the seeks that follow one
# another, short enough for a site that sends its clients elsewhere.
_KEPT_S = 60.0
_MAX_CHAINS = 256
# Characters of all links of a chain; those of real ones have one or two thousand.
_MAX_LENGTH = 16 * 1024
# What a site says that wants each redirect asked for.
_NOT_KEPT = frozenset({"no-store", "no-cache", "max-age=0"})


@dataclass(frozen=True, slots=True)
class _Chain:
    hops: tuple[Link, ...]
    ends_at: float


class RedirectMemory:
    """The chains of links that were followed a moment ago, by their first link.

    It knows no policy: whoever takes a chain judges each of its links anew.
    """

    def __init__(self) -> None:
        self._chains: dict[Link, _Chain] = {}

    def add(self, hops: tuple[Link, ...], now: float) -> None:
        """Keep a chain that led to a representation, in place of what was known.

        :param hops: the links in order, the pasted one first.
        :param now: seconds, on a clock that only goes on.
        """
        self.forget(hops[0])
        if sum(len(hop.target) + len(hop.host) for hop in hops) > _MAX_LENGTH:
            return
        if len(self._chains) >= _MAX_CHAINS:
            del self._chains[next(iter(self._chains))]
        self._chains[hops[0]] = _Chain(hops, now + _KEPT_S)

    def find(self, link: Link, now: float) -> tuple[Link, ...]:
        """Return the chain that begins with *link*; only the link where none is known."""
        if not self._chains:
            return (link,)
        chain = self._chains.get(link)
        if chain is not None and now < chain.ends_at:
            return chain.hops
        self.forget(link)
        return (link,)

    def forget(self, link: Link) -> bool:
        """Follow the link anew next time; tell whether anything was known of it."""
        return self._chains.pop(link, None) is not None


def may_be_kept(fields: MultiMapping[str]) -> bool:
    """Tell whether a redirect's site leaves it to us to ask for it again.

    :param fields: of the response that redirects.

    Source: RFC 9111, section 5.2.2.
    """
    directives = ",".join(fields.getall("Cache-Control", ())).lower().split(",")
    return _NOT_KEPT.isdisjoint(directive.strip() for directive in directives)
