"""All state of a training, taken once and brought back bit for bit.

    with es.preserved(model, optimizer, train_loader):
        ...  # train, break, interrupt: afterwards nothing has happened

Reading order: `snapshot` (what users call), `inventory` (which parts make up the state),
`structure`, `memory`, `loaders`, `random_state` (how each kind of part comes back).
"""

from etastar.training.preserved.random_state import RandomState
from etastar.training.preserved.snapshot import Snapshot, preserved

__all__ = ["RandomState", "Snapshot", "preserved"]
