"""What the sample looks like: how many of what at scale 1, how often, called what. Numbers and names only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HISTORY_DAYS = 180
CATALOGUE_DAYS = 540  # models are older than the recorded history of what users did
CHUNK_ROWS = 200_000  # what is in memory at once of a table that grows with what users do

# Rows at scale 1, about a million in all. Versions follow from models, threads from posts and images.
_ROWS_AT_SCALE_1: Mapping[str, int] = {
    "User": 40_000,
    "Model": 8_000,
    "ResourceReview": 150_000,
    "Collection": 10_000,
    "CollectionItem": 80_000,
    "CollectionContributor": 30_000,
    "Post": 40_000,
    "Image": 100_000,
    "ImageReaction": 150_000,
    "Comment": 20_000,
    "CommentV2": 40_000,
    "UserEngagement": 40_000,
    "BuzzTip": 20_000,
    "Donation": 3_000,
    "modelVersionEvents": 180_000,
    "orchestration.jobs": 60_000,
    "modelUsage": 60_000,
}
_FEWEST_ROWS = 20


@dataclass(frozen=True)
class Weighted:
    """Names, and how often each occurs (the weights need not add up to 1)."""

    names: Sequence[str]
    weights: Sequence[float]


STATUSES = Weighted(("Published", "Draft", "Unpublished", "Scheduled", "Deleted"), (90, 5, 3, 1, 1))
BASE_MODELS = Weighted(
    ("SD 1.5", "SDXL 1.0", "Pony", "Illustrious", "Flux.1 D", "Flux.1 S", "SD 3.5", "Wan Video", "Other"),
    (30, 22, 16, 12, 10, 3, 2, 2, 3),
)
MODEL_TYPES = Weighted(("LORA", "Checkpoint", "TextualInversion", "LoCon", "VAE"), (70, 15, 8, 6, 1))
REACTIONS = Weighted(("Like", "Heart", "Laugh", "Cry", "Dislike"), (55, 30, 8, 5, 2))
PERMISSIONS = Weighted(("{VIEW}", "{VIEW,ADD}", "{VIEW,ADD,MANAGE}", "{}"), (80, 14, 4, 2))
ENGAGEMENTS = Weighted(("Follow", "Hide", "Block"), (92, 6, 2))
EVENT_TYPES = Weighted(("Download", "Update", "Publish"), (90, 7, 3))
FEATURES = Weighted(("chat", "image", "comparison"), (70, 22, 8))
JOB_TYPES = Weighted(("TextToImage", "ImageToImage", "Video"), (80, 15, 5))
ADJECTIVES = ("Velvet", "Arctic", "Neon", "Quiet", "Golden", "Paper", "Lunar", "Hazy", "Bold", "Tiny")
NOUNS = ("Dream", "Garden", "Portrait", "Machine", "Harbor", "Fable", "Canvas", "Signal", "Forest", "Comet")

MOST_VERSIONS = 50
VERSIONS_ZIPF = 2.0  # share of models with n versions falls with n**-2
POPULARITY_ZIPF = 1.0  # of models, images, creators: the n-th gets 1/n of what the first gets

WEEKEND = 1.5  # what happens on a weekend day, against a weekday
VIRAL_DAY_FROM_END = 40
VIRAL_DAY = 6.0  # what happens on the viral day, against another
VIRAL_SHARE = 0.4  # of what happens on that day, the share of one entity
# Share of what happens in each hour of a UTC day, in per mille.
HOURS = (34, 30, 27, 25, 24, 25, 28, 32, 36, 39, 41, 43, 45, 47, 49, 51, 53, 54, 55, 56, 55, 53, 51, 47)

ANONYMOUS = 0.3  # log events by user 0
DELIVERED_AGAIN = 0.02  # log rows that arrive twice, alike in every column
DELIVERED_LATE = 0.01  # log rows that arrive after everything else, out of order
NOT_YET_THERE = 0.003  # log rows for versions that come into being later, if at all
JOB_AGAIN = 0.04  # jobs delivered a second time, with other resources and another time
NO_DATE = 0.001  # reviews and collection items without createdAt
ANCIENT = 0.001  # reviews and collection items from before the first partition
OTHER_MODEL = 0.002  # reviews whose version has moved to another model since


@dataclass(frozen=True)
class Size:
    """How much of everything, and over how long.

    Attributes:
        rows: of every table, except those that follow from others.
        history_days: days of what users did.
        catalogue_days: the oldest model's age.
        versions_zipf: the share of models with n versions falls with n to the minus this.
    """

    rows: Mapping[str, int]
    history_days: int = HISTORY_DAYS
    catalogue_days: int = CATALOGUE_DAYS
    versions_zipf: float = VERSIONS_ZIPF


def size_at(scale: float) -> Size:
    """The usual proportions with about `scale` million rows."""
    return Size({name: max(_FEWEST_ROWS, round(rows * scale)) for name, rows in _ROWS_AT_SCALE_1.items()})
