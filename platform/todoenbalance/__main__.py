"""``python -m todoenbalance`` is the command line."""

from todoenbalance.cli import main

if __name__ == "__main__":
    main()
