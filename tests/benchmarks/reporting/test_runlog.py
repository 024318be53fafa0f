import pytest

from portraitnet.benchmarks.reporting import plots
from portraitnet.benchmarks.reporting.runlog import log_runs
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.errors import InputError

RECIPE = """
name: small
model: {architecture: portraitnet, encoder: resnet18, encoder_weights: /elsewhere/own.safetensors}
loss: {edge: 0.1, consistency: 0, pixel: cross_entropy}
optimizer: {learning_rate: 0.00012}
data: {size: [64, 96], train: [{kind: folder, path: a/people}, {kind: synthetic, path: ""}]}
run: {batch: 4, seed: 7, steps: 10}
"""


def run_of(folder, scores="", recipe=RECIPE, steps="step,loss,edge\n0,1.0,0.3\n1,0.5,0.2\n"):
    folder.mkdir()
    (folder / "recipe.yaml").write_text(recipe)
    (folder / "steps.csv").write_text(steps)
    if scores:
        (folder / "scores.csv").write_text(scores)
    return folder


def test_runs_are_logged_and_updated(tmp_path):
    first = run_of(tmp_path / "first", "step,people/fg_iou_per_image,people/images\n1,0.5,9\n2,0.625,9\n")
    stopped = run_of(tmp_path / "stopped")
    log_runs([first, stopped], tmp_path)
    (first / "scores.csv").write_text("step,people/fg_iou_per_image\n3,0.75\n")
    path = log_runs([first], tmp_path)
    rows = {row["run"]: row for row in read_csv(path)}
    assert list(rows) == ["first", "stopped"]
    assert (rows["first"]["people"], rows["first"]["scored_at"]) == ("0.7500", "3")
    assert (rows["first"]["from"], rows["first"]["losses"]) == ("own.safetensors", "edge=0.1")
    assert rows["first"]["size"] == "64x96"
    assert rows["first"]["learning_rate"] == "0.00012"
    assert rows["first"]["sets"] == "people synthetic"
    assert (rows["stopped"]["done"], rows["stopped"]["people"]) == ("2", "")


def test_every_score_of_the_last_evaluation_is_kept_beside_the_log(tmp_path):
    scores = "step,a/b/fg_iou_per_image,a/b/boundary_iou,people/images,selection\n{},0.5,0.25,9,0.5\n"
    first, second = (run_of(tmp_path / name, scores.format(2)) for name in ("first", "second"))
    log_runs([first, second], tmp_path)
    (first / "scores.csv").write_text(scores.format(3))
    log_runs([first, run_of(tmp_path / "stopped")], tmp_path)
    rows = read_csv(tmp_path / "runs_scores.csv")
    assert [(row["run"], row["step"], row["set"]) for row in rows] == [
        *(("second", "2", name) for name in ("a/b", "people")),
        *(("first", "3", name) for name in ("a/b", "people")),
    ]
    assert (rows[2]["fg_iou_per_image"], rows[2]["boundary_iou"], rows[2]["images"]) == ("0.5000", "0.2500", "")
    assert rows[3]["images"] == "9"


def test_other_folders_are_refused_and_the_log_is_kept(tmp_path):
    log_runs([run_of(tmp_path / "good")], tmp_path)
    (tmp_path / "bad").mkdir()
    for bad in (tmp_path / "bad", tmp_path / "nowhere"):
        with pytest.raises(InputError, match="is no run's folder"):
            log_runs([bad], tmp_path)
    assert len(read_csv(tmp_path / "runs.csv")) == 1
    (tmp_path / "bad" / "recipe.yaml").write_text("[1, 2]")
    with pytest.raises(InputError, match="is no run's folder"):
        log_runs([tmp_path / "bad"], tmp_path)
    with pytest.raises(InputError, match="name at least one"):
        log_runs([], tmp_path)


def test_losses_are_those_that_took_part(tmp_path):
    """A weight above zero is no loss where the head or the teacher is lacking."""
    recipe = RECIPE.replace("edge: 0.1,", "edge: 0.1, auxiliary: 0.4, distillation: 2.0, dice: 1, hard_pixels: 100000,")
    steps = "step,loss,edge,auxiliary,distillation,dice\n0,1.0,0.3,0.0,0.0,0.5\n1,0.5,0.2,0.0,0.0,0.4\n"
    rows = read_csv(log_runs([run_of(tmp_path / "a", recipe=recipe, steps=steps)], tmp_path))
    assert rows[0]["losses"] == "edge=0.1 dice=1"


def test_runs_of_many_classes_are_logged_by_miou_and_drawn(tmp_path):
    recipe = RECIPE.replace("{architecture: portraitnet,", "{architecture: pspnet, classes: [a, b, c],")
    scores = "step,voc/fg_iou_per_image,voc/miou\n1,0.9,0.25\n2,0.9,0.5\n"
    rows = read_csv(log_runs([run_of(tmp_path / "a", scores, recipe)], tmp_path))
    assert (rows[0]["score"], rows[0]["voc"]) == ("miou", "0.5000")
    assert (tmp_path / "runs.png").stat().st_size > 5000


def test_many_runs_on_many_sets_are_drawn_apart_with_room_for_their_names(tmp_path, monkeypatch):
    """One plot with a line for each run and set hid itself behind its legend."""
    saved = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: saved.append(figure))
    sets = [f"set{i}" for i in range(7)]
    rows = [{"step": step, **{f"{name}/fg_iou_per_image": 0.9 + step / 1000 for name in sets}} for step in (1, 2)]
    plots.plot_scores(tmp_path / "runs.png", {f"run{i}": rows for i in range(9)} | {"stopped": []})
    figure = saved[0]
    figure.draw_without_rendering()
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in shown] == [f"{name}, fg_iou_per_image" for name in sets]
    assert all(len(axes.lines) == 9 and axes.bbox.width > 100 and axes.bbox.height > 100 for axes in shown)
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"run{i}" for i in range(9)]
    assert not any(legend.get_window_extent().overlaps(axes.bbox) for axes in shown)
