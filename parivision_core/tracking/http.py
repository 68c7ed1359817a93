"""A small HTTP client for MLflow: importing MLflow's own library costs seconds."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx

from parivision_core.problems import RegistryError
from parivision_core.settings import without_login


class MlflowHttp:
    """Reads from one MLflow server; safe to use from several threads at once."""

    def __init__(self, url: str, timeout: float) -> None:
        self.page = without_login(url).rstrip("/")
        """Address of its web page, without a password."""
        self._http = httpx.Client(base_url=url, timeout=timeout)

    def get(self, route: str, **query: Any) -> Any:
        """The answer of a route of the REST API; None when the resource doesn't exist.

        Raises RegistryError when the server can't be reached, refuses, or isn't MLflow.
        """
        return self._read(route, self._request("GET", route, params=query))

    def search(self, route: str, **query: Any) -> Any:
        """The same for a route that takes its query in the body."""
        return self._read(route, self._request("POST", route, json=query))

    def file(self, route: str, **query: Any) -> bytes | None:
        """A file from a route that sends files; None when it doesn't exist. Raises RegistryError as `get` does."""
        answer = self._request("GET", route, params=query)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.is_error:
            raise self._refused(route, answer)
        return answer.content

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _request(self, method: str, route: str, **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, route, **request)
        except httpx.HTTPError as error:
            raise RegistryError(
                f"the model registry at {self.page} doesn't answer ({error}); is the MLflow server running?"
            ) from error

    def _read(self, route: str, answer: httpx.Response) -> Any:
        try:
            found = answer.json()
        except ValueError as error:
            raise RegistryError(f"what answers at {self.page} is not an MLflow server") from error
        if answer.is_success:
            return found
        if isinstance(found, dict) and found.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise self._refused(route, answer)

    @staticmethod
    def _refused(route: str, answer: httpx.Response) -> RegistryError:
        return RegistryError(f"the model registry answers {answer.status_code} to {route}: {answer.text[:200]}")
