"""Cores as an operator writes and reads them."""

import pytest

from supervisor import cores


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("any", ()),
        ("0", (0,)),
        ("0-3,6", (0, 1, 2, 3, 6)),
        ("6, 2-3", (2, 3, 6)),
        ("1,1,0-1", (0, 1)),
        ("1023", (1023,)),
    ],
)
def test_a_list_is_read(text: str, numbers: tuple[int, ...]) -> None:
    assert cores.parse(text) == numbers


@pytest.mark.parametrize("text", ["", "all", "-1", "1-", "3-1", "0,,1", "0x1", "1024", "99999", "²"])
def test_nonsense_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no list of cores|goes backwards|there is no core"):
        cores.parse(text)


@pytest.mark.parametrize(
    ("numbers", "text"), [((), "-"), ((3,), "3"), ((0, 1, 2, 5), "0-2,5"), ({7, 6, 1}, "1,6-7"), ((0, 2, 4), "0,2,4")]
)
def test_numbers_are_written_as_ranges(numbers: tuple[int, ...], text: str) -> None:
    assert cores.text(numbers) == text
