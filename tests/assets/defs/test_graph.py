"""The asset graph on a real Dagster instance with real MLflow on SQLite: promoted, refused, defective, not yet."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import msgspec
import pytest

from parivision_assets.commands import evaluate as evaluate_module
from parivision_assets.commands import refresh as refresh_module
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.feed.ingesting import ingest, waiting
from parivision_assets.steps.promotion import verdict as verdict_module
from parivision_assets.steps.promotion.evaluating import evaluate
from parivision_assets.steps.training import fitting, soundness
from parivision_assets.tracking.registry import ModelRegistry
from parivision_core.nba.shots import NBA
from tests.helpers.platform import Platform, platform_in

CHAMPION = dg.AssetKey("champion_model")


def with_champion(folder: Path) -> Path:
    """A platform whose first champion was promoted by a headless refresh."""
    platform = platform_in(folder)
    platform.drop("2023.csv", games=160, shots=100, skill=1.5)
    assert platform.refresh() == "promoted"
    platform.instance.dispose()
    return folder


@pytest.fixture(scope="module")
def promoted_folder(tmp_path_factory: pytest.TempPathFactory, few_trees: None) -> Path:
    """A platform with a champion; tests work on copies."""
    return with_champion(tmp_path_factory.mktemp("promoted"))


@pytest.fixture
def promoted(promoted_folder: Path, tmp_path: Path) -> Iterator[Platform]:
    """A copy of the promoted platform; what MLflow stored before is still read from where it was made."""
    platform = platform_in(Path(shutil.copytree(promoted_folder, tmp_path / "platform")))
    yield platform
    platform.instance.dispose()


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {e.check_name: e for e in result.get_asset_check_evaluations()}


@pytest.mark.slow
def test_models_of_full_size_give_a_champion_too(tmp_path: Path) -> None:
    assert fitting.XGBOOST["eta"] < 0.1  # the fixture few_trees isn't in force
    platform = platform_in(with_champion(tmp_path))
    check_spine(platform)
    platform.instance.dispose()


def test_a_season_file_becomes_a_champion(promoted: Platform) -> None:
    check_spine(promoted)


def check_spine(promoted: Platform) -> None:
    """Lake, warehouse, feature state, candidate, verdict, alias, bundle, and what Dagster shows of each."""
    (manifest,) = promoted.store.manifests()
    assert manifest.inserted == 16_000
    (verdict,) = promoted.store.verdicts()
    assert (verdict.decision, verdict.champion, verdict.games) == ("pass", None, 32)
    assert (promoted.registry.champion(), promoted.registry.epoch()) == (1, 1)
    bundle, feature_state = promoted.registry.bundle(1), promoted.store.get_feature_state()
    assert feature_state is not None
    assert bundle.fits(feature_state.schema, feature_state.base_fingerprint)
    assert bundle.card.provenance.seen_until < verdict.first_date  # type: ignore[operator]
    run = promoted.registry.client.get_run(bundle.card.provenance.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["unseen_log_loss"] == pytest.approx(verdict.candidate_log_loss)
    assert "train_shots" in run.data.params
    shown = {
        name: promoted.instance.get_latest_materialization_event(dg.AssetKey(name)).asset_materialization.metadata
        for name in ("raw_shots", "shot_features", "trained_model", "champion_model")
    }
    assert "restricted area" in shown["raw_shots"]["breakdown"].value
    assert shown["shot_features"]["feature_state_stamp"].value == feature_state.stamp
    assert "data:image/png" in shown["trained_model"]["reliability"].value
    assert bundle.card.provenance.run_id in shown["trained_model"]["mlflow_run"].value
    assert shown["champion_model"]["version"].value == 1


def test_every_check_passes_on_a_sound_season(promoted: Platform) -> None:
    result = promoted.materialize("shot_features")
    assert result.success
    assert {name: e.passed for name, e in checks_of(result).items()} == dict.fromkeys(
        ("schema", "nulls", "both_outcomes"), True
    )
    job = promoted.definitions.resolve_implicit_global_asset_job_def()
    promoted.drop("later.csv", games=12, start="2023-02-01", seed=5)
    promoted.refresh()
    ran = {
        key.name: promoted.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        for key in job.asset_layer.asset_graph.asset_check_keys
        if key.asset_key == dg.AssetKey("raw_shots")
    }
    assert set(ran) == {"contract", "duplicates", "location", "make_rate"}
    assert all(record.evaluation.passed for record in ran.values())  # type: ignore[union-attr]


def test_an_equal_candidate_is_refused_and_the_run_stays_green(
    promoted: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    result = promoted.materialize("shot_features", "trained_model", "champion_model")
    assert result.success
    assert (promoted.registry.newest(), promoted.registry.champion(), promoted.registry.epoch()) == (2, 1, 1)
    verdict = checks_of(result)["beats_champion"]
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert CHAMPION not in [e.asset_key for e in result.get_asset_materialization_events()]
    alone = promoted.materialize("champion_model")
    assert alone.success
    assert promoted.registry.champion() == 1
    (seen,) = (e for e in alone.get_asset_observation_events() if e.asset_key == CHAMPION)
    assert seen.asset_observation_data.asset_observation.metadata["result"].value == "refused"
    capsys.readouterr()
    assert promoted.refresh() == "refused"
    output = capsys.readouterr().out
    assert output.startswith("No shot is new since version 2 was fitted; a candidate is trained all the same")
    assert "Nothing is new since the champion was trained" in output


def test_a_challenger_waits_and_is_decided_without_a_training(
    promoted: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them stay open until there are more games; the job that judges them trains nothing."""
    with monkeypatch.context() as m:
        m.setattr(verdict_module, "MIN_GAMES", 40)
        assert promoted.refresh() == "not_yet"
        assert promoted.refresh() == "not_yet"
    assert [(v.candidate, v.decision) for v in promoted.store.verdicts()[:-1]] == [(3, "not_yet"), (2, "not_yet")]
    assert promoted.registry.tags(3)["parivision.status"] == "challenger"
    promoted.drop("later.csv", games=8, start="2023-02-01", seed=5)
    for batch in waiting(InboxFeed(promoted.settings.inbox, 0).batches(), promoted.store):
        ingest(batch, NBA, promoted.store)
    promoted.materialize("shot_features")
    judge = promoted.definitions.resolve_job_def("judge")
    assert judge.execute_in_process(instance=promoted.instance).success
    newest, before = promoted.store.verdicts()[:2]
    assert [(v.candidate, v.decision, v.games) for v in (before, newest)] == [(2, "refuse", 40), (3, "refuse", 40)]
    assert (newest.tried, before.tried) == (2, 1)
    assert (promoted.registry.newest(), promoted.registry.champion()) == (3, 1)
    assert promoted.registry.tags(3)["parivision.status"] == "refused"


def test_a_defective_candidate_makes_the_run_red(promoted: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as m:
        m.setattr(soundness, "MAX_ECE", -1.0)
        m.setattr(soundness, "MIN_ROWS_FOR_CALIBRATION", 0)
        result = promoted.materialize("trained_model", "champion_model")
    assert not result.success
    sound = checks_of(result)["candidate_sound"]
    assert (sound.passed, sound.severity, sound.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert "calibration is broken" in (sound.description or "")
    assert (promoted.registry.newest(), promoted.registry.champion()) == (2, 1)
    alone = promoted.materialize("champion_model")
    assert alone.success
    assert promoted.registry.champion() == 1


def test_a_stale_pass_cannot_promote_after_a_rollback(promoted: Platform) -> None:
    """Version 2 is promoted, the rollback job undoes it, and launching champion_model again changes nothing."""
    (first,) = promoted.store.verdicts()
    bundle = promoted.registry.bundle(1)
    version = promoted.registry.client.get_model_version(NBA.registered_model, "1")
    promoted.registry.register(bundle.card.provenance.run_id, version.source.removesuffix("/bundle"), bundle.sha256, [])
    promoted.store.put_verdict(msgspec.structs.replace(first, candidate=2, champion=1, epoch=1))
    assert promoted.materialize("champion_model").success
    assert (promoted.registry.champion(), promoted.registry.epoch()) == (2, 2)
    rollback = promoted.definitions.resolve_job_def("rollback_champion")
    assert rollback.execute_in_process(instance=promoted.instance).success
    assert (promoted.registry.champion(), promoted.registry.epoch()) == (1, 3)
    shown = promoted.instance.get_latest_materialization_event(CHAMPION)
    assert shown.asset_materialization.metadata["version"].value == 1  # type: ignore[union-attr]
    assert promoted.materialize("champion_model").success
    assert (promoted.registry.champion(), promoted.registry.epoch()) == (1, 3)


def test_a_rollback_without_predecessor_fails_with_a_reason(promoted: Platform) -> None:
    rollback = promoted.definitions.resolve_job_def("rollback_champion")
    result = rollback.execute_in_process(instance=promoted.instance, raise_on_error=False)
    assert not result.success
    (failure,) = result.get_step_failure_events()
    unknown = rollback.execute_in_process(
        instance=promoted.instance,
        raise_on_error=False,
        run_config={"ops": {"put_back_champion": {"config": {"version": 99}}}},
    )
    (missing,) = unknown.get_step_failure_events()
    assert "has no version 99" in missing.step_failure_data.user_failure_data.description  # type: ignore[union-attr,operator]
    assert "has no predecessor" in failure.step_failure_data.user_failure_data.description  # type: ignore[union-attr,operator]
    assert promoted.registry.champion() == 1


def test_a_crash_before_the_alias_moves_is_repaired_by_a_rerun(
    promoted: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = promoted.store.verdicts()
    bundle = promoted.registry.bundle(1)
    source = promoted.registry.client.get_model_version(NBA.registered_model, "1").source
    promoted.registry.register(bundle.card.provenance.run_id, source.removesuffix("/bundle"), bundle.sha256, [])
    promoted.store.put_verdict(msgspec.structs.replace(first, candidate=2, champion=1, epoch=1))

    def die(*_: object) -> None:
        raise ConnectionError("the registry went away")

    with monkeypatch.context() as m:
        m.setattr(ModelRegistry, "set_champion", die)
        assert not promoted.materialize("champion_model").success
    assert promoted.registry.champion() == 1
    assert promoted.materialize("champion_model").success
    assert (promoted.registry.champion(), promoted.registry.epoch()) == (2, 2)


def test_a_poisoned_batch_stalls_no_other(promoted: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    promoted.drop("b-good.csv", games=4, start="2023-03-01", seed=2)
    (promoted.settings.inbox / "a-poisoned.csv").write_text("what,is,this\n1,2,3\n")
    promoted.drop("c-good.csv", games=4, start="2023-03-05", seed=3)
    assert promoted.refresh() == "failed"
    output = capsys.readouterr().out
    assert "judged (not yet), but batches are missing (see `make quarantine`): a-poisoned-" in output
    assert {m.source for m in promoted.store.manifests()} == {"2023.csv", "b-good.csv", "c-good.csv"}
    assert len(promoted.store.warehouse_state().batches) == 3
    (failure,) = promoted.store.failures()
    assert failure.error.startswith("a-poisoned.csv: unknown layout: found the columns")
    partitions = promoted.instance.get_materialized_partitions(dg.AssetKey("raw_shots"))
    assert len(partitions) == 3
    key = dg.AssetCheckKey(dg.AssetKey("raw_shots"), "contract")
    checked = promoted.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key].evaluation
    assert checked is not None
    assert (checked.passed, checked.metadata["batches"].value) == (True, 2)  # the sound ones of a red run
    promoted.drop("a-poisoned.csv", games=4, start="2023-03-09", seed=4)
    assert promoted.refresh() != "failed"
    assert len(promoted.store.manifests()) == 4


def test_too_few_games_is_not_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    platform = platform_in(tmp_path)
    assert platform.refresh() == "not_yet"  # an empty inbox
    poisoned = platform.settings.inbox / "poisoned.csv"
    poisoned.write_text("what,is,this\n1,2,3\n")
    assert platform.refresh() == "failed"  # and nothing to train on
    capsys.readouterr()
    assert platform.refresh() == "not_yet"  # a rejected batch isn't tried again
    assert "Batches that can't be used and are skipped: 1" in capsys.readouterr().out
    (failure,) = platform.store.failures()
    assert failure.attempts == 1
    poisoned.unlink()
    platform.drop("few.csv", games=20)
    assert platform.refresh() == "not_yet"
    assert platform.store.warehouse_state().rows == 1200
    assert platform.registry.newest() is None
    runs = platform.registry.client.search_runs(["1"])
    assert {run.info.status for run in runs} == {"KILLED"}


def test_a_refresh_names_an_inbox_that_it_cannot_read_and_what_it_ignores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    platform = platform_in(tmp_path)
    inbox = platform.settings.inbox
    inbox.parent.mkdir()
    inbox.touch()
    assert platform.refresh() == "not_yet"
    assert f"The feed inbox is skipped: the inbox {inbox} can't be read: Not a direct" in capsys.readouterr().out
    inbox.unlink()
    inbox.mkdir()
    os.mkfifo(inbox / "pipe.csv")
    assert platform.refresh() == "not_yet"
    assert f"\nIgnored in the inbox {inbox}: pipe.csv (a named pipe); it takes" in f"\n{capsys.readouterr().out}"


def test_refresh_prints_its_result_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARIVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert refresh_module.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "result: not_yet"
    monkeypatch.setenv("PARIVISION_API_PORT", "no port")
    assert refresh_module.main() == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "result: failed"
    assert "PARIVISION_API_PORT" in captured.err


def test_the_champion_is_evaluated_on_what_it_has_not_seen(
    promoted: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it itself
    monkeypatch.setenv("PARIVISION_HOME", str(promoted.settings.home))
    assert evaluate_module.main() == 0
    output = capsys.readouterr().out
    (verdict,) = promoted.store.verdicts()
    assert f"Version 1 on {verdict.shots:,} shots of 32 games, {verdict.first_date} to {verdict.last_date}" in output
    assert "nan" not in output
    assert f"| champion, official record | {verdict.candidate_log_loss:.4f} |" in output
    scores = evaluate(promoted.registry.bundle(1), promoted.store, NBA).scores
    assert scores["champion, official record"].log_loss < scores["champion, spot and clock alone"].log_loss
    assert scores["champion, official record"].log_loss < scores["constant"].log_loss
    monkeypatch.setenv("PARIVISION_HOME", str(tmp_path / "empty"))
    (tmp_path / "empty" / "mlflow").mkdir(parents=True)
    assert evaluate_module.main() == 1
    assert "there is no champion yet" in capsys.readouterr().err


def test_a_warehouse_of_another_version_trains_and_judges_nothing(
    promoted: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its features would be paired with a feature state of another meaning."""
    state = msgspec.structs.replace(promoted.store.warehouse_state(), base_fingerprint="older")
    promoted.store.publish_warehouse({}, state, {})
    result = promoted.materialize("trained_model")
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "folded by another version of the code" in str(failure.step_failure_data.error)
    assert promoted.registry.newest() == 1
    assert promoted.refresh() == "refused"  # a refresh folds it again
    assert promoted.store.warehouse_state().base_fingerprint == NBA.base_fingerprint


def test_a_run_judges_the_candidate_that_it_trained(promoted: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run registers a newer version just before the checks run."""
    bundle = promoted.registry.bundle(1)
    source = promoted.registry.client.get_model_version(NBA.registered_model, "1").source.removesuffix("/bundle")
    register = ModelRegistry.register

    def overtaken(self: ModelRegistry, *arguments: object) -> int:
        mine = register(self, *arguments)  # type: ignore[arg-type]
        register(self, bundle.card.provenance.run_id, source, bundle.sha256, ["made-up defect"])
        return mine

    monkeypatch.setattr(ModelRegistry, "register", overtaken)
    result = promoted.materialize("trained_model", "champion_model")
    assert result.success
    assert promoted.registry.newest() == 3
    assert checks_of(result)["beats_champion"].metadata["candidate"].value == 2
    assert [v.candidate for v in promoted.store.verdicts()] == [2, 1]
