"""Skills of an organisation, the packs they come from, and the gateways that have them."""
