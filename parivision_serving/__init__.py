"""The prediction service: answers over HTTP, and swaps champion and feature state without dropping a request."""
