"""Every threat of THREAT_MODEL.md has an attack here that bears its id, and the other way round."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODEL = (ROOT / "THREAT_MODEL.md").read_text()


def test_every_threat_is_attacked_and_every_attack_has_a_threat() -> None:
    files = Path(__file__).parent.glob("test_threats_*.py")
    names = "".join(file.read_text() for file in files)
    attacked = {
        int(number) for number in re.findall(r"^(?:async )?def test_t(\d\d)_", names, re.MULTILINE)
    }
    listed = [int(number) for number in re.findall(r"^\| T(\d\d) \|", MODEL, re.MULTILINE)]
    assert listed == sorted(set(listed)) == list(range(1, len(listed) + 1))
    assert attacked == set(listed)


def test_proofs_that_are_named_exist() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", MODEL)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
