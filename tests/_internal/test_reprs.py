"""Tables as they are printed."""

import pytest

from minitorch_np._internal.reprs import bytes_text, text_table


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (512_000, "512.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (2_345_600_000_000, "2,345.6 GB"),
    ],
)
def test_bytes(count, text):
    assert bytes_text(count) == text


def test_the_first_column_stands_left_and_the_others_right(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert text_table(("name", "n"), [("a", "1,000"), ("long name", "2")]).splitlines() == [
        "name           n",
        "a          1,000",
        "long name      2",
    ]


def test_what_is_too_long_for_the_terminal_is_cut_in_the_first_column(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    lines = text_table(("name", "n"), [("x" * 100, "1,000"), ("y", "2")]).splitlines()
    assert lines[1] == "x" * 32 + "…  1,000"
    assert [len(line) for line in lines] == [40, 40, 40]
    monkeypatch.setenv("COLUMNS", "5")
    assert text_table(("name", "n"), [("x" * 100, "1,000")]).splitlines()[1] == "x" * 23 + "…  1,000"
