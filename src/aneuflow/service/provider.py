"""Sign-in at a provider of identities: OpenID Connect's authorization code flow with PKCE, state, nonce and signed tokens."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from aneuflow.errors import AneuflowError
from aneuflow.service.settings import ServiceSettings, is_safe

CALLBACK = "/api/oidc/callback"
# Signed with a key that the provider alone has: never "none", never a secret that two share.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_TIMEOUT_S = 10.0
_KEPT_S = 3600.0
_LARGEST_ANSWER = 2**20
_LEEWAY_S = 30
_BETWEEN_KEY_REQUESTS_S = 30.0


class Untrusted(AneuflowError):
    """What came back does not prove who signs in."""


class ProviderAway(AneuflowError):
    """The provider does not answer, or not as OpenID Connect has it."""


class Provider:
    """The configured provider. What it publishes of itself (addresses, keys) is kept for an hour."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.issuer, self._settings = settings.oidc_issuer, settings
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    @property
    def return_address(self) -> str:
        return self._settings.public_url.rstrip("/") + CALLBACK

    def sign_in_address(self, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent. Raises ProviderAway."""
        address = self._published()["authorization_endpoint"]
        asked = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self.return_address,
            "scope": self._settings.oidc_scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": _unpadded(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        return f"{address}{'&' if '?' in address else '?'}{urllib.parse.urlencode(asked)}"

    def check_answer(self, given_issuer: str | None) -> None:
        """Whether the answer the browser brings is this provider's (RFC 9207). Raises Untrusted, ProviderAway."""
        is_told = self._published().get("authorization_response_iss_parameter_supported") is True
        if (is_told or given_issuer is not None) and given_issuer != self.issuer:
            raise Untrusted("The answer is another provider's.")

    def claims(self, code: str, nonce: str, verifier: str) -> dict[str, Any]:
        """Who signed in, as the provider says it. Raises Untrusted where any proof is missing, ProviderAway."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.return_address,
            "code_verifier": verifier,
        }
        answer = self._exchange(form)
        access_token, id_token = answer.get("access_token"), answer.get("id_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise Untrusted("The provider gave no identity.")
        claims = self._checked(id_token, access_token, nonce)
        wanted = (self._settings.oidc_name_claim, self._settings.oidc_roles_claim)
        address = self._published().get("userinfo_endpoint")
        if address and any(name and claim_at(claims, name) is None for name in wanted):
            more = _ask(address, headers={"authorization": f"Bearer {access_token}"})
            if more.get("sub") != claims["sub"]:
                raise Untrusted("The provider tells of someone else.")
            claims = {**more, **claims}
        return claims

    def _exchange(self, form: dict[str, str]) -> dict[str, Any]:
        client, secret = self._settings.oidc_client_id, self._settings.oidc_client_secret
        headers = {}
        if not secret:
            form["client_id"] = client
        elif "client_secret_basic" in self._published().get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            pair = f"{urllib.parse.quote_plus(client)}:{urllib.parse.quote_plus(secret)}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": client, "client_secret": secret}
        return _ask(self._published()["token_endpoint"], urllib.parse.urlencode(form).encode(), headers)

    def _checked(self, id_token: str, access_token: str, nonce: str) -> dict[str, Any]:
        client = self._settings.oidc_client_id
        rules = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self.issuer},
            sub={"essential": True},
            aud={"essential": True, "value": client},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            token = self._verified(id_token)
            rules.validate(token.claims)
        except (JoseError, ValueError, TypeError) as error:
            raise Untrusted(f"The identity is not proven ({type(error).__name__}).") from error
        claims = token.claims
        others = claims["aud"] != client and claims["aud"] != [client]
        if (others or "azp" in claims) and claims.get("azp") != client:
            raise Untrusted("The identity was given to another program.")
        if "at_hash" in claims and claims["at_hash"] != _half_hash(access_token, str(token.header["alg"])):
            raise Untrusted("The access token is of another sign-in.")
        return dict(claims)

    def _verified(self, id_token: str) -> jwt.Token:
        """Asks for the keys anew where the token names one that was not there: providers change them."""
        try:
            return jwt.decode(id_token, self._keys(_KEPT_S), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            return jwt.decode(id_token, self._keys(_BETWEEN_KEY_REQUESTS_S), algorithms=ALGORITHMS)

    def _keys(self, kept_s: float) -> KeySet:
        return KeySet.import_key_set(self._get(self._published()["jwks_uri"], kept_s))  # type: ignore[arg-type]

    def _published(self) -> dict[str, Any]:
        found = self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration", _KEPT_S)
        if found.get("issuer") != self.issuer:
            raise ProviderAway("The provider calls itself by another address than oidc_issuer.")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not is_safe(str(found.get(name, ""))):
                raise ProviderAway(f"The provider's {name} is missing or not https.")
        return found

    def _get(self, address: str, kept_s: float) -> dict[str, Any]:
        with self._lock:
            at, found = self._kept.get(address, (0.0, {}))
            if not found or time.monotonic() - at > kept_s:
                found = _ask(address)
                self._kept[address] = (time.monotonic(), found)
            return found


def claim_at(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the path to it within others ("realm_access.roles"); None where there is none."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _ask(address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    if not is_safe(address):
        raise ProviderAway("An address of the provider is not https.")
    request = urllib.request.Request(address, body, {"accept": "application/json", **(headers or {})})
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
            content = json.loads(answer.read(_LARGEST_ANSWER))
    except urllib.error.HTTPError as error:
        if body is not None and error.code < 500:  # the code or the secret is wrong
            raise Untrusted("The provider does not accept the sign-in.") from error
        raise ProviderAway(f"The provider answers with status {error.code}.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ProviderAway(f"The provider does not answer ({type(error).__name__}).") from error
    if not isinstance(content, dict):
        raise ProviderAway("The provider's answer is no object.")
    return content


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _half_hash(token: str, algorithm: str) -> str:
    digest = hashlib.new(f"sha{algorithm[2:]}" if algorithm != "EdDSA" else "sha512", token.encode()).digest()
    return _unpadded(digest[: len(digest) // 2])
