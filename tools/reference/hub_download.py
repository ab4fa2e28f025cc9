"""Checks with Python's huggingface_hub that the test server of packages/model-io speaks the hub's protocol,
and that both clients build the same cache.

Usage: python tools/reference/hub_download.py <checkpoint folder>
Needs huggingface_hub and safetensors, and the repository's node_modules.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE = ["node", "--conditions=@sdmprune/source", "--import", "tsx"]
DOWNLOAD = """
import { downloadCheckpoint } from "@sdmprune/model-io/node";
console.log(await downloadCheckpoint({ repo: "org/tiny", cacheDir: process.env.OUR_CACHE }));
"""


def tree(folder: pathlib.Path) -> dict[str, str]:
    """Path to content hash or link target of everything below a folder, without Python's own bookkeeping."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_file() and not {".no_exist", ".locks", "trees"} & set(path.relative_to(folder).parts):
            found[name] = path.read_bytes().hex()[:64]
    return found


def main() -> None:
    folder = pathlib.Path(sys.argv[1]).resolve()
    os.environ["TSX_TSCONFIG_PATH"] = str(ROOT / "tsconfig.base.json")
    server = subprocess.Popen(
        [*NODE, "packages/model-io/test/serve-hub.ts", str(folder)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    url, commit = server.stdout.readline().split()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            theirs, ours = pathlib.Path(scratch, "theirs"), pathlib.Path(scratch, "ours")
            os.environ.update(HF_ENDPOINT=url, HF_HUB_CACHE=str(theirs), HF_HUB_DISABLE_TELEMETRY="1")
            import huggingface_hub
            from safetensors import safe_open

            ours_dir = subprocess.run(
                [*NODE, "--input-type=module", "--eval", DOWNLOAD],
                cwd=ROOT / "packages/model-io", env={**os.environ, "OUR_CACHE": str(ours)}, text=True, check=True, stdout=subprocess.PIPE,
            ).stdout.strip()  # fmt: skip
            names = sorted(os.listdir(ours_dir))
            theirs_dir = huggingface_hub.snapshot_download("org/tiny", allow_patterns=names)
            assert pathlib.Path(theirs_dir).name == commit, theirs_dir
            same = tree(theirs / "models--org--tiny") == tree(ours / "models--org--tiny")
            assert same, json.dumps([tree(theirs), tree(ours)], indent=1)
            for name in names:
                assert pathlib.Path(theirs_dir, name).read_bytes() == (folder / name).read_bytes(), name
                if name.endswith(".safetensors"):
                    with safe_open(pathlib.Path(theirs_dir, name), "pt") as file:
                        print(f"{name}: {len(list(file.keys()))} tensors, metadata {file.metadata()}")
            # Each client finds what the other one downloaded, without a network.
            os.environ.update(HF_HUB_CACHE=str(ours), HF_HUB_OFFLINE="1")
            huggingface_hub.constants.HF_HUB_CACHE = str(ours)
            cached = huggingface_hub.snapshot_download("org/tiny", cache_dir=ours, local_files_only=True)
            assert pathlib.Path(cached).resolve() == pathlib.Path(ours_dir).resolve()
            found = subprocess.run(
                [*NODE, "--input-type=module", "--eval", DOWNLOAD],
                cwd=ROOT / "packages/model-io", env={**os.environ, "OUR_CACHE": str(theirs)}, text=True, check=True, stdout=subprocess.PIPE,
            ).stdout.strip()  # fmt: skip
            assert pathlib.Path(found).resolve() == pathlib.Path(theirs_dir).resolve()
            print(f"huggingface_hub {huggingface_hub.__version__}: {len(names)} files, caches equal, each finds the other's")
    finally:
        server.stdin.close()
        server.wait(timeout=10)


if __name__ == "__main__":
    main()
