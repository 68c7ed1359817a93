"""TLS with a real handshake: a server with a certificate of a test authority, and each mistake in its set-up."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.uri_parser import parse_uri

from dagster_mongo import MongoResource, MongoUnavailableError
from tests.dagster_mongo.conftest import ENCODED
from tests.helpers.scripted_server import ScriptedServer

x509 = pytest.importorskip("cryptography.x509")

QUICK: dict[str, Any] = {"server_selection_timeout_ms": 1000, "connect_timeout_ms": 1000}


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority's certificate, and certificate with key of the server and of a client."""

    authority: Path
    server: Path
    client: Path


def _usage(authority: bool) -> Any:
    """What a key may be used for: an authority signs certificates, the others sign handshakes."""
    names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    unused = dict.fromkeys((*names, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **unused)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates that are valid for a day; the server's only for 127.0.0.1."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("certificates")
    now = datetime.datetime.now(datetime.UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority of the tests")])

    def issue(name: str) -> Path:
        own = name == "authority"
        key = authority_key if own else ec.generate_private_key(ec.SECP256R1())
        subject = authority_name if own else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=own, path_length=None), critical=True)
            # From Python 3.13 on, certificates without these are refused.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .add_extension(_usage(own), critical=True)
        )
        if name == "server":
            address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            builder = builder.add_extension(address, critical=False)
        pem = builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        if not own:
            pem += key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        path = folder / f"{name}.pem"
        path.write_bytes(pem)
        return path

    return Certificates(issue("authority"), issue("server"), issue("client"))


def context_of(certificates: Certificates, demands_certificate: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.authority)
    context.load_cert_chain(certificates.server)
    if demands_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def secure(certificates: Certificates) -> Iterator[ScriptedServer]:
    """A server that accepts only TLS."""
    with ScriptedServer(tls=context_of(certificates)) as server:
        yield server


@pytest.fixture
def problem(keeps_secret: Callable[[BaseException], None]) -> Callable[..., MongoUnavailableError]:
    """The error of a check that fails."""

    def check(server: ScriptedServer, **fields: Any) -> MongoUnavailableError:
        url = server.url.replace("mongodb://", f"mongodb://ann:{ENCODED}@")
        with pytest.raises(MongoUnavailableError) as caught:
            MongoResource(**{"url": url, **QUICK, **fields}).check()
        keeps_secret(caught.value)
        return caught.value

    return check


def test_data_goes_over_tls(
    certificates: Certificates, mongo_server: str, mongo_database: Database[dict[str, Any]]
) -> None:
    upstream = parse_uri(mongo_server)["nodelist"][0]
    with ScriptedServer(upstream, tls=context_of(certificates)) as server:
        mongo = MongoResource(
            url=server.url, database=mongo_database.name, tls=True, tls_ca_file=str(certificates.authority)
        )
        with mongo.get_database() as database:
            database["things"].insert_one({"_id": "a"})
        assert mongo.check().address == f"127.0.0.1:{server.port}"
    assert mongo_database["things"].find_one() == {"_id": "a"}


def test_tls_from_the_url(certificates: Certificates, secure: ScriptedServer) -> None:
    assert MongoResource(url=f"{secure.url}&tls=true&tlsCAFile={certificates.authority}").check()


def test_a_certificate_that_is_not_trusted(secure: ScriptedServer, problem: Callable[..., Any]) -> None:
    error = problem(secure, tls=True)
    assert error.reason == "tls"
    assert "certificate isn't trusted" in error.what
    assert "tls_ca_file" in error.advice


def test_a_certificate_of_another_host(
    certificates: Certificates, secure: ScriptedServer, problem: Callable[..., Any]
) -> None:
    url = secure.url.replace("127.0.0.1", "localhost")
    error = problem(secure, url=url, tls=True, tls_ca_file=str(certificates.authority))
    assert error.reason == "tls"
    assert "localhost" in error.what


def test_tls_to_a_server_without_tls(problem: Callable[..., Any]) -> None:
    with ScriptedServer() as server:
        error = problem(server, tls=True)
    assert error.reason == "tls"
    assert "leave tls unset" in error.advice


def test_no_tls_to_a_server_that_requires_it(secure: ScriptedServer, problem: Callable[..., Any]) -> None:
    error = problem(secure)
    assert error.reason == "cut"
    assert "set tls" in error.advice


def test_a_server_that_requires_a_client_certificate(certificates: Certificates, problem: Callable[..., Any]) -> None:
    with ScriptedServer(tls=context_of(certificates, demands_certificate=True)) as server:
        with_ca: dict[str, Any] = {"tls": True, "tls_ca_file": str(certificates.authority)}
        assert MongoResource(url=server.url, tls_certificate_key_file=str(certificates.client), **with_ca).check()
        error = problem(server, **with_ca)
    assert error.reason in ("tls", "cut")  # by the moment at which the server closes the connection
    assert "tls_certificate_key_file" in error.advice
