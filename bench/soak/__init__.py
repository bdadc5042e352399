"""Soak: calls that begin and end all the time, for long, and whether anything grows meanwhile.

python -m bench.soak [--minutes 30] [--calls 50] [--mean 60] [--out out/soak] [--json]

module    holds
churn     callers who come, stay for a while, go, and are followed by the next; what each of them heard
gauge     what every role has in memory and open, looked at every few seconds
series    whether a series of such looks grows; pure
verdict   what a soak is held to; pure
page      the series as one HTML file
run       all of it: system, callers, looks, the end, the report
"""
