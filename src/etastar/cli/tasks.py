"""`etastar tasks`: the built-in tasks."""

import json

from etastar.cli.options import AsJson


def tasks(as_json: AsJson = False) -> None:
    """List the built-in tasks."""
    from etastar.tasks.builtin import BUILTIN

    if as_json:
        listed = [
            {"name": task.name, "summary": task.summary, "data": task.data}
            for task in BUILTIN.values()
        ]
        print(json.dumps(listed))
        return
    width = max(len(name) for name in BUILTIN)
    for name, task in BUILTIN.items():
        data = f" ({task.data})" if task.data else ""
        print(f"{name:<{width}}  {task.summary}{data}")
    print("\nYour own: etastar find file.py:name, where name is a Task or a function making one.")
