"""The large form's files: composed and rendered by the real programs, with the settings of the service and nothing else.

No container is built and no cluster started here; what the processes do together is shown in test_large_form.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from aneuflow.service.settings import ServiceSettings
from tests.service.seaweed import program

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "aneuflow"
GIVEN = {"HOST": "aneuflow.example", "POSTGRES_PASSWORD": "pw", "S3_SECRET": "secret"}
SECRETS = {"RAY_AUTH_TOKEN": "token", "ANEUFLOW_OBJECTS_SECRET": "secret"}
OIDC = {
    "oidc_issuer": "https://id.example",
    "oidc_client_id": "aneuflow",
    "oidc_roles": {"readers": ["First project: reader"], "it": ["administrator"]},
}


def _tool(name: str) -> str:
    found = Path(sys.executable).parent / name
    if not found.exists():
        pytest.skip(f"{name} is not installed; make test installs it")
    return str(found)


def _settings(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    """What the service makes of a container's environment, all of which it must know."""
    own = {name: value for name, value in environment.items() if name.startswith("ANEUFLOW_")}
    unknown = {name.removeprefix("ANEUFLOW_").lower() for name in own} - set(ServiceSettings.model_fields)
    assert unknown == set() and len(own) > 8
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    return ServiceSettings()


def _composed(*beside: str, **more: str) -> dict[str, Any]:
    files = [part for name in ("compose.yaml", *beside) for part in ("-f", str(DEPLOY / "compose" / name))]
    command = [_tool("docker-compose"), *files, "config", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"], **GIVEN, **more})
    assert done.returncode == 0 and done.stderr == "", done.stderr
    composed: dict[str, Any] = json.loads(done.stdout)
    return composed


def test_compose_gives_the_services_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    services = _composed(OIDC_ISSUER=OIDC["oidc_issuer"], OIDC_CLIENT_ID="aneuflow", OIDC_ROLES=json.dumps(OIDC["oidc_roles"]))[
        "services"
    ]
    api = _settings(services["api"]["environment"], monkeypatch)
    assert (api.job_slots, api.secure_cookies, api.seal_objects, api.oidc_roles) == (0, True, True, OIDC["oidc_roles"])
    worker = _settings(services["worker"]["environment"], monkeypatch)
    assert worker.job_slots == 1 and worker.model_copy(update={"job_slots": 0}) == api
    assert set(services["worker"]["networks"]) == {"inside"} and services["worker"]["read_only"]
    assert services["api"]["volumes"] == services["worker"]["volumes"], "uploads are read by the machine that holds them"
    plain = _settings(_composed()["services"]["api"]["environment"], monkeypatch)
    assert plain.oidc_issuer == "" and plain.oidc_roles == {}


def test_compose_asks_for_its_secrets_and_mounts_what_is_there() -> None:
    command = [_tool("docker-compose"), "-f", str(DEPLOY / "compose" / "compose.yaml"), "config", "-q"]
    for name in GIVEN:
        given = {other: value for other, value in GIVEN.items() if other != name}
        done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"], **given})
        assert done.returncode != 0 and name in done.stderr
    composed = _composed()
    mounts = [mount for service in composed["services"].values() for mount in service.get("volumes", [])]
    bound = [Path(mount["source"]) for mount in mounts if mount["type"] == "bind"]
    assert len(bound) == 2 and all(file.is_file() for file in bound)
    assert {mount["source"] for mount in mounts if mount["type"] == "volume"} == set(composed["volumes"])
    assert all(composed["networks"][name].get("internal") for name in ("inside", "front"))
    published = {name for name, service in composed["services"].items() if service.get("ports")}
    assert published == {"proxy"}
    example = dict(
        line.split("=", 1)
        for line in (DEPLOY / "compose" / "example.env").read_text().splitlines()
        if "=" in line and line[0] != "#"
    )
    files = [DEPLOY / "compose" / name for name in ("compose.yaml", "ray.yaml")]
    assert set(example) == {name for file in files for name in re.findall(r"\$\{(\w+)", file.read_text())} - {"IMAGE"}


def _what_ray_is_started_with(script: str, tmp_path: Path) -> tuple[set[str], list[list[str]], dict[str, str]]:
    """Run a container's script with `ray` and `python` that only say how they are called; gives what each of Ray's processes
    would see of the environment, the calls, and what the dispatcher would see.
    """
    for name in ("ray", "python"):
        (tmp_path / name).write_text(f'#!/bin/sh\nenv > "{tmp_path}/{name}.env"\necho "{name} $@" >> "{tmp_path}/calls"\n')
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **SECRETS}
    subprocess.run(["sh", "-c", script], check=True, env=environment)
    seen = {
        name: dict(line.split("=", 1) for line in (tmp_path / f"{name}.env").read_text().splitlines())
        for name in ("ray", "python")
    }
    return set(seen["ray"]), [line.split() for line in (tmp_path / "calls").read_text().splitlines()], seen["python"]


def _assert_ray_is_right(head: str, node: list[str], tmp_path: Path) -> None:
    """The head's script and the node's command, by Ray's own options; the head's processes see no secret but the token."""
    seen, (started, dispatched), dispatcher = _what_ray_is_started_with(head, tmp_path)
    assert (
        seen - {"PWD", "SHLVL", "_"} == {"PATH", "HOME", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
        and SECRETS.items() <= dispatcher.items()
    )
    assert dispatched == ["python", "-m", "aneuflow.service.dispatch"]
    assert started[:3] == ["ray", "start", "--head"] and node[:2] == ["ray", "start"]
    _tool("ray")
    program = "from ray.scripts.scripts import start; print(*(name for option in start.params for name in option.opts))"
    known = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {option.partition("=")[0] for option in [*started[2:], *node[2:]]} <= set(known)
    assert {"--num-cpus=0", "--include-dashboard=false", "--disable-usage-stats"} <= set(started)


def test_compose_makes_a_cluster_of_the_worker_and_nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    services = _composed("ray.yaml", RAY_TOKEN="token")["services"]
    plain = _composed()["services"]
    assert {name for name in services if services[name] != plain.get(name)} == {"worker", "node"}
    worker = _settings(services["worker"]["environment"], monkeypatch)
    assert (worker.ray_address, worker.threads_per_job, worker.job_memory_gib) == ("127.0.0.1:6379", 4, 16.0)
    node = services["node"]
    assert node["environment"] == {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "token"} and "secrets" not in node
    assert node["environment"].items() <= services["worker"]["environment"].items()
    (mount,) = node["volumes"]
    assert (mount["source"], mount["target"], mount["volume"]) == ("data", "/data/work", {"subpath": "work"})
    assert set(node["networks"]) == {"inside"} and node["read_only"] and node["cap_drop"] == ["ALL"]
    _assert_ray_is_right(services["worker"]["command"][-1].replace("$$", "$"), node["command"], tmp_path)


def _weed_commands() -> list[list[str]]:
    services = _composed()["services"].values()
    composed = [service["command"] for service in services if "seaweedfs" in service["image"] and not service.get("entrypoint")]
    pods = [pod for document in _rendered() for pod in _containers(document) if "seaweedfs" in pod["image"] and "args" in pod]
    return composed + [pod["args"] for pod in pods if "command" not in pod]


def test_the_store_knows_its_commands() -> None:
    weed = program()
    if weed is None:
        pytest.skip("SeaweedFS is not installed; make test installs it")
    known: dict[str, set[str]] = {}
    commands = _weed_commands()
    assert len(commands) == 10, commands
    for kind, *options in commands:
        if kind not in known:
            said = subprocess.run([weed, "help", kind], capture_output=True, text=True)
            known[kind] = set(re.findall(r"^ +-([\w.]+)", said.stdout + said.stderr, re.MULTILINE))
        assert {option[1:].partition("=")[0] for option in options} <= known[kind], (kind, options)


def _rendered(**values: Any) -> list[dict[str, Any]]:
    helm = pytest.importorskip("helm_python", reason="make test installs helm-python-sdk")
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render(values, name="site", namespace="imaging")
    parts = [part for name, text in files.items() if name.endswith(".yaml") for part in yaml.safe_load_all(text)]
    return [part for part in parts if part]


def _containers(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    template = document.get("spec", {}).get("template", {})
    found: list[dict[str, Any]] = template.get("spec", {}).get("containers", []) if isinstance(template, dict) else []
    return found


OUTSIDE = {
    "postgresql": {"enabled": False, "host": "db.example"},
    "objects": {"enabled": False, "endpoint": "https://s3.example", "region": "eu-central-1"},
    "networkPolicy": {"archive": "10.1.2.3/32"},
    "ingress": {"enabled": False},
    "data": {"storageClass": "shared"},
    "worker": {"nodeSelector": {"pool": "large"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]},
}
RAY: dict[str, Any] = {"ray": {"enabled": True}}


@pytest.mark.parametrize(
    "values",
    [{}, OUTSIDE, {"networkPolicy": {"enabled": False}}, {**OUTSIDE, **RAY}],
    ids=["inside", "outside", "open", "cluster"],
)
def test_the_chart_renders_what_kubernetes_takes(values: dict[str, Any]) -> None:
    documents = _rendered(**values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kubernetes = pytest.importorskip("kubernetes_validate", reason="make test installs kubernetes-validate")
        for version in ("1.27", "1.34"):
            for document in documents:
                kubernetes.validate(document, version, strict=True)
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(names) == len(set(names)) and {"Deployment", "PersistentVolumeClaim", "ConfigMap"} <= {kind for kind, _ in names}
    for document in documents:
        spec = document.get("spec", {})
        if "template" in spec and "selector" in spec:
            labels = spec["template"]["metadata"]["labels"]
            assert spec["selector"]["matchLabels"].items() <= labels.items()
        if document["kind"] == "Service":
            pods = [other["spec"]["template"]["metadata"]["labels"] for other in documents if _containers(other)]
            assert any(spec["selector"].items() <= labels.items() for labels in pods)


def _environment(documents: list[dict[str, Any]], component: str) -> dict[str, str]:
    """Of the container, with a word in place of each secret."""
    maps = {document["metadata"]["name"]: document["data"] for document in documents if document["kind"] == "ConfigMap"}
    (container,) = (pod for document in documents for pod in _containers(document) if pod["name"] == component)
    environment = dict(maps[container["envFrom"][0]["configMapRef"]["name"]])
    for entry in container["env"]:
        value = entry.get("value", "word")
        environment[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda found: environment[found[1]], value)
    return environment


@pytest.mark.parametrize("values", [{}, OUTSIDE], ids=["inside", "outside"])
def test_the_chart_gives_the_services_their_settings(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    documents = _rendered(**values, settings={"session_hours": 8, **OIDC})
    api = _settings(_environment(documents, "api"), monkeypatch)
    assert (api.job_slots, api.session_hours, api.oidc_roles, api.seal_objects) == (0, 8.0, OIDC["oidc_roles"], True)
    host = "db.example" if values else "site-database"
    assert api.database_url == f"postgresql+psycopg://aneuflow:word@{host}/aneuflow"
    assert api.objects_endpoint == ("https://s3.example" if values else "http://site-s3:8333")
    worker = _settings(_environment(documents, "worker"), monkeypatch)
    assert worker.job_slots == 1 and worker.database_url == api.database_url


def test_the_chart_makes_a_cluster_of_the_worker_and_nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    documents = _rendered(**RAY, worker={"replicas": 3})
    worker = _settings(_environment(documents, "worker"), monkeypatch)
    assert (worker.ray_address, worker.threads_per_job, worker.job_memory_gib) == ("127.0.0.1:6379", 4, 16.0)
    by_name = {(document["kind"], document["metadata"]["name"]): document for document in documents}
    head, nodes = (by_name["Deployment", f"site-{name}"]["spec"] for name in ("worker", "node"))
    assert head["replicas"] == 1 and head["strategy"] == {"type": "Recreate"} and nodes["replicas"] == 2
    (script,), (node,) = (spec["template"]["spec"]["containers"] for spec in (head, nodes))
    _assert_ray_is_right(script["command"][-1], node["command"], tmp_path)
    assert f"--memory={32 * 2**30}" in node["command"] and "--num-cpus=8" in node["command"]
    assert [entry["name"] for entry in node["env"]] == ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN"] and "envFrom" not in node
    assert node["env"][1] in script["env"], "the same token"
    assert {mount["mountPath"] for mount in node["volumeMounts"]} == {"/data/work", "/tmp", "/dev/shm"}
    address = by_name["Service", "site-ray"]["spec"]
    assert "--address=site-ray:6379" in node["command"] and address["clusterIP"] == "None"
    assert address["selector"].items() <= head["template"]["metadata"]["labels"].items()
    policy = by_name["NetworkPolicy", "site-inside"]["spec"]["podSelector"]["matchLabels"]
    assert policy.items() <= nodes["template"]["metadata"]["labels"].items(), "shut in as all the others"


def test_the_chart_is_linted_and_refuses_wrong_values() -> None:
    helm = pytest.importorskip("helm_python", reason="make test installs helm-python-sdk")
    report = helm.lint(str(CHART), strict=True)
    assert report["errors"] == [] and [message["error"] for message in report["messages"]] == ["icon is recommended"]
    for wrong in (
        {"replicas": 3},
        {"api": {"replicas": 0}},
        {"ray": {"cores": 0}},
        {"host": "https://a"},
        {"objects": {"replication": "two"}},
    ):
        with pytest.raises(helm.HelmError):
            _rendered(**wrong)
    with pytest.raises(helm.HelmError, match=r"postgresql\.host is needed"):
        _rendered(postgresql={"enabled": False})


def test_nothing_of_the_chart_runs_as_root_or_writes_its_own_files() -> None:
    own = [pods for pods in _rendered(**RAY) if {pod["name"] for pod in _containers(pods)} & {"api", "worker", "node"}]
    assert len(own) == 3
    for document in own:
        pod = document["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] and container["securityContext"]["capabilities"] == {
            "drop": ["ALL"]
        }


def test_the_image_is_made_of_what_is_there() -> None:
    file = DEPLOY / "Containerfile"
    said = subprocess.run([_tool("hadolint"), str(file)], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout
    content = file.read_text()
    copied = [line.split()[1:-1] for line in content.splitlines() if line.startswith("COPY") and "--from" not in line]
    allowed = {line[1:] for line in (DEPLOY / "Containerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name for names in copied for name in names} == allowed and all((ROOT / name).exists() for name in allowed)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.search(r"\[([\w,]+)\]\"", content)
    assert extras is not None and set(extras[1].split(",")) <= set(project["optional-dependencies"])
    assert f"IMAGE := .[{extras[1]}]" in (ROOT / "Makefile").read_text(), "what make sbom lists is what the image has"
    assert project["version"] == yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    installed = set(re.findall(r"\blib[\w.-]+|fonts-[\w-]+", (ROOT / ".ci" / "run").read_text()))
    assert {"libegl1", "libgl1-mesa-dri", "libpango-1.0-0", "fonts-noto-cjk"} <= installed & set(content.split())


def test_prometheus_asks_where_the_metrics_are() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    (place,) = job["dns_sd_configs"]
    assert place["names"] == ["api"] and place["port"] == ServiceSettings.model_fields["port"].default
    assert job["metrics_path"] == "/metrics" and job["authorization"]["type"] == "Bearer"
