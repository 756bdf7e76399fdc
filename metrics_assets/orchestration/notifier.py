"""Where alerts go: the log always, a webhook when METRICS_ALERT_WEBHOOK_URL names one."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from metrics_assets.settings import Settings

_TIMEOUT_SECONDS = 10
_LOG = logging.getLogger("metrics_assets.alerts")


@dataclass(frozen=True)
class Alert:
    """Something that a person should know.

    Attributes:
        subject: what it is about: a job, or an asset and its check.
        text: what happened and what to do.
        resolved: it is over.
    """

    subject: str
    text: str
    resolved: bool = False


Notify = Callable[[Alert], None]


def notifier(settings: Settings) -> Notify:
    """Logs every alert, and posts it as `{"text": …}`, which the usual chat services take.

    The returned function raises `OSError` when the webhook does not take the alert; its address, a secret, is in no
    message.
    """

    def notify(alert: Alert) -> None:
        text = f"{'Resolved' if alert.resolved else 'Alert'}: {alert.subject}: {alert.text}"
        _LOG.log(logging.INFO if alert.resolved else logging.WARNING, "%s", text)
        if settings.alert_webhook_url is not None:
            _post(settings.alert_webhook_url.get_secret_value(), text)

    return notify


def _post(url: str, text: str) -> None:
    request = urllib.request.Request(
        url, data=json.dumps({"text": text}).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
            pass
    except OSError as error:
        raise OSError(
            f"The webhook of METRICS_ALERT_WEBHOOK_URL did not take an alert ({type(error).__name__})."
        ) from None
