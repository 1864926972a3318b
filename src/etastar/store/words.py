"""What a database says, in a sentence that tells what to do."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from etastar.errors import StoreError

_KEPT = "run the same command again, and it goes on with every finished trial kept"
_DAMAGED = "cannot be read: {said}; take a copy of it, or delete it to begin anew"

_SQLITE = {
    "readonly": "cannot be written; give a place that can, or its owner's permission",
    "unable to open": "cannot be opened; give a place where files can be read and written",
    "disk is full": f"is on a disk without room; free some, then {_KEPT}",
    "disk i/o error": f"is on a disk that is full or failing; see to it, then {_KEPT}",
    "locked": f"is held by another process for more than a minute; end that, then {_KEPT}",
    "malformed": f"is damaged and {_DAMAGED}",
    "not a database": f"is no store, or a damaged one, and {_DAMAGED}",
    "encrypted": f"is no store, or a damaged one, and {_DAMAGED}",
    "corrupt": f"is damaged and {_DAMAGED}",
}
_CONNECTING = {
    "does not exist": "3D",
    "authentication": "28",
    "no password": "28",
    "pg_hba": "28",
}
"""Where PostgreSQL gives no state: while one connects."""

_POSTGRES = {
    "28": "refuses the login ({said}); give another user or password in the URL",
    "3D": "does not exist there ({said}); make it with `createdb`",
    "42501": "may not be written by this user ({said}); grant it, or give another",
    "25006": "is read-only ({said}); give the URL of one that can be written",
    "53": f"has no room left ({{said}}); make some, then {_KEPT}",
    "57": f"was shut down ({{said}}); start the server, then {_KEPT}",
    "08": f"cannot be reached ({{said}}); start the server or check the URL, then {_KEPT}",
    "23503": "no longer has this study, which somebody deleted; begin it anew",
}


@contextmanager
def in_words(where: str) -> Generator[None]:
    """Turn what a database raises into a sentence.

    Args:
        where: what to call the store.

    Yields:
        Nothing.

    Raises:
        StoreError: with the sentence; the database's own error is its cause.
    """
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"the store {where} {_told(error)}.") from error
    except SQLAlchemyError as error:
        raise StoreError(f"the store {where} cannot be used: {_first_line(error)}.") from error
    except UnicodeDecodeError as error:  # SQLite hands out damaged text as it is
        raise StoreError(
            f"the store {where} is damaged and {_DAMAGED.format(said='its text is no UTF-8')}."
        ) from error


def _told(error: DBAPIError) -> str:
    said = _first_line(error.orig or error)
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if hasattr(error.orig, "sqlstate"):
        if not state:  # not connected, or no longer
            known = (number for part, number in _CONNECTING.items() if part in said)
            state = next(known, "08")
        for begin, words in _POSTGRES.items():
            if state.startswith(begin):
                return words.format(said=said)
    for part, words in _SQLITE.items():
        if part in said.lower():
            return words.format(said=said)
    if "FOREIGN KEY" in said:
        return _POSTGRES["23503"]
    return f"cannot be used: {said}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return " ".join(lines[0].split()).rstrip(".") if lines else type(error).__name__
