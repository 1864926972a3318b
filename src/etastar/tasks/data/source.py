"""Where a data set lies: in the folder named by `ETASTAR_DATA`, else in pooch's cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from etastar.errors import MissingDataError
from etastar.tasks.data.extras import needs

FOLDER_VARIABLE = "ETASTAR_DATA"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One data set: its file in the user's folder, and the public copy of it.

    The public copy is downloaded once, kept in pooch's cache folder and refused when its
    checksum differs.
    """

    title: str
    local_name: str
    url: str
    checksum: str  # "md5:…" or "sha256:…", of the file behind the address

    def local(self) -> Path | None:
        """The file in the user's folder, or None where there is none.

        Returns:
            The path of an existing file, or None.

        Raises:
            MissingDataError: `ETASTAR_DATA` names a folder that does not exist.
        """
        folder = os.environ.get(FOLDER_VARIABLE)
        if not folder:
            return None
        if not Path(folder).is_dir():
            raise MissingDataError(
                f"{FOLDER_VARIABLE}={folder} is not a folder. Set it to the folder that holds "
                f"{self.local_name}, or unset it to let etastar download {self.title}."
            )
        path = Path(folder) / self.local_name
        return path if path.is_file() else None

    def fetched(self) -> Path:
        """The public copy, downloaded unless pooch's cache already holds it.

        Returns:
            The path of the checked file in the cache.

        Raises:
            MissingDataError: It is not in the cache and could not be downloaded whole.
        """
        with needs("pooch"):
            import pooch
        try:
            path = pooch.retrieve(
                self.url,
                known_hash=self.checksum,
                fname=self.url.rpartition("/")[2],
                path=pooch.os_cache("etastar"),
            )
        # OSError: no network, no such address, a full disk. ValueError: the checksum differs.
        except (OSError, ValueError) as failure:
            raise MissingDataError(
                f"{self.title} is not on this machine and could not be fetched from {self.url} "
                f"({type(failure).__name__}). Set {FOLDER_VARIABLE} to a folder that holds "
                f"{self.local_name}, or run again with a network."
            ) from failure
        return Path(path)
