"""Under gunicorn: what ``python -m streamproxy`` does around the application.

``gunicorn -k aiohttp.GunicornWebWorker 'streamproxy:create_app()'`` calls create_app in each
worker, and nothing of ours beside it. An application that is made without settings is then the
program: it reads the environment, logs as the program does, and is open to this machine alone
until its owner says who may come in. Mounted in another application it is a part like any other.
"""

import logging
import os
import sys
from traceback import walk_stack

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.access.lock import Lock, warn_of_short_token
from streamproxy.access.sites import is_loopback
from streamproxy.errors import ClosedToOthers
from streamproxy.family import found_family
from streamproxy.keys import IS_HOSTED, SETTINGS
from streamproxy.logs import configure_logging
from streamproxy.middlewares.repeatable import repeatable
from streamproxy.process import prepare_process
from streamproxy.settings import Settings

logger = logging.getLogger(__name__)

# The names of the routes that show nothing of anybody's: balancers ask for health.
_OPEN_ROUTES = frozenset({"health", "static"})


def is_under_gunicorn() -> bool:
    """Tell whether gunicorn runs this process."""
    return "gunicorn.arbiter" in sys.modules


def share_counts() -> None:
    """Let the workers count together, before anything counts.

    Not with --preload: there the arbiter makes the application, perhaps as another user than
    its workers are, who could not write to its folder.
    """
    if any(frame.f_code.co_name == "spawn_worker" for frame, _ in walk_stack(None)):
        found_family(os.getppid())


async def prepare(app: web.Application) -> None:
    """Do for a worker what the program does for itself, unless *app* is a part of another.

    Where logging is configured already (``gunicorn --log-config``), it stays as it is.
    """
    if app.pre_frozen:  # by the application that it is mounted in
        return
    app[IS_HOSTED] = True
    # With --preload this is the first time; else the folder is there.
    found_family(os.getppid())
    settings = app[SETTINGS]
    if not logging.getLogger().handlers:
        configure_logging(settings)
    prepare_process(settings)
    warn_of_short_token(settings)
    if _asks_nobody(settings):
        logger.warning(
            "auth: nothing says who may use this proxy, so that it answers this machine alone; "
            "set access_token or users_file, or auth to false to let everybody in"
        )


def keep_others_out(settings: Settings) -> Middleware:
    """Return the middleware that answers over loopback alone where nobody says who may come in.

    The program would make a token there and print it. Workers have no common one, and their
    output is a log. Outside it: report_errors. Inside it: the handlers.
    """
    is_closed = _asks_nobody(settings)

    @repeatable()
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (
            is_closed
            and IS_HOSTED in request.config_dict
            and request.match_info.route.name not in _OPEN_ROUTES
            and not _is_from_here(request)
        ):
            raise ClosedToOthers("Nothing says yet who may use this proxy.")
        return await handler(request)

    return middleware


def _asks_nobody(settings: Settings) -> bool:
    return settings.auth and Lock.from_settings(settings).is_open


def _is_from_here(request: web.Request) -> bool:
    """Tell whether a connection came in over loopback, or over a Unix socket."""
    local = None if request.transport is None else request.transport.get_extra_info("sockname")
    return isinstance(local, str) or (isinstance(local, tuple) and is_loopback(local[0]))
