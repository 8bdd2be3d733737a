"""Run as a script: reads column names as JSON and writes what these columns unpack to, in bytes.

pyarrow ends the whole process, rather than raising, where a damaged footer contradicts itself about
a column. That must be a small process of its own, never a server.
"""

import json
import sys

import pyarrow.parquet as pq


def unpacked_bytes(path: str, names: list[str]) -> int:
    """The larger of what is packed and what four bytes a value make, summed over columns."""
    size, prefixes = 0, tuple(f"{name}." for name in names)
    with pq.ParquetFile(path, memory_map=True) as file:
        for group in range(file.metadata.num_row_groups):
            chunks = file.metadata.row_group(group)
            for position in range(chunks.num_columns):
                chunk = chunks.column(position)
                # The leaves of list column 'a' are called 'a.list.element' or the like.
                if chunk.path_in_schema.startswith(prefixes) or chunk.path_in_schema in names:
                    size += max(chunk.total_uncompressed_size, 4 * chunk.num_values)
    return size


if __name__ == "__main__":
    sys.stdout.write(str(unpacked_bytes(sys.argv[1], json.load(sys.stdin))))
