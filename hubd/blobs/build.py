"""The place for blobs that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from hubd.blobs.base import Blobs
from hubd.blobs.encrypted import EncryptedBlobs
from hubd.blobs.envelope import read_key
from hubd.blobs.local import LocalBlobs
from hubd.blobs.moving import MovingBlobs
from hubd.blobs.place import Place, store_of
from hubd.config import Config


def build(config: Config, store: str = "") -> Blobs:
    """A place that is not started yet; ``store``: ``local`` or ``s3`` instead of the setting.

    Raises ``Invalid`` for a key file that cannot be read.
    """
    if (store or config.blob_store) == "s3":
        return _s3(config)
    root = config.data / "blobs"
    if config.blob_key_file:
        return EncryptedBlobs(root, read_key(Path(config.blob_key_file)))
    return LocalBlobs(root)


def build_place(config: Config, place: Place) -> Blobs:
    """The hub's own place, which is two while a move lasts."""
    target = build(config)
    if not place.moving_from:
        return target
    return MovingBlobs(target, build(config, store_of(place.moving_from)))


def _s3(config: Config) -> Blobs:
    # Loading S3's library costs the daemon 30 MB that most hubs never need.
    from hubd.blobs.s3 import S3Blobs  # noqa: PLC0415
    from hubd.blobs.s3_client import S3Settings  # noqa: PLC0415

    return S3Blobs(
        S3Settings(
            bucket=config.s3_bucket,
            prefix=config.s3_prefix,
            region=config.s3_region,
            endpoint=config.s3_endpoint,
            public_endpoint=config.s3_public_endpoint,
            access_key=config.s3_access_key,
            secret_key=config.s3_secret_key,
            path_style=config.s3_path_style,
            encryption=config.s3_encryption,
            kms_key=config.s3_kms_key,
            timeout=config.s3_timeout,
        )
    )
