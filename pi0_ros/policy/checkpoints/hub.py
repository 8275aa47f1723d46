"""Where a checkpoint is: a local directory, or a repository of the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import Path

HUB_ID = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./-]+))?")
WANTED = ["*.json", "*.safetensors", "*.model"]  # in folders, too
UNWANTED = ["*/*.safetensors"]  # of other checkpoints that were kept during training


def find_checkpoint(place: str) -> Path:
    """Return a checkpoint's directory; what only the Hub has is downloaded once and kept.

    Args:
        place: A directory; or ``owner/name``, also ``owner/name@revision``, where no such
            directory exists. The Hub's own settings hold: HF_HOME, HF_ENDPOINT, HF_TOKEN,
            HF_HUB_OFFLINE.

    Raises:
        FileNotFoundError: There is no such directory, and the Hub does not give it.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        return path
    named = HUB_ID.fullmatch(place)
    if named is None or path.exists():
        raise FileNotFoundError(
            f"checkpoint '{place}' is not a directory; give a directory, or a repository of the "
            "Hugging Face Hub as owner/name"
        )
    try:
        return _download(named["repository"], named["revision"], WANTED)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"checkpoint '{place}' is no local directory, and the Hugging Face Hub does not give "
            f"it ({error}). Check the name; for gated repositories log in with `hf auth login`; "
            "without a network copy the directory here"
        ) from error


def find_hub_file(repository: str, name: str) -> Path:
    """Return one file of a repository of the Hub.

    Raises:
        FileNotFoundError: The Hub does not give it; the message says why.
    """
    file = _download(repository, None, [name]) / name
    if not file.is_file():
        raise FileNotFoundError(f"it has no {name}")
    return file


def _download(repository: str, revision: str | None, wanted: list[str]) -> Path:
    """Bring files of a repository into the Hub's cache; without a network, find them there."""
    from huggingface_hub import snapshot_download  # a second to import

    try:
        return Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=wanted, ignore_patterns=UNWANTED
            )
        )
    except (OSError, ValueError) as error:  # no network, no such repository, no permission
        lines = (line for line in str(error).splitlines() if line.strip())
        raise FileNotFoundError(next(lines, repr(error))) from error
