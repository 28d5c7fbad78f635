"""Skills, the packs they come from, and the directory of souls."""

from api.rest_compat.queries import GatewayQuery, SkillQuery, SoulQuery
from api.rest_compat.table import USER, delete, get, patch, post
from api.rest_compat.wire import (
    MarketplaceSkillActionResponse,
    MarketplaceSkillCardRead,
    MarketplaceSkillCreate,
    MarketplaceSkillRead,
    OkResponse,
    SkillPackCreate,
    SkillPackRead,
    SkillPackSyncResponse,
    SoulsDirectoryMarkdownResponse,
    SoulsDirectorySearchResponse,
)
from api.schema import skill_rest as skills
from api.schema.gates import anyone_signed_in, organization_admin, pack_admin, skill_admin

TAGS = ("skills",)
SOULS = ("souls-directory",)
SKILL = "/skills/marketplace/{skill_id}"
PACK = "/skills/packs/{pack_id}"
SOUL = "/souls-directory/{handle}/{slug}"

ROWS = [
    get("/skills/marketplace", skills.skill_list, name="list_marketplace_skills", summary="List skills", tags=TAGS,
        who=USER, gate=organization_admin, query=SkillQuery, returns=list[MarketplaceSkillCardRead]),
    post("/skills/marketplace", skills.save_skill, name="create_marketplace_skill", summary="Add a skill", tags=TAGS,
         who=USER, gate=organization_admin, body=MarketplaceSkillCreate, returns=MarketplaceSkillRead),
    delete(SKILL, skills.delete_skill, name="delete_marketplace_skill", summary="Delete a skill", tags=TAGS, who=USER,
           gate=skill_admin, returns=OkResponse),
    post(SKILL + "/install", skills.install, name="install_marketplace_skill", summary="Install a skill", tags=TAGS,
         who=USER, gate=skill_admin, query=GatewayQuery, returns=MarketplaceSkillActionResponse),
    post(SKILL + "/uninstall", skills.uninstall, name="uninstall_marketplace_skill", summary="Uninstall a skill",
         tags=TAGS, who=USER, gate=skill_admin, query=GatewayQuery, returns=MarketplaceSkillActionResponse),
    get("/skills/packs", skills.pack_list, name="list_skill_packs", summary="List packs", tags=TAGS, who=USER,
        gate=organization_admin, returns=list[SkillPackRead]),
    post("/skills/packs", skills.save_pack, name="create_skill_pack", summary="Register a pack", tags=TAGS, who=USER,
         gate=organization_admin, body=SkillPackCreate, returns=SkillPackRead, refusals=(400,)),
    get(PACK, skills.pack, name="get_skill_pack", summary="Read a pack", tags=TAGS, who=USER, gate=pack_admin,
        returns=SkillPackRead),
    patch(PACK, skills.replace_pack, name="update_skill_pack", summary="Replace a pack", tags=TAGS, who=USER,
          gate=pack_admin, body=SkillPackCreate, returns=SkillPackRead, refusals=(400,)),
    delete(PACK, skills.delete_pack, name="delete_skill_pack", summary="Delete a pack", tags=TAGS, who=USER,
           gate=pack_admin),
    post(PACK + "/sync", skills.sync, name="sync_skill_pack", summary="Fetch a pack", tags=TAGS, who=USER,
         gate=pack_admin, returns=SkillPackSyncResponse, refusals=(400, 502)),
    get("/souls-directory/search", skills.search_souls, name="search", summary="Search souls", tags=SOULS,
        gate=anyone_signed_in, query=SoulQuery, returns=SoulsDirectorySearchResponse,
        refusals=(502,)),
    get(SOUL, skills.soul, name="get_markdown", summary="Read a soul", tags=SOULS, gate=anyone_signed_in,
        texts=("handle", "slug"), returns=SoulsDirectoryMarkdownResponse, refusals=(502,)),
    get(SOUL + ".md", skills.soul, name="get_markdown", summary="Read a soul as a file", tags=SOULS,
        gate=anyone_signed_in, texts=("handle", "slug"), returns=SoulsDirectoryMarkdownResponse, refusals=(502,)),
]  # fmt: skip
