"""The typed keys under which the parts of an application find one another.

On the application: what is shared. On the request: what one part of the chain tells the
parts inside it. A middleware of one's own uses them too.
"""

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from aiohttp import web

from streamproxy.access.identity import Identity
from streamproxy.access.sign_in import SignIn
from streamproxy.relay.lane import Lane
from streamproxy.relay.peers import Peers
from streamproxy.relay.pump import PumpLimits
from streamproxy.relay.streams import Streams
from streamproxy.relay.transfer import Transfer
from streamproxy.settings import Settings
from streamproxy.targets.links import Link
from streamproxy.targets.policy import HostRule
from streamproxy.upstream.client import UpstreamClient

if TYPE_CHECKING:
    from streamproxy.relay.metrics import Metrics  # which an extra is needed for

Check = Callable[[], Awaitable[str | None]]
# What a middleware does around each repeat of a request that it let pass.
Around = Callable[[web.Request], AbstractContextManager[object]]

SETTINGS = web.AppKey("SETTINGS", Settings)
CLIENT = web.AppKey("CLIENT", UpstreamClient)
STREAMS = web.AppKey("STREAMS", Streams)
PUMP_LIMITS = web.AppKey("PUMP_LIMITS", PumpLimits)
# The processes that serve together with this one. Absent where there are none.
PEERS = web.AppKey("PEERS", Peers)
# What is counted. Absent where nothing is.
METRICS: web.AppKey["Metrics"] = web.AppKey("METRICS")
# Whether gunicorn runs the application, and nothing but it. Set by hosted.
IS_HOSTED = web.AppKey("IS_HOSTED", bool)
# What /ready asks, at one time: each returns in a word what is not ready, or None.
CHECKS = web.AppKey("CHECKS", tuple[Check, ...])
# What the chain does around repeats. Absent where repeats have to go through the chain.
AROUNDS = web.AppKey("AROUNDS", tuple[Around, ...])
# The thread that converts subtitles, one file after the other.
CONVERTER = web.AppKey("CONVERTER", Executor)
SAMPLE_LINK = web.AppKey("SAMPLE_LINK", str)

# What names the request, to its client and in the log. Set by mark_requests.
REQUEST_ID = web.RequestKey("REQUEST_ID", str)
# Who makes the request. Set by verify_signature and authenticate; absent where nobody asks.
IDENTITY = web.RequestKey("IDENTITY", Identity)
# The hosts that whoever asks may fetch from. Set by enforce_acl.
HOST_RULE = web.RequestKey("HOST_RULE", HostRule)
# How to come in. Set by authenticate, for the page and the routes of its form.
SIGN_IN = web.RequestKey("SIGN_IN", SignIn)
# The link to fetch: parsed and permitted. Set by validate_url.
LINK = web.RequestKey("LINK", Link)
# The most bytes that a resource may have. Set by limit_size.
MAX_SIZE = web.RequestKey("MAX_SIZE", int)
# What became of the transfer. Set by log_access, filled by the handler.
TRANSFER = web.RequestKey("TRANSFER", Transfer)
# Where the handler can offer to answer repeats of the request. Set by answer_repeats.
LANE = web.RequestKey("LANE", Lane)
# Fields that a middleware wants on the response: the head of a stream is sent before its
# handler returns, so that it cannot add them afterwards.
RESPONSE_FIELDS = web.RequestKey("RESPONSE_FIELDS", dict[str, str])
