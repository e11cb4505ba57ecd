"""What is asked of streamproxy: the numbers that a change must not lose."""

from report import Target

_SPLICE, _COPY = "streamproxy", "streamproxy copy"

# Measure, whose, target.
TARGETS = (
    ("bulk http: CPU s/GiB", _SPLICE, Target(0.8, "nginx")),
    ("bulk http: CPU s/GiB", _SPLICE, Target(1.0, "haproxy")),
    ("bulk https: CPU s/GiB", _SPLICE, Target(1.25, "nginx")),
    ("64 KiB ranges, 1 connection: p50 ms", _SPLICE, Target(2.0, "nginx")),
    ("64 KiB ranges, 32 connections: p50 ms", _SPLICE, Target(2.0, "nginx")),
    ("64 KiB ranges, 1 connection: CPU ms/request", _SPLICE, Target(4.0, "nginx")),
    ("64 KiB ranges, 32 connections: CPU ms/request", _SPLICE, Target(4.0, "nginx")),
    ("warm seek: round trips", _SPLICE, Target(1.1)),
    ("warm seek behind a redirect: round trips", _SPLICE, Target(1.1)),
    ("seek out of a running stream: round trips", _SPLICE, Target(1.2)),
    ("first play after validate: round trips", _SPLICE, Target(1.2)),
    ("stalled viewer, http: RSS KiB", _SPLICE, Target(64)),
    ("stalled viewer, http: RSS KiB", _COPY, Target(600)),
    ("stalled viewer, https: RSS KiB", _SPLICE, Target(600)),
    ("watching: late viewers", _SPLICE, Target(0)),
    ("start to first answer: s", _SPLICE, Target(0.5)),
    ("idle: RSS MiB", _SPLICE, Target(45)),
)
