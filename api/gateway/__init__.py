"""How we speak to OpenClaw gateways: frames, one multiplexed connection a gateway, keys. Knows no tables."""
