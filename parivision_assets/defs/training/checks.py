"""Two different checks of a candidate: does it work at all (blocks), and is it better (never blocks)."""

import dagster as dg

from parivision_assets.orchestration.candidates import candidate_of
from parivision_assets.orchestration.failures import fails_in_words
from parivision_assets.orchestration.keys import trained_model_key
from parivision_assets.resources import RegistryResource, StoreResource
from parivision_core.sport import Sport


def build(sport: Sport) -> list[dg.AssetChecksDefinition]:
    """The checks for one sport."""
    asset = trained_model_key(sport)

    @dg.asset_check(
        asset=asset,
        blocking=True,
        description="Finite metrics, sane calibration, the current feature schema, and an ONNX graph that answers as "
        "its trainer does.",
    )
    @fails_in_words
    def candidate_sound(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        models = registry.of(sport)
        version = candidate_of(context.run.run_id, context.instance, models, sport)
        defects = models.defects(version) if version is not None else "no candidate is registered"
        return dg.AssetCheckResult(
            passed=not defects,
            severity=dg.AssetCheckSeverity.ERROR,
            description=defects or f"version {version} is sound",
            metadata={"version": version or 0, "defects": defects},
        )

    @dg.asset_check(
        asset=asset,
        description="On games that neither has seen, the candidate's log loss is lower than the champion's by more "
        "than chance explains. The verdict is recorded; a refusal is a result, not an error.",
    )
    @fails_in_words
    def beats_champion(
        context: dg.AssetCheckExecutionContext, registry: RegistryResource, store: StoreResource
    ) -> dg.AssetCheckResult:
        from parivision_assets.steps.promotion.promoting import current_verdict
        from parivision_assets.steps.promotion.verdict import warning

        if text := warning(registry.gate):
            context.log.warning(text)
        models, ledger = registry.of(sport), store.of(sport)
        version = candidate_of(context.run.run_id, context.instance, models, sport)
        if version is None:
            return dg.AssetCheckResult(
                passed=False, severity=dg.AssetCheckSeverity.WARN, description="no candidate is registered"
            )
        verdict = current_verdict(version, models, ledger, registry.judge(ledger, sport))
        return dg.AssetCheckResult(
            passed=verdict.decision == "pass",
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{verdict.decision}: {verdict.reason}",
            metadata={
                "candidate": verdict.candidate,
                "expected_champion": verdict.champion or 0,
                "epoch": verdict.epoch,
                "decision": verdict.decision,
                "games": verdict.games,
                "gain": verdict.gain if verdict.gain is not None else float("nan"),
                "interval": f"{verdict.gain_low} .. {verdict.gain_high}",
            },
        )

    return [candidate_sound, beats_champion]
