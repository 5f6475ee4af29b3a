#!/bin/bash
# A line of CSV for each report in results/.
set -euo pipefail
echo seed,samples,accuracy,seconds
for report in results/*.json; do
    python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
print(r["instance"]["seed"], r["levels"][0]["samples"], r["test"]["accuracy"], round(r["seconds"], 3), sep=",")' "$report"
done | sort -t, -n -k1 -k2
