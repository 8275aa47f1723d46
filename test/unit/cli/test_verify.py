from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch
from click.testing import Result as Outcome
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from pi0_ros.cli.main import app, main
from pi0_ros.cli.verify.command import verify
from pi0_ros.cli.verify.comparison import (
    BEYOND,
    EXACT,
    NOT_COMPARED,
    OK,
    Comparison,
    Tolerance,
    absolute,
    of_norm,
    root_mean_square,
    scaled,
)
from pi0_ros.cli.verify.conditions import Conditions, as_recorded
from pi0_ros.cli.verify.recording import Recording, read_manifest
from pi0_ros.model.sampler import PATHS, Sampler
from pi0_ros.policy.device import DTYPES

GOLDEN = Path(__file__).parents[3] / "config" / "golden"
runner = CliRunner()


def run(*words: str | Path) -> Outcome:
    """`pi0 verify` on the CPU, its output without line breaks of a terminal."""
    environment = {"COLUMNS": "200", "TERM": "dumb"}
    return runner.invoke(app, ["verify", "--device", "cpu", *map(str, words)], env=environment)


def change(file: Path, **tensors: Tensor | None) -> None:
    """Replace tensors of a file, or leave them out."""
    stored = load_file(file) | {name: t for name, t in tensors.items() if t is not None}
    for name in (name for name, tensor in tensors.items() if tensor is None):
        del stored[name]
    save_file(stored, file)


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy of the shipped sets, to spoil."""
    return Path(shutil.copytree(GOLDEN, tmp_path / "golden"))


# --- the shipped sets ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_this_installation_computes_what_openpi_and_lerobot_computed(
    tmp_path: Path, path: str, dtype: str
) -> None:
    outcome = run("--path", path, "--dtype", dtype, "--json", tmp_path / "found.json")
    assert outcome.exit_code == 0, outcome.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["passed"]
    assert found["conditions"].startswith(f"cpu, {dtype}, {path}, torch ")
    sets = {one["set"] for one in found["tensors"]}
    assert sets == {f"golden/{n}" for n in ("lerobot", "openpi", "openpi/pi05", "openpi/pipeline")}
    for one in found["tensors"]:
        assert one["verdict"] in (OK, NOT_COMPARED), one
        assert (one["error"] is None) == bool(one["reason"]) == (one["verdict"] == NOT_COMPARED)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_recorded_tensor_has_a_verdict_and_none_is_unknown(
    tmp_path: Path, dtype: str
) -> None:
    run("--dtype", dtype, "--json", tmp_path / "found.json")
    tensors = json.loads((tmp_path / "found.json").read_text())["tensors"]
    for name in ("openpi", "openpi/pi05", "lerobot"):
        recorded = set(load_file(GOLDEN / name / "outputs.safetensors"))
        of_set = [one for one in tensors if one["set"] == f"golden/{name}"]
        assert recorded <= {one["tensor"] for one in of_set}
        assert dtype == "bfloat16" or {one["verdict"] for one in of_set} == {OK}
    reasons = {one["reason"].split()[0] for one in tensors if one["reason"]}
    assert reasons - {"recorded"} == {"openpi's", "black", "π0-FAST"}
    assert ("recorded" in reasons) == (dtype == "bfloat16")


def test_one_set_may_be_given_alone(tmp_path: Path) -> None:
    outcome = run(GOLDEN / "openpi" / "pi05", "--json", tmp_path / "found.json")
    assert outcome.exit_code == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert {one["set"] for one in found["tensors"]} == {"pi05"}
    (steps,) = (one for one in found["tensors"] if one["tensor"] == "sample_actions.10")
    assert 0 < steps["error"] < steps["tolerance"] == 2e-5
    assert steps["measure"] == "largest"


def test_batch_and_steps_are_those_of_the_set(golden: Path) -> None:
    folder = golden / "openpi" / "pi05"
    for name in ("inputs", "outputs"):
        file, second = folder / f"{name}.safetensors", ("v_t", "v_x_t", "sample_traj.10")
        whole = {"v_times", "time_emb", "sample_times.10", "sample_times.5"}
        stored = load_file(file)
        for tensor in set(stored) - whole:
            part = stored[tensor]
            stored[tensor] = (part[:, :1] if tensor in second else part[:1]).contiguous()
        save_file(stored, file)
    change(folder / "outputs.safetensors", **{"sample_actions.5": None, "sample_times.5": None})
    manifest = json.loads((folder / "config.json").read_text()) | {"num_steps": [10]}
    (folder / "config.json").write_text(json.dumps(manifest))
    outcome = run(folder)
    assert outcome.exit_code == 0, outcome.output
    assert "sample_actions.10" in outcome.output
    assert "sample_actions.5" not in outcome.output


def test_the_output_shows_errors_beside_tolerances_and_says_what_was_left_out() -> None:
    outcome = run(GOLDEN / "openpi")
    rows = [line.replace("│", " ").split() for line in outcome.output.splitlines()]
    assert ["prompt.0.pi0.tokens", "0", "exact", "ok"] in rows
    assert any(
        row[:1] == ["loss"] and row[2:] == ["0.0001", "of", "1", "+", "|x|", "ok"] for row in rows
    )
    assert "not compared: π0-FAST is another model: prompt.0.fast.ar and 19 more" in outcome.output
    assert ", 0 beyond, 30 not compared. What was compared is what was recorded." in outcome.output


@pytest.mark.parametrize("path", PATHS)
def test_every_sampling_takes_the_chosen_path(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = set()
    make = Sampler.__init__

    def spy(self: Sampler, *words: Any, **options: Any) -> None:
        taken.add(options["path"])
        make(self, *words, **options)

    monkeypatch.setattr(Sampler, "__init__", spy)
    assert run("--path", path).exit_code == 0
    assert taken == {path}


def test_the_help_shows_an_example_and_the_exit_code() -> None:
    said = " ".join(run("--help").output.replace("│", " ").split())
    assert "Example: pi0 verify --device cuda" in said
    assert "Exit code 1 if one is beyond it" in said


def test_the_choices_are_those_that_sampler_and_policy_have() -> None:
    hints = get_type_hints(verify)
    assert get_args(hints["path"]) == PATHS
    assert get_args(hints["dtype"]) == tuple(DTYPES)


# --- wrong numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "tensor"),
    [
        ("openpi/outputs.safetensors", "sample_actions.5"),
        ("openpi/outputs.safetensors", "prefix_kv.1.k"),
        ("openpi/outputs.safetensors", "denoise_position_ids"),
        ("openpi/pi05/outputs.safetensors", "adarms_cond"),
        ("openpi/pi05/outputs.safetensors", "sample_traj.10"),
        ("openpi/pi05/outputs.safetensors", "joint_att_mask"),
        ("openpi/pipeline/pipeline.safetensors", "resize.2.pil_uint8"),
        ("openpi/pipeline/pipeline.safetensors", "chain.droid.robot_actions"),
        ("openpi/pipeline/pipeline.safetensors", "prompt.4.pi05.tokens"),
        ("openpi/pipeline/pipeline.safetensors", "wire.f32"),
        ("lerobot/outputs.safetensors", "rtc.exp.padded"),
        ("lerobot/outputs.safetensors", "rtc_true_vjp.linear.padded"),
        ("lerobot/outputs.safetensors", "predict_action_chunk.unnormalized"),
    ],
)
def test_one_changed_number_is_exit_code_1_and_its_tensor_is_named(
    golden: Path, file: str, tensor: str
) -> None:
    recorded = load_file(golden / file)[tensor]
    first = recorded.flatten()[0]  # never padding
    first.copy_(~first if first.dtype == torch.bool else first + 1)
    change(golden / file, **{tensor: recorded})
    outcome = run((golden / file).parent)
    assert outcome.exit_code == 1
    beyond = [line for line in outcome.output.splitlines() if line.startswith("beyond: ")]
    assert len(beyond) == 1
    assert f" {tensor}: " in beyond[0]
    assert "1 beyond" in outcome.output
    assert "does NOT compute what was recorded" in outcome.output


def test_a_changed_bfloat16_sample_is_beyond_both_of_its_bounds(golden: Path) -> None:
    file = golden / "openpi" / "outputs_bf16.safetensors"
    change(file, **{"sample_actions.10": load_file(file)["sample_actions.10"] + 0.06})
    outcome = run(golden / "openpi", "--dtype", "bfloat16")
    assert outcome.exit_code == 1
    for bound in ("0.05 largest", "0.012 rms"):
        assert f"tolerance {bound}" in outcome.output


def test_one_changed_weight_is_seen_from_where_it_acts(golden: Path) -> None:
    folder = golden / "openpi" / "pi05"
    (name,) = (n for n in load_file(folder / "model.safetensors") if n == "action_out_proj.bias")
    change(folder / "model.safetensors", **{name: torch.zeros(32)})
    outcome = run(folder, "--json", folder / "found.json")
    assert outcome.exit_code == 1
    tensors = json.loads((folder / "found.json").read_text())["tensors"]
    beyond = {one["tensor"] for one in tensors if one["verdict"] == BEYOND}
    assert beyond == {
        "loss_v_t", "loss", "v_t", "sample_actions.10", "sample_actions.5", "sample_traj.10",
    }  # fmt: skip


def test_a_recorded_nan_is_beyond_and_null_in_json(golden: Path) -> None:
    file = golden / "lerobot" / "outputs.safetensors"
    change(file, prefix_embs=torch.full((1, 45, 48), math.nan))
    assert run(file.parent, "--json", golden / "found.json").exit_code == 1
    tensors = json.loads((golden / "found.json").read_text())["tensors"]
    (found,) = (one for one in tensors if one["tensor"] == "prefix_embs")
    assert (found["verdict"], found["error"]) == (BEYOND, None)


def test_another_shape_is_beyond_any_tolerance_and_said(golden: Path) -> None:
    file = golden / "openpi" / "pi05" / "outputs.safetensors"
    change(file, v_t=torch.zeros(4, 2, 15, 31))
    outcome = run(file.parent)
    assert outcome.exit_code == 1
    assert "v_t: shape (4, 2, 15, 32), recorded (4, 2, 15, 31)" in outcome.output


def test_a_frame_that_would_be_written_otherwise_is_named(golden: Path) -> None:
    file = golden / "openpi" / "pipeline" / "wire_metadata.msgpack"
    file.write_bytes(b"\xde\x00\x01" + file.read_bytes()[1:])  # the same map, a longer head
    outcome = run(file.parent)
    assert outcome.exit_code == 1
    assert "wire_metadata.msgpack: shape (35,), recorded (37,)" in outcome.output


def test_a_tensor_that_nobody_knows_is_listed(golden: Path) -> None:
    file = golden / "lerobot" / "outputs.safetensors"
    change(file, novelty=torch.zeros(1))
    outcome = run(file.parent)
    assert outcome.exit_code == 0
    assert "not compared: unknown to this version of pi0_ros: novelty" in outcome.output


# --- wrong directories ---------------------------------------------------------------------------


def refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str | Path
) -> str:
    """The message of exit code 2, in one line."""
    monkeypatch.setattr(sys, "argv", ["pi0", "verify", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["absent"], "absent is no directory; give one with recorded numbers"),
        (["empty"], "empty holds no set: there is no safetensors file in or below it"),
        (["other"], "other/weights holds tensors but is no set: it has no config.json with 'dims'"),
        (["empty", "--device", "gpu"], "device 'gpu' is unknown"),
        (["empty", "--device", "cuda:99"], "device 'cuda:99' was asked for, but torch sees"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_exit_code_2(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other" / "weights").mkdir(parents=True)
    save_file({"x": torch.zeros(1)}, tmp_path / "other" / "weights" / "model.safetensors")
    (tmp_path / "other" / "weights" / "config.json").write_text('{"model": "other"}')
    monkeypatch.chdir(tmp_path)
    assert says in refusal(monkeypatch, capsys, *words)


@pytest.mark.parametrize(
    ("file", "tensor"),
    [
        ("openpi/outputs.safetensors", "prefix_out"),
        ("openpi/outputs.safetensors", "sample_times.5"),
        ("openpi/inputs.safetensors", "images.left_wrist_0_rgb"),
        ("openpi/pipeline/pipeline.safetensors", "running.q99"),
        ("openpi/pipeline/pipeline.safetensors", "prompt.0.pi05.mask"),
        ("openpi/pipeline/pipeline.safetensors", "aloha.image_mask.base_0_rgb"),
        ("openpi/pipeline/pipeline.safetensors", "wire.actions"),
        ("lerobot/outputs.safetensors", "sample_actions.padded.steps5"),
        ("lerobot/outputs.safetensors", "rtc.zeros.guidance_weights"),
        ("lerobot/outputs.safetensors", "norm.QUANTILES.state"),
        ("lerobot/inputs.safetensors", "rtc.linear.prev_chunk_left_over"),
    ],
)
def test_a_missing_tensor_is_an_error_that_names_it(
    golden: Path,
    file: str,
    tensor: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(golden / file, **{tensor: None})
    said = refusal(monkeypatch, capsys, golden)
    assert f"{golden / file} lacks tensor '{tensor}'" in said


@pytest.mark.parametrize(
    ("file", "dtype"),
    [
        ("openpi/inputs.safetensors", "float32"),
        ("openpi/pi05/outputs_bf16.safetensors", "bfloat16"),
        ("openpi/pipeline/wire_response.msgpack", "float32"),
        ("openpi/pipeline/tiny_sentencepiece.model", "float32"),
        ("openpi/pipeline/norm_stats_32/norm_stats.json", "float32"),
        ("lerobot/policy_postprocessor.json", "float32"),
    ],
)
def test_a_missing_file_is_an_error_that_names_it(
    golden: Path,
    file: str,
    dtype: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (golden / file).unlink()
    said = refusal(monkeypatch, capsys, golden, "--dtype", dtype)
    assert f"{golden / file} does not exist" in said


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("lerobot/inputs.safetensors", "is damaged"),
        ("openpi/pipeline/tiny_sentencepiece.model", "is not a sentencepiece model"),
        ("openpi/pipeline/wire_response.msgpack", "wire_response.msgpack: a frame of 309 bytes"),
        ("openpi/pipeline/pipeline.json", "is not JSON"),
    ],
)
def test_a_truncated_file_is_an_error(
    golden: Path,
    name: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = golden / name
    file.write_bytes(file.read_bytes().rstrip()[:-1])
    assert says in refusal(monkeypatch, capsys, file.parent)


def test_a_manifest_names_itself_and_the_key_it_lacks_at_any_depth(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"dims": {"vision": {}}, "list": [{}]}')
    manifest = read_manifest(file)
    for inner in (manifest["dims"]["vision"], manifest["list"][0]):
        with pytest.raises(ValueError, match=r"config\.json lacks 'width'"):
            inner["width"]
    for text in ("[]", "{"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"config\.json (holds no JSON object|is not JSON)"):
            read_manifest(file)


# --- measures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tolerance", "error"),
    [
        (absolute(1), 2.0),
        (scaled(1), 0.5),  # 2 / (1 + 3), and nothing where both are 0
        (root_mean_square(1), math.sqrt(2.0)),
        (of_norm(1), 2 / 3),
        (EXACT, 1.0),
    ],
)
def test_an_error_is_measured_as_it_says(tolerance: Tolerance, error: float) -> None:
    found, recorded = torch.tensor([0.0, -1.0]), torch.tensor([0.0, -3.0])
    assert tolerance.of(found, recorded).item() == pytest.approx(error)


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    save_file({"a": torch.tensor([[1.0, 2.0]]), "b": torch.zeros(0)}, tmp_path / "x.safetensors")
    return Comparison("x", Recording(tmp_path / "x.safetensors"))


def test_an_error_at_its_bound_is_within_it(comparison: Comparison) -> None:
    for limit, verdict in ((0.5, OK), (0.49, BEYOND)):
        comparison.check("a", torch.tensor([[1.0, 2.5]]), absolute(limit))
        assert comparison.results[-1].verdict == verdict


def test_only_what_means_something_is_compared(comparison: Comparison) -> None:
    where = torch.tensor([[True, False]])
    comparison.check("a", torch.tensor([[1.0, 7.0]]), EXACT, where=where)
    assert comparison.results[0].verdict == OK


def test_nothing_is_never_equal_to_nothing(comparison: Comparison) -> None:
    comparison.check("b", torch.zeros(0), EXACT)
    assert comparison.results[0].verdict == BEYOND


# --- conditions ----------------------------------------------------------------------------------


@pytest.fixture
def switches() -> Iterator[None]:
    """Put torch's switches back, whatever a test does to them."""
    before = torch.get_float32_matmul_precision(), torch.get_num_threads()
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.set_num_threads(before[1])


@pytest.mark.usefixtures("switches")
def test_tf32_is_off_during_the_comparison_only() -> None:
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    with as_recorded():
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cudnn.allow_tf32
        assert torch.get_num_threads() == 1
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.backends.cudnn.allow_tf32


def test_embeddings_have_room_on_a_gpu_for_another_order_of_sums() -> None:
    assert Conditions(torch.device("cpu")).embedding(1e-6).limit == 1e-6
    assert Conditions(torch.device("cuda")).embedding(1e-6).limit == 1e-5
