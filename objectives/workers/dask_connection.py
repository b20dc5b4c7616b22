"""Connection to a Dask scheduler, and errors of a lost cluster in one line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path

import distributed
from distributed.comm.core import connect

from objectives.workers.versions import WorkerError
from search_space.files.regular_file import file_problem


def connected(address: str, tls: Sequence[str], timeout_s: float) -> distributed.Client:
    """A client of the scheduler at `address`.

    Args:
        address: Such as ``tcp://10.0.0.1:8786``, or ``tls://10.0.0.1:8786`` with `tls`.
        tls: Files of the CA, the certificate and the key; empty for those of Dask's own configuration.
        timeout_s: Time limit for the scheduler's answer, in seconds.

    Raises:
        WorkerError: No scheduler answers, or a file is missing.
    """
    # The errors below report the same in one line. Dask sets a level for some of its loggers one by one.
    for name in [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    security = _security(tls)
    try:
        # A client without a scheduler logs a second error when it is garbage-collected.
        asyncio.run(_knock(address, security, timeout_s))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
            return distributed.Client(address, security=security, timeout=timeout_s, set_as_default=False)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        tls_note = "; with certificates it begins with tls:// and needs --dask-tls CA CERT KEY"
        raise WorkerError(
            f"no Dask scheduler answers at --dask {address} within {timeout_s:g} s; it must be an address "
            f"such as tcp://10.0.0.1:8786, as `dask scheduler` prints it{tls_note} ({reason:.120})"
        ) from error


def _security(tls: Sequence[str]) -> distributed.Security:
    """Certificates of the connection.

    Raises:
        WorkerError: A file is missing.
    """
    if not tls:
        return distributed.Security()
    for file in tls:
        if problem := file_problem(Path(file)):
            raise WorkerError(
                f"--dask-tls: {file} {problem}; it must be three files, those of the CA, the certificate "
                f"and the key, in PEM format"
            )
    authority, certificate, key = tls
    return distributed.Security(
        tls_ca_file=authority, tls_client_cert=certificate, tls_client_key=key, require_encryption=True
    )


async def _knock(address: str, security: distributed.Security, timeout_s: float) -> None:
    """Raises `OSError`, `ValueError` or `RuntimeError` if no server listens at `address`."""
    connection = await connect(address, timeout=timeout_s, **security.get_connection_args("client"))
    await connection.close()


@contextlib.contextmanager
def translated(address: str) -> Iterator[None]:
    """Turns exceptions of a lost cluster into `WorkerError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise WorkerError(
            f"a worker of the Dask cluster at {address} lacks the package {error.name!r}: install this "
            f"project there, in the same version"
        ) from error
    except (OSError, TimeoutError, CancelledError) as error:
        raise lost(address, type(error).__name__) from error


def lost(address: str, reason: str) -> WorkerError:
    """The error of a cluster whose scheduler no longer answers."""
    return WorkerError(
        f"the Dask cluster at {address} is lost ({reason}); start its scheduler and workers again, and "
        f"repeat the command to resume"
    )
