"""Alerts on a real Dagster instance and a scripted Slack: reported once, in plain text, and never lost."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import msgspec
import pytest
from dagster._core.events import RunFailureReason
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import freeze_time
from dagster._utils.error import SerializableErrorInfo
from hypothesis import given
from hypothesis import strategies as st

from parivision_assets.alerting import outbox as outbox_module
from parivision_assets.alerting import sensors as alerts
from parivision_assets.alerting.channels import notifier_of
from parivision_assets.alerting.messages import LONGEST, Alert, error_in_words, failed_run, judged, mark, unseen
from parivision_assets.alerting.notifier import LOG, LogNotifier, NotifierError, NotifierResource
from parivision_assets.alerting.outbox import Outbox, PendingAlert
from parivision_assets.alerting.slack import SlackNotifier, markup
from parivision_assets.definitions import build
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.keys import raw_shots_key
from parivision_assets.orchestration.partitions import batches_of, ingest_tags
from parivision_assets.resources import FileStoreResource
from parivision_core.nba.shots import NBA
from parivision_core.problems import StoreError
from parivision_core.records import Decision, Verdict
from parivision_core.settings import Settings
from parivision_core.store import open_files
from tests.helpers import shots

FAILURES, VERDICTS = "alert_on_failures", "alert_on_verdicts"
TOKEN = "xoxb-a-secret"


class Slack:
    """A server with chat.postMessage: it follows its script first and accepts everything after it."""

    def __init__(self) -> None:
        self.script: list[tuple[int, dict[str, str], bytes]] = []
        self.requests = 0
        self.taken: list[dict[str, str]] = []
        self.tokens: set[str | None] = set()
        slack = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                slack.requests += 1
                slack.tokens.add(self.headers["Authorization"])
                status, headers, answer = slack.script.pop(0) if slack.script else (200, {}, b'{"ok": true}')
                if self.path == "/api/chat.postMessage" and b'"ok": true' in answer:
                    slack.taken.append(json.loads(body))
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/api/"

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.taken]

    def refuse(self, error: str) -> None:
        self.script.append((200, {}, json.dumps({"ok": False, "error": error}).encode()))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    for proxy in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    server = Slack()
    yield server
    server.close()


class Alerting:
    """The alert sensors of a deployment, with a clock that tests move."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, notifier: NotifierResource) -> None:
        self.instance, self.notifier = instance, notifier
        self.settings = Settings(home=folder, inbox_settle_seconds=0, dagster_port=20300).resolved()
        self.definitions = build([NBA], self.settings)
        self.store = open_files(self.settings.home, NBA)
        self.cursors: dict[str, str] = {}
        self.now = 1_000_000.0

    def tick(self, sensor: str) -> str:
        """Evaluate once and return the tick's message; only a tick with a result moves the cursor."""
        store = FileStoreResource(home=str(self.settings.home))
        needed = {"notifier": self.notifier} | ({"store": store} if sensor == VERDICTS else {})
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(sensor),
            definitions=self.definitions,
            resources=needed,
        )
        context._code_location_origin = RegisteredCodeLocationOrigin("parivision")  # set by the daemon in production
        result = self.definitions.resolve_sensor_def(sensor)(context)
        if isinstance(result, dg.SkipReason):
            return str(result.skip_message)
        assert isinstance(result, dg.SensorResult)
        assert result.cursor is not None
        self.cursors[sensor] = result.cursor
        return str(result.skip_reason.skip_message if result.skip_reason else "")

    def outbox(self, sensor: str) -> Outbox:
        return msgspec.json.decode(self.cursors[sensor], type=Outbox)

    def fail(self, error: Exception, times: int = 1) -> str:
        """Run an asset that fails; the id of the last run."""

        @dg.asset(name="broken_asset")
        def failing() -> None:
            raise error

        for _ in range(times):
            run = dg.materialize([failing], instance=self.instance, raise_on_error=False)
        return run.run_id

    def ingest(self) -> dg.ExecuteInProcessResult:
        """Ingest the one batch of the inbox with the real asset."""
        (batch,) = InboxFeed(self.settings.inbox, 0).batches()
        self.instance.add_dynamic_partitions(str(batches_of(NBA).name), [batch.id])
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[raw_shots_key(NBA)],
            tags=ingest_tags([batch.id], NBA),
            raise_on_error=False,
        )

    def judge(self, candidate: int, decision: Decision, champion: int | None = 2, at: int | None = None) -> Verdict:
        verdict = Verdict(
            candidate=candidate,
            champion=champion,
            epoch=1,
            decision=decision,
            reason=f"version {candidate} gains -0.0004 log loss a shot on 123 unseen games",
            games=123,
            shots=20_000,
            margin=0.001,
            level=0.95,
            **({} if at is None else {"judged_at": at}),
        )
        self.store.put_verdict(verdict)
        return verdict

    def check(self, asset: str, name: str, passed: bool, description: str | None = None) -> None:
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(asset), check_name=name, passed=passed, metadata={}, description=description
        )
        self.instance.report_runless_asset_event(evaluation)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def alerting(tmp_path: Path, instance: dg.DagsterInstance, slack: Slack, monkeypatch: pytest.MonkeyPatch) -> Alerting:
    """The sensors with a Slack that accepts everything, after their first tick."""
    found = Alerting(tmp_path, instance, SlackNotifier(token=TOKEN, channel="#duty", base_url=slack.url))
    monkeypatch.setattr(alerts, "time", lambda: found.now)
    for sensor in (FAILURES, VERDICTS):
        assert found.tick(sensor) == "nothing new to report"
    return found


# Failed runs


def test_a_failed_run_is_reported_once_with_step_reason_and_link(alerting: Alerting, slack: Slack) -> None:
    run = alerting.fail(dg.Failure("2 of 3 batches failed: put <bad.csv> right & try again"))
    assert alerting.tick(FAILURES).startswith("sent: run failed")
    assert alerting.tick(FAILURES) == "nothing new to report"
    (message,) = slack.taken
    assert message["channel"] == "#duty"
    title, reason, link = message["text"].splitlines()
    assert title == "*run failed: __ephemeral_asset_job__, step broken_asset*"
    assert reason == "2 of 3 batches failed: put &lt;bad.csv&gt; right &amp; try again"
    assert link == f"<http://127.0.0.1:20300/runs/{run}>"
    assert slack.tokens == {f"Bearer {TOKEN}"}


def test_an_exception_is_reported_in_one_line_without_modules_and_trace(alerting: Alerting, slack: Slack) -> None:
    alerting.fail(StoreError("MongoDB can't be reached;\nstart it"))
    alerting.tick(FAILURES)
    (text,) = slack.texts
    assert "\nStoreError: MongoDB can't be reached; start it\n" in text
    assert "Traceback" not in text


def test_a_run_whose_resource_fails_is_reported_with_the_resource_s_reason(alerting: Alerting, slack: Slack) -> None:
    @dg.resource
    def disk(_: dg.InitResourceContext) -> None:
        raise OSError("the disk is full")

    @dg.asset(required_resource_keys={"disk"})
    def writes() -> None: ...

    dg.materialize([writes], instance=alerting.instance, resources={"disk": disk}, raise_on_error=False)
    alerting.tick(FAILURES)
    (text,) = slack.texts
    assert "OSError: the disk is full" in text


def test_a_run_that_monitoring_found_dead_is_reported(alerting: Alerting, slack: Slack) -> None:
    run = dg.DagsterRun("refresh", status=dg.DagsterRunStatus.STARTED)
    alerting.instance.add_run(run)
    alerting.instance.report_run_failed(run, "the code server is gone or no longer knows this run")
    alerting.tick(FAILURES)
    (text,) = slack.texts
    assert text.startswith("*run failed: refresh*\nthe code server is gone")


def test_a_run_whose_process_was_ended_is_reported_as_such(alerting: Alerting, slack: Slack) -> None:
    alerting.fail(dg.DagsterExecutionInterruptedError())
    alerting.tick(FAILURES)
    (text,) = slack.texts
    assert "its process was asked to end while it ran" in text


@pytest.mark.parametrize(
    "message",
    [
        "Detected run worker status FAILED: 'the code server is gone or no longer knows this run'. Marking run.",
        "This run has been marked as failed from outside the execution context.",
        None,
    ],
)
def test_a_run_that_was_cut_off_when_the_platform_stopped_is_no_failure(
    alerting: Alerting, slack: Slack, monkeypatch: pytest.MonkeyPatch, message: str | None
) -> None:
    def cut_off(job: str, **tags: str) -> None:
        run = dg.DagsterRun(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        alerting.instance.add_run(run)
        if message is not None:
            alerting.instance.report_run_failed(run, message)
            return
        error = SerializableErrorInfo("", [], dg.DagsterExecutionInterruptedError.__name__)
        event = dg.DagsterEvent.job_failure(run.job_name, "", RunFailureReason.STEP_FAILURE, error)
        alerting.instance.report_dagster_event(event, run.run_id)

    cut_off("early", **{"dagster/sensor_name": "retraining"})
    monkeypatch.setattr(run_requests, "STARTED", time.time() + 1)  # the platform has started again
    alerting.tick(FAILURES)
    cut_off("by_hand")
    alerting.tick(FAILURES)
    monkeypatch.setattr(run_requests, "STARTED", 0.0)
    cut_off("late", **{"dagster/sensor_name": "retraining"})
    alerting.tick(FAILURES)
    early, by_hand, late = slack.texts
    assert early.startswith("*early was interrupted when the platform stopped*\nit will run again by itself")
    assert by_hand.startswith("*run failed: by_hand*")  # nothing requests it again
    assert late.startswith("*run failed: late*")  # the platform kept running


def test_runs_of_other_code_locations_are_not_reported(alerting: Alerting, slack: Slack) -> None:
    for location in ("others", "parivision"):
        origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
        run = dg.DagsterRun(f"job_of_{location}", remote_job_origin=RemoteJobOrigin(origin, "job"))
        alerting.instance.add_run(run)
        alerting.instance.report_run_failed(run)
    alerting.tick(FAILURES)
    (text,) = slack.texts
    assert "job_of_parivision" in text


def test_a_run_that_a_blocking_check_stopped_is_reported_with_what_the_check_says(
    alerting: Alerting, slack: Slack
) -> None:
    @dg.asset
    def candidate() -> int:
        return 1

    @dg.asset_check(asset=candidate, blocking=True)
    def sound() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="the graph differs from its trainer")

    job = dg.Definitions(assets=[candidate], asset_checks=[sound]).resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=alerting.instance, asset_selection=[candidate.key], raise_on_error=False)
    alerting.tick(FAILURES)
    (text,) = slack.texts
    assert "sound: the graph differs from its trainer" in text
    assert text.startswith("*run failed: candidate, step candidate_sound")


def test_the_real_ingest_names_asset_and_batch(alerting: Alerting, slack: Slack) -> None:
    alerting.settings.inbox.mkdir()
    (alerting.settings.inbox / "bad.csv").write_text("no,shots\n1,2\n")
    assert not alerting.ingest().success
    alerting.tick(FAILURES)
    (text,) = slack.texts
    assert text.startswith("*run failed: raw_shots*\n1 of 1 batches failed. bad")


def test_what_failed_before_the_first_tick_is_not_reported(
    tmp_path: Path, instance: dg.DagsterInstance, slack: Slack
) -> None:
    late = Alerting(tmp_path, instance, SlackNotifier(token=TOKEN, channel="#duty", base_url=slack.url))
    late.fail(ValueError("an old failure"))
    late.tick(FAILURES)
    late.tick(FAILURES)
    assert slack.texts == []
    late.fail(ValueError("a new one"))
    late.tick(FAILURES)
    assert len(slack.texts) == 1


def test_the_same_failure_is_reported_at_most_once_an_hour_with_a_count(alerting: Alerting, slack: Slack) -> None:
    alerting.fail(ValueError("again"))
    alerting.tick(FAILURES)
    for _ in range(3):
        alerting.now += 600
        alerting.fail(ValueError("again"))
        alerting.tick(FAILURES)
    alerting.fail(ValueError("something else"))
    alerting.tick(FAILURES)
    assert len(slack.texts) == 2
    alerting.now += 3600 - 1800
    alerting.tick(FAILURES)
    assert slack.texts[2].startswith("*run failed: __ephemeral_asset_job__, step broken_asset (3 more times)*")
    alerting.now += 3600
    assert alerting.tick(FAILURES) == "nothing new to report"
    assert alerting.outbox(FAILURES).entries == {}
    alerting.fail(ValueError("again"))
    alerting.tick(FAILURES)
    assert "times" not in slack.texts[3]


# Verdicts


def test_verdicts_are_reported_with_their_reason_except_not_yet(alerting: Alerting, slack: Slack) -> None:
    alerting.judge(3, "refuse")
    alerting.judge(4, "not_yet")
    alerting.judge(5, "pass", champion=None)
    alerting.tick(VERDICTS)
    refused, passed = slack.texts
    assert refused == (
        "*verdict: version 3 refused, version 2 stays*\nversion 3 gains -0.0004 log loss a shot on 123 unseen games"
    )
    assert passed.startswith("*verdict: version 5 passed, to replace the baseline*")
    assert alerting.tick(VERDICTS) == "nothing new to report"
    alerting.judge(5, "refuse", champion=5)
    alerting.tick(VERDICTS)
    assert len(slack.texts) == 3


def test_verdicts_before_the_first_tick_are_not_reported(
    tmp_path: Path, instance: dg.DagsterInstance, slack: Slack
) -> None:
    late = Alerting(tmp_path, instance, SlackNotifier(token=TOKEN, channel="#duty", base_url=slack.url))
    late.judge(1, "pass", champion=None)
    late.judge(2, "refuse", champion=1)
    late.tick(VERDICTS)
    late.judge(3, "refuse", champion=1)
    late.tick(VERDICTS)
    (text,) = slack.texts
    assert "version 3" in text


def test_two_verdicts_of_one_millisecond_are_both_reported(alerting: Alerting, slack: Slack) -> None:
    alerting.judge(3, "refuse", at=5_000)
    alerting.tick(VERDICTS)
    alerting.judge(4, "refuse", at=5_000)
    alerting.judge(5, "refuse", at=4_000)  # by a clock that is slow
    alerting.tick(VERDICTS)
    assert len(slack.texts) == 3


def test_of_another_ledger_only_newer_verdicts_are_reported() -> None:
    old = [_verdict(candidate, at) for candidate, at in ((1, 100), (2, 300), (3, 400))]
    assert [v.candidate for v in unseen(old[::-1], "200:9")] == [2, 3]
    assert unseen(old[::-1], mark(old[-1])) == []
    assert unseen(old[::-1], "") == old


def test_a_store_that_fails_leaves_the_cursor_and_the_other_alerts_alone(
    alerting: Alerting, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerting.judge(3, "refuse")
    alerting.fail(StoreError("MongoDB can't be reached"))
    with monkeypatch.context() as broken:

        def unreachable(*_: object) -> None:
            raise StoreError("MongoDB can't be reached")

        broken.setattr(FileStoreResource, "of", unreachable)
        assert alerting.tick(VERDICTS) == "MongoDB can't be reached"
        alerting.tick(FAILURES)
    assert len(slack.texts) == 1
    alerting.tick(VERDICTS)
    assert "version 3 refused" in slack.texts[1]


def _verdict(candidate: int, at: int) -> Verdict:
    return Verdict(
        candidate=candidate,
        champion=None,
        epoch=0,
        decision="refuse",
        reason="",
        games=40,
        shots=40,
        margin=0.001,
        level=0.95,
        judged_at=at,
    )


# Failed checks


def test_drift_and_quarantine_are_reported_and_a_pass_is_not(alerting: Alerting, slack: Slack) -> None:
    alerting.check("raw_shots", "contract", passed=True)
    alerting.check("raw_shots", "duplicates", passed=False)
    assert alerting.tick(FAILURES) == "nothing new to report"
    alerting.check("raw_shots", "contract", passed=False, description="bad.csv: 5 of 100 rows in quarantine")
    alerting.check("drift_report", "no_drift", passed=False, description="2 columns drifted")
    alerting.tick(FAILURES)
    drift, quarantine = slack.texts
    assert drift.startswith("*drift*\n2 columns drifted\n<http://127.0.0.1:20300/runs/")
    assert quarantine.startswith("*quarantine*\nbad.csv: 5 of 100 rows in quarantine; `make quarantine` lists them")
    alerting.check("drift_report", "no_drift", passed=False)
    alerting.check("drift_report", "no_drift", passed=False)
    alerting.check("drift_report", "no_drift", passed=True)
    assert alerting.tick(FAILURES) == "nothing new to report"
    alerting.now += 3600
    alerting.tick(FAILURES)
    assert slack.texts[2].startswith("*drift (2 more times)*\nthe check failed without a description")


def test_a_failed_check_is_reported_after_the_clock_was_set_back(alerting: Alerting, slack: Slack) -> None:
    assert alerting.tick(FAILURES) == "nothing new to report"
    with freeze_time(time.time() + 86_400), pytest.MonkeyPatch.context() as ahead:
        ahead.setattr("time.time", lambda now=time.time: now() + 86_400)
        alerting.check("drift_report", "no_drift", passed=False, description="a day ahead")
    alerting.tick(FAILURES)
    alerting.check("drift_report", "no_drift", passed=False, description="after the clock was set")
    alerting.now += 3600
    alerting.tick(FAILURES)
    assert [text.split("\n")[1] for text in slack.texts] == ["a day ahead", "after the clock was set"]


def test_the_contract_check_of_a_real_ingest_is_reported(alerting: Alerting, slack: Slack) -> None:
    season = shots.season(games=1, shots=20)
    season.loc[3, "LOC_X"] = "nowhere"
    shots.write(season, alerting.settings.inbox / "one.csv")
    assert alerting.ingest().success
    alerting.tick(FAILURES)
    (text,) = slack.texts
    assert "1 of 20 rows in quarantine" in text


# Slack refuses or is down


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("invalid_auth", "set PARIVISION_SLACK_TOKEN to a valid bot token"),
        ("channel_not_found", "set PARIVISION_SLACK_CHANNEL to a channel that exists"),
        ("fatal_error", "Slack refused an alert for #duty: fatal_error."),
    ],
)
def test_a_refusal_comes_with_advice_and_the_alert_is_sent_again(
    alerting: Alerting, slack: Slack, error: str, advice: str
) -> None:
    slack.refuse(error)
    slack.refuse(error)
    alerting.fail(ValueError("bad"))
    message = alerting.tick(FAILURES)
    assert advice in message
    assert "Alerts that wait: 1" in message
    assert TOKEN not in message + alerting.cursors[FAILURES]
    assert alerting.tick(FAILURES) == message
    assert alerting.tick(FAILURES).startswith("sent: ")
    assert len(slack.texts) == 1


def test_while_slack_is_down_nothing_is_lost_and_one_warning_is_logged(
    alerting: Alerting, slack: Slack, caplog: pytest.LogCaptureFixture
) -> None:
    where = slack.url
    slack.close()
    alerting.judge(3, "refuse")
    alerting.judge(4, "refuse")
    assert "Slack can't be reached" in alerting.tick(VERDICTS)
    alerting.tick(VERDICTS)
    assert [r.getMessage()[:31] for r in caplog.records if r.name == LOG.name] == ["alerts: Slack can't be reached "]
    back = Slack()
    assert where != back.url
    alerting.notifier = SlackNotifier(token=TOKEN, channel="#duty", base_url=back.url)
    alerting.tick(VERDICTS)
    assert [text.split(",")[0] for text in back.texts] == [f"*verdict: version {n} refused" for n in (3, 4)]
    back.close()


def test_what_was_sent_before_a_refusal_is_not_sent_again(alerting: Alerting, slack: Slack) -> None:
    slack.script.append((200, {}, b'{"ok": true}'))
    slack.refuse("fatal_error")
    alerting.judge(3, "refuse")
    alerting.judge(4, "refuse")
    alerting.tick(VERDICTS)
    alerting.tick(VERDICTS)
    assert [text.split(",")[0] for text in slack.texts] == [f"*verdict: version {n} refused" for n in (3, 4)]


def test_a_rate_limit_is_respected(alerting: Alerting, slack: Slack) -> None:
    slack.script.append((429, {"Retry-After": "30"}, b'{"ok": false, "error": "ratelimited"}'))
    alerting.judge(3, "refuse")
    assert "Slack asks for a pause" in alerting.tick(VERDICTS)
    alerting.now += 15
    assert "Slack asks for a pause" in alerting.tick(VERDICTS)
    assert slack.requests == 1
    alerting.now += 15
    assert alerting.tick(VERDICTS).startswith("sent: ")


def test_a_pause_does_not_last_for_a_day_when_the_clock_is_set_back(alerting: Alerting, slack: Slack) -> None:
    slack.script.append((429, {"Retry-After": "30"}, b'{"ok": false, "error": "ratelimited"}'))
    alerting.judge(3, "refuse")
    assert "Slack asks for a pause" in alerting.tick(VERDICTS)
    alerting.now -= 86_400
    assert alerting.tick(VERDICTS).startswith("sent: ")


@pytest.mark.parametrize(
    "answer", [(200, {}, b"<html>"), (502, {}, b"bad gateway"), (200, {}, b""), (429, {"Retry-After": "soon"}, b"{}")]
)
def test_an_answer_that_is_not_slacks_does_not_crash_the_sensor(
    alerting: Alerting, slack: Slack, answer: tuple[int, dict[str, str], bytes]
) -> None:
    slack.script.append(answer)
    alerting.judge(3, "refuse")
    assert "Alerts that wait: 1" in alerting.tick(VERDICTS)
    assert alerting.tick(VERDICTS).startswith("sent: ")


def test_events_beyond_the_capacity_wait_at_their_source_and_none_is_lost(
    alerting: Alerting, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "CAPACITY", 4)
    monkeypatch.setattr(outbox_module, "MOST_A_TICK", 3)
    for candidate in range(3, 12):
        alerting.judge(candidate, "refuse")
    slack.refuse("fatal_error")
    alerting.tick(VERDICTS)
    assert alerting.outbox(VERDICTS).waiting == 4
    while alerting.tick(VERDICTS) != "nothing new to report":
        pass
    assert [text.split(",")[0] for text in slack.texts] == [f"*verdict: version {n} refused" for n in range(3, 12)]


# The log, the settings, the page


def test_without_a_token_alerts_are_lines_of_the_log(alerting: Alerting, caplog: pytest.LogCaptureFixture) -> None:
    notifier = notifier_of(alerting.settings)
    assert isinstance(notifier, LogNotifier)
    alerting.notifier = notifier
    run = alerting.fail(ValueError("bad"))
    alerting.judge(3, "refuse")
    with caplog.at_level(logging.INFO, LOG.name):
        alerting.tick(FAILURES)
        alerting.tick(VERDICTS)
    failure, verdict = [r for r in caplog.records if r.name == LOG.name]
    assert (failure.levelname, verdict.levelname) == ("WARNING", "INFO")
    assert failure.getMessage() == (
        f"run failed: __ephemeral_asset_job__, step broken_asset: ValueError: bad (http://127.0.0.1:20300/runs/{run})"
    )
    assert verdict.getMessage().startswith("verdict: version 3 refused, version 2 stays: version 3 gains")


@pytest.mark.process
def test_a_line_of_the_log_appears_once_and_short_in_a_code_server(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from dagster._utils.log import configure_loggers
configure_loggers()
from parivision_assets.alerting.channels import notifier_of
from parivision_assets.alerting.messages import Alert
from parivision_core.settings import Settings
settings = Settings(home=Path(sys.argv[1])).resolved()
notifier_of(settings)
notifier_of(settings).send(Alert("verdict", "version 3 refused", level=20))
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "verdict: version 3 refused\n")


def test_the_token_shows_nowhere_in_dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster._core.remote_representation.external_data import RepositorySnap

    monkeypatch.setenv("PARIVISION_SLACK_TOKEN", TOKEN)
    settings = Settings.from_env({"PARIVISION_HOME": str(tmp_path), "PARIVISION_SLACK_TOKEN": TOKEN})
    assert TOKEN not in repr(settings)
    definitions = build([NBA], settings)
    snap = dg.serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
    assert "PARIVISION_SLACK_TOKEN" in snap
    assert "#parivision" in snap
    assert TOKEN not in snap


def test_the_token_is_read_where_it_is_named(slack: Slack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARIVISION_SLACK_TOKEN", TOKEN)
    notifier = SlackNotifier(token=dg.EnvVar("PARIVISION_SLACK_TOKEN"), channel="C1", base_url=slack.url)
    with dg.build_resources({"notifier": notifier}) as resources:
        resources.notifier.send(Alert("title", "detail"))
    assert slack.tokens == {f"Bearer {TOKEN}"}


# Texts


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("parivision_core.problems.StoreError: locked: wait\n", "StoreError: locked: wait"),
        ("ValueError: a.b: c", "ValueError: a.b: c"),
        ("dagster._core.errors.Cancelled", "Cancelled"),
        ("", ""),
    ],
)
def test_an_error_loses_its_modules(message: str, expected: str) -> None:
    assert error_in_words(message) == expected


@given(st.text(max_size=3 * LONGEST), st.text(max_size=20))
def test_whatever_the_reason_an_alert_is_one_short_line_and_its_markup_is_escaped(reason: str, job: str) -> None:
    alert = failed_run(job, None, reason, "http://x")
    assert len(alert.detail) <= LONGEST
    assert len(alert.detail.splitlines()) <= 1
    body = markup(alert).removesuffix("\n<http://x>")
    assert "<" not in body
    assert ">" not in body


def test_a_long_reason_is_cut() -> None:
    alert = failed_run("refresh", None, "x" * 3 * LONGEST, "")
    assert alert.detail.startswith("xxx")
    assert len(alert.detail) == LONGEST


def test_not_yet_is_no_alert() -> None:
    assert judged(msgspec.structs.replace(_verdict(1, 1), decision="not_yet"), "verdict") is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2400), st.booleans()), max_size=40))
def test_every_event_is_reported_exactly_once_whatever_fails_in_between(events: list[tuple[str, int, bool]]) -> None:
    """Counts add up, and no key is reported twice within the hour."""
    sent: list[tuple[str, float]] = []
    counted: dict[str, int] = {}

    def sender(up: bool, now: float) -> Callable[[Alert], None]:
        def send(alert: Alert) -> None:
            if not up:
                raise NotifierError("down")
            key = alert.title[0]
            sent.append((key, now))
            times = alert.title[1:].strip(" ()")
            counted[key] = counted.get(key, 0) + (int(times.split()[0]) if times[:1].isdigit() else 1)

        return send

    outbox, now = Outbox(), 0.0
    for key, pause, up in events:
        now += pause
        outbox.put(key, Alert(key, ""))
        outbox.deliver(sender(up, now), now)
        outbox = msgspec.json.decode(msgspec.json.encode(outbox), type=Outbox)
    outbox.deliver(sender(True, now + 3600), now + 3600)
    assert counted == {key: sum(k == key for k, *_ in events) for key, *_ in events}
    for key in counted:
        moments = [at for k, at in sent if k == key]
        assert all(later - earlier >= 3600 for earlier, later in itertools.pairwise(moments))
    assert outbox.waiting == 0


def test_a_key_counts_as_recently_reported_for_an_hour() -> None:
    entry = PendingAlert(Alert("a", "b"), reported_at=100.0)
    assert entry.recently_reported(100.0 + 3599)
    assert not entry.recently_reported(100.0 + 3600)
    assert not entry.recently_reported(99.0)  # the clock was set back
