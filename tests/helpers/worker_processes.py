"""The worker processes that this process has."""

import psutil


def workers() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if "engine.worker" in " ".join(child.cmdline())]
