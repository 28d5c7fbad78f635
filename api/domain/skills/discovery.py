"""What skills a repository holds: read from its archive without unpacking it; links and large files are ignored."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

INDEX = "skills_index.json"
SKILL = "SKILL.md"
MAXIMUM_FILES = 50_000
MAXIMUM_UNPACKED = 200 * 1024 * 1024
MAXIMUM_INDEX = 10 * 1024 * 1024
MAXIMUM_SKILL = 64 * 1024
MAXIMUM_SKILLS = 10_000
DEADLINE = 60.0
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
    """The archive is larger than allowed, or takes too long."""


class _Bounded:
    """A stream that gives no more than so many bytes, headers and all, and not for longer than so long."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file, self._left = file, MAXIMUM_UNPACKED
        self._end = time.monotonic() + DEADLINE

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._file.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0 or time.monotonic() > self._end:
            raise TooLarge
        return data


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
    count = 0
    unpacked: Any = _Bounded(gzip.GzipFile(fileobj=io.BytesIO(archive)))
    with tarfile.open(fileobj=unpacked, mode="r|") as tar:
        for member in tar:
            count += 1
            if count > MAXIMUM_FILES:
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
        rest = given[len(base) :] if given.lower().startswith(base) else None
        if rest is None or not (rest in ("", "/") or rest.lower().startswith(f"/tree/{branch.lower()}")):
            warnings.append(f"An entry names another place and was left out: {given[:200]}")
            return None
        url, details["source_url"] = given, given
        place = rest[len(f"/tree/{branch}") :].strip("/")
        source = place or None
    else:
        relative = given or path
        if not relative:
            return None
        place = relative.replace("\\", "/").removeprefix("./").strip("/")
        place = place.removesuffix(SKILL).strip("/")
        details["resolved_path"] = place
        url = f"{repository}/tree/{branch}" + (f"/{place}" if place else "")
    if not _is_clean(place):
        warnings.append(f"An entry leaves its repository and was left out: {place[:200]}")
        return None
    name = _text(entry.get("name")) or title(place.rpartition("/")[2])
    return Found(
        name[:200], _text(entry.get("description")), _text(entry.get("category")), _text(entry.get("risk")), source,
        url, details,
    )  # fmt: skip


def _is_clean(place: str) -> bool:
    """A path that stays where it is, however it is written."""
    plain = unquote(unquote(place))
    return "\\" not in plain and not any(part in (".", "..") for part in plain.split("/"))


def _text(value: Any) -> str | None:
    return (value.replace("\x00", "").strip()[:4000] or None) if isinstance(value, str) else None


def _front_matter(content: str) -> tuple[list[str], str]:
    """The lines between two `---` at the beginning, and what follows."""
    lines = content.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return [], content
    for number, line in enumerate(lines[1:], 1):
        if line.strip() == "---":
            return lines[1:number], "\n".join(lines[number + 1 :])
    return [], content


def _from_file(content: str, path: str, repository: str, branch: str) -> Found:
    folder = path.rpartition("/")[0]
    name, description = None, None
    front, body = _front_matter(content)
    for line in front:
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
