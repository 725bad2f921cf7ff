"""A contract for .importlinter: "forbidden", of the rooms that are built so far."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import ContractCheck
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.domain.imports import ModuleExpression


class Doors(ForbiddenContract):
    """Like "forbidden", but a room that is not there yet is left out, as ``(room)`` in layers."""

    type_name = "doors"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Check the rooms that exist."""
        for side in ("source_modules", "forbidden_modules"):
            setattr(self, side, _built(getattr(self, side), graph))
        return super().check(graph, verbose)


def _built(modules: set[ModuleExpression], graph: ImportGraph) -> set[ModuleExpression]:
    return {module for module in modules if module.expression in graph.modules}
