"""`make layers`: the libraries of the reports' functions, one zip a layer, for Lambda's processor; and what they weigh.

Lambda counts a function's zip and its layers together: 250 MB unzipped. The wheels are fetched for arm64, whatever
machine this runs on, and only when a layer's requirements have changed.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LAYERS = Path(__file__).parent / "layers"
BUILD = ROOT / "build" / "layers"
LIMIT = 250 * 1024 * 1024  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
# What nothing reads at run time: tests, type stubs, C sources and headers, sample data, other languages' time zones.
UNREAD = ("/tests/", "/testing/", "/test/", "/sample_data/", "/include/", "/datasets/", "/__pycache__/")
UNREAD_ENDINGS = (".pyi", ".pyx", ".pxd", ".c", ".h", ".a", ".f90", ".md", ".rst", ".js", ".png", ".gif")
NEEDED = ("numpy/testing/", "numpy/_core/tests/_natype.py", "matplotlib/testing/", "scipy/_lib/", "pandas/testing")


class LayerError(Exception):
    """A layer cannot be built, or is too large; the message says what to do."""


def names() -> list[str]:
    return sorted(file.stem for file in LAYERS.glob("*.txt"))


def build(name: str, out: Path = BUILD) -> Path:
    """The zip of the layer `name`, made anew only when what it is made of has changed. Raises LayerError."""
    requirements = LAYERS / f"{name}.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    made_of = requirements.read_bytes() + Path(__file__).read_bytes() + version.encode()
    zipped = out / f"{name}-{hashlib.sha256(made_of).hexdigest()[:12]}.zip"
    if zipped.exists():
        return zipped
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        tree = Path(scratch) / "python"
        platforms = [f"--platform={platform}" for platform in PLATFORMS]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        wheels = ["--only-binary=:all:", "--implementation=cp", f"--python-version={version}", *platforms]
        command = [*pip, *wheels, f"--target={tree}", f"--requirement={requirements}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise LayerError(f"the wheels of {requirements.name} cannot be fetched: {done.stderr.strip()[-500:]}")
        new = Path(scratch) / "layer.zip"
        with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as zip:
            for path in sorted(p for p in tree.rglob("*") if p.is_file()):
                inside = path.relative_to(tree.parent).as_posix()
                if not unread(inside):
                    entry = zipfile.ZipInfo(inside, (1980, 1, 1, 0, 0, 0))
                    entry.external_attr = 0o644 << 16
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    zip.writestr(entry, path.read_bytes())
        for old in out.glob(f"{name}-*.zip"):
            old.unlink()
        shutil.move(new, zipped)
    return zipped


def unread(name: str) -> bool:
    """Whether nothing reads this file of the layer at run time."""
    inside = name.removeprefix("python/")
    if inside.startswith(NEEDED) and not inside.endswith(UNREAD_ENDINGS):
        return False
    return any(part in f"/{inside}" for part in UNREAD) or inside.endswith(UNREAD_ENDINGS)


def weight(zipped: Path) -> tuple[int, int]:
    """Bytes of the layer, zipped and unzipped."""
    with zipfile.ZipFile(zipped) as zip:
        return zipped.stat().st_size, sum(f.file_size for f in zip.infolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=BUILD)
    options = parser.parse_args()
    try:
        for name in names():
            small, large = weight(zipped := build(name, options.out))
            print(f"{zipped.name}  {small / 2**20:.1f} MiB, unzipped {large / 2**20:.1f} of {LIMIT / 2**20:.0f} MiB")
    except LayerError as error:
        sys.exit(f"layers: {error}")


if __name__ == "__main__":
    main()
