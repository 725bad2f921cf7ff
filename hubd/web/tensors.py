"""The tensors of a model file as a tree: what their names share before each dot comes once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hubd.core.model_headers import Tensor

# What lies deeper keeps its dots.
_DEPTH = 12


@dataclass
class Group:
    """Tensors whose names begin alike; ``parameters`` counts all below."""

    name: str
    parameters: int = 0
    count: int = 0
    groups: dict[str, Group] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)


def tree(tensors: Iterable[Tensor]) -> Group:
    """The root of the tree; a group of one group is told in one line: ``model.layers``."""
    root = Group("")
    for name, dtype, shape in tensors:
        *parts, last = name.split(".")
        at = root
        _count(at, shape)
        for part in parts[:_DEPTH]:
            at = at.groups.setdefault(part, Group(part))
            _count(at, shape)
        at.tensors.append((".".join([*parts[_DEPTH:], last]), dtype, shape))
    return _shortened(root)


def _count(group: Group, shape: list[int]) -> None:
    group.parameters += math.prod(shape)
    group.count += 1


def _shortened(group: Group) -> Group:
    group.groups = {name: _shortened(one) for name, one in group.groups.items()}
    if group.name and len(group.groups) == 1 and not group.tensors:
        (only,) = group.groups.values()
        only.name = f"{group.name}.{only.name}"
        return only
    return group


def shown(found: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of a head's facts."""
    return {
        "view": "tensors",
        "head": found,
        "tensors": tree((n, d, s) for n, d, s in found["tensors"]),
    }
