"""Recounts every counter from the application's own tables and logs, and compares it with everything that shows it.

Belongs here: plain definitions of the numbers, and the comparison. Does not belong here: anything of the pipeline or
the catalog, not even a name of a counter, so that a fault in them cannot hide here.
"""

from metrics_assets.verify.check import verify
from metrics_assets.verify.counters import VERIFIED_SETS
from metrics_assets.verify.report import Difference, SetVerdict, VerifyReport

__all__ = ["VERIFIED_SETS", "Difference", "SetVerdict", "VerifyReport", "verify"]
