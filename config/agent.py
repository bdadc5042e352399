"""An agent's own file in `config/agents/`: who answers, how they sound, and what they may do."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from config.script import Name, Phrases, Script, Sentences, ToolName

AgentName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]*$")]
Text = Annotated[str, Meta(min_length=1)]


class Voice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the agent sounds."""

    name: str = ""
    """The TTS engine's own name for the voice; empty for its default."""
    words_per_minute: Annotated[int, Meta(ge=80, le=450)] = 165
    """Pace in words per minute."""
    pitch: Annotated[int, Meta(ge=0, le=99)] = 50
    """Pitch; 50 is the voice as it was made. Engines without pitch ignore it."""


class Consulting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said in an attended transfer, to the caller and to the person who is called. `{destination}` is the
    destination's `title`, `{reason}` what the tool `transfer` was given as `reason`."""

    trying: str = "I am trying to reach {destination}. Please stay on the line."
    """To the caller when it begins to ring; empty for nothing."""
    waiting: Sentences = ("I am still trying to reach them.",)
    """To a caller who is silent while it rings, in turn, in place of `no_input`."""
    announce: Text = "A call from {caller_name}. {reason} Press one or say yes to take it, two or no to decline."
    """To the person, as soon as they answer."""
    again: Text = "Press one or say yes to take the call, two or no to decline."
    """To the person, once, when their answer was not clear or did not come."""
    accept: Phrases = (
        "yes [please|sure|of course]\n(yeah|yep|sure|okay|all right)\n"
        "(put|send) (them|him|her) (through|over)\n[i will|i'll] take (it|the call|them)\ngo ahead"
    )
    """What the person says to take the call, one phrase a line. The key 1 always does."""
    decline: Phrases = (
        "no [thanks|thank you|sorry]\nnope\nnot (now|right now|today)\n(i can't|i can not|i cannot)\n"
        "[i am|i'm] [too] busy\n[please] take a message"
    )
    """What the person says to decline. The key 2 always does."""
    other: Phrases = (
        "(hello|hi|hey) [there|yes]\n[hello] good (morning|afternoon|evening)\n[hello] [this is] [doctor] speaking\n"
        "who (is it|is this|is that|is calling|are you)\n(what|what is it|what is this about|sorry|pardon)\n"
        "(one|just a) (moment|second)\n(um|uh|well)"
    )
    """What they may say besides, which is neither, for recognisers that hear only what they expect: one that knows
    nothing but yes and no takes a hello for a no."""
    no_answer: Text = "Nobody answers there at the moment. What else can I do for you?"
    """To the caller who is back, when nobody answered, or nobody decided in time."""
    busy: Text = "They are on another call right now. What else can I do for you?"
    """The same, when it was busy."""
    declined: Text = "They cannot take your call right now. What else can I do for you?"
    """The same, when the person declined."""
    cancelled: Text = "All right, I have stopped trying. What else can I do for you?"
    """The same, when the caller wanted it no more: by the tool `cancel_transfer`, or with the key 0 or *."""
    failed: Text = "I could not reach them. What else can I do for you?"
    """The same, for any other reason."""


class Agent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One agent. In all that it says, `{caller_name}` and `{caller_number}` stand for who is calling, and the names of
    `variables` for what the call brings with it."""

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
    trouble: str = "I am sorry, something does not work here. I am passing you on."
    """What it says when it cannot go on, for want of an engine, before the caller goes to `transfers.on_failure`."""
    unreachable: str = "I am sorry, {destination} cannot be reached right now. What else can I do for you?"
    """What it says when nobody at a destination with `check` can answer. `{destination}` is its `title`."""
    outbound_greeting: str = ""
    """Its first words in a call that it makes, once a person has answered; empty: `greeting`."""
    consult: Consulting = Consulting()
    """What it says in an attended transfer."""
    variables: dict[Name, str] = field(default_factory=dict)
    """Names, in small letters, that its sentences may hold in braces, each with what is said where a call brings no
    such variable: `{customer: dear customer}` for `{customer}`."""
    tools: tuple[ToolName, ...] = ()
    """What it may do besides talking. `hang_up` ends the call. `transfer` sends it to one of `transfers`, and
    `cancel_transfer` calls an attended one off while it rings. `voicemail` sends it to `transfers.voicemail`. `hold`
    plays music until the agent speaks again, or `resume` ends it. `send_digits` presses keys, `record` starts and stops
    a recording, `answer` answers a call that hears the agent as early media, `set_result` returns values to the
    dialplan, `take_booking` writes a booking down."""
    transfers: tuple[str, ...] = ()
    """Names from `transfers.destinations` that it may send callers to."""
    hears: Literal["anything", "script"] = "anything"
    """What a recogniser that can take dictation listens for: `anything`, or only what `script` expects, which it then
    hears better. Recognisers that need a grammar always get the script's."""
    script: Script | None = None
    """What callers may say and what it answers, for the engine `scripted` and for recognisers that need a grammar."""
