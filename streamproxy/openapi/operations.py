"""What each route does, of all rooms of the API.

A new route is described by an entry in one of the modules here. It names the errors that it
can end with by their classes, so that their statuses and codes are said once, in errors/.

Source: the OpenAPI Specification, version 3.1.1.
"""

from streamproxy.openapi.operating import OPERATING
from streamproxy.openapi.pages import PAGES
from streamproxy.openapi.sessions import SESSIONS
from streamproxy.openapi.streaming import STREAMING

OPERATIONS = (*STREAMING, *PAGES, *SESSIONS, *OPERATING)
