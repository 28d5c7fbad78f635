"""Webhooks of boards: configuration, deliveries, and the address that takes them."""

from api.rest_compat.queries import PageQuery
from api.rest_compat.table import ANYBODY, USER, delete, get, patch, post
from api.rest_compat.wire import (
    BoardWebhookCreate,
    BoardWebhookIngestResponse,
    BoardWebhookPayloadRead,
    BoardWebhookRead,
    BoardWebhookUpdate,
    Page,
)
from api.schema import webhooks
from api.schema.gates import board_read, board_write, delivery_read, webhook_read, webhook_write

TAGS = ("board-webhooks",)
ALL = "/boards/{board_id}/webhooks"
ONE = ALL + "/{webhook_id}"

ROWS = [
    get(ALL, webhooks.webhook_page, name="list_board_webhooks", summary="List webhooks", tags=TAGS, who=USER,
        gate=board_read, query=PageQuery, returns=Page[BoardWebhookRead]),
    post(ALL, webhooks.create_webhook, name="create_board_webhook", summary="Create a webhook", tags=TAGS, who=USER,
         gate=board_write, body=BoardWebhookCreate, returns=BoardWebhookRead),
    get(ONE, webhooks.webhook, name="get_board_webhook", summary="Read a webhook", tags=TAGS, who=USER,
        gate=webhook_read, returns=BoardWebhookRead),
    patch(ONE, webhooks.update_webhook, name="update_board_webhook", summary="Change a webhook", tags=TAGS, who=USER,
          gate=webhook_write, body=BoardWebhookUpdate, returns=BoardWebhookRead),
    delete(ONE, webhooks.delete_webhook, name="delete_board_webhook", summary="Delete a webhook", tags=TAGS, who=USER,
           gate=webhook_write),
    post(ONE, webhooks.ingest, name="ingest_board_webhook", summary="Deliver to a webhook", tags=TAGS, who=ANYBODY,
         raw=True, status=202, returns=BoardWebhookIngestResponse),
    get(ONE + "/payloads", webhooks.delivery_page, name="list_board_webhook_payloads", summary="List deliveries",
        tags=TAGS, who=USER, gate=webhook_read, query=PageQuery, returns=Page[BoardWebhookPayloadRead]),
    get(ONE + "/payloads/{payload_id}", webhooks.delivery, name="get_board_webhook_payload", summary="Read a delivery",
        tags=TAGS, who=USER, gate=delivery_read, returns=BoardWebhookPayloadRead),
]  # fmt: skip
