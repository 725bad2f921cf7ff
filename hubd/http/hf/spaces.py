"""How a Space runs, and with what: variables, secrets, hardware, sleep."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from hubd.core import spaces
from hubd.core.spaces import Runtime
from hubd.http.hf.endpoint import Call, Endpoint
from hubd.http.hf.shapes import Shape, when
from hubd.types import RepoRef

_SPACE = "/api/{types:spaces}/{namespace}/{name}"


class Hardware(Shape, frozen=True, kw_only=True):
    """What it runs on, and what was asked for."""

    current: str | None = None
    requested: str | None = None


class ShownRuntime(Shape, frozen=True, kw_only=True):
    """How a Space stands; ``gc_timeout`` is its sleep time in seconds."""

    stage: str
    hardware: Hardware
    error_message: str
    storage: None = None
    gc_timeout: int | None = None
    dev_mode: bool = False


class ShownValue(Shape, frozen=True, kw_only=True):
    """A variable; of a secret the value is never told."""

    value: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    updated_at: str


class ToSet(msgspec.Struct):
    """A variable or secret."""

    key: str
    value: str = ""
    description: str | None = None


class ToRun(msgspec.Struct, rename="camel"):
    """How it is to run."""

    flavor: str | None = None
    sleep_time_seconds: int | None = None
    seconds: int | None = None


def _shown(found: Runtime) -> ShownRuntime:
    return ShownRuntime(
        stage=found.stage,
        hardware=Hardware(requested=found.wanted.hardware or None),
        error_message=found.reason,
        gc_timeout=found.wanted.sleep_seconds,
    )


async def runtime(call: Call) -> ShownRuntime:
    """How it stands."""
    return _shown(await spaces.runtime(call.core, call.actor, call.ref))


async def restart(call: Call) -> ShownRuntime:
    """It is to run."""
    return _shown(await spaces.want(call.core, call.actor, call.ref, paused=False))


async def pause(call: Call) -> ShownRuntime:
    """It is not to run."""
    return _shown(await spaces.want(call.core, call.actor, call.ref, paused=True))


async def set_run(call: Call) -> ShownRuntime:
    """On what it is to run, and when to sleep."""
    asked = await call.body(ToRun)
    sleep = asked.seconds if asked.sleep_time_seconds is None else asked.sleep_time_seconds
    where = (call.core, call.actor, call.ref)
    return _shown(await spaces.want(*where, hardware=asked.flavor, sleep_seconds=sleep))


def _is_secret(call: Call) -> bool:
    return call.name("kind") == "secrets"


async def list_values(call: Call) -> dict[str, ShownValue]:
    """The variables, or the names of the secrets."""
    secret = _is_secret(call)
    found = await spaces.values(call.core, call.actor, call.ref, secret=secret)
    return {
        one.key: ShownValue(
            value=UNSET if secret else one.value,
            description=one.description or UNSET,
            updated_at=when(one.updated_at),
        )
        for one in found
    }


async def set_value(call: Call) -> dict[str, ShownValue]:
    """Set a variable or secret."""
    asked = await call.body(ToSet)
    await put_all(call, call.ref, [asked], secret=_is_secret(call))
    return await list_values(call)


async def put_all(call: Call, ref: RepoRef, values: list[ToSet], *, secret: bool) -> None:
    """Set several."""
    for one in values:
        await spaces.put(
            *(call.core, call.actor, ref, one.key, one.value, one.description or ""), secret=secret
        )


async def delete_value(call: Call) -> dict[str, ShownValue]:
    """Forget a variable or secret."""
    asked = await call.body(ToSet)
    await spaces.remove(call.core, call.actor, call.ref, asked.key, secret=_is_secret(call))
    return await list_values(call)


_VALUES = _SPACE + "/{kind:secrets|variables}"
ENDPOINTS = [
    Endpoint("GET", _SPACE + "/runtime", runtime, "How a Space stands"),
    Endpoint("POST", _SPACE + "/restart", restart, "It is to run"),
    Endpoint("POST", _SPACE + "/pause", pause, "It is not to run"),
    Endpoint("POST", _SPACE + "/{what:hardware|sleeptime}", set_run, "On what, and when to sleep"),
    Endpoint("GET", _VALUES, list_values, "Its variables; of secrets the names"),
    Endpoint("POST", _VALUES, set_value, "Set one"),
    Endpoint("DELETE", _VALUES, delete_value, "Forget one"),
]
