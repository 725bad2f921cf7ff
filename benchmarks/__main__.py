"""``python -m benchmarks [--quick] [--rounds N] [--only TEXT] [--keep DIR]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import hubapi, lfs, measure, plan, servers
from benchmarks.rig import FULL, QUICK, Rig


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works")
    parser.add_argument("--rounds", type=int, help="rounds of each row (5)")
    parser.add_argument("--only", default="", help="rows whose name holds one of these, by comma")
    parser.add_argument("--dir", type=Path, help="where the repositories are made")
    parser.add_argument("--strict", action="store_true", help="fail if a goal is missed")
    return parser.parse_args()


CROWD = "8 large transfers at once"


def _tell(crowd: lfs.Crowd) -> bool:
    """What eight transfers at once did; whether that keeps to the goals."""
    held, slowest = crowd.memory <= plan.CROWD_MEMORY, crowd.slowest <= plan.CROWD_SECONDS
    print(
        f"{CROWD}: daemon memory {crowd.memory:.0f} MB, goal {plan.CROWD_MEMORY:.0f} MB:"
        f" {'met' if held else 'MISSED'}; {crowd.calls} API calls meanwhile, median"
        f" {crowd.middle * 1000:.0f} ms, slowest {crowd.slowest * 1000:.0f} ms, goal"
        f" {plan.CROWD_SECONDS * 1000:.0f} ms: {'met' if slowest else 'MISSED'}"
    )
    return held and slowest


def _say(text: str) -> None:
    print(f"# {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Set up, measure, print; exit code 1 if a program is missing or, if asked, a goal."""
    arguments = _arguments()
    packages = servers.missing()
    if packages:
        print(f"Missing; run: apt-get install -y {' '.join(packages)}", file=sys.stderr)
        return 1
    scale = QUICK if arguments.quick else FULL
    rounds = arguments.rounds or scale.rounds
    wanted = arguments.only.split(",")
    outcomes: list[measure.Outcome] = []
    with (
        tempfile.TemporaryDirectory(prefix="hubd-bench-", dir=arguments.dir) as folder,
        Rig(Path(folder), scale, _say) as rig,
    ):
        for case in plan.cases(rig):
            if any(word in case.name for word in wanted):
                _say(f"{case.name} / {case.versus}")
                outcomes.append(measure.run(case, rounds, rig.processor_time))
        figures = list(hubapi.figures(rig, lambda name: any(word in name for word in wanted)))
        peaks = rig.peak_memory()
        few = (
            lfs.crowd(
                rig.account("crowd"),
                f"{rig.hub.http}/api/hub/v1/repos?limit=1",
                rig.hub.process.pid,
                scale.large,
            )
            if any(word in CROWD for word in wanted)
            else None
        )
    print(measure.table(outcomes))
    print("\n".join(map(str, figures)))
    peak = max(peaks)
    fits = peak <= plan.MEMORY_LIMIT
    verdict = "met" if fits else "MISSED"
    print(
        f"daemon memory, most ever held: {peak:.0f} MB, goal {plan.MEMORY_LIMIT:.0f} MB: {verdict}"
    )
    if few is not None:
        fits &= _tell(few)
    missed = [not row.met for row in outcomes] + [not row.met for row in figures]
    return 1 if arguments.strict and (any(missed) or not fits) else 0


if __name__ == "__main__":
    sys.exit(main())
