from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from pi0_ros.cli.bench import lerobot_peer, lerobot_run, model
from pi0_ros.cli.bench.model_sizes import PROMPT_TOKENS, SIZES, Inputs, model_size
from pi0_ros.cli.main import app
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.sampler import Sampler

CPU = torch.device("cpu")
SMALL = SIZES["small"]
runner = CliRunner()


def parameters(name: str) -> int:
    return sum(p.numel() for p in Pi0(SIZES[name].config).parameters())


# --- what is run -------------------------------------------------------------------------------


def test_the_full_size_has_the_parameters_of_the_released_model() -> None:
    assert round(parameters("full") / 1e9, 2) == 3.24


def test_the_middle_size_is_the_one_that_lerobot_counts_with_both_language_heads() -> None:
    config = SIZES["middle"].config
    heads = config.vocab * (config.vlm.width + config.expert.width)
    assert round((parameters("middle") + heads) / 1e6, 1) == 50.8


def test_what_is_asked_for_replaces_a_sizes_own_numbers() -> None:
    assert (SMALL.steps, SMALL.repeats, len(SMALL.config.cameras)) == (4, 200, 2)
    size = model_size("small", cameras=3, steps=7, repeats=5)
    assert (size.steps, size.repeats, len(size.config.cameras)) == (7, 5, 3)
    assert model_size("small") == SMALL


@pytest.mark.parametrize("cameras", [0, 4])
def test_a_number_of_cameras_without_slots_is_refused(cameras: int) -> None:
    with pytest.raises(ValueError, match=f"--cameras {cameras}: π0 has slots for 1 to 3 cameras"):
        model_size("small", cameras=cameras)


def test_inputs_are_the_same_every_time() -> None:
    one, two = (Inputs.random(SMALL.config, CPU) for _ in range(2))
    assert torch.equal(one.noise, two.noise)
    assert torch.equal(one.tokens, two.tokens)
    assert all(torch.equal(one.images[slot], two.images[slot]) for slot in one.images)
    assert one.token_mask.sum() == PROMPT_TOKENS


def test_the_trimmed_prompt_gives_the_numbers_of_the_padded_one() -> None:
    network = initialise(Pi0(SMALL.config), torch.Generator().manual_seed(1))
    given = Inputs.random(SMALL.config, CPU)
    padded = Sampler(network, SMALL.steps).sample(
        given.images, given.masks, given.tokens, given.token_mask, given.state, given.noise
    )
    timed = model.sampling(network, SMALL, given)()
    assert (timed - padded).abs().max() < 1e-5
    assert padded.abs().max() > 0.1


# --- how it is timed ---------------------------------------------------------------------------


def test_runs_take_turns() -> None:
    said: list[str] = []
    runs = {name: lambda name=name: said.append(name) for name in ("a", "b")}
    times = model.interleave(runs, replace(SMALL, warm_ups=1, repeats=2), CPU)
    assert said == ["a", "b"] * 3
    assert {name: len(t["wall"]) for name, t in times.items()} == {"a": 2, "b": 2}


def test_warm_ups_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(6))
    monkeypatch.setattr(model, "_time", lambda run, device: (next(seconds), 10.0))
    times = model.interleave(
        {"a": lambda: None, "b": lambda: None}, replace(SMALL, warm_ups=1, repeats=2), CPU
    )
    assert times["a"]["process"].tolist() == [2, 4]
    assert times["b"]["process"].tolist() == [3, 5]
    assert times["b"]["wall"].tolist() == [10, 10]


def test_times_are_summed_up_in_milliseconds() -> None:
    summed = model.in_ms({"wall": np.arange(1, 22) / 1000})
    assert summed == {"wall_p50_ms": 11.0, "wall_p95_ms": 20.0}


def test_a_small_model_is_timed_and_weighed() -> None:
    numbers = model.bench_model(model_size("small", repeats=2), "bfloat16", "cpu", threads=1)
    assert numbers["size"] == "small"
    assert numbers["repeats"] == 2
    assert 0 < numbers["time"]["wall_p50_ms"] <= numbers["time"]["wall_p95_ms"]
    assert numbers["peak_memory_mib"]["host"] > 50


def test_a_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch sees no GPU on this machine; use --device cpu"):
        model.bench_model(SMALL, "float32", "cuda", threads=1)


# --- what is compared --------------------------------------------------------------------------


def test_in_float32_a_ten_thousandth_is_allowed() -> None:
    zero = torch.zeros(1, 2, 3)
    outputs = {"pi0_ros float32": zero + 0.5, "lerobot float32": zero}
    assert lerobot_run.differences(outputs, "float32") == (
        {"pi0_ros float32": 0.5, "lerobot float32": 0.0},
        1e-4,
    )


def test_in_bfloat16_lerobots_own_rounding_is_the_measure() -> None:
    zero = torch.zeros(1, 2, 3)
    outputs = {
        "pi0_ros bfloat16": zero - 0.5,
        "lerobot bfloat16": zero + 0.25,
        "lerobot float32": zero,
    }
    largest, allowed = lerobot_run.differences(outputs, "bfloat16")
    assert largest["pi0_ros bfloat16"] == 0.5
    assert allowed == 0.75


def test_a_number_that_is_none_never_agrees() -> None:
    zero = torch.zeros(1, 2, 3)
    outputs = {"pi0_ros float32": zero + float("nan"), "lerobot float32": zero}
    largest, allowed = lerobot_run.differences(outputs, "float32")
    assert not largest["pi0_ros float32"] <= allowed


def test_sizes_are_put_in_where_lerobot_has_its_own() -> None:
    expert = SimpleNamespace(vocab_size=257152)
    lerobot_run.resize(expert, SMALL.config)
    assert expert == SimpleNamespace(vocab_size=512)
    both = SimpleNamespace(text_config=expert, vision_config=SimpleNamespace(patch_size=16))
    lerobot_run.resize(both, SMALL.config)
    assert both.vision_config.patch_size == 14
    assert both.vision_config.projection_dim == SMALL.config.vlm.width


def test_no_bias_of_the_weights_that_are_compared_is_at_rest() -> None:
    peer = torch.nn.ModuleDict({name: torch.nn.Linear(100, 100) for name in ("q_proj", "o_proj")})
    lerobot_run.randomise(peer, depth=2)
    stds = {name: parameter.std().item() for name, parameter in peer.named_parameters()}
    assert stds["q_proj.weight"] == pytest.approx(0.1, rel=0.05)
    assert stds["o_proj.weight"] == pytest.approx(0.05, rel=0.05)  # two depths add up to it
    assert stds["q_proj.bias"] > 0.05


def test_a_module_that_is_left_out_offers_classes_but_no_attributes_of_modules() -> None:
    assert isinstance(lerobot_run.empty_class("AdamWConfig"), type)
    with pytest.raises(AttributeError):
        lerobot_run.empty_class("__file__")


# --- the peer's environment --------------------------------------------------------------------


class Pip:
    """Stands in for pip: records what is asked of it and answers a code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[list[str]] = []
        self.code = 0
        monkeypatch.setattr(lerobot_peer.subprocess, "run", self)

    def __call__(self, command: list[str], stdout: Any, **_: Any) -> SimpleNamespace:
        self.asked.append(command[command.index("install") + 1 :])
        stdout.write("looking\nfound nothing\n")
        return SimpleNamespace(returncode=self.code)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    monkeypatch.setattr(lerobot_peer, "OLDEST_PYTHON", (3, 0))
    return Pip(monkeypatch)


def test_every_package_of_the_peer_is_pinned() -> None:
    lines = lerobot_peer.requirements()
    assert lines[0].startswith("lerobot==")
    assert all(line.count("==") == 1 for line in lines)


def test_only_what_the_peer_declares_is_left_out(pip: Pip, tmp_path: Path) -> None:
    lerobot_peer.make_environment(tmp_path / "peer")
    peer, *others = lerobot_peer.requirements()
    assert pip.asked == [["--no-deps", "--ignore-requires-python", peer], others]


def test_the_environment_sees_our_torch_behind_its_own_packages(pip: Pip, tmp_path: Path) -> None:
    python = lerobot_peer.make_environment(tmp_path)
    found = subprocess.check_output.__globals__["Popen"]  # pip's stand-in took subprocess.run
    said, _ = found(
        [python, "-c", "import sys; print(*sys.path, sep='\\n')"],
        stdout=subprocess.PIPE,
        text=True,
        env={},
    ).communicate(timeout=60)
    paths = said.splitlines()
    own = [i for i, path in enumerate(paths) if path.startswith(str(tmp_path))]
    ours = [i for i, path in enumerate(paths) if (Path(path) / "torch").is_dir()]
    assert own
    assert ours
    assert max(own) < min(ours)


def test_what_is_complete_is_not_installed_again(pip: Pip, tmp_path: Path) -> None:
    lerobot_peer.make_environment(tmp_path)
    pip.asked.clear()
    python = lerobot_peer.make_environment(tmp_path)
    assert python.is_file()
    assert pip.asked == []


def test_other_versions_are_installed_over_it(
    pip: Pip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lerobot_peer.make_environment(tmp_path)
    pip.asked.clear()
    monkeypatch.setattr(lerobot_peer, "requirements", lambda: ["lerobot==9.9.9", "draccus==1"])
    lerobot_peer.make_environment(tmp_path)
    assert pip.asked[0][-1] == "lerobot==9.9.9"


def test_a_failing_pip_is_quoted_and_its_work_continued(pip: Pip, tmp_path: Path) -> None:
    pip.code = 1
    with pytest.raises(lerobot_peer.PeerError, match=r"found nothing\n.*again, it continues"):
        lerobot_peer.make_environment(tmp_path)
    pip.code = 0
    pip.asked.clear()
    lerobot_peer.make_environment(tmp_path)
    assert len(pip.asked) == 2


def test_a_folder_of_other_things_is_left_alone(pip: Pip, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(lerobot_peer.PeerError, match="no virtual environment; name an empty"):
        lerobot_peer.make_environment(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_python_that_cannot_import_the_peer_is_named(
    pip: Pip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lerobot_peer, "OLDEST_PYTHON", (99, 1))
    with pytest.raises(lerobot_peer.PeerError, match=r"lerobot needs Python 99\.1 or newer"):
        lerobot_peer.make_environment(tmp_path)


# --- the peer's process ------------------------------------------------------------------------


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the comparison end with a code, after it has answered."""

    def ending_with(code: int) -> None:
        def run(command: list[str], **_: Any) -> SimpleNamespace:
            request = json.loads(command[-1])
            Path(request["answer"]).write_text(json.dumps({"asked": request["size"]}))
            return SimpleNamespace(returncode=code)

        monkeypatch.setattr(lerobot_peer.subprocess, "run", run)
        monkeypatch.setattr(lerobot_peer, "make_environment", lambda folder: Path(sys.executable))

    return ending_with


def test_the_process_is_asked_for_the_size_and_its_answer_comes_back(
    process: Callable[[int], None],
) -> None:
    process(0)
    answer = lerobot_peer.compare_with_lerobot({"name": "small"}, "float32", "cpu", 1, None)
    assert answer == {"asked": {"name": "small"}}


@pytest.mark.parametrize(
    ("code", "said"),
    [(-9, "memory ran out; take a smaller size than 'small'"), (1, "ended with 1")],
)
def test_a_process_that_breaks_off_is_an_error(
    process: Callable[[int], None], code: int, said: str
) -> None:
    process(code)
    with pytest.raises(lerobot_peer.PeerError, match=said):
        lerobot_peer.compare_with_lerobot({"name": "small"}, "float32", "cpu", 1, None)


# --- the command -------------------------------------------------------------------------------


@pytest.mark.parametrize("agree", [True, False])
def test_the_exit_code_says_whether_actions_agree(
    agree: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lerobot_peer, "compare_with_lerobot", lambda *_: {"agree": agree})
    file = tmp_path / "numbers.json"
    words = ["bench", "model", "--against", "lerobot", "--json", str(file)]
    assert runner.invoke(app, words).exit_code == (0 if agree else 1)
    assert json.loads(file.read_text())["agree"] is agree


def test_without_a_peer_the_command_times_ours_alone(tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    words = ["bench", "model", "--repeats", "1", "--steps", "2", "--json", str(file)]
    result = runner.invoke(app, words)
    assert result.exit_code == 0, result.output
    numbers = json.loads(file.read_text())
    assert (numbers["steps"], numbers["device"], numbers["dtype"]) == (2, "cpu", "float32")
    assert "machine" in numbers


def test_the_help_ends_with_an_example() -> None:
    said = runner.invoke(app, ["bench", "model", "--help"], env={"COLUMNS": "120"}).output
    assert "Example: pi0 bench model --size middle --against lerobot" in said
