"""`python3 -m course_lib COMMAND`: check the Python, then run the command.

Plain enough for Python 2.7 to read, so that an old Python is told what is wrong.
"""
import sys

OLDEST = (3, 11)
TOO_OLD = """course: needs Python >= {0}.{1}, and this is Python {2}.{3} ({4}).
Run the same command with a newer one, for example `python3.12 -m course_lib lab`
(Windows: `py -3.12 -m course_lib lab`). Python comes from https://www.python.org/downloads/ ;
uv fetches one by itself: `uv run course lab`.
"""


def main(words=None):
    """Run the command that `words` (default: the command line) name; return its exit status."""
    if sys.version_info < OLDEST:
        version = OLDEST + tuple(sys.version_info[:2]) + (sys.executable,)
        sys.stderr.write(TOO_OLD.format(*version))
        return 1
    from course_lib.commands import run

    return run(sys.argv[1:] if words is None else words)


if __name__ == "__main__":
    sys.exit(main())
