"""Signing in to apps and devices: OAuth 2 and OpenID Connect; the pages are in ``web/oauth.py``.

Shapes: RFC 6749, 7009, 8414, 8628, OpenID Connect Core and Discovery 1.0, and what the Hub adds.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from hubd.core import accounts, idtokens, oauth, oauth_apps, orgs
from hubd.core.oauth import Issued, RefusedError
from hubd.core.rows import row_id
from hubd.errors import Denied, HubError
from hubd.http import ranges
from hubd.http.api.endpoint import json_response
from hubd.http.context import core_of, public_url, stranger
from hubd.http.hf import errors
from hubd.http.hf.endpoint import Call, Endpoint
from hubd.http.hf.shapes import AVATAR
from hubd.types import Channel, Role

MAX_FORM = 16 * 1024
_MAX_FIELDS = 50
_ID_SECONDS = 3600
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_ROLES = {Role.ADMIN: "admin", Role.WRITE: "write", Role.READ: "read"}
Form = Mapping[str, str]


class AppEndpoint(Endpoint):
    """A call of an app about itself: its own credential, a form, refusals in OAuth's words."""

    async def _serve(self, request: web.Request, prefix: str) -> web.StreamResponse:
        core = core_of(request)
        actor = stranger(request, Channel.API)
        try:
            await core.rates.count_api(actor)
            return json_response(
                await self.handler(Call(request, core, actor, prefix)), headers=_NO_STORE
            )
        except RefusedError as error:
            body = {"error": error.fault, "error_description": error.message}
            if error.fault != "invalid_client":
                return json_response(body, 400, _NO_STORE)
            return json_response(body, 401, {**_NO_STORE, "WWW-Authenticate": "Basic"})
        except HubError as error:
            return errors.render(request, error, anonymous=False)


async def _form(call: Call) -> Form:
    if call.request.content_type != "application/x-www-form-urlencoded":
        raise RefusedError("invalid_request", "The parameters are sent as a form.")
    data = bytearray()
    async for piece in ranges.body(call.request):
        data += piece
        if len(data) > MAX_FORM:
            raise RefusedError("invalid_request", "The form is too large.")
    try:
        pairs = parse_qsl(data.decode("ascii"), max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise RefusedError("invalid_request", "The form cannot be read.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise RefusedError("invalid_request", "A parameter is given twice.")
    return form


async def _client(call: Call, form: Form) -> oauth_apps.App:
    """The app that speaks, by Basic authentication or by the form, never both (RFC 6749, 2.3)."""
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, given = call.request.headers.get("Authorization", "").partition(" ")
    if scheme:
        try:
            pair = base64.b64decode(given.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            pair = ("", "", "")
        named = unquote_plus(pair[0])
        if scheme.lower() != "basic" or secret or client_id not in {"", named}:
            raise RefusedError("invalid_client", "The app names itself in two ways.")
        client_id, secret = named, unquote_plus(pair[2])
    return await oauth.client(call.core, client_id, secret)


async def token(call: Call) -> dict[str, Any]:
    """Tokens for a code, for a refresh token, or for a device that was let in."""
    form = await _form(call)
    app = await _client(call, form)
    grant = form.get("grant_type", "")
    if grant == "authorization_code":
        issued = await oauth.exchange(
            call.core,
            app,
            form.get("code", ""),
            form.get("redirect_uri", ""),
            form.get("code_verifier", ""),
        )
    elif grant == "refresh_token":
        issued = await oauth.renew(call.core, app, form.get("refresh_token", ""))
    elif grant == _DEVICE_GRANT:
        issued = await oauth.poll(call.core, app, form.get("device_code", ""))
    else:
        raise RefusedError("unsupported_grant_type", "This way to tokens is not known.")
    answer: dict[str, Any] = {
        "access_token": issued.access_token,
        "token_type": "bearer",
        "expires_in": issued.seconds,
        "refresh_token": issued.refresh_token,
        "scope": " ".join(issued.grant.scopes),
    }
    if "openid" in issued.grant.scopes:
        answer["id_token"] = await _id_token(call, app, issued)
    return answer


async def _id_token(call: Call, app: oauth_apps.App, issued: Issued) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": public_url(call.request),
        "sub": row_id(issued.user.id),
        "aud": app.client_id,
        "iat": now,
        "exp": now + _ID_SECONDS,
        "auth_time": int(issued.grant.created_at),
        **_claims(call, issued.user.name, issued.user.full_name, issued.user.email, issued.grant),
    }
    if issued.nonce:
        claims["nonce"] = issued.nonce
    return await call.core.id_tokens.sign(claims)


def _claims(
    call: Call, name: str, full_name: str, email: str | None, grant: oauth_apps.Grant
) -> dict[str, Any]:
    """What the scopes of OpenID tell of somebody."""
    claims: dict[str, Any] = {}
    if "profile" in grant.scopes:
        origin = public_url(call.request)
        claims = {
            "name": full_name or name,
            "preferred_username": name,
            "profile": f"{origin}/{name}",
            "picture": origin + AVATAR,
        }
    if "email" in grant.scopes and email:
        # Nobody has proved that it is theirs.
        claims |= {"email": email, "email_verified": False}
    return claims


async def device(call: Call) -> dict[str, Any]:
    """A device asks to be let in: its own code, and the one that its person types."""
    form = await _form(call)
    app = await _client(call, form)
    found = await oauth.begin_device(call.core, app, form.get("scope", ""))
    page = public_url(call.request) + "/-/device"
    shown = oauth.shown_code(found.user_code)
    return {
        "device_code": found.device_code,
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={shown}",
        "expires_in": oauth.DEVICE_SECONDS,
        "interval": oauth.POLL_SECONDS,
    }


async def revoke(call: Call) -> dict[str, Any]:
    """End what a token of the app came of; one that is not known has ended already."""
    form = await _form(call)
    app = await _client(call, form)
    await oauth.revoke(call.core, app, form.get("token", ""))
    return {}


async def userinfo(call: Call) -> dict[str, Any]:
    """Who let the app in."""
    user = await accounts.me(call.core, call.actor)
    grant = await oauth.grant_of(call.core, call.actor)
    if grant is None or "openid" not in grant.scopes:
        raise Denied("This token was not made to tell who somebody is.")
    answer = _claims(call, user.name, user.full_name, user.email, grant)
    if "profile" in grant.scopes:
        origin = public_url(call.request)
        answer["isPro"] = False
        answer["orgs"] = [
            {
                "sub": row_id(org.id),
                "name": org.full_name or org.name,
                "preferred_username": org.name,
                "picture": origin + AVATAR,
                "isEnterprise": False,
                "roleInOrg": _ROLES.get(role, "read"),
            }
            for org, role in await orgs.of_user(call.core, user.id)
        ]
    return {"sub": row_id(user.id), **answer}


async def discovery(call: Call) -> dict[str, Any]:
    """Where everything is, and what is understood."""
    issuer = public_url(call.request)
    ways = ["client_secret_basic", "client_secret_post", "none"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "device_authorization_endpoint": f"{issuer}/oauth/device",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "scopes_supported": list(oauth_apps.SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", _DEVICE_GRANT],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [idtokens.ALGORITHM],
        "token_endpoint_auth_methods_supported": ways,
        "revocation_endpoint_auth_methods_supported": ways,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "claims_supported": ["sub", "name", "preferred_username", "profile", "picture", "email"],
    }


async def keys(call: Call) -> dict[str, Any]:
    """What our tokens about people are verified with."""
    return await call.core.id_tokens.public_keys()


_WELL_KNOWN = "/.well-known/{document:openid-configuration|oauth-authorization-server}"
ENDPOINTS: list[Endpoint] = [
    AppEndpoint("POST", "/oauth/token", token, "Tokens for a code or a device"),
    AppEndpoint("POST", "/oauth/device", device, "A device asks to be let in"),
    AppEndpoint("POST", "/oauth/revoke", revoke, "End a token"),
    Endpoint("GET", "/oauth/userinfo", userinfo, "Who let an app in"),
    Endpoint("POST", "/oauth/userinfo", userinfo, "As above"),
    Endpoint("GET", "/oauth/jwks", keys, "The keys of tokens about people"),
    Endpoint("GET", _WELL_KNOWN, discovery, "Where everything is"),
]
