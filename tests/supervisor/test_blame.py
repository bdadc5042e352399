"""Who takes the CPU from the audio: hours in microseconds."""

from dataclasses import replace

import pytest

from supervisor.blame import BAD_SECONDS, GOOD_SECONDS, WINDOW, Culprit, Judge, Second, Verdict

GOOD = Second(frames=500, late=0, calls=10, idle=0.6, own=0.3)
BAD = replace(GOOD, late=20)


def after(*seconds: Second) -> Verdict | None:
    judge = Judge()
    for second in seconds:
        judge.look(second)
    return judge.verdict


def test_audio_in_time_is_nobodys_fault_whatever_the_machine_does() -> None:
    """High steal alone is no problem: nobody hears it."""
    assert after(*[replace(GOOD, steal=0.4, idle=0.0, own=0.1, throttled=0.9)] * 100) is None


def test_no_calls_no_problem() -> None:
    assert after(*[Second(frames=0, late=0, calls=0, steal=0.5, idle=0.0)] * 100) is None


def test_it_takes_a_few_bad_seconds() -> None:
    assert after(*[BAD] * (BAD_SECONDS - 1)) is None
    assert after(*[BAD] * BAD_SECONDS) is not None


def test_one_frame_in_a_hundred_may_be_late() -> None:
    assert after(*[replace(GOOD, late=5)] * 100) is None
    assert after(*[replace(GOOD, late=6)] * 100) is not None


def test_a_hiccup_now_and_then_is_nobodys_trouble() -> None:
    """As when an audio actor dies, and its successor sends a dozen frames at once."""
    hiccup = replace(GOOD, late=50)
    assert after(*([hiccup] + [GOOD] * (WINDOW // 2)) * 20) is None


def test_it_is_over_after_some_good_seconds_on_end() -> None:
    bad = [BAD] * 5
    assert after(*bad, *[GOOD] * (GOOD_SECONDS - 1)) is not None
    assert after(*bad, *[GOOD] * GOOD_SECONDS) is None


def test_what_comes_and_goes_is_one_trouble() -> None:
    judge = Judge()
    shown = []
    for number in range(600):
        judge.look(BAD if number % 10 < 4 else GOOD)
        shown.append(judge.verdict is not None)
    assert shown.index(True) < 10
    assert all(shown[shown.index(True) :])


def test_the_figures_are_those_of_the_bad_seconds() -> None:
    """Between them the machine copes: half the seconds say nothing of why the others are bad."""
    stolen = replace(BAD, steal=0.5, idle=0.2, own=0.3)
    verdict = after(*[stolen, GOOD] * 5)
    assert verdict is not None
    assert "50 % of this machine's CPU time" in verdict.text


def test_worried_from_the_first_bad_second_until_it_is_over() -> None:
    judge = Judge()
    judge.look(GOOD)
    assert not judge.worried
    judge.look(BAD)
    for _ in range(GOOD_SECONDS):
        assert judge.worried
        judge.look(GOOD)
    assert not judge.worried


@pytest.mark.parametrize(
    ("seen", "culprit", "words"),
    [
        # Shares of the whole machine: what is neither idle, stolen nor ours is others'.
        ({"steal": 0.23, "idle": 0.02, "own": 0.70}, Culprit.HYPERVISOR, ["23 %", "Reserve CPUs"]),
        ({"steal": 0.06, "idle": 0.70, "own": 0.20}, Culprit.HYPERVISOR, ["6.0 %"]),
        ({"steal": 0.06, "idle": 0.02, "own": 0.20}, Culprit.OTHERS, ["72 %", "`CPUWeight=`"]),
        ({"steal": 0.01, "idle": 0.05, "own": 0.30}, Culprit.OTHERS, ["64 %", "`audio.priority`"]),
        ({"steal": 0.01, "idle": 0.05, "own": 0.84}, Culprit.OURSELVES, ["84 %", "10 calls", "`audio.max_calls`"]),
        ({"steal": 0.01, "idle": 0.60, "own": 0.30}, Culprit.UNKNOWN, ["60 %", "`audio.cores`", "`ringmaster dump`"]),
        ({"idle": 0.60, "own": 0.30, "pressure": 0.45}, Culprit.UNKNOWN, ["waits for a CPU 45 %"]),
        ({"idle": None, "own": 0.0}, Culprit.UNKNOWN, ["`ringmaster status`"]),
        ({"steal": 0.3, "idle": 0.0, "own": 0.5, "throttled": 0.4}, Culprit.QUOTA, ["40 %", "`--cpus`"]),
    ],
)
def test_who_is_to_blame(seen: dict[str, float], culprit: Culprit, words: list[str]) -> None:
    verdict = after(*[replace(BAD, **seen)] * 5)  # type: ignore[arg-type]
    assert verdict is not None
    assert verdict.culprit is culprit
    assert verdict.text.startswith("callers hear gaps: 4.0 % of the frames of the last 5 s were late; ")
    for word in words:
        assert word in verdict.text


def test_the_greatest_of_the_other_programs_are_named() -> None:
    programs = (("ffmpeg", 0.44), ("mysqld", 0.12), ("backup", 0.05), ("cron", 0.03))
    verdict = after(*[replace(BAD, idle=0.0, own=0.2, programs=programs)] * 3)
    assert verdict is not None
    assert "(most of all ffmpeg 44 %, mysqld 12 %, backup 5.0 %)" in verdict.text


def test_programs_that_hardly_do_anything_are_not_named() -> None:
    verdict = after(*[replace(BAD, idle=0.0, own=0.2, programs=(("cron", 0.01),))] * 3)
    assert verdict is not None
    assert "most of all" not in verdict.text
