"""How records reach the log: together, by a thread of their own, and none is lost."""

import logging
import threading
import time

from streamproxy.log_formats import TextFormatter
from streamproxy.logs import GatheringHandler


class Output(logging.Handler):
    """Keeps what is written; waits for *gate* first, as for a slow disk."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self.gate = gate
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert self.gate.wait(20)
        self.texts.append(record.getMessage())

    @property
    def lines(self) -> list[str]:
        return "\n".join(self.texts).split("\n")


def record(number: int, message: object = "record %d") -> logging.LogRecord:
    return logging.LogRecord("some.logger", logging.INFO, "x.py", 1, message, (number,), None)


def handler_to(output: Output) -> GatheringHandler:
    handler = GatheringHandler([output])
    handler.setFormatter(TextFormatter())
    return handler


def opened() -> threading.Event:
    gate = threading.Event()
    gate.set()
    return gate


def test_records_are_written_in_order_and_together() -> None:
    output = Output(opened())
    handler = handler_to(output)

    for number in range(1000):
        handler.handle(record(number))
    handler.flush()

    assert [line.rpartition(" ")[2] for line in output.lines] == [str(n) for n in range(1000)]
    assert len(output.texts) < 100


def test_record_is_written_without_being_flushed() -> None:
    output = Output(opened())
    handler = handler_to(output)

    for number in range(2):  # the thread waits again after the first
        handler.handle(record(number))
        deadline = time.monotonic() + 20
        while len(output.texts) <= number and time.monotonic() < deadline:
            time.sleep(0.01)

    assert len(output.texts) == 2


def test_slow_disk_keeps_nobody_who_logs_waiting() -> None:
    output = Output(threading.Event())
    handler = handler_to(output)

    for number in range(5000):
        handler.handle(record(number))
    assert output.texts == []

    output.gate.set()
    handler.flush()
    assert len(output.lines) == 5000


def test_what_waits_for_a_disk_is_bounded_and_none_is_lost() -> None:
    output = Output(threading.Event())
    handler = handler_to(output)
    count = 25_000
    writer = threading.Thread(
        target=lambda: [handler.handle(record(number)) for number in range(count)]
    )

    writer.start()
    writer.join(2)
    assert writer.is_alive()  # it waits for the disk

    output.gate.set()
    writer.join(20)
    handler.flush()
    assert len(output.lines) == count


def test_output_that_is_broken_does_not_silence_the_other() -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ValueError(record)

    output = Output(opened())
    handler = GatheringHandler([Broken(), output])
    handler.setFormatter(TextFormatter())

    for number in range(2):
        handler.handle(record(number))
        handler.flush()

    assert len(output.texts) == 2


def test_record_that_cannot_be_formatted_does_not_end_the_log() -> None:
    class Picky(TextFormatter):
        def format(self, record: logging.LogRecord) -> str:
            if record.args == (13,):
                raise ValueError
            return super().format(record)

    class Quiet(GatheringHandler):
        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's
            """Do not print it."""

    output = Output(opened())
    handler = Quiet([output])
    handler.setFormatter(Picky())

    for number in (12, 13, 14):
        handler.handle(record(number))
    handler.flush()

    assert len(output.lines) == 2
