"""What an administrator sets: in a TOML file, or in the environment as ANEUFLOW_<NAME>; the environment is on top."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from aneuflow.errors import InputError

# In a project; of several that a user is granted, the first counts.
ROLES = ("administrator", "editor", "reader", "auditor")


def is_safe(address: str) -> bool:
    """Whether nobody on the way can change what is said there: https, or this machine itself."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1"))


class ServiceSettings(BaseSettings):
    """One machine needs none of these; a hospital sets database, objects, address and certificate."""

    model_config = SettingsConfigDict(env_prefix="ANEUFLOW_", extra="forbid", frozen=True)

    data: Path = Field(Path("aneuflow-data"), description="Folder of the database, the objects and the work in progress.")
    database_url: str = Field("", description="SQLAlchemy URL, such as postgresql+psycopg://...; empty: SQLite in `data`.")
    pseudonyms_url: str = Field("", description="Database of the sealed pseudonym table; empty: a second SQLite in `data`.")
    objects_url: str = Field("", description="Where objects are kept: s3://bucket/path or file:///folder; empty: in `data`.")
    objects_endpoint: str = Field("", description="Address of an S3 server other than Amazon's, such as http://store:8333.")
    objects_region: str = Field("", description="Region of the S3 bucket; empty: us-east-1, which other servers do not mind.")
    objects_key_id: str = Field("", description="S3 access key id.")
    objects_secret: str = Field("", description="S3 secret access key.")
    objects_master: str = Field(
        "",
        pattern=r"^$|^https?://[^\s@]+$",
        description="Master of the SeaweedFS that keeps the objects, such as http://master:9333; asked for its servers and "
        "volumes when an administrator looks at the storage.",
    )
    seal_objects: bool = Field(
        False, description="Seal what is written to the store from now on with the key of seal_key_file."
    )
    seal_key_file: Path | None = Field(None, description="File with the key of the pseudonym table; empty: made in `data`.")

    host: str = Field("127.0.0.1", description="Address to listen at; 0.0.0.0 for all of the machine's.")
    port: int = Field(8470, ge=0, le=65535, description="Port to listen at.")
    forwarded_allow_ips: str = Field(
        "127.0.0.1", description="Addresses of proxies that are believed whom they speak for, separated by commas; *: all."
    )
    public_url: str = Field("", description="Address users type, where a proxy stands in front; https makes cookies secure.")
    tls_certificate: Path | None = Field(None, description="Certificate chain (PEM), where no proxy does TLS.")
    tls_key: Path | None = Field(None, description="Private key of the certificate (PEM).")

    job_slots: int = Field(
        1, ge=0, le=256, description="Cases computed at the same time here; 0: another on the same `data` does."
    )
    threads_per_job: int = Field(0, ge=0, le=256, description="Processor threads of one simulation; 0 takes all there are.")
    job_memory_gib: float = Field(0.0, ge=0.0, le=100_000.0, description="Memory of one computation in GiB; 0: the machine's.")
    ray_address: str = Field(
        "",
        pattern=r"^$|^[^\s:/]+:\d+$",
        description="Head of a Ray cluster whose nodes compute, HOST:PORT, in place of this machine alone; needs "
        "threads_per_job and job_memory_gib, by which Ray places a case.",
    )
    lease_s: float = Field(20.0, ge=2.0, le=600.0, description="A job whose worker was silent this long is given to another.")
    attempts: int = Field(3, ge=1, le=10, description="How often a job whose worker was lost is tried.")

    upload_gib: float = Field(20.0, gt=0.0, le=1000.0, description="Largest upload in GiB.")
    intake_memory_gib: float = Field(8.0, ge=1.0, le=1000.0, description="Memory of the process that reads an upload, in GiB.")
    intake_s: float = Field(900.0, ge=10.0, le=86400.0, description="Time of the process that reads an upload.")

    risk_model: Path | None = Field(
        None,
        description="Folder of `aneuflow train risk` whose model was accepted (docs/monitoring.md), there on every machine "
        "that computes; empty: the model that ships.",
    )

    pacs: str = Field(
        "", description="Archive that examinations can be ordered from: TITLE@HOST:PORT (DIMSE) or http(s)://... (DICOMweb)."
    )
    pacs_title: str = Field("ANEUFLOW", description="DIMSE title of this program, as the archive knows it.")
    pacs_receive_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port a DIMSE archive sends to (C-MOVE), on the machine that reads uploads; else C-GET.",
    )

    oidc_issuer: str = Field("", description="Provider of identities (OpenID Connect) that users may sign in at: its address.")
    oidc_title: str = Field("", max_length=40, description="How the page for signing in calls the provider.")
    oidc_client_id: str = Field("", description="How the provider calls this system.")
    oidc_client_secret: str = Field("", description="Secret that the provider gave to this system; empty: none (PKCE alone).")
    oidc_scope: str = Field("openid profile", description="What is asked of the provider.")
    oidc_name_claim: str = Field("preferred_username", description="Claim with the user's name; else the subject is taken.")
    oidc_roles_claim: str = Field("groups", description="Claim with the user's groups or roles, a.b for b within a.")
    oidc_roles: dict[str, list[str]] = Field(
        {},
        description='What each value of that claim grants: "PROJECT: ROLE", or "administrator" (of the system); '
        "empty: roles are given here.",
    )

    traces_endpoint: str = Field(
        "",
        pattern=r"^$|^https?://[^\s@]+$",
        description="Collector of traces (OpenTelemetry, OTLP over HTTP), such as http://collector:4318; empty: no traces. "
        "Needs the extra `traces`.",
    )

    session_idle_minutes: float = Field(30.0, gt=0.0, le=1440.0, description="A session without requests ends after this.")
    session_hours: float = Field(12.0, gt=0.0, le=168.0, description="A session ends after this in any case.")
    lockout_failures: int = Field(5, ge=2, le=100, description="Wrong passwords in a row that lock an account.")
    lockout_minutes: float = Field(15.0, gt=0.0, le=1440.0, description="How long it stays locked.")
    requests_per_minute: int = Field(1200, ge=10, le=1_000_000, description="Requests of one address in a minute.")
    sign_ins_per_minute: int = Field(20, ge=1, le=1_000_000, description="Sign-ins from one address in a minute.")

    @model_validator(mode="after")
    def _has_both_parts_of_tls(self) -> ServiceSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        return self

    @model_validator(mode="after")
    def _says_what_ray_sets_aside(self) -> ServiceSettings:
        if self.ray_address and not (self.threads_per_job and self.job_memory_gib):
            raise ValueError("ray_address needs threads_per_job and job_memory_gib, which Ray sets aside for a case")
        return self

    @model_validator(mode="after")
    def _has_all_for_the_provider(self) -> ServiceSettings:
        if self.oidc_issuer and not (self.oidc_client_id and self.public_url):
            raise ValueError("oidc_issuer needs oidc_client_id and public_url")
        if self.oidc_issuer and not is_safe(self.oidc_issuer):
            raise ValueError("oidc_issuer must be https")
        grants = {grant for grants in self.oidc_roles.values() for grant in grants} - {"administrator"}
        wrong = next(
            (grant for grant in sorted(grants) if grant.rpartition(":")[2].strip() not in ROLES or ":" not in grant), None
        )
        if wrong is not None:
            raise ValueError(f"{wrong!r} in oidc_roles is neither administrator nor PROJECT: ROLE")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data.absolute() / 'aneuflow.sqlite'}"

    @property
    def pseudonyms(self) -> str:
        return self.pseudonyms_url or f"sqlite:///{self.data.absolute() / 'pseudonyms.sqlite'}"

    @property
    def seal_key(self) -> Path:
        return self.seal_key_file or self.data / "seal.key"

    @property
    def incoming(self) -> Path:
        """Uploads until they are read; nothing in it outlives that."""
        return self.data / "incoming"

    @property
    def work(self) -> Path:
        """Case folders being computed, with their checkpoints; all that is finished is in the object store too."""
        return self.data / "work"

    @property
    def passing(self) -> Path:
        """What is made for one request and goes with it; what a killed process left there goes an hour later."""
        return self.data / "passing"

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https:") or self.tls_certificate is not None


def service_settings(file: Path | None = None, **given: Any) -> ServiceSettings:
    """Settings from a TOML file, what is given on top (None: not given), and the environment above both.

    Raises InputError naming the first wrong setting.
    """
    try:
        stored = tomllib.loads(file.read_text("utf-8")) if file is not None else {}
    except OSError as error:
        raise InputError(f"Configuration {file}: {error.strerror}; check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"Configuration {file} is no TOML: {error}; correct that place.") from error
    try:
        return ServiceSettings(**{**stored, **{name: value for name, value in given.items() if value is not None}})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"Configuration{name and f' {name}'}: {message}; correct it or leave it out.") from None
