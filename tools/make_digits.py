"""Make course_lib/assets/digits.npz from scikit-learn's copy of the UCI optical digits.

    pip download --no-deps scikit-learn
    unzip scikit_learn-*.whl sklearn/datasets/data/digits.csv.gz
    python tools/make_digits.py sklearn/datasets/data/digits.csv.gz

Two runs give the same bytes. Where the digits come from: course_lib/assets/README.md.
"""

import argparse
import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent.parent / "course_lib" / "assets" / "digits.npz"
SOURCE_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"


def read_table(path):
    """Return images (1797, 8, 8) with values 0 to 16 and labels (1797,), both uint8."""
    packed = Path(path).read_bytes()
    found = hashlib.sha256(packed).hexdigest()
    if found != SOURCE_SHA256:
        raise SystemExit(f"{path}: expected sha256 {SOURCE_SHA256}, found {found}")
    table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",").astype(np.uint8)
    return table[:, :64].reshape(-1, 8, 8), table[:, 64]


def write_npz(path, **arrays):
    """Like numpy.savez_compressed, but with a fixed date, so that the bytes repeat."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1998, 7, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="digits.csv.gz of scikit-learn")
    images, labels = read_table(parser.parse_args(argv).table)
    write_npz(TARGET, images=images, labels=labels)
    print(f"{TARGET}: {len(images)} images, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
