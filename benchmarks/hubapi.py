"""The calls of the Hub's unmodified client: how many a second, and how long the large ones take."""

from __future__ import annotations

import asyncio
import os
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.clients import fresh, git
from benchmarks.lfs import peak_memory
from benchmarks.measure import Case
from benchmarks.replay import Replay
from benchmarks.rig import OWNER, Rig
from tests.hubproc import ROOT

CLIENT = ROOT / "build" / "clients" / "hf2" / "bin" / "python"
SNAPSHOT = "snapshot of {count} small files"
_CONNECTIONS = 8
_HEAD_GOAL = 1500.0
_COMMIT_GOAL, _TREE_GOAL = 3.0, 5.0
_FILE = b'{"hidden_size": 4096}\n' * 20


@dataclass(frozen=True)
class Figure:
    """What was measured, in seconds or requests a second of one core; the daemon's share of it."""

    name: str
    value: float
    unit: str
    goal: float | None
    processor: float
    memory: float

    @property
    def met(self) -> bool:
        """Whether the goal is met; rates are to be high, times low."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.unit == "/s" else self.value <= self.goal

    def __str__(self) -> str:
        goal = ""
        if self.goal is not None:
            goal = f", goal {self.goal:.0f} {self.unit}: {'met' if self.met else 'MISSED'}"
        return (
            f"{self.name}: {self.value:.2f} {self.unit}{goal}; daemon processor"
            f" {self.processor:.2f} s, memory {self.memory:.0f} MB"
        )


def names(rig: Rig) -> dict[str, Callable[[Rig, str], Figure]]:
    """The rows without another server beside, by name."""
    scale = rig.scale
    return {
        "HEAD resolve": _resolve,
        "GET resolve": _resolve,
        f"create_commit of {scale.many} files": _commit,
        f"list_repo_tree of {scale.files} files": _tree,
    }


def figures(rig: Rig, wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Measure the rows that are wanted."""
    for name, measure in names(rig).items():
        if wanted(name) and (CLIENT.exists() or measure is _resolve):
            yield measure(rig, name)


def _measured(rig: Rig, name: str, work: Callable[[], float], goal: float) -> Figure:
    used = rig.processor_time()
    seconds = work()
    memory = peak_memory(rig.hub.process.pid)
    return Figure(name, seconds, "s", goal, rig.processor_time() - used, memory)


def _resolve(rig: Rig, name: str) -> Figure:
    """Requests for one hot file of a private repository, with a token, over a few connections."""
    method, count = name.split(" ", 1)[0], rig.scale.requests
    repo = _repository(rig, "hot", {"config.json": _FILE}, private=True)
    parts = urlsplit(rig.hub.http)
    head = (
        f"{method} /{repo}/resolve/main/config.json HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"User-Agent: hf_hub/2.4.0\r\nAuthorization: Bearer {rig.token}\r\n\r\n"
    ).encode()

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for _ in range(number):
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
            if method == "GET":
                await reader.readexactly(len(_FILE))
        writer.close()
        await writer.wait_closed()

    async def all_of_them(number: int) -> None:
        await asyncio.gather(*(one(number) for _ in range(_CONNECTIONS)))

    asyncio.run(all_of_them(2))
    used, started = rig.processor_time(), time.perf_counter()
    asyncio.run(all_of_them(count // _CONNECTIONS))
    seconds, processor = time.perf_counter() - started, rig.processor_time() - used
    made = count // _CONNECTIONS * _CONNECTIONS
    # Ticks of a hundredth of a second: a quick run may take none.
    rate = made / max(processor, 0.01)
    memory = peak_memory(rig.hub.process.pid)
    goal = _HEAD_GOAL if method == "HEAD" else None
    shown = f"{name} a second of one core ({made / seconds:.0f}/s by the clock)"
    return Figure(shown, rate, "/s", goal, processor, memory)


def _commit(rig: Rig, name: str) -> Figure:
    """Many small files in one commit of the API, without the start of Python."""
    script = """
        operations = [
            CommitOperationAdd(f"d{n % 20}/{n}.txt", b"%d\\n" % n * 100) for n in range(count)
        ]
        api.create_repo(repo)
        started = time.perf_counter()
        api.create_commit(repo, operations, commit_message="Many")
        print(time.perf_counter() - started)
    """
    values = {"repo": f"{OWNER}/committed", "count": rig.scale.many}
    return _measured(rig, name, lambda: _timed(rig, script, **values), _COMMIT_GOAL)


def _tree(rig: Rig, name: str) -> Figure:
    """All files of a large repository, page by page."""
    script = """
        started = time.perf_counter()
        found = list(api.list_repo_tree(repo, recursive=True))
        print(time.perf_counter() - started)
        assert sum(not hasattr(entry, "tree_id") for entry in found) >= count
    """
    values = {"repo": f"{OWNER}/files", "count": rig.scale.files}
    return _measured(rig, name, lambda: _timed(rig, script, **values), _TREE_GOAL)


def _timed(rig: Rig, script: str, **values: object) -> float:
    """What a script of the client prints."""
    given = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    text = "import time\nfrom huggingface_hub import *\napi = HfApi()\n"
    return float(_run(rig.hub.http, rig, text + given + textwrap.dedent(script)))


def _run(endpoint: str, rig: Rig, script: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    own = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(rig.place / "hf"),
        "HF_TOKEN": rig.token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run(
        [str(CLIENT), "-c", script],
        env={**kept, **own},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


def _repository(rig: Rig, name: str, files: dict[str, bytes], *, private: bool) -> str:
    """A repository with these files; made once."""
    repo, work = f"{OWNER}/{name}", rig.place / "made" / name
    if work.exists():
        return repo
    work.mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main", work, env=rig.env)
    for path, data in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(data)
    git("add", ".", cwd=work, env=rig.env)
    git("commit", "--quiet", "--message=All", cwd=work, env=rig.env)
    rig.ask("repo.add", type="model", repo=repo, visibility="private" if private else "public")
    git("push", "--quiet", rig.hub.git_url(repo, rig.token), "main", cwd=work, env=rig.env)
    return repo


def snapshot(rig: Rig) -> Case:
    """The same client against the hub, and against nginx that replays the hub's answers."""
    count = rig.scale.snapshot
    files = {f"d{n % 20}/{n}.txt": b"%d\n" % n * 100 for n in range(count)}
    address: dict[str, str] = {}
    down = rig.place / "down"

    def prepare() -> None:
        fresh(down)
        if not address:
            repo = _repository(rig, "snapshot", files, private=False)
            work = rig.place / "made" / "snapshot"
            address["theirs"] = rig.beside(Replay(rig.place / "replay", rig.hub.http, repo, work))

    def step(endpoint: Callable[[], str]) -> Callable[[], None]:
        script = (
            "from huggingface_hub import snapshot_download\n"
            f"snapshot_download('{OWNER}/snapshot', local_dir={str(down)!r})\n"
        )

        def run() -> None:
            _run(endpoint(), rig, script)
            if sum(1 for path in down.rglob("*.txt") if path.is_file()) != count:
                raise RuntimeError("The snapshot is not whole.")

        return run

    return Case(
        SNAPSHOT.format(count=count),
        "nginx, replaying",
        step(lambda: rig.hub.http),
        step(lambda: address["theirs"]),
        goal=1.5,
        before_ours=prepare,
        before_base=prepare,
        note="the whole client, from its start",
    )
