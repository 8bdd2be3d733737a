import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save_file

from tests.conftest import Command, CommandResult
from tests.helpers.reference import small_database, write_small_database
from tests.helpers.roots import ROOT
from wann_core import Scenario
from wann_core.experiments.probe_runs import run_trained
from wann_core.methods.probes import LOSSES, ProbeSettings
from wann_core.methods.probes.probe import Probe
from wann_core.paths import DEFAULT_ROOTS

FAST = ("--learning_rate", "0.01", "--num_epochs", "20")
NOISY = ("--noise_pattern", "sym", "--noise_ratio", "0.3")


@pytest.fixture
def base(database: Path, tmp_path: Path) -> list[str]:
    return [
        "--experiment_name",
        "trial",
        "--database_root",
        str(database),
        "--dataset",
        "small",
        "--backbone",
        "tiny",
        "--store_ckpt_path",
        str(tmp_path / "ckpt"),
        "--output_root",
        str(tmp_path / "logs"),
    ]


def checkpoint(tmp_path: Path, loss: str = "ce", noise: str = "sym_0.3", seed: int = 42) -> Path:
    return tmp_path / "ckpt" / "trial" / loss / "small" / noise / f"SEED_{seed}" / "best.ckpt"


def check_refusal(result: CommandResult, says: str) -> None:
    assert (result.status, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert says in line


@pytest.mark.slow
def test_train_then_test_say_what_the_engine_answers(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    trained = command("probe-train", *base, *NOISY, *FAST, "--loss_function", "gce")
    assert (trained.status, trained.err) == (0, "")
    path = checkpoint(tmp_path, "gce")
    assert trained.out.startswith("[gce] Validation accuracy = ")
    assert trained.out.endswith(
        f"340 training and 60 validation rows, realized noise 30.00 %) -> {path}\n"
    )
    tested = command("probe-test", *base, *NOISY, "--loss_function", "gce")
    scenario = Scenario(
        "small",
        "tiny",
        noise_pattern="sym",
        noise_ratio=0.3,
        method="gce",
        probe=ProbeSettings(learning_rate=0.01, num_epochs=20),
    )
    (report,) = run_trained([scenario], DEFAULT_ROOTS.replaced(database_root=tmp_path / "database"))
    accuracy = 100 * report.metrics.accuracy
    assert tested.out.startswith(
        f"[gce] Agreement with the given labels = {accuracy:.2f} (95 % interval "
    )
    (log_path,) = (tmp_path / "logs" / "trial").iterdir()
    assert log_path.name == "small_gce_sym-0.3_s42_backbone-tiny.json"
    log = json.loads(log_path.read_text())
    assert list(log)[:5] == ["dataset", "backbone", "loss", "accuracy", "arificial_noise"]
    assert log["accuracy"] == accuracy
    assert (log["dataset"], log["backbone"], log["loss"]) == ("small", "tiny", "gce")
    assert log["arificial_noise"] == log["artificial_noise"] == {"pattern": "sym", "rate": 0.3}
    assert log["loss_parameters"] == {"q": 0.7}
    assert log["epochs"] == report.details["epochs"]


def test_checkpoint_holds_weights_statistics_and_their_making(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    command("probe-train", *base, *FAST, "--loss_function", "elr")
    path = checkpoint(tmp_path, "elr", "None")
    tensors = load_file(path)
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "weight": (4, 16),
        "bias": (4,),
        "mean": (16,),
        "scale": (16,),
    }
    facts = Probe.load(path).facts
    assert facts["scenario"]["learning_rate"] == 0.01
    assert facts["loss_parameters"] == {"beta": 0.7, "lambda": 3}
    assert facts["parameter_family"] == "cifar10"
    assert facts["class_names"] == ["0", "1", "2", "3"]
    assert sorted(p.name for p in path.parent.iterdir()) == ["best.ckpt"]


@pytest.mark.parametrize(
    ("flags", "place"),
    [
        ((), "ce/small/None/SEED_42"),
        (("--seed", "7", *NOISY), "ce/small/sym_0.3/SEED_7"),
        (("--noise_pattern", "instance", "--noise_ratio", "0"), "ce/small/instance_0.0/SEED_42"),
        (("--num_subsamples", "120"), "120_samples/ce/small/None/SEED_42"),
    ],
)
def test_paths_are_the_published_ones(
    command: Command, base: list[str], tmp_path: Path, flags: tuple[str, ...], place: str
) -> None:
    assert command("probe-train", *base, *flags, "--num_epochs", 1).status == 0
    assert (tmp_path / "ckpt" / "trial" / place / "best.ckpt").is_file()
    assert command("probe-test", *base, *flags).status == 0


def test_all_losses_at_once_and_no_work_twice(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    first = command("probe-train", *base, *FAST, "--loss_function", "all")
    assert len(first.out.splitlines()) == 15
    times = {loss: checkpoint(tmp_path, loss, "None").stat().st_mtime_ns for loss in LOSSES}
    again = command("probe-train", *base, *FAST, "--loss_function", "all")
    assert [line.split("]")[0][1:] for line in again.out.splitlines()] == list(LOSSES)
    assert again.out.count("is trained already") == 15
    assert times == {loss: checkpoint(tmp_path, loss, "None").stat().st_mtime_ns for loss in LOSSES}
    tested = command("probe-test", *base, "--loss_function", "all")
    assert len(tested.out.splitlines()) == 15
    assert len(list((tmp_path / "logs" / "trial").iterdir())) == 15
    other = command("probe-train", *base, *FAST, "--patience", 4, "--loss_function", "ce")
    assert "Validation accuracy" in other.out


def test_changed_data_are_trained_on_again(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    command("probe-train", *base, *FAST)
    (X, labels), _ = small_database().values()
    np.savez(tmp_path / "database/small/tiny/train.npz", embeddings=X + 1, labels=labels)
    assert "Validation accuracy" in command("probe-train", *base, *FAST).out


def test_parameters_can_be_replaced(command: Command, base: list[str], tmp_path: Path) -> None:
    flags = (*FAST, "--loss_function", "gce", "--loss_parameters", '{"q": 0.3}')
    assert command("probe-train", *base, *flags).status == 0
    assert Probe.load(checkpoint(tmp_path, "gce", "None")).facts["loss_parameters"] == {"q": 0.3}


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--loss_function", "hinge"), "--loss_function must be one of all, ce, fl,"),
        (("--loss_function", "gce", "--loss_parameters", '{"p": 1}'), "has the parameters q, not"),
        (("--loss_function", "gce", "--loss_parameters", "0.5"), "must be a JSON object such as"),
        (("--loss_function", "all", "--loss_parameters", "{}"), "goes with a single"),
        (("--learning_rate", "0"), "--learning_rate must be"),
        (("--num_subsamples", "350"), "--num_subsamples of a linear probe must leave 100 of 400"),
        (("--noise_pattern", "matrix"), "needs --transition_matrix"),
        (("--transition_matrix", "x.csv"), "goes with --noise_pattern matrix only"),
        (("--device", "abacus"), "--device 'abacus' cannot be used"),
        (("--dataset", "nowhere"), "no embedding database"),
    ],
)
def test_train_refuses_in_one_sentence(
    command: Command, base: list[str], tmp_path: Path, flags: tuple[str, ...], says: str
) -> None:
    check_refusal(command("probe-train", *base, *flags), says)
    assert not (tmp_path / "ckpt").exists()


def test_place_that_cannot_be_written_is_refused_before_any_work(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for name, flag, what in (
        ("probe-train", "--store_ckpt_path", "checkpoint"),
        ("probe-test", "--output_root", "log"),
    ):
        result = command(name, *base, flag, tmp_path / "file")
        check_refusal(result, f"`{what}` must be a file in a folder, got")


def test_test_refuses_a_checkpoint_that_is_not_there(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    check_refusal(command("probe-test", *base), "there is no checkpoint")
    assert not (tmp_path / "logs").exists()


def test_test_refuses_a_checkpoint_made_for_something_else(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    root = tmp_path / "database"
    write_small_database(root, "small", "other")
    write_small_database(root, "second", "tiny")
    command("probe-train", *base, *FAST)
    path = checkpoint(tmp_path, noise="None")
    check_refusal(
        command("probe-test", *base, "--backbone", "other"), "on backbone 'tiny', not 'other'"
    )
    elsewhere = Path(str(path).replace("/small/", "/second/"))
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(path.read_bytes())
    check_refusal(
        command("probe-test", *base, "--dataset", "second"), "on dataset 'small', not 'second'"
    )
    check_refusal(command("probe-test", *base, "--draw", "exact", *NOISY), "there is no checkpoint")
    moved = checkpoint(tmp_path)
    moved.parent.mkdir(parents=True)
    moved.write_bytes(path.read_bytes())
    check_refusal(command("probe-test", *base, *NOISY), "with --noise_pattern = None, not 'sym'")
    (X, labels), (X_test, y_test) = small_database().values()
    for split, array, y in (("train", X, labels), ("test", X_test, y_test)):
        np.savez(root / f"small/tiny/{split}.npz", embeddings=array[:, :12], labels=y)
    check_refusal(
        command("probe-test", *base), "4 classes and 16 columns, but the data has 4 and 12"
    )
    assert not (tmp_path / "logs").exists()
    again = command("probe-train", *base, *FAST, "--backbone", "other")
    assert "checkpoint of backbone 'tiny'" in again.err
    assert again.status == 0


def test_test_refuses_what_is_no_checkpoint(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    command("probe-train", *base, *FAST)
    path = checkpoint(tmp_path, noise="None")
    content = path.read_bytes()
    for broken in (b"", b"nonsense", content[: len(content) // 2], b"\xff" * 8 + content[8:]):
        path.write_bytes(broken)
        check_refusal(command("probe-test", *base), "is not a checkpoint of a probe")
    save_file({"weight": np.zeros((4, 16), np.float32)}, path)
    check_refusal(command("probe-test", *base), "it was not written by probe-train")
    probe = Probe(*(np.zeros(shape) for shape in [(4, 16), (3,), (16,), (16,)]))
    probe.save(path)
    check_refusal(command("probe-test", *base), "is not a checkpoint of a probe: shapes")
    replaced = command("probe-train", *base, *FAST)
    assert replaced.status == 0
    assert "It is replaced." in replaced.err
    np.testing.assert_array_equal(Probe.load(path).weight, load(content)["weight"])


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    first, second = (
        Probe(*(np.full(shape, number) for shape in [(4, 16), (4,), (16,), (16,)]))
        for number in (1.0, 2.0)
    )
    first.save(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            second.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (Probe.load(path).weight == 1).all()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_killed_training_leaves_whole_checkpoints_and_goes_on(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    # So patient that the first stop comes long before the last.
    flags = [*base, "--learning_rate", "0.005", "--num_epochs", "5000", "--patience", "30"]
    flags += ["--loss_function", "all"]
    victim = subprocess.Popen(
        [sys.executable, "-m", "wann_core", "probe-train", *flags],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert victim.stdout is not None
    victim.stdout.readline()  # the first checkpoint is written
    os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate(timeout=60)
    assert victim.returncode == -signal.SIGKILL
    found = list((tmp_path / "ckpt").rglob("*.ckpt"))
    assert 0 < len(found) < 15
    before = {path: Probe.load(path).weight for path in found}
    done = command("probe-train", *flags)
    assert (done.status, len(done.out.splitlines())) == (0, 15)
    assert done.out.count("is trained already") == len(found)
    assert len(list((tmp_path / "ckpt").rglob("best.ckpt"))) == 15
    for path, weight in before.items():
        np.testing.assert_array_equal(Probe.load(path).weight, weight)


@pytest.mark.slow
def test_killed_between_epochs_leaves_nothing(base: list[str], tmp_path: Path) -> None:
    flags = [*base, "--learning_rate", "1e-6", "--num_epochs", "10000", "--patience", "10000"]
    terminal, stderr = os.openpty()
    victim = subprocess.Popen(
        [sys.executable, "-m", "wann_core", "probe-train", *flags],
        cwd=ROOT,
        stderr=stderr,
    )
    os.close(stderr)
    while b"left" not in os.read(terminal, 200):  # the progress line of epochs
        assert victim.poll() is None
    victim.kill()
    victim.wait(timeout=60)
    os.close(terminal)
    assert not list((tmp_path / "ckpt").rglob("*"))
