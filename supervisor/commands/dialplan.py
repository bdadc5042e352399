"""`ringmaster dialplan`: the lines that Asterisk or FreePBX need, for copying."""

import argparse
import json
import secrets
import sys

from supervisor.commands import common
from supervisor.snippets import NobodyToRing, Snippets, Wishes

FINE, WRONG_USE = 0, 2

PASSWORD_BYTES = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Prints the lines for Asterisk's dialplan, made from the settings: the way to the agent, and a person who rings"
        " when the agent is away, full, or cannot go on."
    )
    common.add_config(parser)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--freepbx", action="store_true", help="for FreePBX, with what to click")
    kind.add_argument("--direct", action="store_true", help="without ARI: AudioSocket() in the dialplan")
    kind.add_argument(
        "--ari", action="store_true", help="http.conf, ari.conf (with a new password) and musiconhold.conf instead"
    )
    parser.add_argument("--person", default="", metavar="PJSIP/200", help="who rings (default: the first destination)")
    parser.add_argument("--agent", default="", metavar="NAME", help="which agent answers (AI_AGENT)")
    parser.add_argument("--provider", default="", metavar="NAME", help="which provider or pipeline (AI_PROVIDER)")
    parser.add_argument("--profile", default="", metavar="NAME", help="which of `audio_profiles` (AI_AUDIO_PROFILE)")
    parser.add_argument("--early-media", action="store_true", help="the agent is heard before the call is answered")
    parser.add_argument("--extension", default="", metavar="1000", help="by which telephones here reach the agent")
    parser.add_argument(
        "--context", default="from-internal", help="of that extension (default: %(default)s)", metavar="NAME"
    )
    parser.add_argument("--asterisk", default="", metavar="NAME", help="one of `more_asterisks`")
    parser.add_argument("--json", action="store_true", help="one JSON object: name of the file, and its lines")


def run(arguments: argparse.Namespace) -> int:
    config = common.loaded(arguments)
    settings = config.settings
    for option, wanted, known in (
        ("--agent", arguments.agent, config.agents),
        ("--profile", arguments.profile, settings.audio_profiles),
        ("--asterisk", arguments.asterisk, settings.more_asterisks),
    ):
        if wanted and wanted not in known:
            return _wrong(
                f"{option}: the configuration has no `{wanted}`; it has: {', '.join(sorted(known)) or 'none'}"
            )
    wishes = Wishes(
        person=arguments.person,
        agent=arguments.agent,
        provider=arguments.provider,
        profile=arguments.profile,
        early_media=arguments.early_media,
        extension=arguments.extension,
        context=arguments.context,
    )
    for option, text in (("--person", wishes.person), ("--provider", wishes.provider), ("--context", wishes.context)):
        if any(not character.isprintable() or character in ";()" for character in text):
            return _wrong(f"{option}: {text!r} cannot stand in a dialplan")
    snippets = Snippets(settings, wishes, arguments.asterisk)
    try:
        files = _files(snippets, arguments)
    except NobodyToRing as error:
        return _wrong(str(error))
    print(json.dumps(files) if arguments.json else "\n".join(files.values()).rstrip())
    return FINE


def _files(snippets: Snippets, arguments: argparse.Namespace) -> dict[str, str]:
    if arguments.ari:
        return {
            "http.conf": snippets.http_conf(),
            "ari.conf": snippets.ari_conf(secrets.token_urlsafe(PASSWORD_BYTES)),
            "musiconhold.conf": snippets.musiconhold_conf(),
        }
    if arguments.freepbx:
        return {"extensions_custom.conf": snippets.freepbx()}
    return {"extensions.conf": snippets.direct() if arguments.direct else snippets.plain()}


def _wrong(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return WRONG_USE
