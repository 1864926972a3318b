"""What every record shares: frozen, validated, and versioned JSON in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from etastar.errors import RecordError


class Record(BaseModel):
    """A measured result: immutable, comparable by value, readable without torch.

    JSON carries the record's kind and version beside its fields; NaN and infinities are kept
    as the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, ser_json_inf_nan="strings"
    )

    kind: ClassVar[str]
    version: ClassVar[int] = 1

    def to_json(self, path: str | Path | None = None) -> str:
        """Write the record as JSON.

        Args:
            path: where to save the text as well; its folder is made if needed.

        Returns:
            The JSON text.
        """
        fields = json.loads(self.model_dump_json())
        text = json.dumps({"etastar": self.kind, "version": self.version, **fields})
        if path is not None:
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text + "\n", encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> Self:
        """Read a record from JSON text, or from the file at a `Path`.

        Returns:
            The record, equal to the one that was written.

        Raises:
            RecordError: the text is not this kind of record, is damaged, or is from a newer
                version of etastar.
        """
        where = f"{source}" if isinstance(source, Path) else "the text"
        try:
            text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
            fields = json.loads(text)
        except OSError as error:
            raise RecordError(
                f"{where} cannot be read ({error.strerror}); give a file written by `to_json`."
            ) from error
        except (ValueError, RecursionError) as error:  # no JSON, or no text at all
            raise RecordError(
                f"{where} is not JSON ({error}); give a file written by `to_json`."
            ) from error
        if not isinstance(fields, dict) or fields.pop("etastar", None) != cls.kind:
            raise RecordError(
                f"{where} is no etastar {cls.kind}; give a file written by "
                f"`{cls.__name__}.to_json`."
            )
        version = fields.pop("version", None)
        if type(version) is not int or version < 1:
            raise RecordError(
                f"{where} is a damaged {cls.kind}: its version is {version!r}; write it anew."
            )
        if version > cls.version:
            raise RecordError(
                f"{where} is a {cls.kind} of version {version}, newer than the {cls.version} "
                f"this etastar reads; upgrade with `pip install --upgrade etastar`."
            )
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ").removesuffix(".")
            raise RecordError(
                f"{where} is a damaged {cls.kind}: {f'{place}: ' if place else ''}{message}; "
                f"write it anew."
            ) from error

    def __eq__(self, other: object) -> bool:
        # by the text, so that NaN equals NaN and arrays compare as values
        return type(self) is type(other) and self.to_json() == other.to_json()  # type: ignore[union-attr]

    def __hash__(self) -> int:
        return hash(self.to_json())
