"""Alternating rounds, medians, and the table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

Step = Callable[[], None]


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Case:
    """The same work done by hubd and by what it is compared with.

    ``before_ours`` and ``before_base`` run untimed before each single run; a round times ``repeat``
    runs of each side, one side after the other, the order changing from round to round.
    """

    name: str
    versus: str
    ours: Step
    base: Step
    goal: float | None
    repeat: int = 1
    before_ours: Step = nothing
    before_base: Step = nothing
    note: str = ""
    base_processor: Callable[[], float] | None = None
    processor_goal: float = 0.3


@dataclass
class Outcome:
    """The seconds of each round, and the daemon's processor seconds per run."""

    case: Case
    ours: list[float] = field(default_factory=list)
    base: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    base_processor: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: a load on the machine hits both sides of a round."""
        return median(self.ratios)

    @property
    def ratios(self) -> list[float]:
        """Ours by theirs, round by round."""
        return [ours / base for ours, base in zip(self.ours, self.base, strict=True)]

    @property
    def met(self) -> bool:
        """Whether the goals are met; a row without one always is."""
        fast = self.case.goal is None or self.ratio <= self.case.goal
        return fast and self.processor_ratio <= self.case.processor_goal

    @property
    def processor_ratio(self) -> float:
        """The servers' processor seconds, ours by theirs; 0 where theirs are not known."""
        pairs = zip(self.processor, self.base_processor, strict=False)
        return median([ours / max(base, 0.01) for ours, base in pairs] or [0.0])


def run(case: Case, rounds: int, processor_time: Callable[[], float]) -> Outcome:
    """Warm both sides once, then measure."""
    outcome = Outcome(case)
    _timed(case.ours, case.before_ours, 1)
    _timed(case.base, case.before_base, 1)
    for number in range(rounds):
        for ours in (True, False) if number % 2 == 0 else (False, True):
            if ours:
                used = processor_time()
                outcome.ours.append(_timed(case.ours, case.before_ours, case.repeat))
                outcome.processor.append((processor_time() - used) / case.repeat)
            else:
                used = case.base_processor() if case.base_processor else 0.0
                outcome.base.append(_timed(case.base, case.before_base, case.repeat))
                if case.base_processor:
                    outcome.base_processor.append((case.base_processor() - used) / case.repeat)
    return outcome


def _timed(step: Step, before: Step, repeat: int) -> float:
    """Seconds per run."""
    total = 0.0
    for _ in range(repeat):
        before()
        started = time.perf_counter()
        step()
        total += time.perf_counter() - started
    return total / repeat


HEAD = ("row", "beside", "hubd", "other", "ratio", "min-max", "goal", "", "hubd cpu")


def table(outcomes: Sequence[Outcome]) -> str:
    """The rows as aligned text; times are medians."""
    rows = [HEAD, *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    notes = [note for outcome in outcomes for note in _notes(outcome)]
    return "\n".join([*lines, "", *notes])


def _notes(outcome: Outcome) -> Iterator[str]:
    case = outcome.case
    if case.note:
        yield f"{case.name}: {case.note}"
    if outcome.base_processor:
        ours, theirs = median(outcome.processor), median(outcome.base_processor)
        ratio, goal = outcome.processor_ratio, case.processor_goal
        yield (
            f"{case.name}: server processor {_seconds(ours)} beside {_seconds(theirs)}, ratio"
            f" {ratio:.2f}, goal {goal:.2f}: {'met' if ratio <= goal else 'MISSED'}"
        )


def _row(outcome: Outcome) -> tuple[str, ...]:
    case = outcome.case
    return (
        case.name,
        case.versus,
        _seconds(median(outcome.ours)),
        _seconds(median(outcome.base)),
        f"{outcome.ratio:.2f}",
        f"{min(outcome.ratios):.2f}-{max(outcome.ratios):.2f}",
        f"{case.goal:.2f}" if case.goal is not None else "",
        ("met" if outcome.met else "MISSED") if case.goal is not None else "",
        _seconds(median(outcome.processor)),
    )


def _seconds(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"
