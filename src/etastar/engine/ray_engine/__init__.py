"""Trials as Ray tasks, on one machine or a cluster.

Reading order: `engine` (what users call), `cluster` (Ray itself), `transport` (how a task travels),
`settings` (what of torch travels with it), `worker` (what runs out there), `driver` (who listens).
"""

from etastar.engine.ray_engine.engine import RayEngine

__all__ = ["RayEngine"]
