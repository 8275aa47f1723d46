from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pi0_ros.policy.checkpoints.hub import find_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "owner/small_pi0"
SCRIPT = """
import sys
from pi0_ros.policy.checkpoints.hub import find_checkpoint, find_hub_file
try:
    place, *file = sys.argv[1:]
    print(find_hub_file(place, *file) if file else find_checkpoint(place))
except FileNotFoundError as error:
    sys.exit(str(error))
"""
LARGE = {"optimizer.pt", "checkpoints/model.safetensors"}
Answer = subprocess.CompletedProcess[str]


class Hub(ThreadingHTTPServer):
    """What the Hub's interface says about one repository of one commit."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        self.given: list[str] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Request(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        api = f"/api/models/{REPOSITORY}"
        if self.path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            files = [{"rfilename": name} for name in self.server.files]
            about = {"id": REPOSITORY, "sha": COMMIT, "siblings": files, "tags": []}
            self._answer(200, json.dumps(about).encode(), {})
            return
        name = self.path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
        content = self.server.files.get(name)
        if content is None:
            known = self.path.startswith(api)
            code = "RevisionNotFound" if known else "RepoNotFound"
            self._answer(404, b"{}", {"X-Error-Code": code})
            return
        if self.command == "GET":
            self.server.given.append(name)
        etag = {"ETag": f'"{sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        self._answer(200, content, etag)

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def hub(copied: Path) -> Iterator[Hub]:
    """The random checkpoint on a Hub of our own, beside files that nobody needs."""
    (copied / "assets" / "robot").mkdir(parents=True)
    (copied / "assets" / "robot" / "norm_stats.json").write_text("{}")
    (copied / "checkpoints").mkdir()
    for name in LARGE:
        (copied / name).write_bytes(b"large")
    server = Hub(copied)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Answer]:
    """Ask for a checkpoint in a process of its own: the Hub's settings are read at import."""

    def run(endpoint: str, *words: str, **settings: str) -> Answer:
        unset = ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
        environment = {key: value for key, value in os.environ.items() if key not in unset}
        environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), **settings}
        environment["HF_HUB_DISABLE_XET"] = environment["HF_HUB_DISABLE_TELEMETRY"] = "1"
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, *words],
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )

    return run


def test_a_checkpoint_is_downloaded_once_and_works_without_the_hub_from_then_on(
    hub: Hub, ask: Callable[..., Answer], checkpoint: Path
) -> None:
    first = ask(hub.endpoint, REPOSITORY)
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    for name in ("config.json", "model.safetensors", "norm_stats.json", "tokenizer.model"):
        assert (folder / name).read_bytes() == (checkpoint / name).read_bytes()
    assert (folder / "assets" / "robot" / "norm_stats.json").is_file()
    assert not LARGE & set(hub.given)
    given = len(hub.given)
    assert ask(hub.endpoint, REPOSITORY).stdout == first.stdout
    assert len(hub.given) == given

    hub.shutdown()
    hub.server_close()
    for place, settings in (
        (REPOSITORY, {}),
        (REPOSITORY, {"HF_HUB_OFFLINE": "1"}),
        (f"{REPOSITORY}@{COMMIT}", {}),
    ):
        again = ask(hub.endpoint, place, **settings)
        assert again.stdout == first.stdout, again.stderr


def test_one_file_can_be_had_without_the_rest(hub: Hub, ask: Callable[..., Answer]) -> None:
    answer = ask(hub.endpoint, REPOSITORY, "tokenizer.model")
    assert answer.stdout.strip().endswith("tokenizer.model"), answer.stderr
    assert hub.given == ["tokenizer.model"]
    missing = ask(hub.endpoint, REPOSITORY, "other.model")
    assert missing.stderr.strip().splitlines()[-1] == "it has no other.model"


def test_an_unknown_repository_is_named_with_what_to_check(
    hub: Hub, ask: Callable[..., Answer]
) -> None:
    said = ask(hub.endpoint, "owner/smal_pi0").stderr.strip().splitlines()[-1]
    assert said.startswith("checkpoint 'owner/smal_pi0' is no local directory, and the Hugging")
    assert "404" in said
    assert "Check the name; for gated repositories log in with `hf auth login`" in said


def test_a_revision_may_be_named_and_must_exist(hub: Hub, ask: Callable[..., Answer]) -> None:
    assert ask(hub.endpoint, f"{REPOSITORY}@{COMMIT}").stdout.strip().endswith(COMMIT)
    said = ask(hub.endpoint, f"{REPOSITORY}@v9").stderr.strip().splitlines()[-1]
    assert said.startswith(f"checkpoint '{REPOSITORY}@v9' is no local directory, and the Hugging")
    assert "404" in said


@pytest.mark.parametrize("settings", [{}, {"HF_HUB_OFFLINE": "1"}])
def test_without_a_network_the_error_says_so(
    ask: Callable[..., Answer], settings: dict[str, str]
) -> None:
    answer = ask("http://127.0.0.1:9", REPOSITORY, **settings)
    assert answer.returncode == 1
    said = answer.stderr.strip().splitlines()[-1]
    assert "on the local disk" in said
    assert "without a network copy the directory here" in said


def test_a_directory_goes_before_a_repository_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint("owner/name") == Path("owner/name")


@pytest.mark.parametrize("place", ["/none/there", "none", "a/b/c", "owner/name@", "file.txt"])
def test_what_is_neither_directory_nor_repository_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.txt").touch()
    with pytest.raises(FileNotFoundError, match=f"checkpoint '{place}' is not a directory; give a"):
        find_checkpoint(place)
