"""What becomes of an error inside a run: tried again when that can help, else a failure that says what to do."""

from __future__ import annotations

from types import TracebackType

import dagster as dg

from metrics_assets.errors import MetricsError

# A step is tried again after 2, 4 and 8 s, each ± 100 % so that sets that failed together do not return together.
RETRY = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


class explained:
    """`with explained(context):` turns what leaves its block into Dagster's words.

    A transient error asks for another try of the step, up to `RETRY.max_retries`. Anything else fails it at once:
    the same statement would fail the same way, and hold up the set while it is repeated.
    """

    def __init__(self, context: dg.OpExecutionContext | dg.AssetExecutionContext) -> None:
        self._context = context

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, (dg.Failure, dg.RetryRequested)):
            return
        from metrics_assets.pipeline.transient import is_transient

        if is_transient(error) and self._context.retry_number < RETRY.max_retries:
            self._context.log.warning("%s. Trying again.", _first_line(error))
            raise dg.RetryRequested(
                max_retries=RETRY.max_retries,
                seconds_to_wait=RETRY.calculate_delay(self._context.retry_number + 1),
            ) from error
        raise dg.Failure(
            description=_advice(error, transient=is_transient(error)),
            metadata={"error": type(error).__name__, "tries": self._context.retry_number + 1},
            allow_retries=False,
        ) from error


def _advice(error: Exception, *, transient: bool) -> str:
    if isinstance(error, MetricsError):
        return str(error)
    if transient:
        return (
            f"{_first_line(error)}. It failed {RETRY.max_retries + 1} times; nothing is lost, the next tick "
            "goes on where this one stopped. Check that the stores named by METRICS_* answer."
        )
    return (
        f"{_first_line(error)}. Trying again would not help. Everything captured is kept: mend the cause, then "
        "run the job again. The stack trace below names the statement."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
