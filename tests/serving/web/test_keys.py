"""API keys: hashed in a file, named, with scopes, revoked while a service uses them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from parivision_core.problems import ConfigurationError
from parivision_serving.web import keys
from parivision_serving.web.keys import ADMIN, ANONYMOUS, PREDICT, READ, Caller, Keys, add, revoke


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "api_keys.json"


@pytest.fixture(autouse=True)
def look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "LOOK_SECONDS", 0.0)


def test_a_key_is_known_until_it_is_revoked(path: Path) -> None:
    known = Keys(path)
    assert known.caller("pv_nobody") is None
    key, other = add(path, "page", [PREDICT]), add(path, "operator", [READ, ADMIN])
    assert known.caller(key) == Caller("page", frozenset({PREDICT}))
    assert known.caller(other) == Caller("operator", frozenset({READ, ADMIN}))
    revoke(path, "page")
    assert known.caller(key) is None
    assert known.caller(other) is not None


def test_the_file_holds_no_key_and_only_its_owner_can_read_it(path: Path) -> None:
    key = add(path, "page", [PREDICT])
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_an_interrupted_write_left_gives_its_rights_to_no_file(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.touch()
    partial.chmod(0o644)
    add(path, "page", [PREDICT])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_higher_scope_includes_the_lower_ones() -> None:
    reader, predictor = (Caller("", frozenset({scope})) for scope in (READ, PREDICT))
    assert [reader.may(scope) for scope in (READ, PREDICT, ADMIN)] == [True, False, False]
    assert [predictor.may(scope) for scope in (READ, PREDICT, ADMIN)] == [True, True, False]
    assert all(ANONYMOUS.may(scope) for scope in (READ, PREDICT, ADMIN))


def test_the_key_of_the_environment_needs_no_file(path: Path) -> None:
    known = Keys(path, "secret")
    caller = known.caller("secret")
    assert caller is not None and caller.may(ADMIN)
    assert known.any()
    assert not Keys(path).any()


def test_a_file_that_cannot_be_read_admits_no_key(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("{}")
    with pytest.raises(ConfigurationError, match=r"api_keys\.json can't be read"):
        Keys(path).caller("pv_x")


def test_names_of_keys_are_unique(path: Path) -> None:
    add(path, "page", [PREDICT])
    for name in ("page", "", keys.ENVIRONMENT):
        with pytest.raises(ConfigurationError, match="taken or empty"):
            add(path, name, [PREDICT])
    with pytest.raises(ConfigurationError, match=r"no key 'pages'.*known are page"):
        revoke(path, "pages")


def test_the_command_adds_lists_and_revokes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARIVISION_HOME", str(tmp_path))
    assert keys.main(["add", "page", "--scopes", "read,predict"]) == 0
    key = capsys.readouterr().out.strip()
    assert Keys(tmp_path / "api_keys.json").caller(key) == Caller("page", frozenset({READ, PREDICT}))
    assert keys.main(["list"]) == 0
    assert capsys.readouterr().out == "page\tread,predict\n"
    assert keys.main(["revoke", "page"]) == 0
    assert keys.main(["revoke", "page"]) == 1
    assert "known are none" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        keys.main(["add", "page", "--scopes", "write"])
    assert "write: known are read, predict, admin" in capsys.readouterr().err
