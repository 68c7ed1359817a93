"""The service: answers predictions of the champion over HTTP and swaps champion and feature state without dropping a request."""
