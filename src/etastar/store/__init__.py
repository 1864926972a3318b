"""Studies on disk: every trial of a task, kept once, whatever happens to the process.

    with open_store() as store:
        study = store.study("digits", task_fingerprint(task), summary)
        Recorded(engine, study).train(task, lrs, seeds, steps)

Reading order: `open` (which file or server), `study` (what is kept), `schema`, `rows` and
`arrays` (how it lies there), `migrations`, `connection` and `words` (SQLite and PostgreSQL, and
what they say when something is wrong), `portable` and `check` (behind `etastar store`).
"""

from etastar.store.check import Check, check
from etastar.store.open import DEFAULT, open_store
from etastar.store.portable import export_study, import_study, is_export
from etastar.store.study import Store, Study

__all__ = [
    "DEFAULT",
    "Check",
    "Store",
    "Study",
    "check",
    "export_study",
    "import_study",
    "is_export",
    "open_store",
]
