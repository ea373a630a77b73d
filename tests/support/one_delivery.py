"""A worker process that begins one row of the queue by the worker's own task, and ends: one that can be killed."""

import sys

from todoenbalance.worker import deliver

if __name__ == "__main__":
    deliver(sys.argv[1], int(sys.argv[2]))
