"""Carry out what a message advises."""

import os
import re
import subprocess
import sys
from pathlib import Path

BIN = str(Path(sys.executable).parent)


def carried_out(message, output="rows.parquet"):
    """Run the command that a message gives, in the working folder; the file to read then, or what it wrote."""
    command = re.search(r"(?:python3|cat|\w+ -dc|unzip|tar -xOf|sqlite3|grep|iconv|duckdb|jq) .*", message)[0]
    command = re.sub(r" \((if |tar -tf|sqlite3 ).*\)$", "", command)
    command = command.replace("negprep train", "negprep train --num-neg 1 --holdout none --quiet").replace(
        "OUTPUT", output
    )
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, env=environment, capture_output=True)
    if "| negprep train" in command:
        return output
    after = re.search(r"> (\S+)$", command)
    return after[1] if after else re.findall(r'"([^"]+\.(?:parquet|csv))"', command)[-1]
