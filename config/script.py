"""The `script` of an agent: what callers may say, and what is answered. The engine `scripted` plays it.

Texts that the caller says are written in the phrase language (`config/phrases.py`), one phrase a line. Texts that the
agent says are sentences; `{day}` in one stands for what the slot `day` was filled with.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Phrases = str
"""One phrase a line; see `config/phrases.py`."""
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")]
Sentences = Annotated[tuple[str, ...], Meta(min_length=1)]
"""Variants of one thing to say, used in turn."""
ToolName = Literal[
    "hang_up",
    "transfer",
    "cancel_transfer",
    "voicemail",
    "hold",
    "resume",
    "send_digits",
    "record",
    "answer",
    "set_result",
    "take_booking",
]
Result = dict[Name, str]
"""By name, in small letters: `outcome` is the channel variable `AGENT_OUTCOME`, `day` would be `AGENT_DAY`."""


class Tool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to do once the sentence before it has been said."""

    name: ToolName
    """One of the agent's `tools`."""
    arguments: dict[str, str] = field(default_factory=dict)
    """What it needs to know. `transfer`: `destination`, and `reason` for whoever is asked to take an attended one.
    `send_digits`: `digits`. `record`: `action`, which is `start` or `stop`. `set_result` and `take_booking`: anything.
    `"{day}"` is a slot."""


class Words(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words that weigh less, or more, when what was heard is compared with a phrase."""

    ignore: str = "um uh uhm er ah oh hmm well so please okay ok just actually then"
    """Words that say nothing."""
    light: str = (
        "a an the is are am be i you your me my we us our it its to of for do does at on in and that there this "
        "can could would will like with"
    )
    """Words that carry little: one more or less does not matter."""
    negative: str = "not never without"
    """Words that turn the meaning round: a phrase with one never matches speech without it, nor the reverse."""


class Intent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that a caller may want, answered at once."""

    heard: Phrases
    """What callers say."""
    during: str = ""
    """Name of the form that must be open for this to be understood; empty for always."""
    reply: tuple[str, ...] = ()
    """What is answered, in turn when it is asked again."""
    repeat: bool = False
    """After the reply, say once more what was said before."""
    tool: Tool | None = None
    """What is done after the reply."""
    result: Result = field(default_factory=dict)
    """What the dialplan is told of it, as if by the tool `set_result`: `{outcome: booked, day: "{day}"}` sets the
    channel variables `AGENT_OUTCOME` and `AGENT_DAY`."""


class Form(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several questions that belong together, in any order the caller likes, and a confirmation."""

    heard: Phrases
    """What callers say to begin. It may already hold some of the slots."""
    ask: Annotated[dict[str, Sentences], Meta(min_length=1)]
    """The slots to fill, and how each is asked for: the first sentence first, the others when it is asked again."""
    answers: Phrases
    """How callers answer: phrases with the slots, understood only while the form is open."""
    confirm: Sentences
    """Asks whether everything is right, once all slots are filled."""
    reject: Sentences = ("All right, let us change that.",)
    """What is said when it is not; the questions then begin anew, unless the caller has named what to change."""
    done: Sentences
    """What is said when it is."""
    tool: Tool | None = None
    """What is done then."""
    result: Result = field(default_factory=dict)
    """What the dialplan is told then: see `intents.<name>.result`."""
    cancel: Phrases = ""
    """What callers say to leave the form."""
    cancelled: Sentences = ("All right, I have dropped that.",)
    """What is said then."""


class Escalation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way out for callers who are not understood."""

    after: Annotated[int, Meta(ge=1, le=20)] = 3
    """Misunderstandings in a row."""
    offer: Sentences
    """A question that is answered with yes or no."""
    accepted: Sentences
    """What is said after yes."""
    tool: Tool
    """What is done then."""
    declined: Sentences
    """What is said after no."""


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What callers may say and what the agent answers."""

    slots: dict[Name, Phrases] = field(default_factory=dict)
    """Things to be filled in, by name: one spoken form a line, `half past nine = 9:30` where the value is another."""
    yes: Phrases = "yes [please]\n(yeah|yep|sure|right|correct|exactly)\nthat is (right|correct)"
    """What means yes, where a question with yes or no is open."""
    no: Phrases = "no [thanks|thank you]\n(nope|wrong)\nthat is not right"
    """What means no, there."""
    intents: dict[Name, Intent] = field(default_factory=dict)
    """Things that are answered at once, by name. Where two fit equally, the upper one wins."""
    forms: dict[Name, Form] = field(default_factory=dict)
    """Things that take several questions, by name."""
    escalation: Escalation | None = None
    """A way out for callers who are not understood."""
    tool_failed: Sentences = ("Sorry, that did not work.",)
    """What is said when a tool has failed."""
    words: Words = Words()
    """How words weigh."""
