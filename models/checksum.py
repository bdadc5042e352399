"""Checksums of a file, while its bytes come. What comes in order costs no second reading; the rest is read back."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path


class Digest:
    """SHA-256 and, where wanted, MD5 of the first `at` bytes of a file."""

    def __init__(self, *, md5: bool = False) -> None:
        self._with_md5 = md5
        self.reset()

    def reset(self) -> None:
        self.at = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)

    def came(self, offset: int, data: bytes) -> None:
        """Bytes that are not the next ones are left for `catch_up`."""
        if offset == self.at:
            self._update(data)

    async def catch_up(self, length: int, read: Callable[[int], bytes]) -> None:
        """Reads what did not come in order. `read` gives some bytes from an offset on."""
        while self.at < length:
            data = await asyncio.to_thread(read, self.at)
            if not data:
                return
            await asyncio.to_thread(self._update, data)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        """Only where it was wanted."""
        return self._md5.hexdigest()

    def _update(self, data: bytes) -> None:
        self._sha256.update(data)
        if self._with_md5:
            self._md5.update(data)
        self.at += len(data)


def sha256_of(path: Path) -> str:
    """Of a whole file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
