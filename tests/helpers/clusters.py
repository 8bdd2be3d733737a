"""Clusters of processes that are forked from one that has imported what they need."""

import contextlib
import multiprocessing.forkserver
import os
from collections.abc import Iterator

import dask
from distributed import Client, LocalCluster

from tests.helpers.forked import context


@contextlib.contextmanager
def forked_workers() -> Iterator[None]:
    """Workers of every cluster that is started within begin in a moment."""
    context()
    multiprocessing.forkserver.ensure_running()  # or dask would say what is imported there
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        yield


@contextlib.contextmanager
def two_workers() -> Iterator[Client]:
    """Of one thread each, with the environment of this process."""
    with (
        forked_workers(),
        LocalCluster(
            2,
            processes=True,
            threads_per_worker=1,
            dashboard_address=":0",
            env=dict(os.environ),
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
