"""What the commands of this folder need before anything is installed: the right Python, and a virtual environment.

This file and the commands are read by whatever ``python3`` is there, so they keep to syntax that old interpreters
can parse, and importing this module refuses those.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD_REQUIREMENTS = ["poetry-core==2.5.0", "packaging>=24"]

if not (3, 11) <= sys.version_info[:2] < (3, 14):
    sys.exit(
        f"tx needs Python 3.11, 3.12 or 3.13; {sys.executable} is Python {sys.version.split()[0]}.\n"
        f"Run this command with another one: python3.11 {' '.join(sys.argv)}"
    )


class Environment:
    """A virtual environment below the repository, made once.

    What was installed in it is recorded in a marker file, written last: an environment without the marker (an
    interrupted run, a moved checkout) is made anew, and one with it is used as it is.
    """

    def __init__(self, name: str):
        self.folder = ROOT / name
        self.marker = self.folder / "ready.json"
        self.python = self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def ensure(self, steps: dict[str, list[list[str]]], depends_on: list[Path] = []) -> None:  # noqa: B006
        """Makes the environment hold every step: a name and the arguments of its ``pip install`` calls.

        Steps recorded as done are left out; if anything else about them changed (their arguments, the files in
        ``depends_on``, this Python, the place of the checkout), the environment is made from scratch.
        """
        try:
            state = json.loads(self.marker.read_text()) if self.python.exists() else {}
        except (FileNotFoundError, json.JSONDecodeError):
            state = {}
        base = _fingerprint([sys.version, str(ROOT), *(path.read_text() for path in depends_on)])
        wanted = {name: _fingerprint(calls) for name, calls in steps.items()}
        done = state.get("steps", {})
        if state.get("base") != base or any(done.get(name, value) != value for name, value in wanted.items()):
            self._create()
            done = {}
        missing = [name for name in steps if name not in done]
        if not missing:
            return
        self.marker.unlink(missing_ok=True)
        for name in missing:
            print(f"installing {name} in {self.folder.name}", file=sys.stderr)
            for arguments in steps[name]:
                self.pip(["install", *arguments])
        temporary = self.marker.with_suffix(".tmp")
        temporary.write_text(json.dumps({"base": base, "steps": {**done, **wanted}}))
        temporary.replace(self.marker)

    def pip(self, arguments: list[str]) -> None:
        """Runs pip of this environment: with its progress bars on a terminal, quietly elsewhere."""
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", *arguments]
        if not sys.stderr.isatty():
            command.append("--quiet")
        try:
            subprocess.run(command, cwd=ROOT, check=True)
        except subprocess.CalledProcessError:
            sys.exit(
                f"pip could not do this: pip {' '.join(arguments)}\n"
                "Its message stands above. If no package index was reached: is there a network? Behind a mirror or a "
                "proxy, set PIP_INDEX_URL or HTTPS_PROXY. Running the same command again goes on from here."
            )
        except KeyboardInterrupt:
            sys.exit(130)

    def _create(self) -> None:
        print(f"creating {self.folder.relative_to(ROOT)}", file=sys.stderr)
        if self.folder.exists():
            shutil.rmtree(self.folder)
        try:
            subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)
        except subprocess.CalledProcessError:
            sys.exit(
                f"{sys.executable} could not make a virtual environment; its message stands above. "
                "On Debian and Ubuntu the module is a package of its own: apt install python3-venv"
            )


def in_build_environment() -> None:
    """Goes on if the running Python has what ``BUILD_REQUIREMENTS`` say, else starts the same command in an
    environment that does (`.venv-build`, made on first use)."""
    from importlib import metadata

    try:
        if f"poetry-core=={metadata.version('poetry-core')}" in BUILD_REQUIREMENTS and metadata.version("packaging"):
            return
    except metadata.PackageNotFoundError:
        pass
    environment = Environment(".venv-build")
    environment.ensure({"build": [BUILD_REQUIREMENTS]})
    sys.exit(subprocess.run([str(environment.python), *sys.argv]).returncode)


def _fingerprint(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
