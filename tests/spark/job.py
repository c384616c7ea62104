"""A run of negprep on a cluster, as a process whose steps another can follow: `job.py MASTER LOG OUT OPTIONS`."""

import json
import sys

import negprep.spark
from negprep import NegprepError, Options


def show(step, done, total):
    print(step, done, total or 0, flush=True)


if __name__ == "__main__":
    master, source, target, options = sys.argv[1:]
    conf = {"spark.executor.memory": "640m", "spark.driver.memory": "640m", "spark.sql.shuffle.partitions": "4"}
    conf |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.executor.cores": "1"}
    try:
        chosen = Options(**json.loads(options))
        negprep.spark.prepare(source, target, chosen, master=master, conf=conf, progress=show)
    except NegprepError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
