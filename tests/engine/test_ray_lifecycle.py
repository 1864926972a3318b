"""Ray's life: started and stopped by the engine, interrupted, a machine lost on the way.

Each in a process of its own, as Ray has room for one connection in each.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("ray")

COMMON = """
import os, signal, sys, time
from pathlib import Path
import torch
from torch import nn
import etastar as es
from etastar.engine import Observer, Sequential
from etastar.engine.ray_engine import RayEngine

marks = Path(sys.argv[1])

def task(loss):
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    sgd = lambda params: torch.optim.SGD(params, lr=0.1)
    return es.Task(lambda: nn.Linear(3, 1), sgd, loss, [x], steps=8)

def square(model, batch):
    return model(batch).square().mean()

def table(trials):
    return [trial.model_copy(update={"seconds": 0.0}) for trial in trials]
"""


def script(body: str, *arguments: object) -> subprocess.Popen[str]:
    code = COMMON + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def descendants(root: int) -> set[int]:
    """The processes that a process has started, and those that they have."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found, new = set[int](), {root}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_an_interrupted_engine_stops_the_ray_it_started_and_leaves_no_process(
    tmp_path: Path,
) -> None:
    process = script(
        """
        import ray

        signal.signal(signal.SIGINT, signal.default_int_handler)

        def endless(model, batch):
            (marks / str(os.getpid())).touch()
            time.sleep(600)

        with RayEngine(cpus=0.5) as engine, RayEngine(cpus=0.5) as other:
            first = engine.train(task(square), [0.1, 0.2], [0], 8)
            assert table(first) == table(Sequential().train(task(square), [0.1, 0.2], [0], 8))
            other.train(task(square), [0.1], [0], 2)
            other.close()
            assert ray.is_initialized()  # it is still the first one's
            try:
                engine.train(task(endless), [0.1, 0.2], [0], 8)
            except KeyboardInterrupt:
                print("interrupted", flush=True)
        print("stopped" if not ray.is_initialized() else "running", flush=True)
        """,
        tmp_path,
    )
    until = time.monotonic() + 400
    while len(list(tmp_path.iterdir())) < 2 and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.1)
    started = descendants(process.pid)
    workers = {int(mark.name) for mark in tmp_path.iterdir()}
    assert len(workers) == 2 or process.poll() is not None
    process.send_signal(signal.SIGINT)
    told, complaints = process.communicate(timeout=60)
    assert (told, complaints) == ("interrupted\nstopped\n", "")
    assert workers <= started
    until = time.monotonic() + 30
    while any(map(alive, started)) and time.monotonic() < until:
        time.sleep(0.1)
    assert [pid for pid in started if alive(pid)] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_machine_that_is_lost_on_the_way_changes_nothing(tmp_path: Path) -> None:
    process = script(
        """
        import logging
        import ray
        from ray.cluster_utils import Cluster

        # The second machine takes three steps and waits to be lost; until then the first waits
        # for it. So a trial is cut off on the way, however slowly a worker starts.
        def slow(model, batch):
            if ray.is_initialized():
                node = ray.get_runtime_context().get_node_id()
                with (marks / node).open("a") as file:
                    file.write(".")
                second = marks / (marks / "second").read_text()
                waiting = second.name == node
                while waiting == (second.exists() and second.stat().st_size >= 3):
                    time.sleep(0.05)
            return square(model, batch)

        expected = Sequential().train(task(slow), [0.05, 0.1, 0.2], [0, 1], 8)
        ray_logger = logging.getLogger("ray")
        ray_logger.setLevel(logging.ERROR)
        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        (marks / "second").write_text(second.node_id)

        class Removing(Observer):
            removed = 0
            ended = []

            def stepped(self, lr, step, loss):
                at = marks / second.node_id
                if not self.removed and at.exists() and at.stat().st_size >= 3:
                    self.removed += 1
                    cluster.remove_node(second, allow_graceful=False)

            def trial_ended(self, trial):
                self.ended.append((trial.lr, trial.seed))

        watching = Removing()
        with RayEngine(address=cluster.address) as engine:
            trials = engine.train(task(slow), [0.05, 0.1, 0.2], [0, 1], 8, observer=watching)
        assert table(trials) == table(expected)
        assert watching.removed == 1
        assert len(watching.ended) == len(set(watching.ended)) == 6
        steps = [mark.stat().st_size for mark in marks.glob("[0-9a-f]*")]
        assert len(steps) == 2
        assert sum(steps) == 6 * 8 + 3  # what was lost was trained again
        assert not ray.is_initialized()
        cluster.shutdown()
        print("same", flush=True)
        """,
        tmp_path,
    )
    told, complaints = process.communicate(timeout=500)
    assert process.returncode == 0, complaints
    assert told.splitlines()[-1] == "same"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_machine_without_etastar_is_told(tmp_path: Path) -> None:
    (tmp_path / "etastar").mkdir()
    (tmp_path / "etastar" / "__init__.py").write_text("raise ImportError('another one')")
    process = script(
        """
        import logging
        import ray
        from etastar.errors import WorkerLostError

        ray.init(
            num_cpus=1,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": {"PYTHONPATH": str(marks)}},
        )
        try:
            RayEngine(retries=1).train(task(square), [0.1], [0], 8)
        except WorkerLostError as error:
            print(error)
        ray.shutdown()
        """,
        tmp_path,
    )
    told, complaints = process.communicate(timeout=500)
    assert process.returncode == 0, complaints
    assert "(ImportError: another one): look for" in told
    assert "or a machine without etastar" in told
