"""What to expect of this machine: how soon it answers, and how many calls it keeps up with. From what was measured.

A turn of a conversation, as we reckon with it: the caller speaks for 4 s, the agent answers 25 tokens, which last 5 s,
and after 10 s it begins anew. What the caller says is 20 tokens, with what the template adds 40.

    answer_ms   end of the caller's turn (the setting) + what the recogniser still has to do + reading + writing the
                first clause (8 tokens) + its first audio
    calls       how many such conversations take half of the computing that there is: with more, they begin to wait
                for each other
"""

import math

from models.measured import Measured

TURN_S = 10.0
HEARD_S = 4.0
SPOKEN_S = 5.0
READ_TOKENS = 40
WRITTEN_TOKENS = 25
CLAUSE_TOKENS = 8

LAST_HEARD_S = 0.2
"""Of speech that a recogniser has not yet looked at when the turn ends: it works in steps of that length."""

BUSY = 0.5
"""Of the cores: at most, on average. Callers do not take turns with each other."""


def answer_ms(measured: Measured | None, end_silence_ms: float) -> float:
    """From the caller's last sound to the first of the answer, with one call; 0 where not all was measured.

    Of the prompt only what the caller said last is read: the rest was read before.
    """
    if not _whole(measured):
        return 0.0
    assert measured is not None and measured.stt is not None and measured.llm is not None and measured.tts is not None
    heard = 1000.0 * LAST_HEARD_S * measured.stt.real_time_factor
    read = 1000.0 * READ_TOKENS / measured.llm.prompt_tokens_per_s
    written = 1000.0 * CLAUSE_TOKENS / measured.llm.tokens_per_s
    return end_silence_ms + heard + read + written + measured.tts.first_audio_ms


def calls(measured: Measured | None, cores: float) -> int:
    """Conversations at once on so many cores; 0 where not all was measured. The language model's figures are those of
    all cores together, the recogniser's those of one."""
    if not _whole(measured):
        return 0
    assert measured is not None and measured.stt is not None and measured.llm is not None and measured.tts is not None
    llm = measured.llm
    rate = max(llm.batched_tokens_per_s, llm.tokens_per_s)
    model_s = (READ_TOKENS / llm.prompt_tokens_per_s + WRITTEN_TOKENS / rate) * cores
    voice_s = SPOKEN_S * measured.tts.real_time_factor * max(1, measured.tts.threads)
    turn_s = HEARD_S * measured.stt.real_time_factor + model_s + voice_s
    return max(1, math.floor(BUSY * cores * TURN_S / turn_s))


def _whole(measured: Measured | None) -> bool:
    return (
        measured is not None
        and measured.stt is not None
        and measured.stt.real_time_factor > 0
        and measured.llm is not None
        and measured.llm.prompt_tokens_per_s > 0
        and measured.llm.tokens_per_s > 0
        and measured.tts is not None
        and measured.tts.real_time_factor > 0
    )
