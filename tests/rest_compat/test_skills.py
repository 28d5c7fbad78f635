"""Souls and skills: a directory and archives on loopback, and what is asked of gateways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from api.domain.skills import discovery
from tests.rest_compat.test_work import inbox
from tests.support.outside import Outside, archive
from tests.support.world import World

OSS = "onboarding-and-souls-and-skills"
OUTSIDE = Outside().start()
SETTINGS = {
    "souls_directory_url": f"{OUTSIDE.url}/site", "skill_archive_url": f"{OUTSIDE.url}/archives",
    "allow_private_addresses": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _fresh(world: World) -> Iterator[None]:
    OUTSIDE.answers.clear()
    world.services.souls.__init__(world.services.souls.base)  # type: ignore[misc]
    yield


def sitemap(*places: str) -> bytes:
    base = f"{OUTSIDE.url}/site"
    entries = "".join(f"<url><loc>{base}{place}</loc></url>" for place in places)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()


@pytest.mark.acceptance(f"{OSS}.10", f"{OSS}.11")
def test_souls(world: World) -> None:
    OUTSIDE.answers["/site/sitemap.xml"] = (200, sitemap("/souls/ann/technical-writer", "/about", "/souls/bob/coder"))
    OUTSIDE.answers["/site/api/souls/a/b.md"] = (200, b"# Soul")
    found = world.ok("GET", "/souls-directory/search")["items"]
    assert [one["slug"] for one in found] == ["technical-writer", "coder"]
    assert found[0]["page_url"].endswith("/souls/ann/technical-writer") and found[0]["raw_md_url"].endswith(".md")
    assert [one["handle"] for one in world.ok("GET", "/souls-directory/search?q=WRITER")["items"]] == ["ann"]
    assert len(world.ok("GET", "/souls-directory/search?q=bob/&limit=1")["items"]) == 1
    assert world.rest("GET", "/souls-directory/search?limit=101").status_code == 422
    plain, file = world.ok("GET", "/souls-directory/a/b"), world.ok("GET", "/souls-directory/a/b.md")
    assert plain == file == {"handle": "a", "slug": "b", "content": "# Soul"}
    assert world.rest("GET", "/souls-directory/a/b.c").status_code == 422
    assert world.rest("GET", "/souls-directory/a/unknown").status_code == 404
    assert world.gql('{ soul(handle: "a", slug: "b") { content } }')["soul"] == {"content": "# Soul"}
    OUTSIDE.answers.clear()
    assert len(world.ok("GET", "/souls-directory/search")["items"]) == 2, "the index is kept for an hour"
    world.services.souls._next = float("-inf")
    assert len(world.ok("GET", "/souls-directory/search")["items"]) == 2, "and longer while the site is away"
    world.services.souls.__init__(world.services.souls.base)  # type: ignore[misc]
    away = world.rest("GET", "/souls-directory/search")
    assert away.status_code == 502 and away.json()["retryable"] is True


def gateway(world: World) -> tuple[str, Any]:
    main = world.main_agent(world.home())
    row = world.sql("SELECT gateway_id FROM agents WHERE id = $1", UUID(main.id))[0]
    return str(row["gateway_id"]), main


@pytest.mark.acceptance(f"{OSS}.12", f"{OSS}.13", f"{OSS}.14", f"{OSS}.15", f"{OSS}.21")
def test_direct_skills_and_installing(world: World) -> None:
    place, main = gateway(world)
    body = {"source_url": "https://EXAMPLE.org/skills/web_search.git", "name": "Odd\nname\t x"}
    skill = world.ok("POST", "/skills/marketplace", json=body)
    assert skill["source_url"] == "https://example.org/skills/web_search.git"
    again = world.ok("POST", "/skills/marketplace", json={"source_url": body["source_url"]})
    assert again["id"] == skill["id"] and again["name"] == body["name"]
    path = f"/skills/marketplace/{skill['id']}"
    for _ in range(2):
        assert world.ok("POST", f"{path}/install?gateway_id={place}")["installed"] is True
    text = world.gql("{ viewer { inbox { messages { text } } } }", main.token)["viewer"]["inbox"]["messages"][0]["text"]
    assert text.startswith("MISSION CONTROL SKILL INSTALL REQUEST") and skill["source_url"] in text
    assert "- name: Odd name x\n" in text and text.endswith("- destination: /w/skills")
    rows = world.sql("SELECT state FROM gateway_installed_skills WHERE skill_id = $1", UUID(skill["id"]))
    assert [row["state"] for row in rows] == ["requested"]
    cards = world.ok("GET", f"/skills/marketplace?gateway_id={place}")
    assert [(card["installed"], card["source"]) for card in cards if card["id"] == skill["id"]] == [
        (True, skill["source_url"])
    ]
    for _ in range(2):
        assert world.ok("POST", f"{path}/uninstall?gateway_id={place}")["installed"] is False
    world.ok("POST", f"{path}/install?gateway_id={place}")
    world.sql("DELETE FROM agents WHERE gateway_id = $1", UUID(place))
    world.sql("DELETE FROM gateways WHERE id = $1", UUID(place))
    assert world.sql("SELECT 1 FROM gateway_installed_skills WHERE skill_id = $1", UUID(skill["id"])) == []
    assert world.gql('{ skills(filter: {search: "odd"}) { nodes { id } } }')["skills"]["nodes"] == [{"id": skill["id"]}]


@pytest.mark.acceptance(f"{OSS}.14")
def test_pages_and_filters_of_skills(world: World) -> None:
    place, _ = gateway(world)
    for number in range(3):
        world.ok(
            "POST", "/skills/marketplace", json={"source_url": f"https://pages.example/{number}", "name": f"P{number}"}
        )
    answer = world.rest(
        "GET", f"/skills/marketplace?gateway_id={place}&search=P&limit=1&offset=1&category=uncategorized"
    )
    assert len(answer.json()) == 1
    assert int(answer.headers["x-total-count"]) >= 3 and answer.headers["x-limit"] == answer.headers["x-offset"] == "1"
    whole = world.rest("GET", f"/skills/marketplace?gateway_id={place}&search=%25")
    assert whole.json() == [] and "x-total-count" not in whole.headers
    assert world.ok("GET", f"/skills/marketplace?gateway_id={place}&risk=SAFE") == []


@pytest.mark.acceptance(f"{OSS}.16")
def test_packs_are_github_repositories(world: World) -> None:
    one = world.ok("POST", "/skills/packs", json={"source_url": "https://github.com/o/my-pack.git/", "branch": " x y "})
    assert (one["source_url"], one["name"], one["branch"]) == ("https://github.com/o/my-pack", "my pack", "main")
    same = world.ok("POST", "/skills/packs", json={"source_url": "https://github.com/O/my-pack", "name": "N"})
    assert same["id"] == one["id"] and same["name"] == "N"
    for url in ("http://github.com/o/r", "https://gitlab.com/o/r", "http://localhost/o/r", "https://github.com/o",
                "https://u:p@github.com/o/r", "https://github.com/o/r/tree/main"):  # fmt: skip
        answer = world.rest("POST", "/skills/packs", json={"source_url": url})
        assert (answer.status_code, answer.json()["code"]) == (400, "UNACCEPTABLE_URL"), url
    for url in ("git@github.com:o/r.git", "ssh://git@github.com/o/r", "file:///etc"):
        assert world.rest("POST", "/skills/packs", json={"source_url": url}).status_code == 422
    two = world.ok("POST", "/skills/packs", json={"source_url": "https://github.com/o/two"})
    clash = world.rest("PATCH", f"/skills/packs/{two['id']}", json={"source_url": one["source_url"]})
    assert clash.status_code == 409
    assert world.ok("DELETE", f"/skills/packs/{two['id']}") == {"ok": True}


def skill(name: str, description: str) -> str:
    return f"---\nname: {name}\ndescription: {description}\n---\nBody"


@pytest.mark.acceptance(f"{OSS}.17", f"{OSS}.18", f"{OSS}.20")
def test_a_pack_is_fetched_and_taken_over(world: World) -> None:
    files = {
        "SKILL.md": "# Root skill\n\nDoes: things", "a/SKILL.md": skill('"Quoted"', "One: two"),
        "b/c-d/SKILL.md": "just text", ".hidden/SKILL.md": "# Hidden", "README.md": "# No skill",
    }  # fmt: skip
    data = archive(files, links={"link/SKILL.md": "/etc/passwd"})
    OUTSIDE.answers["/archives/o/pack/tar.gz/refs/heads/trunk"] = (200, data)
    pack = world.ok("POST", "/skills/packs", json={"source_url": "https://github.com/o/pack", "branch": "trunk"})
    path = f"/skills/packs/{pack['id']}"
    done = world.ok("POST", f"{path}/sync")
    assert (done["synced"], done["created"], done["updated"], done["warnings"]) == (3, 3, 0, [])
    assert world.ok("POST", f"{path}/sync") | {"created": 0, "updated": 0} == world.ok("POST", f"{path}/sync")
    assert world.ok("GET", path)["skill_count"] == 3
    rows = world.gql(
        "query($p: ID!) { skills(filter: {packId: $p}) { nodes { name description sourceUrl } } }", p=pack["id"]
    )
    found = {
        one["sourceUrl"].partition("/tree/")[2]: (one["name"], one["description"]) for one in rows["skills"]["nodes"]
    }
    assert found == {
        "trunk": ("Root skill", "Does: things"), "trunk/a": ("Quoted", "One: two"), "trunk/b/c-d": ("c d", "just text"),
    }  # fmt: skip
    hand = next(
        one for one in world.ok("GET", f"/skills/marketplace?gateway_id={gateway(world)[0]}") if one["name"] == "Quoted"
    )
    world.ok("POST", "/skills/marketplace", json={"source_url": hand["source_url"], "name": "By hand"})
    files["a/SKILL.md"] = skill("Changed", "Three")
    OUTSIDE.answers["/archives/o/pack/tar.gz/refs/heads/trunk"] = (200, archive(files))
    assert world.ok("POST", f"{path}/sync")["updated"] == 1
    changed = world.gql('{ skills(filter: {search: "By hand"}) { nodes { name description } } }')["skills"]["nodes"]
    assert changed == [{"name": "By hand", "description": "Three"}], "what people named keeps its name"
    for answer in ((500, b""), (200, b"no archive")):
        OUTSIDE.answers["/archives/o/pack/tar.gz/refs/heads/trunk"] = answer
        assert world.rest("POST", f"{path}/sync").status_code == 502


@pytest.mark.acceptance(f"{OSS}.19")
def test_indexes_of_packs() -> None:
    entries = [{"path": f"skills/{n}/SKILL.md", "name": f"S{n}", "risk": "safe"} for n in range(10_000)]
    base = "https://github.com/o/r"
    found = discovery.discover(archive({"skills_index.json": json.dumps({"skills": entries})}), base, "main")
    assert len(found.skills) == 10_000 and found.commit == "c0ffee"
    assert found.skills[f"{base}/tree/main/skills/7"].risk == "safe"
    broken = discovery.discover(archive({"skills_index.json": "{", "a/SKILL.md": "# A"}), base, "main")
    assert list(broken.skills) == [f"{base}/tree/main/a"] and len(broken.warnings) == 1
    odd = [{"source_url": "https://evil.example/x"}, {"path": "../../etc"}, {}, {"source_url": f"{base}/tree/main/ok"}]
    kept = discovery.discover(archive({"skills_index.json": json.dumps(odd)}), base, "main")
    assert list(kept.skills) == [f"{base}/tree/main/ok"] and len(kept.warnings) == 2
    with pytest.raises(discovery.TooLarge):
        discovery.discover(archive({f"f{n}": "" for n in range(discovery.MAXIMUM_FILES + 1)}), base, "main")


def test_what_was_asked_is_told_to_the_main_agent_only(world: World) -> None:
    place, main = gateway(world)
    board, lead, _ = world.team()
    skill = world.ok("POST", "/skills/marketplace", json={"source_url": "https://example.org/only"})
    world.ok("POST", f"/skills/marketplace/{skill['id']}/install?gateway_id={place}")
    world.ok("DELETE", f"/skills/marketplace/{skill['id']}")
    heads = ["MISSION CONTROL SKILL INSTALL REQUEST", "MISSION CONTROL SKILL UNINSTALL REQUEST"]
    assert inbox(world, main) == heads and inbox(world, lead) == []
