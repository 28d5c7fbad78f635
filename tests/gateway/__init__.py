"""Against real OpenClaw gateways; `make test-gateway` installs them."""
