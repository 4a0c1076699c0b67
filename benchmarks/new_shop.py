"""Take a made-up shop from its files to lists by `recsys init` and `recsys run`; say what it took.

    python benchmarks/new_shop.py            # 20,000 order lines, as README quotes
    python benchmarks/new_shop.py --lines 4000

Orders are of people with tastes, a quarter of them repeats, with a product list without dates. The
shop and its home lie in a folder that is removed at the end.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Order lines a person has, on average.
LINES_PER_USER = 17


def main() -> None:
    """Write the shop, take it to its first night, and print seconds by step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=20_000, help="Order lines, about [20000].")
    lines = parser.parse_args().lines
    sys.path.insert(0, str(ROOT))
    from tests.start.shop_files import write_shop

    with tempfile.TemporaryDirectory() as folder:
        paths = write_shop(Path(folder), users=max(1, lines // LINES_PER_USER))
        written = len(Path(paths[0]).read_text().splitlines()) - 1
        print(f"{written:,} order lines")
        told = step(folder, ["init", *paths, "--land"])
        (night,) = [line for line in told.splitlines() if line.startswith("Go on with: ")]
        report = step(folder, shlex.split(night.removeprefix("Go on with: "))[1:])
        print("\n".join(line for line in report.splitlines() if line.startswith("Gate:")))


def step(folder: str, words: list[str]) -> str:
    """Run a verb in the shop's folder, print its seconds, and return what it told."""
    started = time.monotonic()
    command = [sys.executable, "-m", "pipelines", *words]
    environment = {"PYTHONPATH": str(ROOT), "PATH": str(Path(sys.executable).parent)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    print(f"recsys {words[0]}: {time.monotonic() - started:.0f} s")
    return done.stdout


if __name__ == "__main__":
    main()
