"""An SSB-like star schema over TPC-H's data, and its thirteen queries.

One fact table (line items with what is needed of their orders) and four dimensions. Columns and
query flights follow the Star Schema Benchmark (O'Neil, O'Neil, Chen, Revilak, 2009). Deviations:
the data keeps TPC-H's distributions and dates, and what SSB draws anew (city, brand) is derived
from keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_PLACE = """
    SELECT {p}_{key} AS {p}_{key}, {p}_name, {p}_address, {p}_phone,
           rpad(left(n_name, 9), 9, ' ') || ({p}_{key} % 10) AS {p}_city,
           n_name AS {p}_nation, r_name AS {p}_region{more}
    FROM {table} JOIN nation ON {p}_nationkey = n_nationkey JOIN region ON n_regionkey = r_regionkey
    ORDER BY 1"""

TABLES: Mapping[str, str] = MappingProxyType(
    {
        "date": """
    SELECT CAST(strftime(day, '%Y%m%d') AS INTEGER) AS d_datekey, day AS d_date,
           dayname(day) AS d_dayofweek, monthname(day) AS d_month, year(day) AS d_year,
           year(day) * 100 + month(day) AS d_yearmonthnum, strftime(day, '%b%Y') AS d_yearmonth,
           dayofweek(day) + 1 AS d_daynuminweek, dayofmonth(day) AS d_daynuminmonth,
           dayofyear(day) AS d_daynuminyear, month(day) AS d_monthnuminyear,
           (dayofyear(day) - 1) // 7 + 1 AS d_weeknuminyear
    FROM (SELECT CAST(unnest(generate_series(DATE '1992-01-01', DATE '1998-12-31',
                                             INTERVAL 1 DAY)) AS DATE) AS day)""",
        "customer": _PLACE.format(p="c", key="custkey", table="customer", more=", c_mktsegment"),
        "supplier": _PLACE.format(p="s", key="suppkey", table="supplier", more=""),
        "part": """
    SELECT p_partkey, p_name, 'MFGR#' || right(p_mfgr, 1) AS p_mfgr,
           'MFGR#' || right(p_brand, 2) AS p_category,
           'MFGR#' || right(p_brand, 2) || (p_partkey % 40 + 1) AS p_brand1,
           split_part(p_name, ' ', 1) AS p_color, p_type, p_size, p_container
    FROM part ORDER BY 1""",
        "lineorder": """
    SELECT l_orderkey AS lo_orderkey, l_linenumber AS lo_linenumber, o_custkey AS lo_custkey,
           l_partkey AS lo_partkey, l_suppkey AS lo_suppkey,
           CAST(strftime(o_orderdate, '%Y%m%d') AS INTEGER) AS lo_orderdate,
           o_orderpriority AS lo_orderpriority, o_shippriority AS lo_shippriority,
           CAST(l_quantity AS INTEGER) AS lo_quantity,
           CAST(l_extendedprice * 100 AS BIGINT) AS lo_extendedprice,
           CAST(o_totalprice * 100 AS BIGINT) AS lo_ordtotalprice,
           CAST(l_discount * 100 AS INTEGER) AS lo_discount,
           CAST(l_extendedprice * (1 - l_discount) * 100 AS BIGINT) AS lo_revenue,
           CAST(l_extendedprice * 60 / l_quantity AS BIGINT) AS lo_supplycost,
           CAST(l_tax * 100 AS INTEGER) AS lo_tax,
           CAST(strftime(l_commitdate, '%Y%m%d') AS INTEGER) AS lo_commitdate,
           l_shipmode AS lo_shipmode
    FROM lineitem JOIN orders ON l_orderkey = o_orderkey
    ORDER BY l_orderkey, l_linenumber""",
    }
)
"""The tables, each as a query over TPC-H's tables."""

_JOINS = {
    "d": "JOIN date ON lo_orderdate = d_datekey",
    "c": "JOIN customer ON lo_custkey = c_custkey",
    "s": "JOIN supplier ON lo_suppkey = s_suppkey",
    "p": "JOIN part ON lo_partkey = p_partkey",
}
_CITIES = "('UNITED KI1', 'UNITED KI5')"
_AMERICA = "c_region = 'AMERICA' AND s_region = 'AMERICA'"
_MFGR = "p_mfgr IN ('MFGR#1', 'MFGR#2')"


def _flight(
    dimensions: str, measure: str, condition: str, groups: str = "", order: str = ""
) -> str:
    joins = " ".join(_JOINS[dimension] for dimension in dimensions)
    columns = f"{groups}, " if groups else ""
    grouped = f" GROUP BY {groups} ORDER BY {order or groups}" if groups else ""
    return f"SELECT {columns}{measure} FROM lineorder {joins} WHERE {condition}{grouped}"


_GAIN = "sum(lo_extendedprice * lo_discount) AS revenue"
_REVENUE = "sum(lo_revenue) AS revenue"
_PROFIT = "sum(lo_revenue - lo_supplycost) AS profit"
_BY_TIME = "d_year, revenue DESC"

QUERIES: Mapping[str, str] = MappingProxyType(
    {
        "q1.1": _flight(
            "d", _GAIN, "d_year = 1993 AND lo_discount BETWEEN 1 AND 3 AND lo_quantity < 25"
        ),
        "q1.2": _flight(
            "d",
            _GAIN,
            "d_yearmonthnum = 199401 AND lo_discount BETWEEN 4 AND 6 "
            "AND lo_quantity BETWEEN 26 AND 35",
        ),
        "q1.3": _flight(
            "d",
            _GAIN,
            "d_weeknuminyear = 6 AND d_year = 1994 AND lo_discount BETWEEN 5 AND 7 "
            "AND lo_quantity BETWEEN 26 AND 35",
        ),
        "q2.1": _flight(
            "dps", _REVENUE, "p_category = 'MFGR#12' AND s_region = 'AMERICA'", "d_year, p_brand1"
        ),
        "q2.2": _flight(
            "dps",
            _REVENUE,
            "p_brand1 BETWEEN 'MFGR#2221' AND 'MFGR#2228' AND s_region = 'ASIA'",
            "d_year, p_brand1",
        ),
        "q2.3": _flight(
            "dps", _REVENUE, "p_brand1 = 'MFGR#2239' AND s_region = 'EUROPE'", "d_year, p_brand1"
        ),
        "q3.1": _flight(
            "dcs",
            _REVENUE,
            "c_region = 'ASIA' AND s_region = 'ASIA' AND d_year BETWEEN 1992 AND 1997",
            "c_nation, s_nation, d_year",
            _BY_TIME,
        ),
        "q3.2": _flight(
            "dcs",
            _REVENUE,
            "c_nation = 'UNITED STATES' AND s_nation = 'UNITED STATES' "
            "AND d_year BETWEEN 1992 AND 1997",
            "c_city, s_city, d_year",
            _BY_TIME,
        ),
        "q3.3": _flight(
            "dcs",
            _REVENUE,
            f"c_city IN {_CITIES} AND s_city IN {_CITIES} AND d_year BETWEEN 1992 AND 1997",
            "c_city, s_city, d_year",
            _BY_TIME,
        ),
        "q3.4": _flight(
            "dcs",
            _REVENUE,
            f"c_city IN {_CITIES} AND s_city IN {_CITIES} AND d_yearmonth = 'Dec1997'",
            "c_city, s_city, d_year",
            _BY_TIME,
        ),
        "q4.1": _flight("dcsp", _PROFIT, f"{_AMERICA} AND {_MFGR}", "d_year, c_nation"),
        "q4.2": _flight(
            "dcsp",
            _PROFIT,
            f"{_AMERICA} AND d_year IN (1997, 1998) AND {_MFGR}",
            "d_year, s_nation, p_category",
        ),
        "q4.3": _flight(
            "dcsp",
            _PROFIT,
            "c_region = 'AMERICA' AND s_nation = 'UNITED STATES' AND d_year IN (1997, 1998) "
            "AND p_category = 'MFGR#14'",
            "d_year, s_city, p_brand1",
        ),
    }
)
"""The queries, flights 1 to 4: more and more dimensions, more and more selective."""
