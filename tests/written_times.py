"""Times in a film as people write them, with their seconds: one table for page and server."""

WRITTEN_TIMES = [
    ("90", 90),
    ("90s", 90),
    ("1.5", 1.5),
    ("2m", 120),
    ("1h2m3s", 3723),
    ("1H2M3S", 3723),
    ("1h", 3600),
    ("1m30", 90),
    ("1:30", 90),
    ("1:02:03", 3723),
    (" 5 ", 5),
    ("0", 0),
    ("", 0),
    ("-5", 0),
    ("soon", 0),
    ("1e3", 0),
    ("s", 0),
]
