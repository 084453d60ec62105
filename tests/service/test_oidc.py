"""Sign-in at a provider of identities: a real one, and one that lies in every way it can."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import pytest
from fastapi import FastAPI, Request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from oidc_provider_mock import User as KnownUser
from oidc_provider_mock import run_server_in_thread
from sqlalchemy import select, update

from aneuflow.errors import InputError
from aneuflow.service.accounts import add_user, set_password
from aneuflow.service.app import create_app
from aneuflow.service.federation import claim_at, granted
from aneuflow.service.models import AuditEntry, Membership, Project, ProviderSignIn, SignIn, User
from aneuflow.service.settings import ServiceSettings, is_safe, service_settings
from aneuflow.service.system import System, open_system
from tests.service.conftest import in_thread
from tests.service.running import OWN_PASSWORD

ROLES = {
    "readers": ["Stroke unit: reader"],
    "editors": ["Stroke unit: editor", "Trial: X: reader", "Nowhere: editor"],
    "heads": ["administrator"],
}


@contextmanager
def _system(data: Path, issuer: str, **more: Any) -> Iterator[tuple[System, str]]:
    """A system with that provider and two projects, and its address."""
    given = {"oidc_client_id": "aneuflow", "oidc_client_secret": "s3cret /+", "oidc_roles": ROLES, **more}
    settings = ServiceSettings(data=data, oidc_issuer=issuer, public_url="http://127.0.0.1", **given)
    system = open_system(settings)
    with system.database.writing() as session:
        session.add_all([Project(name="Stroke unit"), Project(name="Trial: X")])
    with in_thread(create_app(system)) as address:
        # Only now is it known where the provider is to send people back to.
        object.__setattr__(settings, "public_url", address)
        yield system, address
    system.database.engine.dispose()
    system.pseudonyms._database.engine.dispose()


def _go(browser: httpx.Client) -> str:
    answer = browser.get("/api/oidc/sign-in")
    assert answer.status_code == 303
    return answer.headers["location"]


def _sign_in(browser: httpx.Client, subject: str, **form: str) -> httpx.Response:
    """The whole way: there, what a person would click, and back."""
    consent = httpx.post(_go(browser), data={"sub": subject, **form})
    return browser.get(consent.headers["location"])


def _refusal(answer: httpx.Response) -> str:
    assert answer.status_code == 303 and "aneuflow_session" not in answer.headers.get("set-cookie", "")
    return parse_qs(urlsplit(answer.headers["location"]).query)["refused"][0]


def _roles(browser: httpx.Client) -> dict[str, str]:
    return {project["name"]: project["role"] for project in browser.get("/api/projects").json()}


def test_who_signs_in_there_is_in_here_with_what_the_groups_grant(tmp_path: Path) -> None:
    known = [
        KnownUser(sub="4711", claims={"preferred_username": "jane.doe", "groups": ["editors", "readers", "unknown"]}),
        KnownUser(sub="4712", claims={"preferred_username": "the head", "groups": "heads"}),
        KnownUser(sub="4713", claims={"preferred_username": "visitor", "groups": []}),
        KnownUser(sub="47 14", claims={"preferred_username": "not a name", "groups": ["readers"]}),
        KnownUser(sub="4715", claims={"preferred_username": "local.user", "groups": ["heads"]}),
    ]
    with (
        run_server_in_thread(user_claims=known, require_client_registration=True, require_nonce=True) as provider,
        httpx.Client(base_url=f"http://localhost:{provider.server_port}") as there,
        _system(tmp_path / "data", f"http://localhost:{provider.server_port}") as (system, address),
        httpx.Client(base_url=address) as browser,
    ):
        wanted = {"redirect_uris": [f"{address}/api/oidc/callback"], "token_endpoint_auth_method": "client_secret_basic"}
        client = there.post("/oauth2/clients", json=wanted).json()
        object.__setattr__(system.settings, "oidc_client_id", client["client_id"])
        object.__setattr__(system.settings, "oidc_client_secret", client["client_secret"])
        assert browser.get("/api/oidc").json() == {"configured": True, "title": ""}
        answer = _sign_in(browser, "4711")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookies = answer.headers.get_list("set-cookie")
        assert any("aneuflow_session" in cookie and "HttpOnly" in cookie and "strict" in cookie for cookie in cookies)
        me = browser.get("/api/session").json()
        assert (me["name"], me["is_administrator"], me["must_change"]) == ("jane.doe", False, False) and me["csrf"]
        assert _roles(browser) == {"Stroke unit": "editor", "Trial: X": "reader"}
        with system.database.reading() as session:
            deeds = session.scalars(select(AuditEntry).where(AuditEntry.action == "come_from_provider")).all()
            assert [deed.user for deed in deeds] == ["jane.doe"]
        with httpx.Client(base_url=address) as other:
            assert _sign_in(other, "4712").headers["location"] == "/"
            assert other.get("/api/session").json()["name"] == "4712" and other.get("/api/users").status_code == 200
        with system.database.writing() as session:
            add_user(session, "local.user", OWN_PASSWORD)
        with httpx.Client(base_url=address) as other:
            assert _refusal(_sign_in(other, "4713")) == "oidc_no_role"
            assert _refusal(_sign_in(other, "47 14")) == "oidc_name"
            assert _refusal(_sign_in(other, "4715")) == "oidc_name_taken"
            assert _refusal(_sign_in(other, "4711", action="deny")) == "oidc_denied"
            assert other.get("/api/session").status_code == 401
        known[0].claims["groups"] = ["readers"]
        assert _sign_in(browser, "4711").headers["location"] == "/" and _roles(browser) == {"Stroke unit": "reader"}
        known[0].claims["groups"] = []
        assert _refusal(_sign_in(browser, "4711")) == "oidc_no_role"
        assert browser.get("/api/session").status_code == 401, "earlier sessions end with the roles"
        known[0].claims["groups"] = ["readers"]
        with system.database.writing() as session:
            user = session.scalars(select(User).where(User.name == "jane.doe")).one()
            with pytest.raises(InputError, match="has no password here"):
                set_password(session, user, OWN_PASSWORD, must_change=False)
            user.disabled = True
        assert _refusal(_sign_in(browser, "4711")) == "sign_in_refused"
        wrong = browser.post("/api/session", json={"name": "jane.doe", "password": ""})
        assert wrong.status_code == 401


def test_without_a_mapping_roles_are_given_here(tmp_path: Path) -> None:
    known = [KnownUser(sub="4711", claims={"preferred_username": "jane.doe", "groups": ["heads"]})]
    with (
        run_server_in_thread(user_claims=known) as provider,
        _system(tmp_path / "data", f"http://localhost:{provider.server_port}", oidc_roles={}) as (system, address),
        httpx.Client(base_url=address) as browser,
    ):
        _sign_in(browser, "4711")
        assert _roles(browser) == {} and not browser.get("/api/session").json()["is_administrator"]
        with system.database.writing() as session:
            user = session.scalars(select(User).where(User.name == "jane.doe")).one()
            project = session.scalars(select(Project).where(Project.name == "Trial: X")).one()
            session.add(Membership(project_id=project.id, user_id=user.id, role="auditor"))
        _sign_in(browser, "4711")
        assert _roles(browser) == {"Trial: X": "auditor"}


class Forger:
    """A provider whose answers are those of an honest one but for what `token` and `published` change."""

    def __init__(self) -> None:
        self.key, self.other = RSAKey.generate_key(2048, {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "1"})
        self.issuer, self.asked, self.codes = "", dict[str, str](), dict[str, dict[str, str]]()
        self.token: Callable[[dict[str, Any]], str] = self.signed
        self.published: dict[str, Any] = {}
        self.about: dict[str, Any] = {"sub": "4711", "preferred_username": "jane.doe", "groups": ["readers"]}
        self.keys_asked, self.exchanged = 0, 0
        self.app = FastAPI()
        self.app.get("/.well-known/openid-configuration")(self._publish)
        self.app.get("/keys")(self._keys)
        self.app.post("/token")(self._token)
        self.app.get("/about")(lambda: self.about)

    def signed(self, claims: Mapping[str, Any], key: Any = None) -> str:
        return jwt.encode({"alg": "RS256", "kid": "1"}, dict(claims), key or self.key)

    def _publish(self) -> dict[str, Any]:
        places = {
            "authorization_endpoint": "login",
            "token_endpoint": "token",
            "jwks_uri": "keys",
            "userinfo_endpoint": "about",
        }
        return {"issuer": self.issuer, **{name: f"{self.issuer}/{path}" for name, path in places.items()}, **self.published}

    def _keys(self) -> Any:
        self.keys_asked += 1
        return KeySet([self.key]).as_dict(private=False)

    async def _token(self, request: Request) -> Any:
        """As an honest provider: the code once, for the same client, return address and verifier."""
        self.exchanged += 1
        form = dict(parse_qsl((await request.body()).decode()))
        asked = self.codes.pop(form["code"])
        proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        assert proof == asked["code_challenge"] and asked["code_challenge_method"] == "S256"
        assert form["redirect_uri"] == asked["redirect_uri"]
        scheme, _, pair = request.headers["authorization"].partition(" ")
        assert (scheme, base64.b64decode(pair)) == ("Basic", b"aneuflow:s3cret+%2F%2B")
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "aneuflow", "exp": now + 60, "iat": now, "nonce": asked["nonce"], **self.about}
        return {"access_token": "access", "token_type": "Bearer", "id_token": self.token(claims)}

    def answer(self, address: str, **more: str) -> str:
        """What it has the browser ask for when someone has signed in."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["response_type"] == "code" and len(asked["state"]) >= 32 and len(asked["nonce"]) >= 32
        code = f"code{len(self.codes)}{asked['state'][:5]}"
        self.codes[code] = asked
        back = urlsplit(asked["redirect_uri"])
        return urlunsplit(back._replace(query=urlencode({"code": code, "state": asked["state"], **more})))


@pytest.fixture
def forger() -> Iterator[Forger]:
    forger = Forger()
    with in_thread(forger.app) as issuer:
        forger.issuer = issuer
        yield forger


@pytest.fixture
def place(forger: Forger, tmp_path: Path) -> Iterator[tuple[System, str]]:
    with _system(tmp_path / "data", forger.issuer) as found:
        yield found


@pytest.fixture
def browser(place: tuple[System, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=place[1]) as browser:
        yield browser


def _is_out(place: tuple[System, str], browser: httpx.Client) -> bool:
    with place[0].database.reading() as session:
        none_in = session.scalars(select(SignIn)).all() == []
    return none_in and browser.get("/api/session").status_code == 401


def test_the_honest_way_and_a_change_of_keys(forger: Forger, browser: httpx.Client) -> None:
    assert browser.get(forger.answer(_go(browser))).headers["location"] == "/"
    assert _roles(browser) == {"Stroke unit": "reader"}
    for _ in range(3):
        browser.get(forger.answer(_go(browser)))
    assert forger.keys_asked == 1
    forger.token = lambda claims: forger.signed({**claims, "aud": ["aneuflow", "other"], "azp": "aneuflow"})
    assert browser.get(forger.answer(_go(browser))).headers["location"] == "/"
    half = base64.urlsafe_b64encode(hashlib.sha256(b"access").digest()[:16]).rstrip(b"=").decode()
    forger.token = lambda claims: forger.signed({**claims, "at_hash": half})
    assert browser.get(forger.answer(_go(browser), iss=forger.issuer)).headers["location"] == "/"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _unsigned(claims: Mapping[str, Any]) -> str:
    return ".".join(_part(json.dumps(part).encode()) for part in ({"alg": "none", "typ": "JWT"}, claims)) + "."


def _by_shared_secret(claims: Mapping[str, Any], secret: bytes) -> str:
    content = ".".join(_part(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "1"}, claims))
    return f"{content}.{_part(hmac.digest(secret, content.encode(), 'sha256'))}"


LIES: dict[str, Callable[[Forger, dict[str, Any]], str]] = {
    "another issuer": lambda forger, claims: forger.signed({**claims, "iss": "https://other.example"}),
    "no issuer": lambda forger, claims: forger.signed({name: claims[name] for name in claims if name != "iss"}),
    "another audience": lambda forger, claims: forger.signed({**claims, "aud": "other"}),
    "several audiences": lambda forger, claims: forger.signed({**claims, "aud": ["aneuflow", "other"]}),
    "for another": lambda forger, claims: forger.signed({**claims, "aud": ["aneuflow", "other"], "azp": "other"}),
    "expired": lambda forger, claims: forger.signed({**claims, "exp": int(time.time()) - 60}),
    "without an end": lambda forger, claims: forger.signed({name: claims[name] for name in claims if name != "exp"}),
    "not yet": lambda forger, claims: forger.signed({**claims, "nbf": int(time.time()) + 600}),
    "another nonce": lambda forger, claims: forger.signed({**claims, "nonce": "guess"}),
    "no nonce": lambda forger, claims: forger.signed({name: claims[name] for name in claims if name != "nonce"}),
    "no subject": lambda forger, claims: forger.signed({name: claims[name] for name in claims if name != "sub"}),
    "of another access token": lambda forger, claims: forger.signed({**claims, "at_hash": "AAAA"}),
    "unsigned": lambda forger, claims: _unsigned(claims),
    "another's key": lambda forger, claims: forger.signed(claims, forger.other),
    # The classic: the provider's public key, which everyone knows, as the secret of an HMAC.
    "public key as secret": lambda forger, claims: _by_shared_secret(claims, forger.key.as_pem(private=False)),
    "client's secret": lambda forger, claims: _by_shared_secret(claims, b"s3cret /+"),
    "changed after signing": lambda forger, claims: forger.signed(claims)[:-6] + "AAAAAA",
    "no token": lambda forger, claims: "nothing",
}


def test_a_token_that_lies_opens_nothing(forger: Forger, place: tuple[System, str], browser: httpx.Client) -> None:
    for number, (lie, told) in enumerate(LIES.items(), 1):
        forger.token = lambda claims, told=told: told(forger, claims)  # type: ignore[misc]
        assert _refusal(browser.get(forger.answer(_go(browser)))) == "oidc_refused", lie
        assert forger.exchanged == number and _is_out(place, browser), lie
    with place[0].database.reading() as session:
        deeds = session.scalars(select(AuditEntry).where(AuditEntry.action == "come_from_provider")).all()
        assert [(deed.user, deed.detail) for deed in deeds] == len(LIES) * [("unknown", "oidc_refused")]
        assert session.scalars(select(User)).all() == []


def test_an_answer_counts_once_in_its_own_browser_and_soon(
    forger: Forger, place: tuple[System, str], browser: httpx.Client
) -> None:
    system, address = place
    stolen = forger.answer(_go(browser))
    with httpx.Client(base_url=address) as other:
        assert _refusal(other.get(stolen)) == "oidc_refused", "another browser, without the cookie"
        _go(other)
        assert _refusal(other.get(forger.answer(_go(browser)))) == "oidc_refused", "with the cookie of its own sign-in"
    assert forger.exchanged == 0
    good = forger.answer(_go(browser))
    assert browser.get(good).headers["location"] == "/"
    browser.delete("/api/session", headers={"x-csrf-token": browser.get("/api/session").json()["csrf"]})
    assert _refusal(browser.get(good)) == "oidc_refused", "replayed"
    for made_up in ("?code=1&state=guess", "?code=1", "", "?state="):
        assert _refusal(browser.get(f"/api/oidc/callback{made_up}")) == "oidc_refused"
    late = forger.answer(_go(browser))
    with system.database.writing() as session:
        session.execute(update(ProviderSignIn).values(created=time.time() - 601))
    assert _refusal(browser.get(late)) == "oidc_refused"
    assert _is_out(place, browser) and forger.exchanged == 1
    _go(browser)
    with system.database.reading() as session:
        assert len(session.scalars(select(ProviderSignIn)).all()) == 1, "those that never came back are forgotten"


def test_an_answer_of_another_provider_is_refused(forger: Forger, place: tuple[System, str], browser: httpx.Client) -> None:
    """The mix-up: RFC 9207 has providers say who answers, and those that promise to must."""
    assert _refusal(browser.get(forger.answer(_go(browser), iss="https://other.example"))) == "oidc_refused"
    place[0].provider._kept.clear()  # type: ignore[union-attr]
    forger.published = {"authorization_response_iss_parameter_supported": True}
    assert _refusal(browser.get(forger.answer(_go(browser)))) == "oidc_refused"
    assert forger.exchanged == 0
    assert browser.get(forger.answer(_go(browser), iss=forger.issuer)).headers["location"] == "/"


def test_who_the_provider_tells_of_must_be_who_signed_in(forger: Forger, browser: httpx.Client) -> None:
    forger.token = lambda claims: forger.signed({name: claims[name] for name in claims if name != "groups"})
    assert browser.get(forger.answer(_go(browser))).headers["location"] == "/"
    signed = forger.token
    forger.token = lambda claims: signed({**claims, "sub": "4712"})
    assert _refusal(browser.get(forger.answer(_go(browser)))) == "oidc_refused"


NONSENSE = (
    {"issuer": "https://other.example"},
    {"token_endpoint": "http://other.example/token"},
    {"jwks_uri": "file:///etc/passwd"},
    {"authorization_endpoint": "javascript:alert(1)"},
)


def test_a_provider_that_publishes_nonsense_is_not_gone_to(
    forger: Forger, place: tuple[System, str], browser: httpx.Client
) -> None:
    for published in NONSENSE:
        forger.published = published
        place[0].provider._kept.clear()  # type: ignore[union-attr]
        assert _refusal(browser.get("/api/oidc/sign-in")) == "oidc_away"


def test_a_name_is_not_whom_it_is_of(forger: Forger, browser: httpx.Client) -> None:
    """Another subject with the name of the first is not let in as the first; the first may be renamed."""
    browser.get(forger.answer(_go(browser)))
    forger.about = {**forger.about, "sub": "4712"}
    assert _refusal(browser.get(forger.answer(_go(browser)))) == "oidc_name_taken"
    forger.about = {**forger.about, "sub": "4711", "preferred_username": "jane.roe"}
    browser.get(forger.answer(_go(browser)))
    assert browser.get("/api/session").json()["name"] == "jane.doe"


def test_without_a_provider_there_is_none(address: str) -> None:
    assert httpx.get(f"{address}/api/oidc").json() == {"configured": False, "title": ""}
    for path in ("/api/oidc/sign-in", "/api/oidc/callback?code=1&state=2"):
        assert httpx.get(address + path).status_code == 404


def test_claims_are_found_by_name_and_by_path() -> None:
    claims = {"a.b": 1, "realm_access": {"roles": ["readers"]}, "c": 5}
    assert [claim_at(claims, name) for name in ("a.b", "realm_access.roles", "c.d", "e")] == [1, ["readers"], None, None]
    settings = ServiceSettings(oidc_roles=ROLES, oidc_roles_claim="realm_access.roles")
    assert granted(claims, settings) == {"Stroke unit: reader"} and granted({}, settings) == set()
    assert granted({"realm_access": {"roles": [["readers"], {}, None, 3]}}, settings) == set()
    assert [is_safe(a) for a in ("https://a.example", "http://a.example", "http://127.0.0.1:1", "ftp://a", "")] == [
        True, False, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_issuer": "https://a.example", "public_url": "https://b.example"},
        {"oidc_issuer": "https://a.example", "oidc_client_id": "c"},
        {"oidc_issuer": "http://a.example", "oidc_client_id": "c", "public_url": "https://b.example"},
        {"oidc_roles": {"x": ["owner"]}},
        {"oidc_roles": {"x": ["Project: owner"]}},
    ],
)
def test_a_half_configured_provider_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        service_settings(**wrong)


def test_the_mapping_can_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANEUFLOW_OIDC_ROLES", json.dumps(ROLES))
    assert service_settings().oidc_roles == ROLES
