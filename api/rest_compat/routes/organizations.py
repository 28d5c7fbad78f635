"""Organisations, their members and invites."""

from api.rest_compat.queries import PageQuery
from api.rest_compat.shapes import member_read
from api.rest_compat.table import USER, delete, get, patch, post, put
from api.rest_compat.wire import (
    OrganizationActiveUpdate,
    OrganizationCreate,
    OrganizationInviteAccept,
    OrganizationInviteCreate,
    OrganizationInviteRead,
    OrganizationListItem,
    OrganizationMemberAccessUpdate,
    OrganizationMemberRead,
    OrganizationMemberUpdate,
    OrganizationRead,
    Page,
)
from api.schema import invites, members, organizations
from api.schema.gates import invite_admin, member_admin, organization_admin, organization_member, organization_owner

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
    post("/organizations", members.create_organization, name="create_organization", summary="Make an organisation",
         tags=TAGS, who=USER, body=OrganizationCreate, returns=OrganizationRead),
    patch("/organizations/me/active", members.activate_organization, name="set_active_org",
          summary="Switch the active organisation", tags=TAGS, who=USER, body=OrganizationActiveUpdate,
          returns=OrganizationRead),
    delete("/organizations/me", members.delete_organization, name="delete_my_org",
           summary="Delete the active organisation", tags=TAGS, who=USER, gate=organization_owner),
    patch("/organizations/me/members/{member_id}", members.update_member, name="update_org_member",
          summary="Change a member's role", tags=TAGS, who=USER, gate=member_admin, body=OrganizationMemberUpdate,
          returns=OrganizationMemberRead),
    put("/organizations/me/members/{member_id}/access", members.set_member_access, name="update_member_access",
        summary="Replace what a member reaches", tags=TAGS, who=USER, gate=member_admin,
        body=OrganizationMemberAccessUpdate, returns=OrganizationMemberRead),
    delete("/organizations/me/members/{member_id}", members.remove_member, name="remove_org_member",
           summary="Remove a member", tags=TAGS, who=USER, gate=member_admin),
    get("/organizations/me/invites", invites.invite_page, name="list_org_invites", summary="List pending invites",
        tags=TAGS, who=USER, gate=organization_admin, query=PageQuery, returns=Page[OrganizationInviteRead]),
    post("/organizations/me/invites", invites.create_invite, name="create_org_invite", summary="Invite an address",
         tags=TAGS, who=USER, gate=organization_admin, body=OrganizationInviteCreate, returns=OrganizationInviteRead),
    delete("/organizations/me/invites/{invite_id}", invites.revoke_invite, name="revoke_org_invite",
           summary="Revoke an invite", tags=TAGS, who=USER, gate=invite_admin, returns=OrganizationInviteRead),
    post("/organizations/invites/accept", invites.accept_invite, name="accept_org_invite", summary="Accept an invite",
         tags=TAGS, who=USER, body=OrganizationInviteAccept, returns=OrganizationMemberRead),
]  # fmt: skip
