"""What was measured, as a Markdown table and as JSON: medians, and ratios to nginx."""

import statistics
from collections.abc import Mapping

# By measure, then by peer: one value for each round, in order.
Samples = dict[str, dict[str, list[float]]]

REFERENCE = "nginx"


def ratio(values: list[float], reference: list[float]) -> dict[str, float]:
    """Return the ratio of the medians, and the least and greatest of the rounds' ratios.

    Each round's values stand beside each other in time, so the spread of their ratios
    shows how far to trust the median.
    """
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
                "ratio_to_nginx": ratio(values, by_peer[REFERENCE]),
                "rounds": values,
            }
            for name, values in by_peer.items()
        }
        for measure, by_peer in samples.items()
    }


def as_table(samples: Samples) -> str:
    """Return a Markdown table: a row for each measure, columns for each peer and its ratio."""
    first = next(iter(samples.values()))
    # The order in which peers ran differs from round to round, their order here does not.
    others = sorted((name for name in first if name != REFERENCE), reverse=True)
    titles = ["measure", REFERENCE]
    for name in others:
        titles += [name, f"{name} / {REFERENCE} (rounds)"]
    rows = [titles, ["---", *["---:"] * (len(titles) - 1)]]
    for measure, by_peer in samples.items():
        row = [measure, f"{statistics.median(by_peer[REFERENCE]):.3f}"]
        for name in others:
            found = ratio(by_peer[name], by_peer[REFERENCE])
            row.append(f"{statistics.median(by_peer[name]):.3f}")
            row.append(f"**{found['median']:.2f}** ({found['min']:.2f} to {found['max']:.2f})")
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
