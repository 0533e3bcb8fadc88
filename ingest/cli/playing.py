"""Plays a plan: posts each request at its time, and again as its provider would."""

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.posting import posted_url, wire_headers
from ingest.simulator.planned import Planned
from ingest.simulator.scorecard import UNANSWERED, Answer, Said, Scorecard, read_answer

_MOST_AT_ONCE = 100
_KNOCK_SECONDS = 5.0
_CLEAR = "\r\x1b[K"
_REDRAW_SECONDS = 0.2


@dataclass(frozen=True)
class Played:
    """How it went: seconds it took, and by how many it ran behind its plan at worst."""

    seconds: float
    behind: float
    interrupted: bool


class Player:
    """Somebody who posts to ``receiver`` (scheme, host, port) and notes every answer.

    ``sources`` are the names that a plan sends to.
    """

    def __init__(self, receiver: str, sources: Sequence[str]) -> None:
        self._sources = sources
        self.card = Scorecard()
        self._receiver = receiver
        self._behind = 0.0

    async def play(self, planned: Iterable[Planned]) -> Played:
        """Play it to its end, or until Ctrl-C. Raises CommandFailed where nothing listens."""
        interrupted = False
        limits = httpx.Limits(max_connections=_MOST_AT_ONCE)
        async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as client:  # noqa: S113 -- each request has its provider's
            await self._knock(client)
            began = time.monotonic()
            showing = asyncio.create_task(self._show(began))
            try:
                async with asyncio.TaskGroup() as sendings:
                    for each in planned:
                        await self._wait(began, each)
                        sendings.create_task(self._deliver(client, each))
            except asyncio.CancelledError:  # Ctrl-C: what was answered until now still counts
                interrupted = True
            finally:
                showing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await showing
        return Played(time.monotonic() - began, self._behind, interrupted)

    async def _knock(self, client: httpx.AsyncClient) -> None:
        """Make sure that this is the receiver which the plan was made for, before it is sent any.

        A HEAD is no event, and where the source is known, no 404.
        """
        try:
            for source in self._sources:
                url = f"{self._receiver}/in/{source}"
                answer = await client.head(url, timeout=_KNOCK_SECONDS)
                if answer.status_code == HTTPStatus.NOT_FOUND:
                    raise CommandFailed(
                        f"the receiver at {self._receiver} has no source {source!r}: it runs with "
                        "another hookkeeper.toml than this folder's. Nothing was sent.",
                        Exit.USAGE,
                    )
        except httpx.HTTPError as error:
            raise CommandFailed(
                f"nothing answers at {self._receiver} ({error}). Nothing was sent.\n"
                "Is `hookkeeper up` running in this folder?",
                Exit.UNREACHABLE,
            ) from error

    async def _wait(self, began: float, planned: Planned) -> None:
        early = began + planned.at - time.monotonic()
        self._behind = max(self._behind, -early)
        await asyncio.sleep(max(0.0, early))

    async def _deliver(self, client: httpx.AsyncClient, planned: Planned) -> None:
        """Send one event until its provider is content, or gives up."""
        for attempt, wait in enumerate(itertools.chain((0.0,), planned.waits)):
            await asyncio.sleep(wait)
            answer = await self._post(client, planned)
            self.card.note(planned, answer)
            if answer.is_acknowledgement and attempt >= planned.lost:
                return

    async def _post(self, client: httpx.AsyncClient, planned: Planned) -> Answer:
        request = planned.request(time.time_ns() // 1_000_000)
        target = f"{self._receiver}/in/{planned.sender.source.name}"
        try:
            async with asyncio.timeout(planned.deadline):
                response = await client.post(
                    posted_url(target, request),
                    content=request.body,
                    headers=wire_headers(request),
                )
        except (httpx.HTTPError, TimeoutError):
            return UNANSWERED
        return read_answer(response.status_code, response.content)

    async def _show(self, began: float) -> None:
        """Draw the counts on stderr, where that is a terminal."""
        if not sys.stderr.isatty():
            return
        try:
            while True:
                told = ", ".join(self._told())
                seconds = time.monotonic() - began
                print(f"{_CLEAR}{seconds:5.1f} s  {told}", end="", file=sys.stderr, flush=True)
                await asyncio.sleep(_REDRAW_SECONDS)
        finally:
            print(_CLEAR, end="", file=sys.stderr, flush=True)

    def _told(self) -> Iterator[str]:
        counts = self.card.counts
        return (f"{said} {counts[said]:,}" for said in Said)
