"""What a training leaves to be read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from tx_training.results import _ticks, write_eval_results, write_plot, write_results

SVG = "{http://www.w3.org/2000/svg}"


def test_lines_are_sorted_by_name(tmp_path: Path) -> None:
    write_eval_results(tmp_path, {"loss": 0.5, "acc": 0.25, "f1": 1 / 3})
    assert (tmp_path / "eval_results.txt").read_text() == "acc = 0.25\nf1 = 0.3333333333333333\nloss = 0.5\n"


def test_numbers_that_json_has_not_are_null(tmp_path: Path) -> None:
    history = [{"loss": math.inf}, {"loss": np.float32(1.5)}]
    write_results(tmp_path, {"history": history, "metrics": {"acc": np.float64("nan")}})
    found = json.loads((tmp_path / "results.json").read_text())
    assert found == {"history": [{"loss": None}, {"loss": 1.5}], "metrics": {"acc": None}}


def test_the_plot_has_a_line_for_each_number(tmp_path: Path) -> None:
    history = [{"step": step, "loss": 1 / step, "learning_rate": 0.1} for step in range(1, 6)]
    history += [{"step": 3, "eval_loss": 0.5, "eval_a<b": 7.0}, {"step": 5, "eval_loss": math.nan, "eval_a<b": 9.0}]
    write_plot(tmp_path, history, "heads < 5")
    drawing = ET.parse(tmp_path / "results.svg").getroot()
    lines = [[*map(float, point.split(","))] for each in drawing.iter(f"{SVG}polyline")
             for point in each.attrib["points"].split()]  # fmt: skip
    assert len(lines) == 5 + 1 + 2
    texts = [each.text for each in drawing.iter(f"{SVG}text")]
    assert {"loss", "eval_loss", "eval_a<b", "heads < 5"} <= {*texts}
    assert "learning_rate" not in texts
    falling = lines[:5]
    assert [x for x, _ in falling] == sorted(x for x, _ in falling)
    assert [y for _, y in falling] == sorted(y for _, y in falling)  # pixels are counted from the top
    width, height = map(float, drawing.attrib["viewBox"].split()[2:])
    assert all(0 < x < width and 0 < y < height for x, y in lines)


def test_nothing_to_draw_is_no_plot(tmp_path: Path) -> None:
    write_plot(tmp_path, [])
    write_plot(tmp_path, [{"step": 1, "loss": math.nan}])
    assert not (tmp_path / "results.svg").exists()


def test_one_number_and_equal_numbers_are_drawn(tmp_path: Path) -> None:
    for history in ([{"step": 1, "loss": 0.0}], [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 2.0}]):
        write_plot(tmp_path, history)
        assert ET.parse(tmp_path / "results.svg").getroot().find(f"{SVG}polyline") is not None


def test_ticks_are_round_and_hold_all_values() -> None:
    for values in ([0.0, 1.0], [3.0], [0.0], [-2.5, 7e3], [1e-9, 3e-9], [99.0, 101.0]):
        ticks = _ticks(values)
        assert ticks[0] <= min(values) < ticks[-1] or ticks[0] < max(values) <= ticks[-1]
        assert ticks[0] <= min(values) <= max(values) <= ticks[-1] * (1 + 1e-12)
        assert 2 <= len(ticks) <= 12
