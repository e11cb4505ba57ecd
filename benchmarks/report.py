"""What was measured, as a Markdown table and as JSON: medians, and ratios to nginx."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# By measure, then by peer: one value for each round, in order.
Samples = dict[str, dict[str, list[float]]]

REFERENCE = "nginx"


@dataclass(frozen=True, slots=True)
class Target:
    """What a measure of streamproxy has to be.

    :param most: of the value, or of its ratio to *peer*, where that is given.
    """

    most: float
    peer: str | None = None


def ratio(values: Sequence[float], reference: Sequence[float]) -> dict[str, float] | None:
    """Return the ratio of the medians, and the least and greatest of the rounds' ratios.

    Each round's values stand beside each other in time, so the spread of their ratios
    shows how far to trust the median. None where there is nothing to divide by.
    """
    if not all(reference) or len(values) != len(reference):
        return None
    rounds = [value / base for value, base in zip(values, reference, strict=True)]
    return {
        "median": statistics.median(values) / statistics.median(reference),
        "min": min(rounds),
        "max": max(rounds),
    }


def as_json(samples: Samples) -> Mapping[str, object]:
    """Return all samples, with medians and ratios beside them."""
    return {
        measure: {
            name: {
                "median": statistics.median(values),
                "ratio_to_nginx": ratio(values, by_peer.get(REFERENCE, ())),
                "rounds": values,
            }
            for name, values in by_peer.items()
        }
        for measure, by_peer in samples.items()
    }


def as_table(samples: Samples, peers: Sequence[str]) -> str:
    """Return a Markdown table: a row for each measure, a column for each peer, in order.

    The ratio to nginx stands beside each value, in parentheses, where nginx has one.
    """
    peers = [name for name in peers if any(name in by_peer for by_peer in samples.values())]
    rows = [["measure", *peers], ["---", *["---:"] * len(peers)]]
    for measure, by_peer in samples.items():
        row = [measure]
        for name in peers:
            if name not in by_peer:
                row.append("")
                continue
            found = statistics.median(by_peer[name])
            shown = _short(found)
            compared = ratio(by_peer[name], by_peer.get(REFERENCE, ()))
            if compared is not None and name != REFERENCE:
                shown += f" ({_short(compared['median'])})"
            row.append(shown)
        rows.append(row)
    return _joined(rows)


def as_targets(samples: Samples, targets: Iterable[tuple[str, str, Target]]) -> str:
    """Return a Markdown table: for each target what was found, and whether it is met."""
    rows = [["target", "of", "found", "spread of the rounds", "at most", "met"]]
    rows.append(["---", "---", "---:", "---:", "---:", "---"])
    for measure, name, target in targets:
        values = samples.get(measure, {}).get(name)
        if values is None:
            continue
        found, unit = statistics.median(values), ""
        spread = f"{_short(min(values))} to {_short(max(values))}"
        if target.peer is not None:
            compared = ratio(values, samples[measure].get(target.peer, ()))
            if compared is None:
                continue
            found, unit = compared["median"], f" x {target.peer}"
            spread = f"{_short(compared['min'])} to {_short(compared['max'])}"
        met = "yes" if found <= target.most else "**no**"
        rows.append([measure, name, _short(found) + unit, spread, _short(target.most) + unit, met])
    return _joined(rows)


def _joined(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _short(value: float) -> str:
    """Return a number with three digits that count, and none after the point where large."""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
