"""An agent's own file in `config/agents/`: who answers, how they sound, and what they may do."""

from typing import Annotated

from msgspec import Meta, Struct

from config.script import Script, Sentences, ToolName

AgentName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]*$")]


class Voice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the agent sounds."""

    name: str = ""
    """The TTS engine's own name for the voice; empty for its default."""
    words_per_minute: Annotated[int, Meta(ge=80, le=450)] = 165
    """Pace in words per minute."""
    pitch: Annotated[int, Meta(ge=0, le=99)] = 50
    """Pitch; 50 is the voice as it was made. Engines without pitch ignore it."""


class Agent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One agent."""

    name: AgentName
    """Name by which the dialplan and `agents.default_agent` choose it: small letters, digits, `-` and `_`."""
    language: Annotated[str, Meta(pattern="^[a-z]{2,3}(-[a-z0-9]+)*$")] = "en-us"
    """Language that it speaks and understands, as a BCP 47 tag in small letters."""
    voice: Voice = Voice()
    """How it sounds."""
    greeting: Annotated[str, Meta(min_length=1)]
    """Its first words. They are prepared before the call is answered."""
    goodbye: Annotated[str, Meta(min_length=1)] = "Goodbye."
    """Its last words, when it ends the call of its own accord: after long silence, or when the call's time is up."""
    prompt: str = ""
    """Instructions to a language model. The engine `scripted` does not read them; it follows `script`."""
    not_understood: Sentences = ("Sorry, I did not catch that.",)
    """What it says when it heard the caller but did not understand, in turn."""
    no_input: Sentences = ("Are you still there?",)
    """What it says when the caller is silent, in turn."""
    filler: str = "One moment, please."
    """What it says when an answer takes long; empty for nothing."""
    tools: tuple[ToolName, ...] = ()
    """What it may do besides talking: `hang_up` ends the call, `transfer` sends it to one of `transfers`,
    `take_booking` writes a booking down."""
    transfers: tuple[str, ...] = ()
    """Names from `transfers.destinations` that it may send callers to."""
    script: Script | None = None
    """What callers may say and what it answers, for the engine `scripted` and for recognisers that need a grammar."""
