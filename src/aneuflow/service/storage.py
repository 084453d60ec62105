"""Where objects lie and for how long there is room: a folder's disk, or the servers and volumes of a SeaweedFS."""

from __future__ import annotations

import http.client
import json
import shutil
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aneuflow.errors import ResourceError
from aneuflow.service.models import Case, CaseFile
from aneuflow.service.settings import ServiceSettings

_TIMEOUT_S = 3.0
_DAY_S = 86400.0
GROWTH_DAYS = 30.0
LEAST_FREE = 0.1
LEAST_DAYS = 60.0


@dataclass(frozen=True)
class Node:
    """A server of the store, or this machine's disk; None: it does not say."""

    address: str
    bytes: int | None
    free_bytes: int | None
    volumes: int | None = None


@dataclass(frozen=True)
class Store:
    """`lacking`: volumes of which there are fewer copies than asked for; `copies`: how often an object is kept."""

    nodes: list[Node]
    volumes: int | None = None
    lacking: list[int] | None = None
    copies: int = 1

    @property
    def free_bytes(self) -> int | None:
        """What objects there is room for; copies and servers that do not answer leave none."""
        known = [node.free_bytes for node in self.nodes if node.free_bytes is not None]
        return sum(known) // self.copies if known else None


def look(settings: ServiceSettings) -> Store | None:
    """The store as it is now; None where it is one that only its own provider can tell of (S3).

    Raises ResourceError where its master does not answer.
    """
    if settings.objects_master:
        return _seaweed(settings.objects_master.rstrip("/"))
    if settings.objects_url:
        return None
    disk = shutil.disk_usage(settings.data)
    return Store([Node(str(settings.data), disk.total, disk.free)])


def _seaweed(master: str) -> Store:
    try:
        servers = _volume_servers(_asked(f"{master}/vol/status"))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResourceError(
            f"The store's master at {master} does not tell of its servers ({type(error).__name__}); check objects_master."
        ) from error
    volumes = [volume for held in servers.values() for volume in held]
    wanted = {volume["Id"]: 1 + sum((volume.get("ReplicaPlacement") or {}).values()) for volume in volumes}
    there = Counter(volume["Id"] for volume in volumes)
    lacking = sorted(number for number, copies in wanted.items() if there[number] < copies)
    nodes = [_node(address, len(held)) for address, held in sorted(servers.items())]
    return Store(nodes, len(wanted), lacking, max(wanted.values(), default=1))


def _volume_servers(told: Any) -> dict[str, list[Any]]:
    """The volumes on each server, by its address, of what a master says."""
    centers: Iterable[Mapping[str, Any]] = told["Volumes"]["DataCenters"].values()
    return {address: held or [] for racks in centers for rack in racks.values() for address, held in rack.items()}


def _node(address: str, volumes: int) -> Node:
    try:
        disks = _asked(f"http://{address}/status")["DiskStatuses"]
        return Node(address, sum(disk["all"] for disk in disks), sum(disk["free"] for disk in disks), volumes)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return Node(address, None, None, volumes)


def _asked(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
        return json.load(answer)


def growth(session: Session, now: float) -> float:
    """Bytes a day that the files of new cases took in the last 30 days, or since the first case where that is later."""
    first = session.scalar(select(func.min(Case.created)))
    if first is None:
        return 0.0
    since = max(first, now - GROWTH_DAYS * _DAY_S)
    sizes = select(func.sum(CaseFile.size)).join(Case, Case.id == CaseFile.case_id).where(Case.created >= since)
    added, days = session.scalar(sizes) or 0, max((now - since) / _DAY_S, 1.0)
    return float(added) / float(days)


def days_left(store: Store, bytes_a_day: float) -> float | None:
    """How long what is free lasts at that growth; None where it does not grow or nobody knows."""
    free = store.free_bytes
    return None if free is None or bytes_a_day <= 0 else free / bytes_a_day


def warnings(store: Store, bytes_a_day: float) -> list[tuple[str, dict[str, Any]]]:
    """What somebody should see to, as keys of sentences with their values."""
    found: list[tuple[str, dict[str, Any]]] = []
    for node in store.nodes:
        if node.bytes is None or node.free_bytes is None:
            found.append(("silent", {"node": node.address}))
        elif node.free_bytes < LEAST_FREE * node.bytes:
            found.append(("low", {"node": node.address, "percent": round(100 * node.free_bytes / node.bytes)}))
    if store.lacking:
        found.append(("lacking", {"count": len(store.lacking)}))
    days = days_left(store, bytes_a_day)
    if days is not None and days < LEAST_DAYS:
        found.append(("full_in", {"days": round(days)}))
    return found
