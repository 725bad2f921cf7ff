"""Names that no user or organization may have, because an address of the hub begins with them.

A test compares this list with the first parts of all routes.
"""

from __future__ import annotations

from hubd.errors import Invalid

# First parts of addresses, of this hub and of the dialects it will speak.
ROUTES = frozenset(
    """
    - api csg hf ms v1 v2 oauth uploads xet account settings login logout join new search
    models datasets spaces codes mcps mcpservers skills collections organizations users docs static
    healthz readyz metrics robots.txt favicon.ico sitemap.xml .well-known datasets-server lfs
    resolve
    """.split()  # noqa: SIM905
)
# Words that people would take for the hub itself or its operators.
OFFICES = frozenset(
    """
    admin hubd hub root administrator system support security abuse postmaster webmaster noreply
    no-reply anonymous everyone nobody null undefined none me self official staff about help
    pricing blog tasks papers posts jobs notifications explore dashboard activity trending model
    dataset space code repo repos repository org orgs user team teams git ssh www mail ftp raw
    """.split()  # noqa: SIM905
)
RESERVED = ROUTES | OFFICES


def check_free(name: str, *, by_operator: bool = False) -> str:
    """Return the name, or raise ``Invalid`` if it is reserved; operators may use the offices."""
    if name.lower() in (ROUTES if by_operator else RESERVED):
        raise Invalid(f"The name {name!r} is reserved.", hint="Choose another.")
    return name
