"""What is done with a link."""

from streamproxy import errors
from streamproxy.openapi.model import Answer, Operation
from streamproxy.openapi.parts import (
    ANY,
    ASKING,
    CONDITIONS,
    CONVERTING,
    FETCHING,
    LOCKED,
    MEDIA_FIELDS,
    WEBVTT,
    WITHOUT_TOKEN,
    json_of,
)

STREAMING = (
    Operation(
        path="/stream",
        name="stream",
        tag="Streaming",
        summary="Stream the bytes of a link",
        description="Ranges follow RFC 9110, section 14. After the head is sent there is no error"
        " response any more: a stream that cannot go on is cut, so that the client sees it.",
        parameters=("url", "sig", "token", "download", "Range", "If-Range", *CONDITIONS),
        answers={
            200: Answer("The whole file.", ANY, MEDIA_FIELDS),
            206: Answer("A part of the file.", ANY, ("Content-Range", *MEDIA_FIELDS)),
            303: WITHOUT_TOKEN,
            304: Answer("What the client has is still right.", fields=("ETag", "Last-Modified")),
            412: Answer("The file is not the one that the client has a part of."),
        },
        errors=(*FETCHING, errors.NotSliceable),
    ),
    Operation(
        path="/subtitles",
        name="subtitles",
        tag="Streaming",
        summary="Fetch subtitles, as WebVTT",
        parameters=("url", "sig", "token", "encoding"),
        answers={200: Answer("The subtitles.", WEBVTT), 303: WITHOUT_TOKEN},
        errors=(*FETCHING, *CONVERTING),
        has_head=False,
    ),
    Operation(
        path="/subtitles",
        name="local_subtitles",
        tag="Streaming",
        method="post",
        summary="Convert the subtitles of the body to WebVTT",
        parameters=("encoding",),
        takes_file=True,
        answers={200: Answer("The subtitles.", WEBVTT)},
        errors=(*LOCKED, *CONVERTING, errors.TooLarge, errors.ShuttingDown),
    ),
    Operation(
        path="/api/validate",
        name="validate",
        tag="Streaming",
        summary="Say what is known of a link before it plays",
        description="Looks at the link with one small ranged request. That it does not play is an"
        " answer too, with status 200; another status is for a request that is itself at fault.",
        parameters=("url", "sig", "token", "tracks"),
        answers={
            200: Answer("What is known of the link, or why it does not play.", json_of("Look")),
            303: WITHOUT_TOKEN,
        },
        errors=ASKING,
    ),
)
