"""The GraphQL document that does the same as a REST route, by the resolver that the route names.

Fields have REST's names as aliases. Variables are named like the parameters of path and query; a mutation's body is its
`$input`. Routes whose resolver has none here are named in `EXEMPT` with the reason.
"""

from __future__ import annotations

ACTOR = "{ ... on Agent { id } }"
BOARD = """id name slug description created_at: createdAt updated_at: updatedAt organization_id: organization { id }
  board_group_id: group { id } gateway_id: gateway { id } board_type: typeLabel objective
  success_metrics: successMetrics target_date: targetDate goal_confirmed: goalConfirmed goal_source: goalSource
  settings { require_approval_for_done: requireApprovalForDone require_review_before_done: requireReviewBeforeDone
  comment_required_for_review: commentRequiredForReview only_lead_can_change_status: onlyLeadCanChangeStatus
  block_status_changes_with_pending_approval: blockStatusChangesWithPendingApproval max_agents: maxAgents }"""
TASK = """id title description status priority: priorityLabel due_at: dueAt in_progress_at: inProgressAt
  created_at: createdAt updated_at: updatedAt board_id: board { id } assigned_agent_id: assignee { id }
  created_by_user_id: createdBy { ... on User { id } } depends_on_task_ids: dependsOn { id }
  blocked_by_task_ids: blockedBy { id } is_blocked: isBlocked tag_ids: tags { id } tags { id name slug color }
  custom_field_values: customFieldValues { key value }"""
COMMENT = f"id message created_at: createdAt task_id: task {{ id }} agent_id: author {ACTOR}"
APPROVAL = f"""id board_id: board {{ id }} action_type: actionType payload confidence rubric_scores: rubricScores status
  created_at: createdAt resolved_at: decidedAt task_ids: tasks {{ id }} task_titles: tasks {{ title }}
  agent_id: requestedBy {ACTOR}"""
MEMORY = "id board_id: board { id } content tags is_chat: isChat source created_at: createdAt"
GROUP_MEMORY = "id board_group_id: group { id } content tags is_chat: isChat source created_at: createdAt"
AGENT = """id name board_id: board { id } status: statusLabel heartbeat_config: heartbeatConfig
  identity_profile: identityProfile identity_template: identityTemplate soul_template: soulTemplate
  is_board_lead: isBoardLead last_seen_at: lastSeenAt created_at: createdAt updated_at: updatedAt"""
USER = "id email name preferred_name: preferredName pronouns timezone notes context"
ORGANIZATION = "id name created_at: createdAt updated_at: updatedAt"
PERSON = "user { id email name preferred_name: preferredName }"
MEMBER = f"""id organization_id: organization {{ id }} user_id: user {{ id }} role all_boards_read: allBoardsRead
  all_boards_write: allBoardsWrite created_at: createdAt updated_at: updatedAt {PERSON}"""
RIGHTS = """board_access: boardAccess { id board_id: boardId can_read: canRead can_write: canWrite created_at: createdAt
  updated_at: updatedAt }"""
INVITE = """id organization_id: organization { id } invited_email: invitedEmail role all_boards_read: allBoardsRead
  all_boards_write: allBoardsWrite token created_at: createdAt updated_at: updatedAt accepted_at: acceptedAt
  created_by_user_id: createdBy { id } accepted_by_user_id: acceptedBy { id }"""
TAG = "id name slug color description task_count: taskCount"
FIELD = """id field_key: key label field_type: type ui_visibility: visibility validation_regex: validationRegex
  description required default_value: defaultValue board_ids: boardIds created_at: createdAt updated_at: updatedAt"""
GROUP = "id name slug description organization_id: organization { id } created_at: createdAt updated_at: updatedAt"
WEBHOOK = """id board_id: board { id } agent_id: agent { id } description enabled has_secret: hasSecret
  signature_header: signatureHeader endpoint_url: endpointUrl created_at: createdAt updated_at: updatedAt"""
DELIVERY = "id payload headers source_ip: sourceIp content_type: contentType received_at: receivedAt"
ONBOARDING = "id status messages { role content timestamp } created_at: createdAt updated_at: updatedAt"
SKILL = """id name description category risk source_url: sourceUrl metadata created_at: createdAt
  updated_at: updatedAt"""
PACK = """id name description source_url: sourceUrl branch metadata created_at: createdAt updated_at: updatedAt
  skill_count: skillCount"""
GATEWAY = """id name url workspace_root: workspaceRoot allow_insecure_tls: allowInsecureTls
  disable_device_pairing: disableDevicePairing created_at: createdAt updated_at: updatedAt"""
TOLD = "board_id: boardId agent { id name } created error"
POINTS = "{ primary { period value } comparison { period value } }"
WIP_POINT = "{ period inbox in_progress: inProgress review done }"
GLANCE = f"""nodes {{ board: id task_counts: taskCounts {{ status count }}
  tasks(first: $limit, filter: $tasks, orderBy: [STATUS, PRIORITY, UPDATED_AT_DESC]) {{ nodes {{ {TASK} }} }} }}"""
PAGE = "totalCount nodes"


def _mutation(name: str, kind: str, answer: str) -> str:
    return f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {answer} }} }}"


#: By module and name of the resolver.
DOCUMENTS: dict[str, str] = {
    "users.me": f"{{ me {{ {USER} }} }}",
    "users.update_me": _mutation("updateProfile", "UpdateProfileInput", f"user {{ {USER} }}"),
    "users.delete_me": "mutation { deleteAccount { deletedId } }",
    "agents.agent_page": f"query($limit: Int) {{ agents(first: $limit) {{ {PAGE} {{ {AGENT} }} }} }}",
    "agents.agent": f"query($agent_id: ID!) {{ agent(id: $agent_id) {{ {AGENT} }} }}",
    "agents.create_agent": _mutation("createAgent", "CreateAgentInput", f"agent {{ {AGENT} }}"),
    "agents.update_agent": _mutation("updateAgent", "UpdateAgentInput", f"agent {{ {AGENT} }}"),
    "agents.delete_agent": _mutation("deleteAgent", "DeleteAgentInput", "agentId"),
    "agents.send_heartbeat": _mutation("sendHeartbeat", "SendHeartbeatInput", f"agent {{ {AGENT} }}"),
    "agents.myself": "{ viewer { actor { ... on Agent { agent_id: id is_board_lead: isBoardLead board_id: board { id } } } } }",
    "organizations.my_organization": f"{{ organization {{ {ORGANIZATION} }} }}",
    "organizations.my_organizations": "{ viewer { organizations { id name role: viewerRole is_active: isActive } } }",
    "organizations.member_page": f"query($limit: Int) {{ organization {{ members(first: $limit) {{ {PAGE} {{ {MEMBER} }} }} }} }}",
    "organizations.member": f"query($member_id: ID!) {{ node(id: $member_id) {{ ... on Member {{ {MEMBER} {RIGHTS} }} }} }}",
    "members.create_organization": _mutation("createOrganization", "CreateOrganizationInput", f"organization {{ {ORGANIZATION} }}"),
    "members.activate_organization": _mutation("activateOrganization", "TargetInput", f"organization {{ {ORGANIZATION} }}"),
    "members.delete_organization": _mutation("deleteOrganization", "TargetInput", "deletedId"),
    "members.update_member": _mutation("updateMember", "UpdateMemberInput", f"member {{ {MEMBER} {RIGHTS} }}"),
    "members.set_member_access": _mutation("setMemberAccess", "SetMemberAccessInput", f"member {{ {MEMBER} {RIGHTS} }}"),
    "members.remove_member": _mutation("removeMember", "TargetInput", "deletedId"),
    "invites.invite_page": f"query($limit: Int) {{ organization {{ invites(first: $limit) {{ {PAGE} {{ {INVITE} }} }} }} }}",
    "invites.create_invite": _mutation("createInvite", "CreateInviteInput", f"invite {{ {INVITE} }}"),
    "invites.revoke_invite": _mutation("revokeInvite", "TargetInput", "deletedId"),
    "invites.accept_invite": _mutation("acceptInvite", "AcceptInviteInput", f"member {{ {MEMBER} {RIGHTS} }}"),
    "boards.board_page": f"query($limit: Int) {{ boards(first: $limit) {{ {PAGE} {{ {BOARD} }} }} }}",
    "boards.board": f"query($board_id: ID!) {{ board(id: $board_id) {{ {BOARD} }} }}",
    "boards.create_board": _mutation("createBoard", "CreateBoardInput", f"board {{ {BOARD} }}"),
    "boards.update_board": _mutation("updateBoard", "UpdateBoardInput", f"board {{ {BOARD} }}"),
    "boards.delete_board": _mutation("deleteBoard", "DeleteBoardInput", "boardId"),
    "snapshots.board_snapshot": f"""query($board_id: ID!) {{ board(id: $board_id) {{ board: id
  tasks(first: 200) {{ nodes {{ {TASK} assignee {{ name }} }} }} agents(first: 200) {{ nodes {{ {AGENT} }} }}
  approvals(first: 200) {{ nodes {{ {APPROVAL} }} }} pending_approvals_count: pendingApprovalCount
  chat_messages: memory(last: 200, filter: {{isChat: true}}) {{ nodes {{ {MEMORY} }} }} }} }}""",
    "snapshots.group_snapshot": f"""query($group_id: ID!, $limit: Int, $tasks: TaskFilter) {{
  boardGroup(id: $group_id) {{ group: id boards {{ {GLANCE} }} }} }}""",
    "snapshots.group_snapshot_of_board": f"""query($board_id: ID!, $limit: Int, $tasks: TaskFilter) {{
  board(id: $board_id) {{ group {{ group: id boards {{ {GLANCE} }} }} }} }}""",
    "memory.memory_page": f"""query($board_id: ID!, $limit: Int, $is_chat: Boolean) {{ board(id: $board_id) {{
  memory(first: $limit, filter: {{isChat: $is_chat}}) {{ {PAGE} {{ {MEMORY} }} }} }} }}""",
    "memory.write_memory": _mutation("writeMemory", "WriteMemoryInput", f"entry {{ {MEMORY} }}"),
    "approvals.approval_page": f"""query($board_id: ID!, $limit: Int) {{ board(id: $board_id) {{
  approvals(first: $limit) {{ {PAGE} {{ {APPROVAL} }} }} }} }}""",
    "approvals.request_approval": _mutation("requestApproval", "RequestApprovalInput", f"approval {{ {APPROVAL} }}"),
    "approvals.decide_approval": _mutation("decideApproval", "DecideApprovalInput", f"approval {{ {APPROVAL} }}"),
    "tasks.task_page": f"""query($board_id: ID!, $limit: Int, $filter: TaskFilter) {{ board(id: $board_id) {{
  tasks(first: $limit, filter: $filter) {{ {PAGE} {{ {TASK} }} }} }} }}""",
    "tasks.create_task": _mutation("createTask", "CreateTaskInput", f"task {{ {TASK} }}"),
    "tasks.update_task": _mutation("updateTask", "UpdateTaskInput", f"task {{ {TASK} }}"),
    "tasks.delete_task": _mutation("deleteTask", "DeleteTaskInput", "taskId"),
    "comments.comment_page": f"""query($task_id: ID!, $limit: Int) {{ task(id: $task_id) {{
  comments(first: $limit) {{ {PAGE} {{ {COMMENT} }} }} }} }}""",
    "comments.comment_on_task": _mutation("commentOnTask", "CommentOnTaskInput", f"comment {{ {COMMENT} }}"),
    "tags.board_tags": "query($board_id: ID!) { board(id: $board_id) { tags { id name slug color } } }",
    "tag_mutations.tag_page": f"query($limit: Int) {{ organization {{ tags(first: $limit) {{ {PAGE} {{ {TAG} }} }} }} }}",
    "tag_mutations.tag": f"query($tag_id: ID!) {{ tag(id: $tag_id) {{ {TAG} }} }}",
    "tag_mutations.create_tag": _mutation("createTag", "CreateTagInput", f"tag {{ {TAG} }}"),
    "tag_mutations.update_tag": _mutation("updateTag", "UpdateTagInput", f"tag {{ {TAG} }}"),
    "tag_mutations.delete_tag": _mutation("deleteTag", "TargetInput", "deletedId"),
    "tag_mutations.field_list": f"{{ organization {{ customFields(first: 200) {{ nodes {{ {FIELD} }} }} }} }}",
    "tag_mutations.create_field": _mutation("createCustomField", "CreateCustomFieldInput", f"customField {{ {FIELD} }}"),
    "tag_mutations.update_field": _mutation("updateCustomField", "UpdateCustomFieldInput", f"customField {{ {FIELD} }}"),
    "tag_mutations.delete_field": _mutation("deleteCustomField", "TargetInput", "deletedId"),
    "groups.group_page": f"query($limit: Int) {{ boardGroups(first: $limit) {{ {PAGE} {{ {GROUP} }} }} }}",
    "groups.group": f"query($group_id: ID!) {{ boardGroup(id: $group_id) {{ {GROUP} }} }}",
    "groups.create_group": _mutation("createBoardGroup", "CreateBoardGroupInput", f"group {{ {GROUP} }}"),
    "groups.update_group": _mutation("updateBoardGroup", "UpdateBoardGroupInput", f"group {{ {GROUP} }}"),
    "groups.delete_group": _mutation("deleteBoardGroup", "TargetInput", "deletedId"),
    "groups.set_rhythm": _mutation("setGroupHeartbeat", "SetGroupHeartbeatInput", "updated_agent_ids: updatedAgentIds failed_agent_ids: failedAgentIds"),
    "groups.memory_page": f"""query($group_id: ID!, $limit: Int, $is_chat: Boolean) {{ boardGroup(id: $group_id) {{
  memory(first: $limit, filter: {{isChat: $is_chat}}) {{ {PAGE} {{ {GROUP_MEMORY} }} }} }} }}""",
    "groups.write_memory": _mutation("writeGroupMemory", "WriteGroupMemoryInput", f"entry {{ {GROUP_MEMORY} }}"),
    "activity.activity_page": f"""query($limit: Int) {{ activity(first: $limit) {{ {PAGE} {{ id event_type: type message
  created_at: createdAt agent_id: actor {ACTOR} task_id: task {{ id }} board_id: board {{ id }} }} }} }}""",
    "activity.comment_page": f"""query($limit: Int) {{ activity(first: $limit, filter: {{types: ["task.comment"]}}) {{ {PAGE} {{
  id message created_at: createdAt agent_id: actor {ACTOR} task_id: task {{ id }} board_id: board {{ id }}
  task_title: task {{ title }} board_name: board {{ name }} agent_name: actor {{ ... on Agent {{ name }} }} }} }} }}""",
    "metrics.dashboard": f"""query($range: DashboardRange!, $board_id: ID, $group_id: ID) {{
  dashboard(range: $range, boardId: $board_id, groupId: $group_id) {{ active_agents: activeAgents
  inbox_tasks: inboxTasks in_progress_tasks: inProgressTasks review_tasks: reviewTasks done_tasks: doneTasks
  error_rate_pct: errorRatePercent median_cycle_time_hours_7d: medianCycleHours throughput {POINTS}
  cycle_time: cycleHours {POINTS} error_rate: errorRate {POINTS}
  wip: workInProgress {{ primary {WIP_POINT} comparison {WIP_POINT} }} pending_total: pendingApprovalCount
  pending: pendingApprovals {{ approval {{ id action_type: actionType confidence created_at: createdAt }}
  board_name: boardName task_title: taskTitle }} }} }}""",
    "webhooks.webhook_page": f"""query($board_id: ID!, $limit: Int) {{ board(id: $board_id) {{
  webhooks(first: $limit) {{ {PAGE} {{ {WEBHOOK} }} }} }} }}""",
    "webhooks.webhook": f"query($webhook_id: ID!) {{ webhook(id: $webhook_id) {{ {WEBHOOK} }} }}",
    "webhooks.create_webhook": _mutation("createWebhook", "CreateWebhookInput", f"webhook {{ {WEBHOOK} }}"),
    "webhooks.update_webhook": _mutation("updateWebhook", "UpdateWebhookInput", f"webhook {{ {WEBHOOK} }}"),
    "webhooks.delete_webhook": _mutation("deleteWebhook", "TargetInput", "deletedId"),
    "webhooks.delivery_page": f"""query($webhook_id: ID!, $limit: Int) {{ webhook(id: $webhook_id) {{
  deliveries(first: $limit) {{ {PAGE} {{ {DELIVERY} }} }} }} }}""",
    "webhooks.delivery": f"query($payload_id: ID!, $max_chars: Int) {{ webhookDelivery(id: $payload_id, maxChars: $max_chars) {{ {DELIVERY} }} }}",
    "onboarding.onboarding": f"query($board_id: ID!) {{ board(id: $board_id) {{ onboarding {{ {ONBOARDING} }} }} }}",
    "onboarding.start": _mutation("startOnboarding", "StartOnboardingInput", f"onboarding {{ {ONBOARDING} }}"),
    "onboarding.answer": _mutation("answerOnboarding", "AnswerOnboardingInput", f"onboarding {{ {ONBOARDING} }}"),
    "onboarding.update": _mutation("askOnboardingQuestion", "AskOnboardingQuestionInput", f"onboarding {{ {ONBOARDING} }}"),
    "onboarding.confirm": _mutation("confirmOnboarding", "ConfirmOnboardingInput", f"board {{ {BOARD} }}"),
    "skill_rest.skill_list": f"""query($filter: SkillFilter) {{ skills(first: 200, filter: $filter) {{
  nodes {{ {SKILL} }} }} }}""",
    "skill_rest.save_skill": _mutation("saveSkill", "SaveSkillInput", f"skill {{ {SKILL} }}"),
    "skill_rest.delete_skill": _mutation("deleteSkill", "TargetInput", "deletedId"),
    "skill_rest.install": _mutation("installSkill", "InstallSkillInput", f"skill {{ {SKILL} }}"),
    "skill_rest.uninstall": _mutation("uninstallSkill", "InstallSkillInput", f"skill {{ {SKILL} }}"),
    "skill_rest.pack_list": f"{{ skillPacks(first: 200) {{ nodes {{ {PACK} }} }} }}",
    "skill_rest.pack": f"query($pack_id: ID!) {{ node(id: $pack_id) {{ ... on SkillPack {{ {PACK} }} }} }}",
    "skill_rest.save_pack": _mutation("saveSkillPack", "SaveSkillPackInput", f"pack {{ {PACK} }}"),
    "skill_rest.replace_pack": _mutation("saveSkillPack", "SaveSkillPackInput", f"pack {{ {PACK} }}"),
    "skill_rest.delete_pack": _mutation("deleteSkillPack", "TargetInput", "deletedId"),
    "skill_rest.sync": _mutation("syncSkillPack", "TargetInput", "synced created updated warnings"),
    "gateway_rest.gateway_page": f"query($limit: Int) {{ gateways(first: $limit) {{ {PAGE} {{ {GATEWAY} }} }} }}",
    "gateway_rest.gateway": f"query($gateway_id: ID!) {{ gateway(id: $gateway_id) {{ {GATEWAY} }} }}",
    "gateway_rest.create_gateway": _mutation("createGateway", "CreateGatewayInput", f"gateway {{ {GATEWAY} }}"),
    "gateway_rest.update_gateway": _mutation("updateGateway", "UpdateGatewayInput", f"gateway {{ {GATEWAY} }}"),
    "gateway_rest.delete_gateway": _mutation("deleteGateway", "TargetInput", "deletedId"),
    "gateway_rest.sync_templates": _mutation("syncGatewayTemplates", "SyncGatewayTemplatesInput", "job { id state report }"),
    "gateway_rest.status": "query($board_id: ID!) { board(id: $board_id) { gateway { url "
    "status { state error version } sessions { raw } } } }",
    "gateway_rest.session_list": "query($board_id: ID!) { board(id: $board_id) { gateway { sessions { raw } } } }",
    "gateway_rest.session": "query($gateway_id: ID!, $session_id: String!) "
    "{ gatewaySession(gatewayId: $gateway_id, key: $session_id) { raw } }",
    "gateway_rest.history": "query($gateway_id: ID!, $session_id: String!) "
    "{ gatewaySession(gatewayId: $gateway_id, key: $session_id) { messages(limit: 1000) { role content } } }",
    "gateway_rest.say": _mutation("sendGatewayMessage", "SendGatewayMessageInput", "sessionKey"),
    "coordination.nudge": _mutation("nudgeAgent", "NudgeAgentInput", TOLD),
    "coordination.soul": "query($agent_id: ID!) { agentSoul(agentId: $agent_id) }",
    "coordination.write_soul": _mutation("writeAgentSoul", "WriteAgentSoulInput", TOLD),
    "coordination.ask_user": _mutation("askUser", "AskUserInput", TOLD),
    "coordination.message_lead": _mutation("messageLead", "MessageLeadInput", TOLD),
    "coordination.broadcast": _mutation("broadcastToLeads", "BroadcastToLeadsInput", f"sent failed results {{ {TOLD} }}"),
    "inbox.inbox_page": "query($after: Cursor, $limit: Int!) { viewer { inbox(after: $after, first: $limit) { "
    "cursor: endCursor has_more: hasNextPage messages { id created_at: createdAt reason: reasonLabel text board_id: boardId "
    "task_id: taskId } } } }",
    "skill_rest.search_souls": """query($q: String!, $limit: Int!) { souls(search: $q, first: $limit) {
  handle slug page_url: pageUrl raw_md_url: rawMdUrl } }""",
    "skill_rest.soul": "query($handle: String!, $slug: String!) { soul(handle: $handle, slug: $slug) { handle slug content } }",
}  # fmt: skip

#: The subscription that an event stream is, by the stream's event name and topic.
STREAMS: dict[str, str] = {
    "task": "subscription($board_id: ID!, $after: Cursor) { taskEvents(boardId: $board_id, after: $after) "
    f"{{ cursor kind task {{ {TASK} }} comment {{ {COMMENT} }} }} }}",
    "approval": "subscription($board_id: ID!, $after: Cursor) { approvalEvents(boardId: $board_id, after: $after) "
    f"{{ cursor kind approval {{ {APPROVAL} }} }} }}",
    "memory": "subscription($board_id: ID!, $after: Cursor) { memoryEvents(boardId: $board_id, after: $after) "
    f"{{ cursor kind entry {{ {MEMORY} }} }} }}",
    "agent": "subscription($board_id: ID, $after: Cursor) { agentEvents(boardId: $board_id, after: $after) "
    f"{{ cursor kind agent {{ {AGENT} }} }} }}",
    "group": "subscription($group_id: ID!, $after: Cursor) { groupMemoryEvents(groupId: $group_id, after: $after) "
    f"{{ cursor entry {{ {GROUP_MEMORY} }} }} }}",
    "comment": 'subscription($after: Cursor) { activity(after: $after, filter: {types: ["task.comment"]}) '
    "{ cursor activity { id message } } }",
}

#: Resolvers without a document, and why.
EXEMPT: dict[str, str] = {
    "agents.heartbeat_or_create": "two mutations: `createAgent` when the name is unknown, then `sendHeartbeat`",
    "gateway_rest.commands": "a fixed list of names of another protocol",
    "webhooks.ingest": "services outside deliver to it in their own form",
}


def document_of(resolver: object, stream: object = None) -> str | None:
    """The document of a row's resolver, or of its stream."""
    if stream is not None:
        name = getattr(stream, "replay", "") or getattr(stream, "topic", "")
        return STREAMS[name]
    return DOCUMENTS.get(key_of(resolver))


def key_of(resolver: object) -> str:
    """How a resolver is called here."""
    module = str(getattr(resolver, "__module__", "")).rpartition(".")[2]
    return f"{module}.{getattr(resolver, '__name__', '')}"
