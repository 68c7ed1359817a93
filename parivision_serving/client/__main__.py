"""`python -m parivision_serving.client predict | bulk FILE`: asks the prediction service from the command line."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.rights import keep_private
from parivision_core.settings import Settings
from parivision_core.sport import Sport
from parivision_serving.client.bulk import BulkTally, ask_with, filtered, send
from parivision_serving.client.fields import InputField, fields_of, from_options
from parivision_serving.client.options import parser
from parivision_serving.client.progress import ProgressBar
from parivision_serving.client.results import Results
from parivision_serving.client.rows import FileError, opened
from parivision_serving.client.service import Patience, ServiceClient, decoded
from parivision_serving.client.wording import as_text

ANSWERED, FAILED, ROWS_REFUSED, INTERRUPTED = 0, 1, 3, 130
"""Exit codes, as the help lists them; 2 is argparse's."""


def main(arguments: Sequence[str] | None = None, sport: Sport = NBA) -> int:
    """Send the request that the arguments describe; the exit code."""
    fields = fields_of(sport.request)
    try:
        settings = Settings.from_env()
        options = parser(fields, settings).parse_args(arguments)
        if options.command == "predict":
            return asyncio.run(_predict(options, fields))
        return asyncio.run(_bulk(options, fields, sport))
    except PariVisionError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:  # `bulk` has printed its summary of what was kept
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the pipe has closed it; Python must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


async def _predict(options: argparse.Namespace, fields: list[InputField]) -> int:
    async with _service(options, lambda message: print(message, file=sys.stderr)) as service:
        request = from_options(options, fields) | ({"explain": True} if options.explain else {})
        body = msgspec.json.encode(request)
        raw = await service.post("/api/v1/predict", body, "application/json")
    print(raw.decode() if options.json else as_text(decoded(raw, dict[str, Any], options.url)))
    return ANSWERED


async def _bulk(options: argparse.Namespace, fields: list[InputField], sport: Sport) -> int:
    if options.output and options.output.resolve() == options.file.resolve():
        raise FileError(f"{options.output} is the file that is read; write the answers to another one")
    tally, began = BulkTally(), time.monotonic()
    with opened(options.file, sport.request, {f.name: f for f in fields}) as source:
        results = Results(options.output, source.columns or [f.name for f in fields])
        # A bar between the answers would make both unreadable.
        bar_output = sys.stderr if options.output or not sys.stdout.isatty() else None
        progress = ProgressBar(bar_output, source.total)
        rows = filtered(source, sport.from_afar, tally) if options.drift else source
        try:
            async with _service(options, progress.note) as service:
                ask = ask_with(service, fields, as_arrow=options.format == "arrow")
                await send(rows, ask, results, progress, tally, size=options.size, concurrency=options.concurrency)
        finally:
            results.close()
            progress.close()
            print(_summary(tally, time.monotonic() - began), file=sys.stderr)
    return ROWS_REFUSED if tally.refused else ANSWERED


def _service(options: argparse.Namespace, report: Callable[[str], None]) -> ServiceClient:
    return ServiceClient(options.url, options.api_key, Patience(options.retries), report)


def _summary(tally: BulkTally, seconds: float) -> str:
    parts = [f"{tally.answered:,} rows answered in {seconds:.1f} seconds"]
    if tally.answered:
        versions = ", ".join(str(version) for version in sorted(tally.versions))
        parts.append(f"by version {versions}, mean probability {tally.probability / tally.answered:.1%}")
    if tally.refused:
        parts.append(f"{tally.refused:,} refused, each with its problem in its row")
    if tally.left_out:
        parts.append(f"{tally.left_out:,} left out, which weren't long shots")
    return "; ".join(parts) + "."


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
