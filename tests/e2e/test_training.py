"""`cfld train` as people run it: the two stages after each other, stopped, in two processes, and with bad input."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cfld.cli import main
from cfld.pipeline import CFLDPipeline
from cfld.training.checkpoint import newest_checkpoint
from cfld.training.resume import FACTS

SMALL = ["--config.data.identities", "2", "--config.data.poses", "2", "--config.log-with", "none"]


pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def fails(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The one line that a command with bad input ends with."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]  # after a progress bar, where there was one
    assert line.startswith("cfld: ")
    return line


def test_the_autoencoder_then_the_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vae, run = tmp_path / "vae", tmp_path / "run"
    main(["train", "tiny-vae", "--out", str(vae), *SMALL])
    main(["train", "tiny", "--out", str(run), "--config.init-from", str(vae / "model"), *SMALL])
    assert capsys.readouterr().out.splitlines()[-2:] == [str(vae / "model"), str(run / "model")]
    pipe = CFLDPipeline.from_pretrained(run / "model")
    before = load_file(vae / "model" / "vae" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in pipe.vae.state_dict().items())
    assert pipe.vae.config.scaling_factor == json.loads((vae / "model/vae/config.json").read_text())["scaling_factor"]


def command(arguments: list[str]) -> None:
    multiprocessing.set_start_method("fork", force=True)  # for the data workers, as in a process started by hand
    main(arguments)


def test_sigterm_saves_and_ends_cleanly(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cfld.training.loop"])
    endless = ["--config.max-steps", "100000", "--config.checkpoint-every", "5", "--config.data.workers", "1"]
    process = context.Process(target=command, args=(["train", "tiny", "--out", str(tmp_path), *SMALL, *endless],))
    process.start()
    while process.is_alive() and newest_checkpoint(tmp_path / "checkpoints") is None:
        time.sleep(0.05)
    time.sleep(0.3)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    process.join(timeout=60)
    assert process.exitcode == 0
    last = newest_checkpoint(tmp_path / "checkpoints")
    assert last is not None
    CFLDPipeline.from_pretrained(tmp_path / "model")
    steps = int(last.name.removeprefix("step-")) + 1
    main(["train", "tiny", "--out", str(tmp_path), *SMALL, *endless, "--config.max-steps", str(steps)])
    assert newest_checkpoint(tmp_path / "checkpoints") == last.with_name(f"step-{steps:08d}")


def test_two_processes_train_together(tmp_path: Path) -> None:
    """After one step the weights differ from one process's alone: the gradient of the second counted."""
    options = [*SMALL, "--config.max-steps", "1"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, "-m", "cfld", "train", "tiny", "--out", str(tmp_path / "two"), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            errors = process.communicate(timeout=180)[1]
        finally:
            process.terminate()  # torchrun ends its processes then
    assert process.returncode == 0, errors[-3000:]
    main(["train", "tiny", "--out", str(tmp_path / "one"), *options])
    states, trained = [], []
    for name in ("one", "two"):
        step = tmp_path / name / "checkpoints" / "step-00000001"
        states.append(json.loads((step / "state.json").read_text()))
        trained.append(load_file(step / "weights.safetensors"))
    assert [state["facts"]["processes"] for state in states] == [1, 2]
    assert all(states[0]["facts"][name] == states[1]["facts"][name] for name in FACTS if name != "processes")
    assert {name: tensor.shape for name, tensor in trained[0].items()} == {n: t.shape for n, t in trained[1].items()}
    assert any(not torch.equal(tensor, trained[1][name]) for name, tensor in trained[0].items())


def test_another_run_s_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "tiny", "--out", str(tmp_path), *SMALL, "--config.max-steps", "1"])
    line = fails(capsys, ["train", "tiny", "--out", str(tmp_path), *SMALL, "--config.seed", "1"])
    assert (
        line == f"cfld: {tmp_path} contains a run with another configuration (seed: 0 -> 1); choose another --out, or "
        "repeat its configuration"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["tiny", "--config.model.vae.sample-size", "60"], "model.vae.sample_size must be 64"),
        (["tiny", "--config.model.unet.prompt-dim", "20"], "prompt_dim and the UNet's cross_attention_dim (16 and 20)"),
        (["tiny", "--config.model.unet.num-heads", "3"], "divisible by its 3 heads, got 8"),
        (["tiny", "--config.condition-dropout", "3"], "condition_dropout must be between 0 and 1, got 3.0"),
        (["tiny", "--config.reconstruction-share", "2"], "reconstruction_share must be between 0 and 1, got 2.0"),
        (["tiny", "--config.dream-detail-preservation", "-1"], "detail_preservation must be at least 0, got -1.0"),
        (["tiny", "--config.dream-detail-preservation", "nan"], "detail_preservation must be at least 0, got nan"),
        (["tiny-vae", "--config.latent-noise", "-1"], "latent_noise must be at least 0, got -1.0"),
        (["tiny-vae", "--config.crop", "20"], "divisible by 8"),
        (["tiny-vae", "--config.crop", "128"], "at most 64 pixels wide, got 128"),
        (["tiny-vae", "--config.crop", "32", "--config.loss-resolution", "output"], "set crop to None, got 32"),
    ],
)
def test_numbers_that_do_not_fit(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(capsys, ["train", *options, "--out", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_a_start_that_fails_does_not_claim_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "tiny", "--out", str(tmp_path / "run"), *SMALL, "--config.max-steps", "1"]
    assert "no initial model" in fails(capsys, [*command, "--config.init-from", str(tmp_path / "nowhere")])
    main(command)
    assert (tmp_path / "run" / "model" / "model_index.json").is_file()


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The system refuses files beyond a size, after the first checkpoint."""
    command = ["train", "tiny", "--out", str(tmp_path), *SMALL, "--config.checkpoint-every", "1"]
    main([*command, "--config.max-steps", "1"])
    first = (tmp_path / "checkpoints" / "step-00000001" / "weights.safetensors").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(first) // 2, hard))
    try:
        line = fails(capsys, [*command, "--config.max-steps", "3"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "step-00000002: the checkpoint cannot be saved" in line
    assert line.endswith("the last one, step-00000001, is complete")
    assert (tmp_path / "checkpoints" / "step-00000001" / "weights.safetensors").read_bytes() == first
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]
    main([*command, "--config.max-steps", "3"])


def test_a_loss_that_is_no_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fast = ["--config.optim.learning-rate", "100", "--config.optim.warmup-steps", "0"]
    line = fails(capsys, ["train", "tiny", "--out", str(tmp_path), *SMALL, *fast])
    assert re.search(r"(the loss is (nan|inf) at|a weight is not finite after) step \d", line)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["deepfashion-256"], "data.root is not set"),
        (["tiny", "--config.init-from", "nowhere"], "nowhere: no initial model"),
        (["tiny", "--config.ema-decay", "2"], "ema_decay must be at least 0 and below 1, got 2.0"),
        (["tiny", "--config.data.root", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in fails(capsys, ["train", *arguments, "--out", str(tmp_path), "--config.log-with", "none"])


def test_fp16_trains_on_a_gpu_and_is_one_line_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "tiny", "--out", str(tmp_path), *SMALL, "--config.precision", "fp16"]
    if torch.cuda.is_available():
        main(command)
        assert (tmp_path / "model" / "model_index.json").is_file()
    else:
        assert "fp16 needs a GPU; use bf16 or no" in fails(capsys, command)
