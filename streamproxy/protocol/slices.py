"""May a cache join this part of a file with others that it fetches at other times?

nginx asks for a film in slices, keeps each, and answers everybody from them. It compares
nothing but the ETag, and that only where there is one: what it must not join is refused here.

Source: RFC 9110, section 15.3.7.3 (combining parts); RFC 9111, section 3.4.
"""

from streamproxy.protocol.heads import Ask
from streamproxy.protocol.plan import ResponsePlan
from streamproxy.protocol.ranges import IntRange

# Bytes; a slice is held in memory until it is whole.
_MAX_SLICE = 16 * 2**20


def is_sliceable(ask: Ask, plan: ResponsePlan) -> bool:
    """Tell whether the planned response is a slice, just as it was asked for.

    It has a strong ETag and says the complete length, it is all of the slice that exists and
    not too large to be held, and the site itself cut it out: cutting here would read the file
    anew for each slice.
    """
    if plan.status == 304:
        return True
    if ask.ranges is None or len(ask.ranges) != 1 or not isinstance(ask.ranges[0], IntRange):
        return False
    if not plan.ranges_seen or plan.complete_length is None or plan.length is None:
        return False
    if plan.length > _MAX_SLICE:
        return False
    last_pos = ask.ranges[0].last_pos
    end = plan.complete_length if last_pos is None else min(last_pos + 1, plan.complete_length)
    return plan.fields.get("ETag", "").startswith('"') and plan.first_pos + plan.length == end
