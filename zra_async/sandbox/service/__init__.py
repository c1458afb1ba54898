"""Serve the account over HTTP: routes, parameters, pages, tokens, rate windows, downloads and webhooks."""
