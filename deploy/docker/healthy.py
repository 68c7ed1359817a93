"""The health check of a container: `python healthy.py 8000 /health/live` ends with 0 when the answer is 200.

The images have no curl, and urllib would take a proxy's word for an answer of its own.
"""

import http.client
import sys


def main(port: str, path: str) -> int:
    """0 when the service on this port says that it is well, else 1 and, for `docker inspect`, what it said."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=4)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        said = f"{answer.status} {answer.read(500).decode('utf-8', 'replace')}"
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer: {error!r}")
        return 1
    finally:
        connection.close()
    print(said)
    return int(answer.status != http.client.OK)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
