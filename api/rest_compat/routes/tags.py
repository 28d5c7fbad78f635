"""Tags and custom fields."""

from api.rest_compat.queries import PageQuery
from api.rest_compat.shapes import loaded
from api.rest_compat.table import USER, delete, get, patch, post
from api.rest_compat.wire import (
    Page,
    TagCreate,
    TagRead,
    TagUpdate,
    TaskCustomFieldDefinitionCreate,
    TaskCustomFieldDefinitionRead,
    TaskCustomFieldDefinitionUpdate,
)
from api.schema import tag_mutations as tags
from api.schema.gates import field_admin, organization_admin, organization_member, tag_admin, tag_read
from api.schema.tags import load_bound_boards

TAGS = ("tags",)
FIELDS = ("custom-fields",)
ONE_FIELD = "/organizations/me/custom-fields/{task_custom_field_definition_id}"

ROWS = [
    get("/tags", tags.tag_page, name="list_tags", summary="List tags", tags=TAGS, who=USER, gate=organization_member,
        query=PageQuery, returns=Page[TagRead]),
    post("/tags", tags.create_tag, name="create_tag", summary="Create a tag", tags=TAGS, who=USER,
         gate=organization_admin, body=TagCreate, returns=TagRead),
    get("/tags/{tag_id}", tags.tag, name="get_tag", summary="Read a tag", tags=TAGS, who=USER, gate=tag_read,
        returns=TagRead),
    patch("/tags/{tag_id}", tags.update_tag, name="update_tag", summary="Change a tag", tags=TAGS, who=USER,
          gate=tag_admin, body=TagUpdate, returns=TagRead),
    delete("/tags/{tag_id}", tags.delete_tag, name="delete_tag", summary="Delete a tag", tags=TAGS, who=USER,
           gate=tag_admin),
    get("/organizations/me/custom-fields", tags.field_list, name="list_org_custom_fields",
        summary="List custom fields", tags=FIELDS, who=USER, gate=organization_member,
        returns=list[TaskCustomFieldDefinitionRead]),
    post("/organizations/me/custom-fields", tags.create_field, name="create_org_custom_field",
         summary="Create a custom field", tags=FIELDS, who=USER, gate=organization_admin,
         body=TaskCustomFieldDefinitionCreate, returns=TaskCustomFieldDefinitionRead,
         fill=loaded(TaskCustomFieldDefinitionRead, board_ids=load_bound_boards)),
    patch(ONE_FIELD, tags.update_field, name="update_org_custom_field", summary="Change a custom field", tags=FIELDS,
          who=USER, gate=field_admin, body=TaskCustomFieldDefinitionUpdate, returns=TaskCustomFieldDefinitionRead),
    delete(ONE_FIELD, tags.delete_field, name="delete_org_custom_field", summary="Delete a custom field", tags=FIELDS,
           who=USER, gate=field_admin),
]  # fmt: skip
