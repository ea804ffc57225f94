"""The web process: what the worker published, over HTTP; `detector.web.app` puts it together."""
