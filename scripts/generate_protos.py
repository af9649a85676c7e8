"""Generate the Python of the contract: protos/esep/v1/*.proto -> *_pb2.py, *_pb2_grpc.py and their stubs.

The result is committed, so that nobody needs a generator to use it; ``--check`` tells whether it is fresh. Run it with
the generator's own environment (``make protos``): its version decides which runtimes the result accepts, so any other
version is refused. protoc writes imports from the root of the proto files (``esep.v1``); they are rewritten to
``protos.esep.v1``, where the files stand.
"""

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
REQUIREMENTS = ROOT / "requirements-protos.in"
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")
IMPORT = re.compile(r"^(from |import )(esep\.)", re.MULTILINE)


def main() -> int:
    """Generate, or with ``--check`` compare, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the files are not fresh")
    check: bool = parser.parse_args().check

    wrong = wrong_versions()
    if wrong:
        sys.stderr.write(f"not the pinned generator ({', '.join(wrong)}): run this by `make protos`\n")
        return 2

    fresh = generate()
    committed = {path.relative_to(PROTOS): path.read_text("utf-8") for path in generated_files(PROTOS)}
    stale = sorted(path for path in fresh.keys() | committed.keys() if fresh.get(path) != committed.get(path))
    if check:
        for path in stale:
            sys.stderr.write(f"not fresh: protos/{path}\n")
        return 1 if stale else 0
    for path in stale:
        if path in fresh:
            (PROTOS / path).write_text(fresh[path], "utf-8")
        else:
            (PROTOS / path).unlink()
    sys.stdout.write(f"{len(fresh)} files generated, {len(stale)} of them changed\n")
    return 0


def wrong_versions() -> list[str]:
    """Return the pinned packages that are missing here, or here in another version."""
    pins = re.findall(r"^([\w-]+)==(\S+)$", REQUIREMENTS.read_text("utf-8"), re.MULTILINE)
    return [f"{name} is not {version}" for name, version in pins if installed_version(name) != version]


def installed_version(name: str) -> str | None:
    """Return the version of an installed package, None when it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def generate() -> dict[Path, str]:
    """Return the text of every generated file by its path below ``protos``."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        outputs = [f"--{kind}_out={directory}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
        # protoc finds its plugins on the PATH: those of this very environment.
        path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
        result = subprocess.run(  # noqa: S603 (our own arguments only)
            [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}", *outputs, *sources],
            env=os.environ | {"PATH": path},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise SystemExit(result.stderr)
        root = Path(directory)
        return {
            path.relative_to(root): IMPORT.sub(r"\1protos.\2", path.read_text("utf-8"))
            for path in generated_files(root)
            if defines_service(path.relative_to(root)) or "_pb2_grpc." not in path.name
        }


def generated_files(root: Path) -> list[Path]:
    """Return the generated files below ``root``."""
    return sorted(path for pattern in GENERATED for path in root.rglob(pattern))


def defines_service(generated: Path) -> bool:
    """Tell whether the proto file behind a generated file has a service: only then is its gRPC half worth keeping."""
    source = PROTOS / generated.with_name(generated.name.split("_pb2")[0] + ".proto")
    return re.search(r"^service ", source.read_text("utf-8"), re.MULTILINE) is not None


if __name__ == "__main__":
    sys.exit(main())
