"""Promotion: only a passed verdict that names candidate, champion and epoch moves the alias, whatever fails between."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from parivision_assets.steps.promotion.challengers import challengers_in, newest_of
from parivision_assets.steps.promotion.promoting import Judge, current_verdict, look_again, promote, roll_back
from parivision_assets.tracking.registry import STATUS_TAG, ModelRegistry
from parivision_core.problems import BundleError, PromotionError, RegistryError
from parivision_core.records import Decision, Verdict
from parivision_core.store.files import FileStore


class Crash(BaseException):
    """Simulates the death of the process."""


@dataclass
class MemoryRegistry:
    """A registry that can die before a chosen write."""

    alias: int | None = None
    raised: int = 0
    broken: dict[int, str] = field(default_factory=dict)
    before: dict[int, int | None] = field(default_factory=dict)
    fallen: set[int] = field(default_factory=set)
    status: dict[int, str] = field(default_factory=dict)
    reason: dict[int, str] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    die_at: str = ""
    name: str = "mine"

    def champion(self) -> int | None:
        return self.alias

    def epoch(self) -> int:
        return self.raised

    def registered(self, version: int) -> bool:
        return version not in self.missing

    def digest(self, version: int) -> str:
        return f"{self.name}-{version}"

    def defects(self, version: int) -> str:
        return self.broken.get(version, "")

    def previous(self, version: int) -> int | None:
        return self.before.get(version)

    def note_previous(self, version: int, previous: int | None) -> None:
        self._write("note_previous")
        self.before[version] = previous

    def was_champion(self, version: int) -> bool:
        return version in self.before

    def rolled_back(self, version: int) -> bool:
        return version in self.fallen

    def set_rolled_back(self, version: int, rolled_back: bool) -> None:
        self._write("set_rolled_back")
        (self.fallen.add if rolled_back else self.fallen.discard)(version)

    def note_status(self, version: int, status: str, reason: str | None = None) -> None:
        self.status[version] = status
        if reason is not None:
            self.reason[version] = reason

    def set_epoch(self, epoch: int) -> None:
        self._write("set_epoch")
        self.raised = epoch

    def set_champion(self, version: int) -> None:
        self._write("set_champion")
        self.alias = version

    def _write(self, name: str) -> None:
        if self.die_at == name:
            self.die_at = ""
            raise Crash(name)


def judge_that(decision: Decision) -> Judge:
    return lambda candidate, champion, epoch: Verdict(
        candidate=candidate,
        champion=champion,
        epoch=epoch,
        decision=decision,
        reason=f"made-up {decision}",
        games=100,
        shots=1000,
        margin=0.001,
        level=0.95,
    )


def judge_by(decisions: dict[int, Decision]) -> Judge:
    """A judge that has decided on each candidate beforehand."""
    return lambda candidate, champion, epoch: judge_that(decisions[candidate])(candidate, champion, epoch)


passes, refuses, waits = judge_that("pass"), judge_that("refuse"), judge_that("not_yet")


def never(candidate: int, champion: int | None, epoch: int) -> Verdict:
    raise AssertionError(f"version {candidate} must not be judged again")


@pytest.fixture(scope="module")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's own registry on SQLite with versions 1 to 4; making its tables takes seconds, so they are copied."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    registry = ModelRegistry(f"sqlite:///{path}", "parivision")
    for _ in range(4):
        registry.register("run", "file:///nowhere", "sha", [])
    return path


@pytest.fixture(params=["memory", "mlflow"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryRegistry | ModelRegistry:
    """A registry with versions 1 to 4, none of them champion: in memory, and MLflow's own."""
    if request.param == "memory":
        return MemoryRegistry()
    copy = shutil.copy(request.getfixturevalue("mlflow_database"), tmp_path / "mlflow.db")
    return ModelRegistry(f"sqlite:///{copy}", "parivision")


def test_a_passed_candidate_is_promoted_and_raises_the_epoch(registry: MemoryRegistry, store: FileStore) -> None:
    outcome = promote(1, registry, store, passes)
    assert (outcome.result, registry.champion(), registry.epoch()) == ("promoted", 1, 1)
    assert store.verdicts()[0].champion is None
    assert promote(2, registry, store, passes).result == "promoted"
    assert (registry.champion(), registry.epoch(), registry.previous(2)) == (2, 2, 1)


def test_a_refusal_keeps_the_champion_even_when_launched_again(registry: MemoryRegistry, store: FileStore) -> None:
    promote(1, registry, store, passes)
    for judge in (refuses, never):
        outcome = promote(2, registry, store, judge)
        assert (outcome.result, registry.champion(), registry.epoch()) == ("refused", 1, 1)
    assert "made-up refuse" in outcome.reason


def test_a_pass_from_before_a_rollback_is_stale(registry: MemoryRegistry, store: FileStore) -> None:
    promote(1, registry, store, passes)
    promote(2, registry, store, passes)
    roll_back(registry, store)
    assert (registry.champion(), registry.epoch()) == (1, 3)
    outcome = promote(2, registry, store, never)
    assert (outcome.result, registry.champion()) == ("refused", 1)
    assert "was rolled back" in outcome.reason
    assert current_verdict(2, registry, store, never).decision == "refuse"  # the check is executed again
    assert promote(2, registry, store, never).result == "refused"
    roll_back(registry, store, to=2)
    assert (registry.champion(), promote(2, registry, store, never).result) == (2, "already")


def test_a_verdict_against_another_champion_is_stale(registry: MemoryRegistry, store: FileStore) -> None:
    promote(1, registry, store, passes)
    current_verdict(2, registry, store, passes)
    current_verdict(3, registry, store, passes)
    assert promote(3, registry, store, never).result == "promoted"
    outcome = promote(2, registry, store, never)
    assert (outcome.result, registry.champion()) == ("refused", 3)
    assert "version 1 at epoch 1" in outcome.reason


def test_two_promotions_at_once_have_one_winner(registry: MemoryRegistry, store: FileStore) -> None:
    promote(1, registry, store, passes)
    for candidate in (2, 3):
        current_verdict(candidate, registry, store, passes)
    start, results = threading.Barrier(2), {}

    def run(candidate: int) -> None:
        start.wait()
        results[candidate] = promote(candidate, registry, FileStore(store.folder, "lake", "warehouse"), never).result

    threads = [threading.Thread(target=run, args=(candidate,)) for candidate in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results.values()) == ["promoted", "refused"]
    assert results[registry.champion()] == "promoted"  # type: ignore[index]
    assert registry.epoch() == 2


@pytest.mark.parametrize("die_at", ["note_previous", "set_champion", "set_epoch"])
def test_a_crash_leaves_a_champion_and_a_rerun_repairs(die_at: str, store: FileStore) -> None:
    registry = MemoryRegistry()
    promote(1, registry, store, passes)
    registry.die_at = die_at
    with pytest.raises(Crash):
        promote(2, registry, store, passes)
    assert registry.champion() == (2 if die_at == "set_epoch" else 1)
    outcome = promote(2, registry, store, never)
    assert (outcome.result, registry.champion(), registry.epoch()) == ("promoted", 2, 2)
    assert promote(2, registry, store, never).result == "already"
    assert registry.epoch() == 2
    assert registry.previous(2) == 1


def test_a_passed_candidate_is_promoted_after_an_interrupted_promotion(store: FileStore) -> None:
    """The next run judges its own candidate before it finishes the interrupted promotion."""
    registry = MemoryRegistry()
    promote(1, registry, store, passes)
    registry.die_at = "set_epoch"
    with pytest.raises(Crash):
        promote(2, registry, store, passes)
    assert current_verdict(3, registry, store, passes).epoch == registry.epoch() + 1
    looks = look_again(3, registry, store, never)
    assert [(o.candidate, o.result) for o in looks.outcomes] == [(2, "promoted"), (3, "promoted")]
    assert registry.champion() == 3


def test_an_interrupted_promotion_is_finished_before_another(store: FileStore) -> None:
    registry = MemoryRegistry()
    registry.die_at = "set_epoch"
    with pytest.raises(Crash):
        promote(1, registry, store, passes)
    assert (promote(2, registry, store, passes).result, registry.champion(), registry.epoch()) == ("promoted", 2, 2)


@pytest.mark.parametrize("die_at", ["set_champion", "set_rolled_back", "set_epoch"])
def test_a_crash_in_a_rollback_can_be_run_again(die_at: str, store: FileStore) -> None:
    registry = MemoryRegistry()
    promote(1, registry, store, passes)
    promote(2, registry, store, passes)
    registry.die_at = die_at
    with pytest.raises(Crash):
        roll_back(registry, store)
    assert registry.champion() == 2
    roll_back(registry, store)
    assert registry.champion() == 1
    assert promote(2, registry, store, never).result == "refused"


def test_a_defective_candidate_is_refused_whatever_its_verdict(store: FileStore) -> None:
    registry = MemoryRegistry(broken={1: "calibration is broken"})
    outcome = promote(1, registry, store, never)
    assert (outcome.result, registry.champion()) == ("refused", None)
    assert "calibration is broken" in outcome.reason


def test_not_yet_is_judged_again_on_more_evidence(store: FileStore) -> None:
    registry = MemoryRegistry()
    assert promote(1, registry, store, waits).result == "not_yet"
    assert promote(1, registry, store, passes).result == "promoted"
    assert [v.decision for v in store.verdicts()] == ["pass", "not_yet"]


def test_a_look_that_found_nothing_new_is_recorded_once(store: FileStore) -> None:
    registry = MemoryRegistry()
    for _ in range(3):
        assert promote(1, registry, store, waits).result == "not_yet"
    assert len(store.verdicts()) == 1


def test_every_open_candidate_is_judged_and_none_replaces_another(
    registry: MemoryRegistry | ModelRegistry, store: FileStore
) -> None:
    promote(1, registry, store, passes)
    assert [o.result for o in look_again(2, registry, store, waits).outcomes] == ["not_yet"]
    looks = look_again(3, registry, store, waits)
    assert [(o.candidate, o.result) for o in looks.outcomes] == [(2, "not_yet"), (3, "not_yet")]
    looks = look_again(3, registry, store, judge_by({2: "pass", 3: "not_yet"}))
    assert [(o.candidate, o.result) for o in looks.outcomes] == [(2, "promoted"), (3, "not_yet")]
    assert (registry.champion(), registry.epoch()) == (2, 2)
    (waiting,) = challengers_in(store.verdicts())
    assert (waiting.candidate, waiting.champion, waiting.epoch) == (3, 2, 2)  # it is compared with the new champion now
    assert [o.result for o in look_again(3, registry, store, refuses).outcomes] == ["refused"]
    assert challengers_in(store.verdicts()) == []


def test_a_passed_candidate_goes_before_an_older_challenger(store: FileStore) -> None:
    registry = MemoryRegistry()
    promote(1, registry, store, passes)
    look_again(2, registry, store, waits)
    current_verdict(3, registry, store, passes)
    looks = look_again(3, registry, store, judge_by({2: "refuse"}))
    assert [(o.candidate, o.result) for o in looks.outcomes] == [(3, "promoted"), (2, "refused")]
    assert registry.champion() == 3


@pytest.mark.parametrize("die_at", ["note_previous", "set_champion", "set_epoch"])
def test_a_challengers_promotion_that_was_interrupted_is_finished_by_the_next_look(
    die_at: str, store: FileStore
) -> None:
    """Also by the look of a run with another candidate."""
    registry = MemoryRegistry()
    promote(1, registry, store, passes)
    look_again(2, registry, store, waits)
    registry.die_at = die_at
    with pytest.raises(Crash):
        look_again(3, registry, store, judge_by({2: "pass", 3: "not_yet"}))
    looks = look_again(4, registry, store, judge_by({4: "not_yet"}))
    assert [(o.candidate, o.result) for o in looks.outcomes] == [(2, "promoted"), (4, "not_yet")]
    assert (registry.champion(), registry.epoch(), registry.previous(2)) == (2, 2, 1)


def test_a_challenger_that_can_no_longer_be_promoted_is_refused_with_a_reason(store: FileStore) -> None:
    registry = MemoryRegistry()
    promote(1, registry, store, passes)
    for candidate in (2, 3):
        look_again(candidate, registry, store, waits)
    registry.missing.add(2)
    registry.broken[3] = "calibration is broken"
    looks = look_again(None, registry, store, never)
    assert [o.result for o in looks.outcomes] == ["refused", "refused"]
    assert "no longer in the registry" in looks.outcomes[0].reason
    assert "calibration is broken" in looks.outcomes[1].reason
    assert challengers_in(store.verdicts()) == []


def test_a_verdict_on_a_lost_version_promotes_none_that_has_its_number_now(store: FileStore) -> None:
    """The registry was emptied, or put back from an older backup: numbers and the epoch begin again."""
    current_verdict(1, MemoryRegistry(name="before"), store, passes)
    emptied = MemoryRegistry(name="after")
    outcome = promote(1, emptied, store, refuses)
    assert (outcome.result, emptied.champion()) == ("refused", None)
    assert [(v.decision, v.sha256) for v in store.verdicts()] == [("refuse", "after-1"), ("pass", "before-1")]


def test_a_missing_bundle_is_distinguished_from_a_registry_that_is_down(tmp_path: Path) -> None:
    registry = ModelRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}", "parivision")
    version = registry.register("run", (tmp_path / "gone").as_uri(), "sha", [])
    with pytest.raises(BundleError, match=f"version {version} can't be read"):
        registry.bundle(version)
    with pytest.raises(RegistryError, match="can't be read"):
        registry.bundle(version + 1)


def test_a_challenger_that_cannot_be_judged_does_not_stop_the_others(store: FileStore) -> None:
    def judge(candidate: int, champion: int | None, epoch: int) -> Verdict:
        if candidate == 2:
            raise RegistryError("its bundle can't be read")
        return passes(candidate, champion, epoch)

    registry = MemoryRegistry()
    promote(1, registry, store, passes)
    look_again(2, registry, store, waits)
    looks = look_again(3, registry, store, judge)
    assert [(o.candidate, o.result) for o in looks.outcomes] == [(3, "promoted")]
    assert [str(problem) for problem in looks.problems] == ["its bundle can't be read"]


def test_a_versions_page_shows_its_status(registry: MemoryRegistry | ModelRegistry, store: FileStore) -> None:
    def status(version: int) -> str | None:
        if isinstance(registry, MemoryRegistry):
            return registry.status.get(version)
        return registry.tags(version).get(STATUS_TAG)

    def why(version: int) -> str | None:
        if isinstance(registry, MemoryRegistry):
            return registry.reason.get(version)
        return str(registry.client.get_model_version(registry.model, str(version)).description or "") or None

    promote(1, registry, store, passes)
    promote(2, registry, store, waits)
    outcome = promote(3, registry, store, refuses)
    assert [status(version) for version in (1, 2, 3, 4)] == ["champion", "challenger", "refused", None]
    assert (why(3), why(4)) == (outcome.reason, None)
    promote(2, registry, store, passes)
    assert [status(version) for version in (1, 2)] == ["superseded", "champion"]
    roll_back(registry, store)
    assert [status(version) for version in (1, 2)] == ["champion", "rolled back"]


def test_a_version_that_is_gone_is_refused(registry: MemoryRegistry | ModelRegistry, store: FileStore) -> None:
    if isinstance(registry, MemoryRegistry):
        registry.missing.add(99)
    outcome = promote(99, registry, store, never)
    assert (outcome.result, outcome.reason) == ("refused", "version 99 is no longer in the registry")


def test_the_check_and_the_asset_share_one_verdict(store: FileStore) -> None:
    registry = MemoryRegistry()
    verdict = current_verdict(1, registry, store, passes)
    assert current_verdict(1, registry, store, never) == verdict
    assert promote(1, registry, store, never).verdict == verdict
    assert current_verdict(1, registry, store, never) == verdict
    assert len(store.verdicts()) == 1


def test_an_impossible_rollback_is_refused_with_a_reason(store: FileStore) -> None:
    registry = MemoryRegistry()
    with pytest.raises(PromotionError, match="no champion"):
        roll_back(registry, store)
    promote(1, registry, store, passes)
    with pytest.raises(PromotionError, match="has no predecessor"):
        roll_back(registry, store)
    with pytest.raises(PromotionError, match="champion already"):
        roll_back(registry, store, to=1)
    assert promote(3, registry, store, refuses).result == "refused"
    with pytest.raises(PromotionError, match="never was champion"):
        roll_back(registry, store, to=3)
    assert registry.epoch() == 1


DEATHS = ["", "", "", "note_previous", "set_champion", "set_epoch"]
"""Where the process dies; most promotions aren't interrupted."""


class AliasHolder(RuleBasedStateMachine):
    """Any order of judging, promoting, rolling back and crashing keeps the invariants."""

    @initialize()
    def start(self) -> None:
        import tempfile

        self.registry = MemoryRegistry()
        self.folder = tempfile.TemporaryDirectory()
        self.store = FileStore(Path(self.folder.name))
        self.rolled_from: set[int] = set()
        self.last_epoch = 0

    @rule(candidate=st.integers(1, 4), decision=st.sampled_from(["pass", "refuse", "not_yet"]))
    def judge(self, candidate: int, decision: Decision) -> None:
        if candidate not in self.rolled_from:
            current_verdict(candidate, self.registry, self.store, judge_that(decision))

    @rule(candidate=st.integers(1, 4), die_at=st.sampled_from(DEATHS))
    def promote(self, candidate: int, die_at: str) -> None:
        self.registry.die_at = die_at
        champion = self.registry.champion()
        try:
            outcome = promote(candidate, self.registry, self.store, refuses)
        except Crash:
            return
        finally:
            self.registry.die_at = ""
        if outcome.result == "promoted":
            assert outcome.verdict is not None
            assert outcome.verdict.decision == "pass"
            assert outcome.verdict.candidate == candidate
            assert self.registry.champion() == candidate
            assert candidate not in self.rolled_from
        elif outcome.result != "already":
            assert self.registry.champion() == champion

    @rule(
        own=st.integers(1, 4),
        decisions=st.fixed_dictionaries({n: st.sampled_from(["pass", "refuse", "not_yet"]) for n in range(1, 5)}),
        die_at=st.sampled_from(DEATHS),
    )
    def look_again(self, own: int, decisions: dict[int, Decision], die_at: str) -> None:
        """No challenger is lost, and only a pass against its current holder moves the alias."""
        self.registry.die_at = die_at
        before = challengers_in(self.store.verdicts())
        champion, alias_holder = self.registry.champion(), self.registry.champion()
        try:
            looks = look_again(own, self.registry, self.store, judge_by(decisions))
        except Crash:
            return
        finally:
            self.registry.die_at = ""
        assert {v.candidate for v in before} | {own} <= {o.candidate for o in looks.outcomes}
        for outcome in looks.outcomes:
            if outcome.result == "promoted":
                assert outcome.verdict is not None
                assert outcome.verdict.decision == "pass"
                assert outcome.candidate not in self.rolled_from
                assert alias_holder in (outcome.verdict.champion, outcome.candidate)
                alias_holder = outcome.candidate
        assert self.registry.champion() == alias_holder
        promoted = any(o.result == "promoted" for o in looks.outcomes)
        assert champion == alias_holder or promoted
        ledger = self.store.verdicts()
        # Candidates judged before the alias moved are compared with the new champion at the next look.
        current = ((v.champion, v.epoch) == (alias_holder, self.registry.epoch()) for v in challengers_in(ledger))
        assert promoted or all(current)
        if alias_holder is not None and (newest := newest_of(ledger)[alias_holder]).decision == "pass":
            assert newest.epoch < self.registry.epoch()  # no promotion is left half done

    @rule()
    def roll_back(self) -> None:
        champion = self.registry.champion()
        try:
            roll_back(self.registry, self.store)
        except PromotionError:
            return
        assert champion is not None
        self.rolled_from.add(champion)
        target = self.registry.champion()
        assert target is not None
        self.rolled_from.discard(target)

    @invariant()
    def the_epoch_never_falls(self) -> None:
        assert self.registry.epoch() >= self.last_epoch
        self.last_epoch = self.registry.epoch()

    def teardown(self) -> None:
        self.folder.cleanup()


TestAliasHolder = AliasHolder.TestCase
TestAliasHolder.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
