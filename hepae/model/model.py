"""A model: one ONNX file that was admitted, its manifest, its networks and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepae.arrays import Array
from hepae.core.manifest import Manifest
from hepae.core.network import Network
from hepae.model.files import located, read_model, write_model

if TYPE_CHECKING:
    from hepae.model.admission import Admitted

__all__ = ["Model"]


class Model:
    """What writes and restores a collection. Made by `from_bytes` or `load`; pickled as its bytes.

    Attributes
    ----------
    data
        The ONNX file.
    manifest
        What the model is for.
    networks
        Networks by name, each loaded into ONNX Runtime when it is first asked for.
    tables
        Read-only arrays by name.
    sha256
        Name of the model: hexadecimal digest of the file.
    """

    data: bytes
    manifest: Manifest
    networks: Mapping[str, Network]
    tables: Mapping[str, Array]
    sha256: str

    def __init__(self, data: bytes, threads: int, admitted: Admitted) -> None:
        self.data, self.threads = data, threads
        self.manifest = Manifest.from_json(admitted.manifest)
        self.tables, self.sha256 = admitted.tables, admitted.sha256
        self.networks = _Sessions(admitted.networks, threads)

    @classmethod
    def from_bytes(cls, data: bytes, threads: int = 1) -> Model:
        """Admit and open a model.

        Parameters
        ----------
        data
            Bytes of the ONNX file.
        threads
            Threads inside one operator of a network.

        Raises
        ------
        ModelRejectedError
            If it is not a model that hepae made; see `hepae.model.admission`.
        """
        from hepae.model.admission import admit  # imports onnx, which `import hepae` does not

        return cls(data, threads, admit(data))

    @classmethod
    def load(cls, path: str | Path, threads: int = 1) -> Model:
        """Read a model file and open it."""
        data = read_model(path)
        with located(path):
            return cls.from_bytes(data, threads)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model file; one that exists is replaced only with ``force``."""
        write_model(path, self.data, force=force)

    def __reduce__(self) -> tuple[Any, ...]:
        return Model.from_bytes, (self.data, self.threads)

    def __repr__(self) -> str:
        return f"<Model {self.sha256[:12]} {self.manifest.codec_name} {self.manifest.collection}>"


class _Sessions(Mapping[str, Network]):
    """Networks that are loaded when they are first asked for."""

    def __init__(self, networks: Mapping[str, bytes], threads: int) -> None:
        self._networks, self._threads = networks, threads
        self._running: dict[str, Network] = {}

    def __getitem__(self, name: str) -> Network:
        if name not in self._running:
            from hepae.model.runtime import session

            self._running[name] = session(self._networks[name], self._threads)
        return self._running[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._networks)

    def __len__(self) -> int:
        return len(self._networks)
