"""What a measured value is compared with, and how all of them are shown."""

from bench.models.figures import Figure, quantile, table


def test_a_figure_holds_up_to_its_bound_and_not_beyond() -> None:
    def first(value: float) -> Figure:
        return Figure(row="first-token", name="first token", value=value, unit="ms", at_most=120)

    def gain(value: float) -> Figure:
        return Figure(row="batch", name="gain", value=value, unit="times", at_least=2)

    assert [first(value).holds for value in (119.9, 120, 120.1)] == [True, True, False]
    assert [gain(value).holds for value in (1.9, 2, 2.1)] == [False, True, True]
    assert Figure(row="stt", name="calls", value=3, unit="calls").holds is None


def test_the_table_says_what_is_asked_and_whether_it_holds() -> None:
    lines = table(
        [
            Figure(row="batch", name="gain", value=1.5, unit="times", at_least=2, note="four calls"),
            Figure(row="voice", name="p50", value=650, unit="ms", at_most=1200),
            Figure(row="tts", name="factor", value=0.0512, unit="s/s"),
        ]
    ).splitlines()

    assert lines[1].split() == ["batch", "gain", "1.5", "times", ">=", "2", "times", "MISSED", "four", "calls"]
    assert lines[2].split() == ["voice", "p50", "650", "ms", "<=", "1200", "ms", "holds"]
    assert lines[3].split() == ["tts", "factor", "0.0512", "s/s"]
    assert len({line.index(word) for line, word in zip(lines[1:3], ("times", "ms"), strict=True)}) == 1


def test_the_share_of_values_below_a_quantile() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(list(range(100)), 0.95) == 95
    assert quantile([], 0.5) == 0
