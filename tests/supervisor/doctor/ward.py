"""What the doctor's tests share: a configuration for a stand-in, and the findings by name."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from bench.asterisk import Asterisk, Dialplan, Hangup, Stasis
from config.load import Config
from supervisor.doctor.findings import Finding
from supervisor.doctor.survey import House, Options, survey
from tests.supervisor.stage import DEADLINE_S, configuration

APP = "asterisk-ai-voice-agent"
USER, PASSWORD = "doctor", "apple-a-day"
DIALPLAN: Dialplan = {"inbound": {"1000": [Stasis(APP)]}, "people": {"100": [Hangup()]}, "out": {"1": [Hangup()]}}

SHOWN = f"""\
[ Context 'stasis-{APP}' created by 'res_stasis' ]
  '_.' =>           1. Stasis({APP})                              [res_stasis]

[ Context 'inbound' created by 'pbx_config' ]
  '1000' =>         1. NoOp(call from ${{CALLERID(num)}})           [extensions.conf:14]
                    2. Stasis({APP})                              [extensions.conf:15]
                    3. GotoIf($["${{STASISSTATUS}}" = "FAILED"]?person) [extensions.conf:17]
                    4. Hangup()                                   [extensions.conf:20]
     [person]       5. Dial(PJSIP/100,30)                         [extensions.conf:21]
  '1001' =>         1. Answer()                                   [extensions.conf:23]
                    2. Stasis({APP},vip)                          [extensions.conf:24]
                    3. Hangup()                                   [extensions.conf:25]
  '1003' =>         1. Echo()                                     [extensions.conf:30]
"""
"""What a real Asterisk's console says of such extensions."""


def patient(folder: Path, asterisk: Asterisk | int, /, **sections: dict[str, object]) -> Config:
    """A configuration for this Asterisk, or for its port, with files that it can play; `sections` go over it."""
    port = asterisk if isinstance(asterisk, int) else asterisk.port
    media = folder / "media"
    media.mkdir(exist_ok=True)
    usual: dict[str, dict[str, object]] = {
        "asterisk": {"port": port, "username": USER, "password": PASSWORD},
        "transfers": {"destinations": {"person": {"context": "people", "extension": "100"}}, "voicemail": ""},
        "streaming": {"media_directory": str(media), "media_uri": f"sound:{media}"},
        "outbound": {"endpoint": "Local/{number}@out"},
    }
    return configuration(
        folder, **{name: {**usual.get(name, {}), **sections.get(name, {})} for name in usual | sections}
    )


def examine(config: Config, options: Options | None = None) -> Coroutine[Any, Any, dict[str, Finding]]:
    return named(survey(House(config=config), options or Options(seconds=1.0)))


async def named(found: Coroutine[Any, Any, Iterable[Finding]]) -> dict[str, Finding]:
    """The findings by their names; of two with one name the worse."""
    by_name: dict[str, Finding] = {}
    for finding in await found:
        if finding.check not in by_name or by_name[finding.check].level == "ok":
            by_name[finding.check] = finding
    return by_name


async def in_the_call(asterisk: Asterisk, examination: "asyncio.Task[dict[str, Finding]]") -> None:
    """Until the doctor measures the line."""
    while not asterisk.bridges:
        assert not examination.done(), examination.result()
        await asyncio.sleep(0.01)


async def deserted(asterisk: Asterisk) -> None:
    """Until nothing of the doctor's is left there; the test's deadline ends the waiting."""
    while asterisk.channels or asterisk.bridges or asterisk.applications:
        await asyncio.sleep(0.01)


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(2 * DEADLINE_S):
            await scene()

    asyncio.run(run())


def console(folder: Path, says: str = SHOWN) -> str:
    """A program that is Asterisk's console, and says that of any `dialplan show`."""
    (folder / "shown").write_text(says)
    program = folder / "console"
    program.write_text(
        f"""#!/bin/sh
case "$1" in
"dialplan show") cat {folder}/shown;;
"moh show classes") echo "Class: default";;
*) echo nothing;;
esac
"""
    )
    program.chmod(0o755)
    return str(program)
