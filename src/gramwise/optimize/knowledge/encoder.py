"""A sentence encoder that the user brings: an ONNX file with its WordPiece vocabulary, both pinned by hash.

Nothing is downloaded. The model takes ``input_ids`` and ``attention_mask`` (and ``token_type_ids`` where it wants
them) and gives one vector per token; these are averaged over the tokens and scaled to unit length, as
all-MiniLM-L6-v2 and its kin are used (Reimers and Gurevych, Sentence-BERT, EMNLP 2019, doi:10.18653/v1/D19-1410).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.errors import ConfigError, SourceUnavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_TOKENS = 256
_PIECE = re.compile(r"\w+|[^\w\s]")


class OnnxEncoder:
    """Texts to unit vectors by an ONNX model on the CPU.

    Args:
        model: ONNX file.
        vocabulary: WordPiece vocabulary, one piece a line (``vocab.txt``).
        model_sha256, vocabulary_sha256: hashes that the files must have, so that an index is the same everywhere.

    Raises:
        ConfigError: a file is missing, has another hash, or the vocabulary lacks [CLS], [SEP] or [UNK].
        SourceUnavailable: onnxruntime is not installed, or cannot read the model.
    """

    def __init__(self, model: Path, vocabulary: Path, *, model_sha256: str, vocabulary_sha256: str) -> None:
        _check(model, model_sha256)
        _check(vocabulary, vocabulary_sha256)
        lines = vocabulary.read_text(encoding="utf-8").splitlines()
        self._ids = {piece: i for i, piece in enumerate(lines)}
        lacking = [p for p in ("[CLS]", "[SEP]", "[UNK]") if p not in self._ids]
        if lacking:
            raise ConfigError(
                f"the vocabulary lacks {lacking[0]}: give the model's own vocab.txt.", file=vocabulary
            )
        self._session = _session(model)
        self._inputs = {i.name for i in self._session.get_inputs()}

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of unit length for each text, (texts, width); a row of zeros where nothing was learned of it."""
        rows = [self._encode(text) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, 1), dtype=np.float32)

    def tokens(self, text: str) -> list[int]:
        """Ids of the text's pieces between [CLS] and [SEP], at most `MOST_TOKENS`."""
        plain = unicodedata.normalize("NFD", text.lower())
        plain = "".join(c for c in plain if not unicodedata.combining(c))
        pieces = [i for word in _PIECE.findall(plain) for i in self._pieces(word)]
        return [self._ids["[CLS]"], *pieces[: MOST_TOKENS - 2], self._ids["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        """Longest pieces first, those behind the first with ``##``; [UNK] for a word that cannot be made up."""
        found: list[int] = []
        at = 0
        while at < len(word):
            ends = (e for e in range(len(word), at, -1) if ("##" if at else "") + word[at:e] in self._ids)
            end = next(ends, None)
            if end is None or len(word) > 100:
                return [self._ids["[UNK]"]]
            found.append(self._ids[("##" if at else "") + word[at:end]])
            at = end
        return found

    def _encode(self, text: str) -> NDArray[np.float32]:
        ids = np.array([self.tokens(text)], dtype=np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        out = self._session.run(None, {k: v for k, v in feed.items() if k in self._inputs})[0]
        mean = np.asarray(out, dtype=np.float32)[0].mean(axis=0)
        norm = float(np.linalg.norm(mean))
        return np.asarray(mean / norm if norm > 0 else mean, dtype=np.float32)


def _check(file: Path, sha256: str) -> None:
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}.", file=file) from error
    if found != sha256.lower():
        raise ConfigError(
            f"has SHA-256 {found}, not {sha256}.", file=file, fix="Give the file that the hash was taken of."
        )


def _session(model: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise SourceUnavailable(
            "an encoder of one's own needs the onnxruntime package: pip install onnxruntime"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise SourceUnavailable(f"{model}: onnxruntime cannot read this model: {error}") from error
