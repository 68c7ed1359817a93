"""The command line's commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from parivision_core.settings import Settings
from parivision_serving.client.fields import InputField, add_options
from parivision_serving.client.service import Patience

PROGRAM = "python -m parivision_serving.client"
EPILOG = (
    "exit codes: 0 all answered; 1 no answer (earlier answers are kept); 2 wrong options; 3 some rows were refused; "
    "130 interrupted (earlier answers are kept)"
)
SIZE, MOST_ROWS, CONCURRENCY = 2_000, 100_000, 2


def parser(fields: list[InputField], settings: Settings) -> argparse.ArgumentParser:
    """The command line for a request of these fields."""
    made = argparse.ArgumentParser(prog=PROGRAM, description="Ask the prediction service.", epilog=EPILOG)
    commands = made.add_subparsers(dest="command", required=True)
    _predict(commands.add_parser("predict", help="ask about one shot", epilog=EPILOG), fields, settings)
    _bulk(commands.add_parser("bulk", help="ask about a file of shots", epilog=EPILOG), settings)
    return made


def _predict(command: argparse.ArgumentParser, fields: list[InputField], settings: Settings) -> None:
    add_options(command.add_argument_group("the shot"), fields)
    command.add_argument("--explain", action="store_true", help="also show what moved the probability")
    command.add_argument("--json", action="store_true", help="print the answer as JSON")
    _service(command, settings)


def _bulk(command: argparse.ArgumentParser, settings: Settings) -> None:
    add = command.add_argument
    add("file", type=Path, help="csv, json, jsonl or Arrow; columns are named as predict's options, with underscores")
    add("--output", type=Path, metavar="FILE", help="csv or jsonl; by default jsonl on standard output")
    add("--drift", action="store_true", help="send only long shots, to try out drift detection")
    add("--format", choices=["json", "arrow"], default="json", help="how rows are sent, json by default")
    add("--size", type=_whole(1, MOST_ROWS), default=SIZE, metavar="ROWS", help=f"a request, {SIZE} by default")
    concurrency = f"requests at once, {CONCURRENCY} by default"
    add("--concurrency", type=_whole(1, 64), default=CONCURRENCY, metavar="N", help=concurrency)
    _service(command, settings)


def _service(command: argparse.ArgumentParser, settings: Settings) -> None:
    add = command.add_argument_group("the service").add_argument
    add("--url", default=settings.api_url, help=f"{settings.api_url} by default")
    add("--api-key", default=settings.api_key, help="better set PARIVISION_API_KEY: others may see a command's options")
    retries = f"how often to ask again when it is busy or silent, {Patience.retries} times by default"
    add("--retries", type=_whole(0, 100), default=Patience.retries, metavar="N", help=retries)


def _whole(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return number
