"""What an operator sees of a download."""

from io import StringIO

import pytest

from models.progress import Bar, line


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("there", "speed", "text"),
    [
        (0, 0.0, "m.zip  [............................]   0%  0.0 of 40.0 MB"),
        (20_000_000, 2e6, "m.zip  [##############..............]  50%  20.0 of 40.0 MB  2.0 MB/s  0:10 left"),
        (40_000_000, 2e6, "m.zip  [############################] 100%  40.0 of 40.0 MB"),
    ],
)
def test_a_line_says_how_far_it_is(there: int, speed: float, text: str) -> None:
    assert line("m.zip", there, 40_000_000, speed) == text


def test_a_terminal_has_one_line_that_is_drawn_again() -> None:
    out = Terminal()
    bar = Bar("m.zip", 1000, out)
    bar.came(400)
    bar.came(600)
    bar.done()
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().rpartition("\r")[2].startswith("m.zip  [############################] 100%")


def test_what_is_said_meanwhile_has_a_line_of_its_own() -> None:
    out = Terminal()
    bar = Bar("m.zip", 1000, out)
    bar.came(400)
    bar.say("a mirror stalls")
    assert "\r\x1b[K  a mirror stalls\n" in out.getvalue()


def test_a_log_has_few_lines_and_no_control_characters() -> None:
    out = StringIO()
    bar = Bar("m.zip", 1000, out)
    for _ in range(1000):
        bar.came(1)
    bar.done()
    assert out.getvalue() == "  m.zip: complete, 1,000 bytes\n"
