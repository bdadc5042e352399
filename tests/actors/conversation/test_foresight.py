"""What the model reads before it is asked, so that nobody waits for it to read."""

from actors.conversation import events as ev
from actors.conversation.events import HistoryLine
from actors.conversation.foresight import MORE_WORDS, STEADY_FRAMES, Foresight
from actors.conversation.history import History
from actors.conversation.reply import Clause, Reply
from actors.conversation.speech import Utterance

HOURS = "what are your opening hours"


class Reading:
    """A call in which frames come, and what the model is given to read of it."""

    def __init__(self, *lines: HistoryLine) -> None:
        self.done: list[ev.Action] = []
        self.history = History(lines)
        self.foresight = Foresight(self.done.append, self.history)
        self.utterance = Utterance(1, from_frame=0, onset_ns=0, last=0, last_ns=0, speech_frames=0)
        self.cut: Reply | None = None
        self._frame = 0

    def says(self, text: str) -> None:
        """The recogniser's guess, with the caller still speaking."""
        self.utterance.text = text
        self._hear(speech=True)

    def is_silent(self, frames: int) -> None:
        for _ in range(frames):
            self._hear(speech=False)

    def _hear(self, *, speech: bool) -> None:
        self._frame += 1
        frame = ev.FrameHeard(self._frame, 0, speech)
        self.utterance.hear(frame)
        self.foresight.follow(frame, self.utterance, self.cut)

    @property
    def read(self) -> list[list[tuple[str, str]]]:
        prepared = [action for action in self.done if isinstance(action, ev.Prepare)]
        return [[(line.who, line.text) for line in action.lines] for action in prepared]


def test_what_the_caller_said_is_read_as_soon_as_they_pause() -> None:
    call = Reading()
    call.says(HOURS)
    call.is_silent(STEADY_FRAMES - 1)
    assert call.read == []
    call.is_silent(1)
    assert call.read == [[("caller", HOURS)]]


def test_nothing_is_read_twice() -> None:
    call = Reading()
    call.says(HOURS)
    call.is_silent(3 * STEADY_FRAMES)
    assert len(call.read) == 1


def test_a_last_word_that_is_understood_in_the_silence_is_read_too() -> None:
    call = Reading()
    call.says("what are your opening")
    call.is_silent(STEADY_FRAMES)
    call.utterance.text = HOURS
    call.is_silent(1)
    assert call.read[-1] == [("caller", HOURS)]


def test_before_anything_is_understood_there_is_nothing_to_read() -> None:
    call = Reading()
    call.is_silent(2 * STEADY_FRAMES)
    assert call.read == []


def test_the_agents_answer_is_read_when_it_has_been_heard() -> None:
    call = Reading()
    call.history.ask(HOURS)
    call.history.answered("Eight to six.")
    call.foresight.answered()
    assert call.read == [[("caller", HOURS), ("agent", "Eight to six.")]]


def test_words_on_which_two_guesses_agree_are_read_in_a_long_turn() -> None:
    call = Reading()
    words = [f"word{number}" for number in range(2 * MORE_WORDS)]
    for count in range(1, len(words) + 1):
        call.says(" ".join(words[:count]))
    first, second = MORE_WORDS, 2 * MORE_WORDS
    assert call.read[0] == [("caller", " ".join(words[:first]))], "the newest word may still change"
    assert len(call.read) == (second - 1) // MORE_WORDS


def test_a_guess_that_keeps_changing_is_not_read() -> None:
    call = Reading()
    for number in range(3 * MORE_WORDS):
        call.says(" ".join(f"word{number}.{at}" for at in range(MORE_WORDS + 1)))
    assert call.read == []


def test_what_was_heard_of_an_interrupted_answer_stands_before_the_interruption() -> None:
    call = Reading()
    call.history.ask("where are you")
    call.cut = Reply("answer", 1, 1, [Clause("Twelve Maple Street.", 0, 800)], played=800)
    call.says("and your hours")
    call.is_silent(STEADY_FRAMES)
    foreseen = [("caller", "where are you"), ("agent", "Twelve Maple Street."), ("caller", "and your hours")]
    assert call.read == [foreseen]
    call.history.answered(call.cut.heard())
    asked = call.history.ask("and your hours")
    assert [(line.who, line.text) for line in asked] == foreseen, "the question is what was foreseen"


def test_who_goes_on_before_an_answer_is_heard_replaces_what_they_said() -> None:
    call = Reading(HistoryLine("agent", "Hello."))
    call.history.ask("on monday")
    call.says("on monday at nine")
    call.is_silent(STEADY_FRAMES)
    assert call.read == [[("agent", "Hello."), ("caller", "on monday at nine")]]
