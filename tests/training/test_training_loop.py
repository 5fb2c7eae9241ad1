"""The training loop: what it is pushed towards, when it stops, that it resumes exactly."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.lessons import cells_of, lessons_for
from helpers.tiny_recipe import TINY
from torch import nn

from bloodcell.architectures.resnext import ResNeXt
from bloodcell.errors import DiskError, InputError
from bloodcell.training import fit
from bloodcell.training.augment import _random_sharpness, augment
from bloodcell.training.checkpoint import check_folder
from bloodcell.training.fit import Trainer, mixed_precision, parameter_groups
from bloodcell.training.lessons import class_weights
from bloodcell.training.losses import Batch, label_loss, taught_loss
from bloodcell.training.recipe import Course
from bloodcell.training.task import Task

COURSE = Course(
    epochs=3, patience_epochs=3, batch_size=8, peak_learning_rate=3e-3, weight_decay=0.05,
    label_smoothing=0.0, average_decay=0.9, first_side_px=24, last_side_px=28,
)  # fmt: skip


def task(held_out: int = 6) -> Task:
    generator = torch.Generator().manual_seed(0)
    cells = cells_of((torch.arange(22) % 3).tolist(), classes=3)
    return Task(
        canvases=torch.randint(256, (22, 3, 46, 46), generator=generator, dtype=torch.uint8),
        cells=cells,
        trust=torch.ones(22),
        training=torch.arange(16),
        held_out=torch.arange(16, 16 + held_out),
        held_out_pixels=torch.randn(held_out, 3, 32, 32, generator=generator),
        lessons=lessons_for(cells),
        samplings=("cells",),
        shares=(1.0,),
        mean=torch.full((3,), 0.7),
        std=torch.full((3,), 0.2),
        region=0.7,
        stain_strength=1.0,
        blast_index=0,
    )


def trainer(
    folder: Path, course: Course = COURSE, steps: list[int] | None = None, held_out: int = 6
) -> Trainer:
    torch.manual_seed(4)
    teacher, network = ResNeXt(TINY, 3), ResNeXt(TINY, 3)
    return Trainer(
        folder, network, task=task(held_out), course=course, epochs=course.epochs,
        loss=taught_loss(task().lessons, 0.0, [teacher], [0.5]),
        seed=1, job={"labels_sha256": "00"},
        steps_done=steps.append if steps is not None else lambda count: None,  # noqa: ARG005
    )  # fmt: skip


def test_training_resumed_after_a_kill_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = trainer(tmp_path / "through")
    expected = through.fit().state_dict()

    killed = trainer(tmp_path / "killed")
    train_batch, batches = killed._train_batch, []

    def die_amid_the_second_epoch(*arguments: object) -> float:
        batches.append(arguments)
        if len(batches) == 4:
            raise KeyboardInterrupt
        return train_batch(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(killed, "_train_batch", die_amid_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        killed.fit()
    steps: list[int] = []
    resumed = trainer(tmp_path / "killed", steps=steps)
    weights = resumed.fit().state_dict()
    assert steps == [2, 1, 1, 1, 1]  # the two batches of the epoch that was whole, then the rest
    assert [entry["epoch"] for entry in resumed.history] == [1, 2, 3]
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_a_full_disk_leaves_the_checkpoint_of_the_epoch_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _content: object) -> None:
        path.touch()
        raise OSError(28, os.strerror(28))

    stopped = trainer(tmp_path)
    stopped.epochs = 1
    stopped.fit()
    stopped.epochs = 2
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskError, match=r"checkpoint\.pt: No space"):
        stopped.fit()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    resumed = trainer(tmp_path)
    resumed._restore()
    assert len(resumed.history) == 1


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path).fit()
    other = trainer(tmp_path)
    other.job = {"labels_sha256": "01"}
    with pytest.raises(InputError, match="belongs to a training by another recipe"):
        other.fit()


def test_what_the_card_says_of_a_source_makes_no_other_training(tmp_path: Path) -> None:
    first, second, third = (trainer(tmp_path / "fold-0") for _ in range(3))
    first.job = {"source": ({"name": "a", "data": {"source": "here"}},)}
    second.job = {"source": ({"name": "a", "data": {"source": "there"}},)}
    third.job = {"source": ({"name": "b", "data": {"source": "here"}},)}
    first.fit()
    check_folder(tmp_path, second.job)
    second.fit()
    assert len(second.history) == 3
    with pytest.raises(InputError, match="belongs to a training by another recipe"):
        check_folder(tmp_path, third.job)


def test_a_training_that_diverges_ends_with_what_to_do(tmp_path: Path) -> None:
    hot = Course(**{**vars(COURSE), "peak_learning_rate": 1e30})
    for _ in range(2):
        diverging = trainer(tmp_path / "fold-1", hot)
        with pytest.raises(InputError, match=r"fold-1: the loss is not .*lower peak_learning_rate"):
            diverging.fit()
        assert len(diverging.history) < 3


def test_a_training_that_diverged_before_is_not_finished(tmp_path: Path) -> None:
    before = trainer(tmp_path)
    before.epochs = 1
    before.fit()
    before.history[0]["training_loss"] = float("nan")
    before._save()
    with pytest.raises(InputError, match="in epoch 1, the training diverges"):
        trainer(tmp_path).fit()


def test_it_stops_when_the_validation_loss_falls_no_more_and_keeps_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = Course(**{**vars(COURSE), "epochs": 9, "patience_epochs": 2})
    stopping = trainer(tmp_path, course)
    losses = iter([0.9, 0.5, 0.7, 0.6, 0.1])
    weights = []

    def validate() -> dict[str, float]:
        weights.append(stopping.averaged.module.head[1].bias.clone())
        return {"validation_loss": next(losses), "accuracy": 0.0, "blast_auroc": 0.0}

    monkeypatch.setattr(stopping, "_validate", validate)
    best = stopping.fit()
    assert len(stopping.history) == 4
    assert torch.equal(best.head[1].bias, weights[1])
    assert not torch.equal(best.head[1].bias, weights[3])


def test_without_held_out_cells_the_last_epoch_is_kept(tmp_path: Path) -> None:
    alone = trainer(tmp_path, Course(**{**vars(COURSE), "patience_epochs": 1}), held_out=0)
    alone.epochs = 2
    kept = alone.fit()
    assert [sorted(entry) for entry in alone.history] == [
        ["elapsed_s", "epoch", "training_loss"]
    ] * 2
    assert alone.best_epoch() == 2
    assert torch.equal(kept.head[1].bias, alone.averaged.module.head[1].bias)


def test_the_average_forgets_its_random_start(tmp_path: Path) -> None:
    started = trainer(tmp_path, Course(**{**vars(COURSE), "average_decay": 0.998}))
    weight, averaged = started.model.head[1].weight, started.averaged.module.head[1].weight
    started.averaged.update_parameters(started.model)  # the first one copies the random start
    with torch.no_grad():
        weight += 1.0
    for _ in range(50):
        started.averaged.update_parameters(started.model)
    # A plain average of that decay would still keep 0.998 ** 50 = 0.90 of the start.
    assert torch.allclose(averaged, weight, atol=1e-3)


def test_views_grow_over_thirds_of_the_epochs(tmp_path: Path) -> None:
    assert [trainer(tmp_path)._side_px(epoch) for epoch in range(3)] == [24, 26, 28]


def test_rare_classes_weigh_more_and_the_mean_over_cells_is_one() -> None:
    counts = torch.tensor([16, 4, 0])
    weights = class_weights(counts)
    assert weights[1] / weights[0] == pytest.approx(2)  # square root of 16 / 4
    assert weights[2] / weights[0] == pytest.approx(4)  # no cells: as if it had one
    assert (weights * counts).sum() / 20 == pytest.approx(1)


def test_learnt_logits_with_the_occurrence_added_give_the_frequencies_back() -> None:
    """Logits that minimise the loss are of classes alike frequent: here all alike."""
    cells = cells_of([0] * 60 + [1] * 30 + [2] * 10, classes=3)
    lessons = lessons_for(cells)
    logits = torch.ones(3) * torch.tensor([1.0, 0.0, -1.0])
    logits.requires_grad_()
    optimizer = torch.optim.LBFGS([logits], max_iter=100)
    batch = Batch(torch.empty(0), cells.labels, cells.sources, torch.ones(100))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = label_loss(lessons, 0.0)(logits.expand(100, 3), batch)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert (logits - logits.mean()).tolist() == pytest.approx([0, 0, 0], abs=1e-3)
    shares = torch.softmax(logits.detach() + lessons.occurrence, 0)
    assert shares.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=1e-3)


class Echo(nn.Module):
    """A teacher that says what the pixels are."""

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return views.flatten(1)


def one_cell(trust: float) -> tuple[torch.Tensor, Batch]:
    views = torch.tensor([[[[2.0, 0.0, 1.0]]]])
    said = torch.tensor([1]), torch.tensor([0]), torch.tensor([trust])
    return views.flatten(1), Batch(views, *said)


def test_the_teacher_is_followed_on_the_very_same_view() -> None:
    lessons = lessons_for(cells_of([0, 1, 2], classes=3))
    said, batch = one_cell(trust=1.0)
    only_teacher = taught_loss(lessons, 0.0, [Echo()], [1.0])
    assert only_teacher(said, batch) == pytest.approx(0, abs=1e-6)
    assert only_teacher(torch.zeros(1, 3), batch) > 0.2
    # The labels' half alone is left: log of the sum of exp(2, 0, 1), less the label's 0.
    half = taught_loss(lessons, 0.0, [Echo()], [0.5])
    expected = 0.5 * np.log(np.exp(2) + 1 + np.e)
    assert half(said, batch) == pytest.approx(expected, rel=1e-5)


def test_what_a_label_is_not_trusted_goes_to_the_teachers() -> None:
    lessons = lessons_for(cells_of([0, 1, 2], classes=3))
    loss = taught_loss(lessons, 0.0, [Echo(), Echo()], [0.2, 0.3])
    said, batch = one_cell(trust=0.0)
    assert loss(said, batch) == pytest.approx(0, abs=1e-6)  # the label says otherwise, unheard
    assert loss(torch.zeros(1, 3), batch) > loss(torch.zeros(1, 3), one_cell(trust=1.0)[1]) * 0.1
    assert label_loss(lessons, 0.0)(said, batch) == 0


def test_weights_nearer_to_the_pixels_learn_slower() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(2, 2), nn.Linear(2, 1)

        def depths(self) -> dict[str, int]:
            return {name: int(name.startswith("head")) for name, _ in self.named_parameters()}

    groups = parameter_groups(Deep(), layer_decay=0.5)
    assert [(len(group["params"]), group["scale"]) for group in groups] == [(2, 0.5), (2, 1.0)]


def test_views_are_blurred_and_sharpened_but_flat_ones_stay_flat() -> None:
    generator = torch.Generator().manual_seed(1)
    edge = torch.zeros(200, 1, 8, 8)
    edge[..., 4:] = 1.0
    step = _random_sharpness(edge, generator)[:, 0, 4, 3:5].diff(dim=1).flatten()
    assert 80 <= (step == 1).sum() <= 120  # half of them stay as they are
    assert (step < 0.7).any()
    assert (step > 1.3).any()
    flat = torch.full((20, 1, 8, 8), 0.5)
    assert torch.allclose(_random_sharpness(flat, generator), flat)


def test_augmentation_changes_views_but_not_their_size() -> None:
    canvas = torch.randn(4, 3, 46, 46, generator=torch.Generator().manual_seed(0))
    first = augment(canvas, 32, 0.7, 1.0, torch.Generator().manual_seed(1))
    assert first.shape == (4, 3, 32, 32)
    assert torch.isfinite(first).all()
    assert torch.equal(first, augment(canvas, 32, 0.7, 1.0, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, augment(canvas, 32, 0.7, 1.0, torch.Generator().manual_seed(2)))


@pytest.mark.parametrize("faster", [True, False])
def test_a_cpu_trains_in_bfloat16_only_if_it_is_faster_in_it(
    faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "is_faster_in_bfloat16", lambda: faster)
    layer, x = nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 2, 2)
    with mixed_precision(torch.device("cpu")):
        assert layer(x).dtype == (torch.bfloat16 if faster else torch.float32)


def test_the_teachers_depthwise_convolutions_stay_in_float32() -> None:
    from bloodcell.training.recipe import read_recipe
    from bloodcell.training.teacher import Lite0

    teacher = Lite0(read_recipe("resnext26").preprocessing).train()
    types: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    for layer in teacher.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda layer, _, out: types[layer.groups > 1].add(out.dtype)
            )
    with torch.autocast("cpu", torch.bfloat16):
        teacher(torch.zeros(2, 3, 64, 64))
    assert types == {True: {torch.float32}, False: {torch.bfloat16}}
