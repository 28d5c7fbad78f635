"""Reading one's organisation and its members."""

from api.rest_compat.queries import PageQuery
from api.rest_compat.shapes import member_read
from api.rest_compat.table import USER, get
from api.rest_compat.wire import OrganizationListItem, OrganizationMemberRead, OrganizationRead, Page
from api.schema import organizations
from api.schema.gates import organization_member

TAGS = ("organizations",)

ROWS = [
    get("/organizations/me", organizations.my_organization, name="get_my_org", summary="Read the active organisation",
        tags=TAGS, who=USER, gate=organization_member, returns=OrganizationRead),
    get("/organizations/me/list", organizations.my_organizations, name="list_my_organizations",
        summary="List one's organisations", tags=TAGS, who=USER, returns=list[OrganizationListItem]),
    get("/organizations/me/member", organizations.member, name="get_my_membership", summary="Read one's own membership",
        tags=TAGS, who=USER, gate=organization_member, returns=OrganizationMemberRead),
    get("/organizations/me/members", organizations.member_page, name="list_org_members", summary="List members",
        tags=TAGS, who=USER, gate=organization_member, query=PageQuery, returns=Page[OrganizationMemberRead],
        fill=member_read(with_access=False)),
    get("/organizations/me/members/{member_id}", organizations.member, name="get_org_member", summary="Read a member",
        tags=TAGS, who=USER, gate=organization_member, returns=OrganizationMemberRead),
]  # fmt: skip
