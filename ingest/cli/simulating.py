"""What ``simulate`` does: choose who sends, play the plan, print the verdict."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.key_pairs import private_keys
from ingest.cli.located import located_settings
from ingest.cli.located_config import located_config
from ingest.cli.playing import Played, Player
from ingest.config.mistakes import did_you_mean
from ingest.config.settings import Settings, running_pipeline
from ingest.origin import origin
from ingest.simulator.days import NEEDS, can_play
from ingest.simulator.plan import Wanted, mixed_up, plan
from ingest.simulator.planned import Day
from ingest.simulator.scorecard import Verdict
from ingest.simulator.senders import Sender, senders_of


@dataclass(frozen=True)
class Cast:
    """Who sends, and why the other sources, by name, do not."""

    senders: list[Sender]
    left_out: dict[str, str]


def chosen_days(named: Sequence[str]) -> tuple[Day, ...]:
    """The days of ``--day``, each once, in any spelling of a list. Raises CommandFailed."""
    words = [word.strip() for text in named for word in text.split(",") if word.strip()]
    for word in words:
        if word not in list(Day):
            raise CommandFailed(
                f"there is no day {word!r}; {did_you_mean(word, list(Day))}", Exit.USAGE
            )
    return tuple(Day(word) for word in dict.fromkeys(words)) or tuple(Day)


def simulate_days(wanted: Wanted, sources: Sequence[str], *, as_json: bool) -> bool:
    """Play a plan, print its verdict, and say whether all was as expected."""
    settings = located_settings()
    if running_pipeline(settings.data) is None and "HOOKKEEPER_PORT" not in os.environ:
        raise CommandFailed(
            "no pipeline runs in this folder, and HOOKKEEPER_PORT names none. Nothing was sent.",
            Exit.UNREACHABLE,
        )
    start = time.time_ns() // 1_000_000
    cast = _cast(settings, sources, start)
    missing = [day for day in wanted.days if not any(can_play(day, who) for who in cast.senders)]
    if len(missing) == len(wanted.days):
        raise CommandFailed(_nobody(cast, missing), Exit.USAGE)
    planned = plan(cast.senders, wanted, start=start, run=str(start))
    names = [sender.source.name for sender in cast.senders]
    player = Player(origin(settings.host, settings.port), names)
    played = asyncio.run(player.play(planned))
    verdict = player.card.verdict()
    if as_json:
        _print_document(wanted, cast, missing, played, verdict)
    else:
        _print_verdict(wanted, cast, missing, played, verdict)
    return verdict.as_expected and not played.interrupted


def _cast(settings: Settings, names: Sequence[str], now: int) -> Cast:
    """Everybody who can send to the sources. Raises CommandFailed for an unknown one."""
    known = located_config(settings).sources
    for name in names:
        if name not in known:
            raise CommandFailed(f"there is no source {name!r}; {did_you_mean(name, known)}",
                                Exit.USAGE)  # fmt: skip
    wanted = {name: source for name, source in known.items() if not names or name in names}
    address = settings.origin
    keys = private_keys(settings.data)
    senders, left_out = senders_of(wanted, lambda name: f"{address}/in/{name}", now, keys)
    left_out |= mixed_up(senders, now)
    return Cast([each for each in senders if each.source.name not in left_out], left_out)


def _nobody(cast: Cast, missing: Sequence[Day]) -> str:
    lines = [f"{day}: needs {NEEDS.get(day, 'a source that can be sent to')}" for day in missing]
    lines += [f"{name}: {reason}" for name, reason in cast.left_out.items()]
    return "nothing can be played here, and nothing was sent.\n" + "\n".join(lines)


def _print_document(
    wanted: Wanted, cast: Cast, missing: Sequence[Day], played: Played, verdict: Verdict
) -> None:
    output.document(
        {
            "as_expected": verdict.as_expected and not played.interrupted,
            "seed": wanted.seed,
            "seconds": round(played.seconds, 3),
            "behind_seconds": round(played.behind, 3),
            "interrupted": played.interrupted,
            "sources": [sender.source.name for sender in cast.senders],
            "left_out": cast.left_out,
            "days_left_out": list(missing),
            **output.plain(verdict),
        }
    )


def _print_verdict(
    wanted: Wanted, cast: Cast, missing: Sequence[Day], played: Played, verdict: Verdict
) -> None:
    for name, reason in cast.left_out.items():
        print(f"left out: source {name}: {reason}")
    for day in missing:
        print(f"left out: day {day}: needs {NEEDS[day]}")
    print(
        f"seed {wanted.seed}: {output.counted(verdict.events, 'event')} of "
        f"{output.counted(len(cast.senders), 'source')} in {played.seconds:.1f} s "
        f"({_listed(verdict.by_day)})"
    )
    print(
        f"sent {verdict.sent:,}: accepted {verdict.accepted:,}, duplicate {verdict.duplicate:,}, "
        f"acknowledged {verdict.acknowledged:,}, rejected {_sum(verdict.rejected)}, "
        f"refused {_sum(verdict.refused)}, unanswered {verdict.unanswered:,}"
    )
    if played.behind > 1:
        print(f"this machine was up to {played.behind:.1f} s behind the plan: lower --rate")
    for mistake in verdict.wrong:
        print(f"wrong: {output.printable(mistake)}")
    print(_ending(played, verdict))


def _ending(played: Played, verdict: Verdict) -> str:
    if verdict.wrong_events:
        return f"NOT as expected: {output.counted(verdict.wrong_events, 'event')} went wrong"
    return "interrupted; as expected until then" if played.interrupted else "as expected"


def _sum(counts: Mapping[str, int]) -> str:
    total = f"{sum(counts.values()):,}"
    return f"{total} ({_listed(counts)})" if counts else total


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items())
