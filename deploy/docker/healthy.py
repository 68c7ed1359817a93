"""The health check of a container: `python healthy.py 8000 /health/live` exits with 0 when the response is 200.

The images have no curl, and urllib might send the request to a proxy.
"""

import http.client
import sys


def main(port: str, path: str) -> int:
    """The exit code; prints the response for `docker inspect`."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=4)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        shown = f"{response.status} {response.read(500).decode('utf-8', 'replace')}"
    except (OSError, http.client.HTTPException) as error:
        print(f"no response: {error!r}")
        return 1
    finally:
        connection.close()
    print(shown)
    return int(response.status != http.client.OK)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
