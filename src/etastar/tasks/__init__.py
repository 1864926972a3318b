"""Tasks: what is trained, loaded by name or built from the user's own parts."""

from etastar.tasks.load import load_task
from etastar.tasks.task import Batch, Data, Task, instances, is_instance

__all__ = ["Batch", "Data", "Task", "instances", "is_instance", "load_task"]
