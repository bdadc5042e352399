"""The picture of a call: it is XML, everything that was said is in it, and in its place."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from bench.caller import Line
from bench.report import PARTS
from bench.timeline import AGENT, CALLER, CUT, LEFT, PART_COLOURS, RIGHT, ROW, ROW_S, TOP, WIDTH, draw
from ipc.journal import Record
from tests.bench.call import agent, at, barged_in, caller, ended, spoken, started, timed

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = 'Tom & "Jerry" <script>alert(1)</script> ]]>'

RECORDS: tuple[Record, ...] = (
    started(),
    agent(300, 2000, "Good morning.", kind="greeting"),
    caller(3000, 4000, "are you open", 1),
    timed(4000, 1),
    agent(4475, 9000, "Yes, until nine, every day.", 1, heard="Yes,", played=200),
    barged_in(8800, 2),
    caller(8800, 9800, "", 2),
    timed(9800, 2),
    agent(10_275, 17_000, HOSTILE, 2),
    ended(33_000),
)
SENT = [(at(2990), at(3990), "are you open"), (at(8790), at(9790), "seventeen purple bicycles & more")]


def picture(
    records: Sequence[Record] = RECORDS, sent: Sequence[tuple[int, int, str]] = tuple(SENT)
) -> ElementTree.Element:
    return ElementTree.fromstring(draw(records, sent))


def bars(svg: ElementTree.Element, colour: str) -> list[ElementTree.Element]:
    return [bar for bar in svg.iter(f"{SVG}rect") if bar.get("fill") == colour and bar.find(f"{SVG}title") is not None]


def titles(svg: ElementTree.Element, colour: str) -> list[str]:
    return [bar.findtext(f"{SVG}title") or "" for bar in bars(svg, colour)]


def words(svg: ElementTree.Element) -> str:
    return " ".join("".join(text.itertext()) for text in svg.iter(f"{SVG}text"))


def place(bar: ElementTree.Element) -> tuple[float, float]:
    """Second of the call at which it begins, and its length."""
    scale = (WIDTH - LEFT - RIGHT) / ROW_S
    row = (float(bar.get("y", "")) - TOP) // ROW
    return row * ROW_S + (float(bar.get("x", "")) - LEFT) / scale, float(bar.get("width", "")) / scale


def test_every_reply_is_in_it_with_what_was_heard_of_it() -> None:
    svg = picture()
    assert titles(svg, AGENT) == ["Good morning.", "Yes,", HOSTILE, HOSTILE], "the last one goes on in the next row"
    assert "Good morning." in words(svg)


def test_every_line_of_the_caller_is_in_it_as_they_said_it() -> None:
    assert titles(picture(), CALLER) == ["are you open", "seventeen purple bicycles & more"]


def test_what_the_caller_did_not_hear_is_shown_as_cut() -> None:
    assert titles(picture(), CUT) == [" until nine, every day."]


def test_every_turns_time_is_in_it_part_by_part() -> None:
    svg = picture()
    for part in PARTS:
        assert [title.split(":")[0] for title in titles(svg, PART_COLOURS[part])] == [part, part]
    assert "475 ms" in words(svg)


def test_interruptions_and_what_was_not_understood_are_marked() -> None:
    assert "interrupted, silent after 130 ms" in words(picture())
    assert "not understood" in words(picture())


def test_bars_are_where_they_were_in_time() -> None:
    (first, length), *_ = (place(bar) for bar in bars(picture(), AGENT))
    assert first == pytest.approx(0.3, abs=0.01)
    assert length == pytest.approx(1.72, abs=0.01)
    begin, length = place(bars(picture(), PART_COLOURS["endpointing"])[0])
    assert begin == pytest.approx(4.0, abs=0.01)
    assert length == pytest.approx(0.4, abs=0.01)


def test_what_lasts_into_the_next_row_goes_on_there() -> None:
    *_, before, after = (place(bar) for bar in bars(picture(), AGENT))
    assert before[0] + before[1] == pytest.approx(15.0, abs=0.01)
    assert after[0] == pytest.approx(15.0, abs=0.01)
    assert before[1] + after[1] == pytest.approx(6.745, abs=0.02)


def test_nothing_is_drawn_outside_the_picture() -> None:
    svg = picture()
    height = float(svg.get("height", ""))
    for bar in svg.iter(f"{SVG}rect"):
        if bar.get("x"):
            assert float(bar.get("x", "")) >= 0 and float(bar.get("x", "")) + float(bar.get("width", "")) <= WIDTH
            assert 0 <= float(bar.get("y", "")) <= height


def test_the_title_tells_how_long_the_call_was_and_how_fast_the_answers() -> None:
    assert "Call of 33 s with desk, answers in 475 ms (median)" in words(picture())
    assert "pocketsphinx + scripted + espeak" in words(picture())


def test_hostile_text_stays_text() -> None:
    assert not re.search("<script", draw(RECORDS, SENT))


def test_a_call_without_a_word_has_a_picture_too() -> None:
    svg = picture((started(), ended(400)), ())
    assert "Call of 0 s with desk" in words(svg) and titles(svg, AGENT) == []


def test_a_call_that_is_still_under_way_is_drawn_up_to_its_last_record() -> None:
    assert "Call of 9 s" in words(picture(RECORDS[:5], SENT[:1]))


def test_a_reply_that_was_never_heard_is_not_drawn() -> None:
    silent = replace(agent(5000, 5000, "Never heard.", 1, heard="", played=0), first_ns=0, last_ns=0)
    assert titles(picture((started(), silent, ended(9000)), ()), AGENT) == []


def test_a_line_that_was_never_said_because_the_call_had_ended_is_left_out() -> None:
    assert titles(picture(RECORDS, [*SENT, (0, 0, "hello?")]), CALLER) == [text for _, _, text in SENT]


def test_a_long_reply_is_cut_to_its_place_and_whole_under_the_pointer() -> None:
    long = "word " * 200
    svg = picture((started(), agent(300, 2000, long), agent(2100, 3000, "Next."), ended(9000)), ())
    assert titles(svg, AGENT)[0] == long
    shown = [text for text in svg.iter(f"{SVG}text") if text.get("fill") == AGENT]
    assert len(shown) == 3 and all(len(text.text or "") < 60 for text in shown), "two lines and the next one's"


def test_what_the_caller_said_by_the_wire_can_be_drawn() -> None:
    line = spoken(Line("hello"), 1000, 1500)
    svg = picture((started(), ended(9000)), [(line.onset_ns, line.speech_end_ns, line.line.text)])
    assert titles(svg, CALLER) == ["hello"]
