"""The tables of version 1, for a database that has no file to be kept."""

SQLITE = (
    "CREATE TABLE etastar_store (version INTEGER NOT NULL)",
    "CREATE TABLE etastar_studies (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "
    "name TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL, summary TEXT NOT NULL, "
    "checksum BLOB NOT NULL)",
    "CREATE TABLE etastar_trials (id INTEGER NOT NULL PRIMARY KEY, study INTEGER NOT NULL "
    "REFERENCES etastar_studies (id), lr DOUBLE NOT NULL, seed TEXT NOT NULL, "
    "steps BIGINT NOT NULL, status TEXT NOT NULL, final_loss DOUBLE, length INTEGER NOT NULL, "
    "sample_gradients DOUBLE NOT NULL, seconds DOUBLE NOT NULL, lrs BLOB NOT NULL, "
    "losses BLOB NOT NULL, checksum BLOB NOT NULL)",
    "CREATE UNIQUE INDEX etastar_trials_terms ON etastar_trials (study, lr, seed, steps)",
    "INSERT INTO etastar_store VALUES (1)",
)

POSTGRES = tuple(
    statement.replace("id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "id SERIAL PRIMARY KEY")
    .replace("id INTEGER NOT NULL PRIMARY KEY", "id SERIAL PRIMARY KEY")
    .replace("DOUBLE", "DOUBLE PRECISION")
    .replace("BLOB", "BYTEA")
    for statement in SQLITE
)
