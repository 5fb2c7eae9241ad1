"""What every command scores with. It imports nothing heavy, so that the command line may."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scoring:
    """How to score; as the options of `bloodcell score`."""

    model: str | None
    backend: str
    batch_size: int | None
    threads: int

    def about(self) -> dict[str, Any]:
        """Which network on what: names in place of what was asked for."""
        from bloodcell.engine.backends.choice import choose_backend
        from bloodcell.model import load_model

        choice, model = choose_backend(self.backend), load_model(self.model)
        return {
            "model": model.name,
            "input_px": model.preprocessing.input_px,
            "backend": choice.name,
            "device": choice.device,
        }
