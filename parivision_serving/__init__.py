"""The service: answers predictions of the champion over HTTP and swaps champion and form without dropping a request."""
