"""What is for whoever runs the proxy, and for programs that watch it."""

from streamproxy import errors
from streamproxy.openapi.model import Answer, Operation
from streamproxy.openapi.parts import ANYWHERE, LOCKED, TEXT, json_of

OPERATING = (
    Operation(
        path="/health",
        name="health",
        tag="Operations",
        summary="Say whether this process serves",
        answers={
            200: Answer("It takes new streams.", json_of("Health")),
            503: Answer(
                "It is about to stop; running streams come to their end.", json_of("Health")
            ),
        },
        errors=ANYWHERE,
        is_open=True,
    ),
    Operation(
        path="/ready",
        name="ready",
        tag="Operations",
        summary="Say whether to send new streams here",
        answers={
            200: Answer("All that a stream needs is there.", json_of("Readiness")),
            503: Answer(
                "Send them to another instance; the reasons say why.", json_of("Readiness")
            ),
        },
        errors=ANYWHERE,
        is_open=True,
    ),
    Operation(
        path="/api/openapi.json",
        name="openapi",
        tag="Operations",
        summary="Describe this API",
        answers={200: Answer("This document.", {"application/json": {"type": "object"}})},
        errors=(*ANYWHERE, errors.RateLimited),
        is_open=True,
    ),
    Operation(
        path="/metrics",
        name="metrics",
        tag="Operations",
        summary="Answer with what is counted, for Prometheus",
        description="For the owner, this machine, and who brings metrics_token as a bearer.",
        answers={200: Answer("All counts.", TEXT), 404: Answer("Nothing is counted.", TEXT)},
        errors=(*LOCKED, errors.OwnerOnly, errors.NotInstalled),
        has_head=False,
    ),
)
