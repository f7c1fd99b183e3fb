"""The package builds, and works where nothing but it and what it needs is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest
import venv
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parent.parent

USE = """
import asyncio, importlib.metadata, pathlib
import gearshift

plugin = gearshift.Plugin("validator", "1.2.0")

@plugin.operation()
def double(value: int) -> int:
    return 2 * value

assert asyncio.run(plugin.call("double", 4)) == 8
assert "clean" in gearshift.__file__, gearshift.__file__
assert pathlib.Path(gearshift.__file__).with_name("py.typed").exists()
needs = importlib.metadata.requires("gearshift-sdk")
assert {need.split(">")[0] for need in needs if "extra" not in need} == {"nats-py", "msgpack"}
print("used")
"""


class Wheel(unittest.TestCase):
    def test_a_wheel_is_built_and_used_in_a_clean_environment(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="gearshift-py-")
        self.addCleanup(folder.cleanup)
        place = Path(folder.name)
        # Building leaves files beside the source, so a copy is built.
        kept = shutil.ignore_patterns("tests", "build", "dist", "*.egg-info", "__pycache__")
        shutil.copytree(PACKAGE, place / "source", ignore=kept)
        self.pip(
            "wheel",
            "--no-build-isolation",
            "--no-deps",
            "--no-index",
            "--wheel-dir",
            str(place),
            str(place / "source"),
        )
        [wheel] = place.glob("gearshift_sdk-*-py3-none-any.whl")
        names = zipfile.ZipFile(wheel).namelist()
        self.assertFalse([name for name in names if "test" in name], names)

        clean = place / "clean"
        venv.create(clean, with_pip=False, symlinks=True)
        python = str(clean / "bin" / "python")
        path = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        self.pip("install", "--no-index", "--no-deps", "--target", path, str(wheel))
        # What it needs is not installed again, but seen from where the tests have it.
        needs = sysconfig.get_path("purelib")
        (Path(path) / "needs.pth").write_text(needs + "\n")
        used = subprocess.run(
            [python, "-I", "-c", USE], capture_output=True, text=True, cwd=place, check=False
        )
        self.assertEqual(used.stdout, "used\n", used.stderr)

    def pip(self, *words: str) -> None:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
