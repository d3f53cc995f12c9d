"""How long it takes to import a million queries, and how much memory.

Makes a synthetic Redset file in a temporary directory and imports it as ``lsched import redset``
does, in a process of its own. Run with ``python benchmarks/importers.py [ROWS]``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

ROWS = 1_000_000
SYNTHETIC = """
    SELECT
        template % 20 AS instance_id, 4 AS cluster_size, template % 7 AS user_id,
        template % 5 AS database_id, row AS query_id,
        TIMESTAMP '2024-03-01' + INTERVAL (row * 7_000_000 // $rows) SECOND AS arrival_timestamp,
        IF(spread < 0.1, 300, 0) AS compile_duration_ms, 0 AS queue_duration_ms,
        round(scale * exp(spread - 0.5))::BIGINT AS execution_duration_ms,
        md5(template::VARCHAR) AS feature_fingerprint, spread > 0.99 AS was_aborted,
        template % 50 = 1 AS was_cached, NULL::BIGINT AS cache_source_query_id,
        IF(template % 3 = 0, 'insert', 'select') AS query_type,
        1 AS num_permanent_tables_accessed, 0 AS num_external_tables_accessed,
        0 AS num_system_tables_accessed, '1,2' AS read_table_ids, NULL::VARCHAR AS write_table_ids,
        round(scale / 10 * exp(spread))::BIGINT AS mbytes_scanned, 0 AS mbytes_spilled,
        template % 8 AS num_joins, 1 + template % 8 AS num_scans, template % 4 AS num_aggregations
    FROM (
        SELECT
            row, spread, template,
            exp(3 + 5 * (hash(template) % 1000) / 1000) AS scale
        FROM (
            SELECT
                row, (hash(row, 1) % 10_000) / 10_000 AS spread,
                floor(30_000 * pow((hash(row, 2) % 10_000) / 10_000, 4))::BIGINT AS template
            FROM range($rows) AS rows(row)
        )
    )
"""
"""Queries of 20 instances over 80 days; few of the 30,000 templates make most of them."""
MEASURED = """
import resource, sys, time
from pathlib import Path
from traces import write
from traces.importers.redset import import_redset
start = time.perf_counter()
trace = import_redset([Path(sys.argv[1])])
read = time.perf_counter()
write(trace, sys.argv[2])
end = time.perf_counter()
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
print(f"{trace.num_queries:,} queries: read {read - start:.1f} s, matched and written "
      f"{end - read:.1f} s, peak memory {peak_mb:,.0f} MB")
"""


def main() -> None:
    """Make the file, import it, and print what it took."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder) / "redset.parquet", Path(folder) / "redset.jsonl.gz"
        start = time.perf_counter()
        duckdb.sql(SYNTHETIC, params={"rows": rows}).write_parquet(str(table))
        made_s = time.perf_counter() - start
        print(f"{rows:,} rows, {table.stat().st_size / 1e6:.0f} MB, made in {made_s:.1f} s")
        subprocess.run([sys.executable, "-c", MEASURED, str(table), str(out)], check=True)
        print(f"trace {out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
