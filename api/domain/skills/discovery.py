"""What skills a repository holds: read from its archive without unpacking it; links and large files are ignored."""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import dataclass, field
from typing import Any

INDEX = "skills_index.json"
SKILL = "SKILL.md"
MAXIMUM_FILES = 50_000
MAXIMUM_UNPACKED = 200 * 1024 * 1024
MAXIMUM_INDEX = 10 * 1024 * 1024
MAXIMUM_SKILL = 64 * 1024
MAXIMUM_SKILLS = 10_000
_BRANCH = re.compile(r"[A-Za-z0-9._/-]+")


@dataclass(slots=True)
class Found:
    """One skill of a repository."""

    name: str
    description: str | None
    category: str | None
    risk: str | None
    source: str | None
    source_url: str
    details: dict[str, Any]


@dataclass(slots=True)
class Discovery:
    """The skills of a repository, and what was wrong with it. `commit` is the version, where the archive says it."""

    skills: dict[str, Found] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    commit: str | None = None


class TooLarge(Exception):
    """The archive is larger than allowed."""


def branch_name(text: str | None) -> str:
    """A branch as it may be asked for; anything strange is `main`."""
    branch = (text or "").strip()
    return branch if _BRANCH.fullmatch(branch) and ".." not in branch else "main"


def title(part: str) -> str:
    """A name from the last part of a path."""
    return part.removesuffix(".git").replace("-", " ").replace("_", " ").strip() or "Skill"


def discover(archive: bytes, repository: str, branch: str) -> Discovery:
    """The skills in a gzipped tar of a repository: those of its index, else one for each SKILL.md."""
    found, files = Discovery(), {}
    index: bytes | None = None
    total = count = 0
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            count, total = count + 1, total + max(member.size, 0)
            if count > MAXIMUM_FILES or total > MAXIMUM_UNPACKED:
                raise TooLarge
            found.commit = found.commit or tar.pax_headers.get("comment")
            path = member.name.partition("/")[2]
            # Links, devices and folders are never read.
            if not member.isreg() or not path or ".." in path.split("/"):
                continue
            if path == INDEX:
                index = _read(tar, member, MAXIMUM_INDEX, found.warnings)
            elif path.rpartition("/")[2] == SKILL and not any(part.startswith(".") for part in path.split("/")):
                content = _read(tar, member, MAXIMUM_SKILL, found.warnings)
                if content is not None:
                    files[path] = content.decode("utf-8", "replace").replace("\x00", "")
    if index is not None and _from_index(found, index, repository, branch):
        return found
    for path in sorted(files):
        skill = _from_file(files[path], path, repository, branch)
        found.skills[skill.source_url] = skill
        if len(found.skills) >= MAXIMUM_SKILLS:
            found.warnings.append(f"Only the first {MAXIMUM_SKILLS} skills were taken.")
            break
    return found


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, limit: int, warnings: list[str]) -> bytes | None:
    path = member.name.partition("/")[2]
    if member.size > limit:
        warnings.append(f"{path} has more than {limit} bytes and was left out.")
        return None
    file = tar.extractfile(member)
    return file.read(limit) if file is not None else None


def _from_index(found: Discovery, raw: bytes, repository: str, branch: str) -> bool:
    """Take the index; False when it is not one and the files must tell."""
    try:
        index = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        found.warnings.append(f"{INDEX} is not JSON; SKILL.md files were used.")
        return False
    entries = index.get("skills") if isinstance(index, dict) else index
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        found.warnings.append(f"{INDEX} is not a list of skills; SKILL.md files were used.")
        return False
    for entry in entries[:MAXIMUM_SKILLS]:
        skill = _entry(entry, repository, branch, found.warnings)
        if skill is not None:
            found.skills[skill.source_url] = skill
    if len(entries) > MAXIMUM_SKILLS:
        found.warnings.append(f"Only the first {MAXIMUM_SKILLS} skills were taken.")
    return True


def _entry(entry: dict[str, Any], repository: str, branch: str, warnings: list[str]) -> Found | None:
    given, path = _text(entry.get("source_url")), _text(entry.get("path"))
    details: dict[str, Any] = {"discovery_mode": "skills_index", "pack_branch": branch}
    source = None
    if given and re.match(r"https?://", given):
        base = repository.lower()
        if given.lower() != base and not given.lower().startswith(f"{base}/"):
            warnings.append(f"An entry names another repository and was left out: {given[:200]}")
            return None
        url, details["source_url"] = given, given
        source = given.partition("/tree/")[2].partition("/")[2] or None
        place = source or ""
    else:
        relative = given or path
        if not relative:
            return None
        place = relative.replace("\\", "/").removeprefix("./").strip("/")
        place = place.removesuffix(SKILL).strip("/")
        details["resolved_path"] = place
        url = f"{repository}/tree/{branch}" + (f"/{place}" if place else "")
    if ".." in place.split("/"):
        warnings.append(f"An entry leaves its repository and was left out: {place[:200]}")
        return None
    name = _text(entry.get("name")) or title(place.rpartition("/")[2])
    return Found(
        name[:200], _text(entry.get("description")), _text(entry.get("category")), _text(entry.get("risk")), source,
        url, details,
    )  # fmt: skip


def _text(value: Any) -> str | None:
    return (value.replace("\x00", "").strip()[:4000] or None) if isinstance(value, str) else None


def _from_file(content: str, path: str, repository: str, branch: str) -> Found:
    folder = path.rpartition("/")[0]
    name, description, body = None, None, content
    block = re.match(r"\ufeff?---\s*\n(.*?)\n---\s*(?:\n|$)", content, re.DOTALL)
    if block:
        body = content[block.end() :]
        for line in block.group(1).splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "name" and name is None:
                name = value.strip().strip("\"'").strip() or None
            elif key.strip() == "description" and description is None:
                description = value.strip().strip("\"'").strip() or None
    lines = [line.strip() for line in body.splitlines()]
    if name is None:
        name = next((line.lstrip("#").strip() for line in lines if re.match(r"#+\s+\S", line)), None)
    if description is None:
        description = next((line for line in lines if line and not line.startswith("#")), None)
    name = name or title((folder or repository).rpartition("/")[2])
    details = {"discovery_mode": "skills_md", "pack_branch": branch, "skill_dir": folder}
    url = f"{repository}/tree/{branch}" + (f"/{folder}" if folder else "")
    return Found(name[:200], description[:4000] if description else None, None, None, None, url, details)
