"""The tables of a store, as this version of etastar makes them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

VERSION = 3
"""1: as first laid out. 2: a trial's shape and settings are told apart. 3: claims."""

metadata = MetaData()

about = Table("etastar_store", metadata, Column("version", Integer, nullable=False))

studies = Table(
    "etastar_studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("fingerprint", Text, nullable=False),
    Column("summary", Text, nullable=False),  # a TaskSummary's JSON
    Column("checksum", LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # the number of a deleted study is never given again
)

trials = Table(
    "etastar_trials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study", Integer, ForeignKey("etastar_studies.id"), nullable=False),
    Column("lr", Double, nullable=False),
    Column("seed", Text, nullable=False),  # may be larger than 64 bits
    Column("steps", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("final_loss", Double),  # SQLite has no NaN; null stands for it
    Column("length", Integer, nullable=False),  # of the curve
    Column("sample_gradients", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("lrs", LargeBinary, nullable=False),
    Column("losses", LargeBinary, nullable=False),
    Column("checksum", LargeBinary, nullable=False),
    Column("shape", Text, nullable=False, server_default=""),
    Column("settings", Text, nullable=False, server_default="{}"),  # JSON, in order of name
)

TERMS = ("study", "lr", "seed", "steps", "shape", "settings")
"""What tells a trial from all others."""

Index("etastar_trials_terms", *(trials.c[name] for name in TERMS), unique=True)

claims = Table(
    "etastar_claims",
    metadata,
    Column("study", Integer, ForeignKey("etastar_studies.id"), nullable=False),
    Column("trial", Text, nullable=False),  # a digest of its terms
    Column("owner", Text, nullable=False),
    Column("until", BigInteger, nullable=False),  # milliseconds since 1970
)

Index("etastar_claims_trial", claims.c.study, claims.c.trial, unique=True)
