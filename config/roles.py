"""Which part of the system runs here, where engines are on another machine than the calls: `ringmaster up --role`.

    all         everything in one box, with no socket between conversation and engines
    ai-server   STT, LLM and TTS actors and the gateway, which lends them to others; no Asterisk, no audio
    engine      everything else; its engines are those of a gateway elsewhere (`local.ws_url`)

The role is in the environment, so that every actor, and the program that follows this one upon `ringmaster restart`,
reads the same file in the same way.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import structs

from config import addresses
from config.decode import Decoder
from config.schema import Pipeline, Settings

Role = Literal["all", "ai-server", "engine"]
ROLES: tuple[Role, ...] = get_args(Role)

VARIABLE = "RINGMASTER_ROLE"
"""In the environment; without it, the role is `all`."""

LENT = Pipeline(stt="gateway", llm="gateway", tts="gateway")
"""The engines that are elsewhere."""


def role_of(environment: Mapping[str, str], decoder: Decoder) -> Role:
    """The role that this process has its part in. An unknown one is noted as a mistake."""
    name = environment.get(VARIABLE) or "all"
    if name not in ROLES:
        decoder.note((), f"{VARIABLE} is `{name}` in the environment; it can be {', '.join(ROLES)}.")
        return "all"
    return name


def applied(settings: Settings, role: Role) -> Settings:
    """The settings as they hold in this role."""
    if role == "engine":
        settings = structs.replace(settings, pipelines=dict.fromkeys(settings.pipelines, LENT))
    if role == "ai-server":
        # A provider answers calls, and there are none here.
        serving = structs.replace(settings.gateway, enabled=True)
        settings = structs.replace(settings, gateway=serving, default_provider="")
    return settings


def check(settings: Settings, decoder: Decoder) -> None:
    """Notes it where a gateway would let in everybody."""
    gateway = settings.gateway
    if gateway.enabled and not gateway.token and not loopback(gateway.host):
        message = f"on {gateway.host} others can reach the gateway: set a token, which its clients must show."
        decoder.note(("gateway", "token"), message)


def loopback(host: str) -> bool:
    """Whether only this machine can reach that address; a name other than `localhost` is taken for one that others
    can reach."""
    try:
        return addresses.address(host).is_loopback
    except ValueError:
        return host == "localhost"
