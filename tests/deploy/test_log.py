"""What the person sees of the services' lines, and what not."""

from __future__ import annotations

import pytest

from deploy.log import Log


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"Registry store URI not provided. Using backend store URI.\n", None),
        (b"[MLflow] Security middleware enabled with default settings (localhost-only). To allow ...\n", None),
        (
            b"INFO Uvicorn running on http://127.0.0.1:1 (Press CTRL+C to quit)\n",
            "INFO Uvicorn running on http://127.0.0.1:1",
        ),
        (b"something else\n", "something else"),
    ],
)
def test_what_is_wrong_here_or_no_news_is_left_out(
    line: bytes, shown: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log()
    log.lines.put(("mlflow", line))
    log.show()
    said = capsys.readouterr().out
    assert (said.strip().partition("| ")[2] or None) == shown
