"""The certificate: loaded at start, and again when its files change."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog
from watchfiles import awatch

from hubd.config import Config
from hubd.errors import Invalid

log = structlog.get_logger()


@dataclass
class TlsFiles:
    """A context whose certificate can be replaced while it serves."""

    context: ssl.SSLContext
    certificate: Path
    key: Path

    @classmethod
    def load(cls, config: Config) -> TlsFiles | None:
        """From the settings; None without a certificate; raises ``Invalid``. Blocking."""
        if not config.tls_certificate:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        found = cls(context, Path(config.tls_certificate), Path(config.tls_key))
        try:
            found._read()
        except (OSError, ssl.SSLError) as error:
            raise Invalid(f"The certificate cannot be used: {error}.") from error
        return found

    def _read(self) -> None:
        # Into a scratch context first: a certificate without its key must not be half taken up.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
        self.context.load_cert_chain(self.certificate, self.key)

    async def watch(self) -> None:
        """Take up new files; a bad pair is reported and the old one stays."""
        folders = {self.certificate.parent, self.key.parent}
        async for _ in awatch(*folders, recursive=False, debounce=500):
            try:
                await asyncio.to_thread(self._read)
            except (OSError, ssl.SSLError) as error:
                log.error("tls.reload_failed", reason=str(error))
            else:
                log.info("tls.reloaded")
