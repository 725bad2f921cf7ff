"""How a Space runs, and with what: variables, secrets, hardware, sleep."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hubd.core import spaces
from hubd.core.spaces import Runtime
from hubd.http.api.endpoint import REPO, Call, Endpoint
from hubd.http.api.shapes import Answer, Request, Time, when

Key = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]{0,199}$")]


class RuntimeAnswer(Answer, frozen=True, kw_only=True):
    """How a Space stands, what is wanted of it, and why it is so."""

    stage: str
    reason: str
    hardware: str
    sleep_seconds: int | None
    paused: bool


class RuntimeChange(Request, frozen=True, kw_only=True):
    """How it is to run; what is left out stays."""

    hardware: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")] | None = None
    sleep_seconds: Annotated[int, Meta(ge=-1, le=2**31 - 1, description="-1: never.")] | None = None
    paused: bool | None = None


class VariableAnswer(Answer, frozen=True, kw_only=True):
    """A variable of the program's environment."""

    key: str
    value: str
    description: str
    updated_at: Time


class SecretAnswer(Answer, frozen=True, kw_only=True):
    """A secret of the program's environment; its value is told to nobody."""

    key: str
    description: str
    updated_at: Time


class ValueToSet(Request, frozen=True, kw_only=True):
    """A variable or secret."""

    key: Key
    value: Annotated[str, Meta(max_length=spaces.MAX_VALUE)]
    description: Annotated[str, Meta(max_length=spaces.MAX_DESCRIPTION)] = ""


class ValueToForget(Request, frozen=True, kw_only=True):
    """Which one."""

    key: Key


def _answer(found: Runtime) -> RuntimeAnswer:
    return RuntimeAnswer(
        stage=found.stage,
        reason=found.reason,
        hardware=found.wanted.hardware,
        sleep_seconds=found.wanted.sleep_seconds,
        paused=found.wanted.paused,
    )


async def get_space_runtime(call: Call) -> RuntimeAnswer:
    """How a Space stands."""
    return _answer(await spaces.runtime(call.core, call.actor, call.ref))


async def set_space_runtime(call: Call, body: RuntimeChange) -> RuntimeAnswer:
    """Say how a Space is to run."""
    done = await spaces.want(
        call.core,
        call.actor,
        call.ref,
        hardware=body.hardware,
        sleep_seconds=body.sleep_seconds,
        paused=body.paused,
    )
    return _answer(done)


async def list_space_variables(call: Call) -> list[VariableAnswer]:
    """The variables of a Space."""
    return [
        VariableAnswer(
            key=one.key,
            value=one.value,
            description=one.description,
            updated_at=when(one.updated_at),
        )
        for one in await spaces.values(call.core, call.actor, call.ref, secret=False)
    ]


async def set_space_variable(call: Call, body: ValueToSet) -> None:
    """Set a variable."""
    where = (call.core, call.actor, call.ref)
    await spaces.put(*where, body.key, body.value, body.description, secret=False)


async def forget_space_variable(call: Call, body: ValueToForget) -> None:
    """Forget a variable."""
    await spaces.remove(call.core, call.actor, call.ref, body.key, secret=False)


async def list_space_secrets(call: Call) -> list[SecretAnswer]:
    """The names of a Space's secrets."""
    return [
        SecretAnswer(key=one.key, description=one.description, updated_at=when(one.updated_at))
        for one in await spaces.values(call.core, call.actor, call.ref, secret=True)
    ]


async def set_space_secret(call: Call, body: ValueToSet) -> None:
    """Set a secret; it is sealed, and shown to nobody."""
    where = (call.core, call.actor, call.ref)
    await spaces.put(*where, body.key, body.value, body.description, secret=True)


async def forget_space_secret(call: Call, body: ValueToForget) -> None:
    """Forget a secret."""
    await spaces.remove(call.core, call.actor, call.ref, body.key, secret=True)


_VARIABLES, _SECRETS = REPO + "/variables", REPO + "/secrets"
ENDPOINTS = [
    Endpoint("GET", REPO + "/runtime", get_space_runtime, "Get how a Space stands"),
    Endpoint("PATCH", REPO + "/runtime", set_space_runtime, "Say how a Space is to run"),
    Endpoint("GET", _VARIABLES, list_space_variables, "List a Space's variables"),
    Endpoint("PUT", _VARIABLES, set_space_variable, "Set a variable of a Space"),
    Endpoint("DELETE", _VARIABLES, forget_space_variable, "Forget a variable of a Space"),
    Endpoint("GET", _SECRETS, list_space_secrets, "List a Space's secrets"),
    Endpoint("PUT", _SECRETS, set_space_secret, "Set a secret of a Space"),
    Endpoint("DELETE", _SECRETS, forget_space_secret, "Forget a secret of a Space"),
]
