"""/metrics, /healthz and /readyz: the app, and the server that it runs on standalone."""
