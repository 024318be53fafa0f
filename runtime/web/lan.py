"""What a phone on the same network needs: this computer's address, a certificate for https, a QR code."""

from __future__ import annotations

import datetime
import io
import ipaddress
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError
from ..files import write_beside
from .server import PageServer

_DAYS = 365


def own_address() -> str:
    """This computer's address on its network. Raises InputError when it is on none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 9))  # sends nothing: it only asks which address would be used
            address = probe.getsockname()[0]
        except OSError as error:
            raise InputError("this computer is on no network: connect it to the phone's, or leave out --lan") from error
    return str(address)


def self_made_certificate(address: str, folder: Path) -> tuple[Path, Path]:
    """Certificate and key files for https at `address`, made in `folder` for this start.

    Nobody vouches for it: the phone's browser warns once. It is what gives a page camera, threads and WebGPU there.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID
    except ImportError as error:
        raise InputError("--lan needs cryptography and segno: pip install 'portraitnet[serve]'") from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "portraitnet")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = folder / "certificate.pem", folder / "key.pem"
    for path, content in zip(files, (certificate.public_bytes(serialization.Encoding.PEM), secret), strict=True):
        with write_beside(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_bytes(content)
    return files


def qr_code(url: str) -> str:
    """The address as a QR code to print in a terminal."""
    try:
        import segno
    except ImportError as error:
        raise InputError("--lan needs cryptography and segno: pip install 'portraitnet[serve]'") from error
    text = io.StringIO()
    segno.make(url, error="m").terminal(text, compact=True)
    return text.getvalue()


@contextmanager
def doorway(lan: bool) -> Iterator[tuple[str, tuple[Path, Path] | None]]:
    """Where to listen, and with which certificate: this computer alone, or with `lan` its network by https."""
    if not lan:
        yield "127.0.0.1", None
        return
    address = own_address()
    with tempfile.TemporaryDirectory() as scratch:
        yield address, self_made_certificate(address, Path(scratch))


def serve(server: PageServer, lan: bool, say: Callable[[str], object] = print) -> None:
    """Say where the page is (with `lan` also as a QR code), and serve until Ctrl-C."""
    if lan:
        say(qr_code(server.url))
        say("The certificate is self-made: the phone's browser warns once; choose to go on.")
    say(f"{server.url}\nCtrl-C stops the server.")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        server.server_close()
