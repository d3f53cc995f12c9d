"""Units of time, in microseconds (rule R1)."""

US_PER_MS = 1_000
US_PER_S = 1_000_000
HOUR_US = 3600 * US_PER_S
DAY_US = 24 * HOUR_US
