"""Data: what is right comes back right, and every kind of bad file gets a message that says so.

The IDX reader is held against a writer of five lines here, the enlarging against Pillow, the
downloads against a server on this machine that misbehaves in every way we could think of.
"""

import gzip
import hashlib
import http.server
import importlib.util
import io
import os
import struct
import threading
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from course_lib import data, idx, image_folder
from course_lib.commands import data as command
from course_lib.data import (
    DataError,
    enlarge,
    load_digits,
    load_idx_pair,
    load_image_folder,
    load_mnist,
    load_small_digits,
    make_lines,
    read_idx,
    write_image_folder,
)

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    """The oracle: an array in IDX form, written with struct."""
    kind = np.dtype(array.dtype).str[1:]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[kind], array.ndim, *array.shape)
    return header + array.astype(f">{kind}").tobytes()


SMALL = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
SMALL_BYTES = idx_bytes(SMALL)  # 16 bytes of header, 30 of pixels


def refused(path, content, match, **arguments):
    """The reader refuses `content` with a message that holds the file's name and `match`."""
    path.write_bytes(content)
    with pytest.raises(DataError, match=match) as caught:
        read_idx(path, **arguments)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.idx"


# ---- the IDX reader -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(1,), (7,), (2, 3), (2, 3, 5), (2, 1, 3, 4)], ids=str)
def test_every_type_and_shape_is_read_back(path, rng, kind, packed, shape):
    array = (rng.normal(size=shape) * 50).astype(kind)
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if packed else content)
    read = read_idx(path)
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype and read.dtype.isnative and read.flags.writeable


def test_gzip_in_several_members_is_one_file(path):
    path.write_bytes(gzip.compress(SMALL_BYTES[:20]) + gzip.compress(SMALL_BYTES[20:]))
    np.testing.assert_array_equal(read_idx(path), SMALL)


BAD_CONTENT = {
    "empty": (b"", r"byte 0: expected the magic number.*found nothing"),
    "one byte": (b"\0", r"byte 0: expected the magic number.*found 00 "),
    "web page": (b"<!DOCTYPE html><html>", r"00 00 TYPE DIMENSIONS, found 3c 21 44 4f.*web page"),
    "other magic": (b"\1\0\x08\1" + bytes(8), r"byte 0: expected .* found 01 00 08 01"),
    "type": (b"\0\0\x07\1" + bytes(8), r"byte 2 \(the type\): expected 08 \(ubyte\).*; found 07"),
    "no dimensions": (b"\0\0\x08\0\x05", r"byte 3 .*: expected 1 to 32, found 0"),
    "dimensions": (b"\0\0\x08\x21" + bytes(200), r"byte 3 .*: expected 1 to 32, found 33"),
    "cut header": (SMALL_BYTES[:10], r"header ends at byte 10: expected 3 sizes.*up to byte 16"),
    "size 0": (idx_bytes(SMALL[:, :0]), r"byte 8 \(a size\): expected at least 1, found 0"),
    "no pixels": (SMALL_BYTES[:16], r"promises 2 x 3 x 5 values, 30 bytes from byte 16.* found"),
    "one short": (SMALL_BYTES[:-1], r"30 bytes from byte 16 on, found (only )?29 bytes"),
    "one more": (SMALL_BYTES + b"!", r"30 bytes from byte 16 on, found (more|31 bytes)"),
    "forged": (
        SMALL_BYTES[:4] + b"\xff" * 12 + bytes(9),
        r"promises 4294967295 x 4294967295 x 4294967295 values.*limit of 1,073,741,824",
    ),
    "forged below the limit": (
        b"\0\0\x08\1\x3f\xff\xff\xff" + bytes(9),
        r"1,073,741,823 bytes from byte 8 on, found (only )?9 bytes",
    ),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", BAD_CONTENT)
def test_bad_content_is_refused_with_place_expected_and_found(path, kind, packed):
    content, match = BAD_CONTENT[kind]
    refused(path, gzip.compress(content) if packed else content, match)


def test_expected_sizes_are_checked_in_the_header(path):
    match = r"bytes 4 to 15 \(the sizes\): expected 2 x 5 x 3, found 2 x 3 x 5"
    refused(path, SMALL_BYTES, match, shape=(2, 5, 3))


def test_another_content_is_refused_by_its_checksum(path):
    right = hashlib.sha256(SMALL_BYTES).hexdigest()
    changed = SMALL_BYTES[:-1] + b"\0"
    found = hashlib.sha256(changed).hexdigest()
    refused(path, changed, f"expected sha256 {right}, found {found}", sha256=right)
    path.write_bytes(gzip.compress(SMALL_BYTES))
    np.testing.assert_array_equal(read_idx(path, sha256=right), SMALL)


PACKED = gzip.compress(SMALL_BYTES, mtime=0)
BAD_GZIP = {
    "cut": (PACKED[:-12], r"damaged after \d+ unpacked bytes"),
    "cut in the trailer": (PACKED[:-4], r"damaged after \d+ unpacked bytes.*end-of-stream"),
    "only the magic": (b"\x1f\x8b", r"damaged after 0 unpacked bytes"),
    "wrong CRC": (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], r"damaged after \d+ .*CRC"),
    "garbage inside": (b"\x1f\x8b\x08" + bytes(range(60, 120)), r"damaged after 0 unpacked bytes"),
    "another method": (b"\x1f\x8b\x01" + PACKED[3:], r"damaged after 0 .*[Mm]ethod"),
    "garbage behind": (PACKED + b"garbage", r"damaged after \d+ .*[Nn]ot a gzipped file"),
}


@pytest.mark.parametrize("kind", BAD_GZIP)
def test_damaged_gzip_is_refused(path, kind):
    refused(path, *BAD_GZIP[kind])


def test_folder_missing_file_and_broken_link_are_named(tmp_path):
    with pytest.raises(DataError, match=r"expected a file, found a folder"):
        read_idx(tmp_path)
    with pytest.raises(DataError, match=r"absent\.idx: no such file"):
        read_idx(tmp_path / "absent.idx")
    with pytest.raises(DataError, match=r"no such file"):
        read_idx(tmp_path / "null\0byte")
    with pytest.raises(DataError, match="name too long|no such file"):
        read_idx(tmp_path / ("x" * 5000))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_does_not_hang(path):
    os.mkfifo(path)
    with pytest.raises(DataError, match="expected a regular file, found a device"):
        read_idx(path)


def test_what_the_system_refuses_is_passed_on(path, monkeypatch):
    path.write_bytes(SMALL_BYTES)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(idx, "_open", refuse)
    with pytest.raises(DataError, match=r"some\.idx: cannot be read: Permission denied"):
        read_idx(path)


def peak_bytes(action):
    tracemalloc.start()
    try:
        action()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def test_a_gzip_bomb_stops_one_byte_after_the_promised_size(path):
    bomb = gzip.compress(SMALL_BYTES + bytes(200_000_000), 1)
    assert len(bomb) < 2_000_000
    found = r"30 bytes from byte 16 on, found more"
    assert peak_bytes(lambda: refused(path, bomb, found)) < 4_000_000


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_forged_size_allocates_nothing(path, pack):
    forged = pack(b"\0\0\x08\1\x3f\xff\xff\xff" + bytes(100))
    assert peak_bytes(lambda: refused(path, forged, "found (only )?100 bytes")) < 1_000_000


def test_the_length_of_a_plain_file_is_checked_before_reading(path):
    with open(path, "wb") as file:
        file.write(struct.pack(">BBBBI", 0, 0, 8, 1, 50_000_000))
        file.truncate(8 + 50_000_001)

    def attempt():
        with pytest.raises(DataError, match="from byte 8 on, found 50,000,001 bytes"):
            read_idx(path)

    assert peak_bytes(attempt) < 1_000_000


@pytest.mark.parametrize("count", [0, 31, idx.CHUNK_BYTES, idx.CHUNK_BYTES + 1])
def test_no_byte_is_read_beyond_the_asked_ones(count):
    stream = io.BytesIO(bytes(3 * idx.CHUNK_BYTES))
    assert len(idx._read_at_most(stream, count)) == count == stream.tell()


def check_only_data_error(path, content):
    """Reading either fails with DataError or returns what a plain look at the bytes returns."""
    path.write_bytes(content)
    result = []

    def attempt():
        try:
            result.append(read_idx(path))
        except DataError as error:
            assert str(error).startswith(f"{path}: ")

    assert peak_bytes(attempt) < 1_000_000
    for array in result:
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        assert idx_bytes(array)[2:] == plain[2:]


@pytest.fixture(scope="module")
def fuzz_path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "fuzz.idx"


@given(st.binary(max_size=64), st.booleans())
def test_random_bytes_never_do_harm(fuzz_path, content, magic):
    check_only_data_error(fuzz_path, (b"\0\0" if magic else b"") + content)


@given(
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=4),
    st.integers(0, 70),
    st.binary(max_size=3),
)
def test_damaged_files_never_do_harm(fuzz_path, packed, changes, keep, extra):
    content = bytearray(PACKED if packed else SMALL_BYTES)
    for place, value in changes:
        content[place % len(content)] = value
    check_only_data_error(fuzz_path, bytes(content[:keep]) + extra)


@given(st.lists(st.tuples(st.integers(0, 45), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_under_a_correct_gzip_never_does_harm(fuzz_path, changes):
    content = bytearray(SMALL_BYTES)
    for place, value in changes:
        content[place] = value
    check_only_data_error(fuzz_path, gzip.compress(bytes(content)))


# ---- pairs of files -------------------------------------------------------------------------


def write_pair(folder, images, labels):
    paths = folder / "images.idx", folder / "labels.idx"
    for path, array in zip(paths, (images, labels)):
        path.write_bytes(idx_bytes(np.asarray(array)))
    return paths


def test_pair_returns_scaled_images_and_integer_labels(tmp_path):
    images, labels = load_idx_pair(*write_pair(tmp_path, SMALL, np.array([9, 0], np.uint8)))
    assert images.shape == (2, 1, 3, 5) and images.dtype == np.float32
    np.testing.assert_array_equal(images[:, 0], (SMALL / 255).astype(np.float32))
    assert labels.tolist() == [9, 0] and labels.dtype == np.int64


@pytest.mark.parametrize(
    "images, labels, match",
    [
        (SMALL, np.zeros(3, np.uint8), r"images\.idx holds 2 images, but .*labels\.idx holds 3"),
        (
            SMALL,
            np.array([3, 10], np.uint8),
            r"labels.idx: label 1 \(byte 9\): expected 0 to 9, found 10",
        ),
        (
            SMALL[0],
            np.zeros(3, np.uint8),
            r"images\.idx: expected 3 dim.* of ubyte, found 2 of uint8",
        ),
        (SMALL, SMALL[0, :2], r"labels\.idx: expected 1 dim.* of ubyte, found 2 of uint8"),
        (SMALL.astype("f4"), np.zeros(2, np.uint8), r"images\.idx: .* found 3 of float32"),
    ],
)
def test_pair_that_does_not_fit_is_refused(tmp_path, images, labels, match):
    with pytest.raises(DataError, match=match):
        load_idx_pair(*write_pair(tmp_path, images, labels))


def test_pair_with_more_classes_is_a_choice(tmp_path):
    paths = write_pair(tmp_path, SMALL, np.array([46, 0], np.uint8))
    assert load_idx_pair(*paths, classes=47)[1].max() == 46
    with pytest.raises(ValueError, match="classes must be a whole number, at least 1, got 0"):
        load_idx_pair(*paths, classes=0)


# ---- MNIST: where it is looked for ----------------------------------------------------------


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """MNIST in small: the same four names, 6 and 4 images of 3x5. Returns name -> content."""
    rng = np.random.default_rng(1)
    contents, files = {}, {}
    for name, file in data.MNIST_FILES.items():
        sizes = (6 if "train" in name else 4,) + (3, 5) * (len(file.sizes) == 3)
        content = idx_bytes(rng.integers(0, 10, sizes).astype(np.uint8))
        contents[name] = content
        sums = (hashlib.sha256(c).hexdigest() for c in (gzip.compress(content, mtime=0), content))
        files[name] = data.MnistFile(sizes, *sums)
    monkeypatch.setattr(data, "MNIST_FILES", files)
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("COURSE_DATA", raising=False)
    return contents


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "mnist"


def put(folder, contents, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        file = folder / (name + ".gz" * packed)
        file.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return folder


def changed(contents):
    """The same files with one other pixel each: to tell which folder was read."""
    return {name: content[:-1] + bytes([content[-1] ^ 1]) for name, content in contents.items()}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("dotted", [False, True], ids=["dash", "dot"])
def test_all_spellings_are_accepted(tiny, tmp_path, packed, dotted):
    spelled = {name.replace("-idx", ".idx") if dotted else name: tiny[name] for name in tiny}
    digits = load_mnist(put(tmp_path / "here", spelled, packed))
    assert [array.shape for array in digits[:4]] == [(6, 1, 3, 5), (6,), (4, 1, 3, 5), (4,)]
    images = np.frombuffer(tiny["train-images-idx3-ubyte"][16:], np.uint8)
    np.testing.assert_array_equal(np.rint(digits.train_images * 255).ravel(), images)
    assert digits.test_labels.tolist() == list(tiny["t10k-labels-idx1-ubyte"][8:])
    assert repr(digits) == "Digits(MNIST: 6 training and 4 test images, 1x3x5)"


def test_argument_before_variable_before_cache(tiny, tmp_path, cache, monkeypatch):
    put(cache, tiny)
    assert data.mnist_folder() == (cache, "cache") and load_mnist().name == "MNIST"
    put(tmp_path / "variable", changed(tiny))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "variable"))
    assert data.mnist_folder() == (tmp_path / "variable", "COURSE_DATA")
    with pytest.raises(DataError, match=r"variable.*expected sha256"):
        load_mnist()
    assert data.mnist_folder(cache) == (cache, "argument") and load_mnist(cache).name == "MNIST"
    monkeypatch.setenv("COURSE_DATA", "")
    assert data.mnist_folder() == (cache, "cache")


def test_incomplete_variable_is_an_error_even_beside_a_full_cache(
    tiny, tmp_path, cache, monkeypatch
):
    put(cache, tiny)
    here = put(tmp_path / "variable", {"t10k-labels-idx1-ubyte": tiny["t10k-labels-idx1-ubyte"]})
    monkeypatch.setenv("COURSE_DATA", str(here))
    monkeypatch.setattr(data, "_fetch", None)  # would fail if called
    three = (
        r"train-images-idx3-ubyte\.gz, train-labels-idx1-ubyte\.gz, t10k-images-idx3-ubyte\.gz\."
    )
    for load in (load_mnist, load_digits, lambda: load_mnist(download=True)):
        with pytest.raises(DataError, match=rf"variable .*COURSE_DATA.*missing {three}"):
            load()


def test_missing_files_are_named_with_what_to_do(tiny, tmp_path, cache):
    with pytest.raises(
        DataError, match=r"cache.mnist: .*missing.*`python3 -m course_lib data` down"
    ):
        load_mnist()
    with pytest.raises(DataError, match=r"course_lib data --folder .*here` downloads.*by hand"):
        load_mnist(tmp_path / "here")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"expected a folder with the four files.*found a file"):
        load_mnist(tmp_path / "file")


def test_folder_in_the_place_of_a_file(tiny, tmp_path):
    here = put(tmp_path / "here", tiny, packed=False)
    (here / "train-images-idx3-ubyte").unlink()
    (here / "train-images-idx3-ubyte").mkdir()
    with pytest.raises(
        DataError, match=r"train-images-idx3-ubyte: expected a file, found a folder"
    ):
        load_mnist(here)
    (here / "train-images.idx3-ubyte").write_bytes(tiny["train-images-idx3-ubyte"])
    assert len(load_mnist(here).train_images) == 6  # as the archive of one well-known site unpacks


def test_swapped_files_are_refused_by_their_header(tiny, tmp_path):
    tiny["train-labels-idx1-ubyte"] = tiny["t10k-labels-idx1-ubyte"]
    with pytest.raises(DataError, match=r"train-labels.*\(the sizes\): expected 6, found 4"):
        load_mnist(put(tmp_path / "here", tiny))


def test_digits_fall_back_in_one_line_only_without_mnist(tiny, cache, capsys):
    digits = load_digits()
    out, err = capsys.readouterr()
    assert digits.name == "small digits" and digits.train_images.shape == (1415, 1, 28, 28)
    assert out.count("\n") == 1 and "small digits" in out and "MNIST is not on this" in out
    assert err == ""
    said = []
    load_digits(announce=said.append)
    assert len(said) == 1 and capsys.readouterr() == ("", "")
    put(cache, tiny)
    assert load_digits().name == "MNIST" and capsys.readouterr().out == ""
    put(cache, changed(tiny))
    with pytest.raises(DataError, match="expected sha256"):
        load_digits()
    (cache / "t10k-labels-idx1-ubyte.gz").unlink()  # as after an interrupted download
    assert load_digits().name == "small digits" and "small digits" in capsys.readouterr().out


def test_digits_from_a_named_folder_never_fall_back(tiny, tmp_path):
    with pytest.raises(DataError, match="expected the four files of MNIST"):
        load_digits(tmp_path / "absent")
    assert load_digits(put(tmp_path / "here", tiny)).name == "MNIST"


def test_real_mnist(mnist):
    assert repr(mnist) == "Digits(MNIST: 60,000 training and 10,000 test images, 1x28x28)"
    assert np.bincount(mnist.test_labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    for images in (mnist.train_images, mnist.test_images):
        assert images.dtype == np.float32 and images.min() == 0 and images.max() == 1
    assert abs(mnist.train_images.mean(dtype=np.float64) - 0.1307) < 5e-5  # the well-known mean


# ---- MNIST: downloads -----------------------------------------------------------------------


class Mirror(http.server.ThreadingHTTPServer):
    """A server on this machine; `behave(handler, content)` answers every request."""

    daemon_threads = True

    def __init__(self, contents, behave):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave, self.asked, self.closing = behave, [], threading.Event()
        self.archives = {f"/{name}.gz": gzip.compress(c, mtime=0) for name, c in contents.items()}
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.closing.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        try:
            self.server.behave(self, self.server.archives[self.path])
        except OSError:  # the client has gone
            pass

    def answer(self, content, length=None, **headers):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def good(handler, content):
    handler.answer(content)


def unpacking(handler, content):
    """A server that offers to unpack: harmless as long as nobody takes the offer."""
    if "gzip" in handler.headers.get("Accept-Encoding", ""):
        handler.answer(content, Content_Encoding="gzip")
    else:
        handler.answer(content)


def missing(handler, content):
    handler.send_error(404)


def corrupt(handler, content):
    handler.answer(content[:-1] + b"!")


def cut(handler, content):
    handler.answer(content[: len(content) // 2], length=len(content))


def short(handler, content):
    handler.answer(content[: len(content) // 2])


def web_page(handler, content):
    handler.answer(b"<html>Please log in to the network</html>", Content_Type="text/html")


def stalled(handler, content):
    handler.answer(content[:10], length=len(content))
    handler.server.closing.wait(30)


def dripping(handler, content):
    handler.answer(b"", length=10**9)
    while not handler.server.closing.wait(0.02):
        handler.wfile.write(bytes(1024))


def endless(handler, content):
    handler.answer(b"", length=10**12)
    while not handler.server.closing.is_set():
        handler.wfile.write(bytes(2**20))


def nonsense(handler, content):
    handler.wfile.write(b"220 this is no web server\r\n\r\n")


@pytest.fixture
def serve(tiny, monkeypatch):
    """Start mirrors that behave as named and make them the only ones."""
    servers = []

    def start(*behaviours):
        servers[:] = [Mirror(tiny, behave) for behave in behaviours]
        monkeypatch.setattr(data, "MIRRORS", tuple(server.url for server in servers))
        return servers

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(data, "STALL_SECONDS", 1)
    monkeypatch.setattr(data, "FILE_SECONDS", 1)
    monkeypatch.setattr(data, "ARCHIVE_BYTES", 5_000_000)
    yield start
    for server in servers:
        server.close()


def listing(folder):
    return sorted(file.name for file in folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("behave", [good, unpacking])
def test_download_fills_the_cache_once(serve, cache, tiny, behave):
    (server,) = serve(behave)
    with pytest.raises(DataError, match="missing"):
        load_mnist()
    assert server.asked == [] and not cache.exists()  # nothing is fetched unasked
    assert load_mnist(download=True).name == "MNIST"
    assert listing(cache) == sorted(f"{name}.gz" for name in tiny)
    load_mnist(download=True)
    load_mnist()
    assert len(server.asked) == 4
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in cache.iterdir())


BAD_MIRRORS = {
    missing: "HTTPError: 404",
    corrupt: "ValueError: SHA256 hash of downloaded file .* does not match",
    cut: "IncompleteRead|does not match",
    short: "does not match",
    web_page: "does not match",
    stalled: "[Tt]imed out",
    dripping: "OSError: the answer comes too slowly",
    endless: "OSError: the answer is longer than any archive",
    nonsense: "ConnectionError",
}


@pytest.mark.parametrize("behave", BAD_MIRRORS, ids=lambda behave: behave.__name__)
def test_bad_mirrors_end_in_a_clear_error_and_an_empty_cache(serve, cache, behave):
    (server,) = serve(behave)
    with pytest.raises(DataError, match=BAD_MIRRORS[behave]) as caught:
        load_mnist(download=True)
    assert listing(cache) == []
    message = str(caught.value)
    assert message.startswith("train-images-idx3-ubyte.gz: no mirror delivered it")
    assert server.url in message and f"by hand and put it into {cache}" in message


@pytest.mark.parametrize("behave", BAD_MIRRORS, ids=lambda behave: behave.__name__)
def test_the_next_mirror_takes_over(serve, cache, tiny, behave):
    bad, second = serve(behave, good)
    put(cache, tiny)
    (cache / "t10k-images-idx3-ubyte.gz").unlink()
    assert load_mnist(download=True).name == "MNIST"
    assert set(bad.asked) == {"/t10k-images-idx3-ubyte.gz"} and len(second.asked) == 1


def test_offline_names_every_mirror(serve, cache):
    first, second = serve(good, good)
    first.close()
    second.close()
    with pytest.raises(DataError, match="ConnectionError") as caught:
        load_mnist(download=True)
    assert first.url in str(caught.value) and second.url in str(caught.value)
    assert listing(cache) == []


def test_download_replaces_damaged_files_and_leaves_good_ones(serve, tmp_path, tiny):
    (server,) = serve(good)
    here = put(tmp_path / "here", tiny, packed=False)
    (here / "t10k-labels-idx1-ubyte").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: byte 0"):
        load_mnist(here)
    assert load_mnist(here, download=True).name == "MNIST"
    assert server.asked == ["/t10k-labels-idx1-ubyte.gz"]
    put(here, {"t10k-labels-idx1-ubyte": b"damaged"})
    assert load_mnist(here, download=True).name == "MNIST" and len(server.asked) == 2


def test_a_failed_replacement_keeps_what_was_there(serve, tmp_path, tiny):
    serve(corrupt)
    here = put(tmp_path / "here", tiny)
    (here / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    before = listing(here)
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz: no mirror delivered it"):
        load_mnist(here, download=True)
    assert listing(here) == before


def test_download_into_an_impossible_place(serve, tmp_path, tiny):
    serve(good)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"file.sub: cannot make this folder"):
        load_mnist(tmp_path / "file" / "sub", download=True)
    (tmp_path / "here" / "train-images-idx3-ubyte.gz").mkdir(parents=True)
    with pytest.raises(DataError, match=r"a folder is in the place of the file"):
        load_mnist(tmp_path / "here", download=True)


def test_cache_folder_is_the_users():
    folder = data.cache_folder()
    assert folder.is_absolute() and "cnn-from-scratch-course" in folder.parts
    assert Path.cwd() not in [folder, *folder.parents]


# ---- the command ----------------------------------------------------------------------------


def test_command_downloads_then_checks(serve, cache, capsys):
    (server,) = serve(good)
    assert command.main(["--check"]) == 1 and server.asked == []
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"course data: {cache}: expected the four files")
    assert command.main([]) == 0
    assert f"6 training and 4 test images, verified, in {cache}\n" in capsys.readouterr().out
    assert command.main(["--check"]) == 0 and len(server.asked) == 4


def test_command_with_folder_and_variable(serve, tmp_path, tiny, capsys, monkeypatch):
    serve(good)
    assert command.main(["--folder", str(tmp_path / "new")]) == 0
    assert len(listing(tmp_path / "new")) == 4
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "new"))
    capsys.readouterr()
    assert command.main([]) == 0
    assert capsys.readouterr().out.endswith("new (named by COURSE_DATA)\n")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "absent"))
    assert command.main([]) == 1 and not (tmp_path / "absent").exists()


def test_command_refuses_unknown_words(capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(["--verify"])
    assert caught.value.code == 2 and "--verify" in capsys.readouterr().err


# ---- small digits ---------------------------------------------------------------------------


def test_small_digits_are_the_uci_test_part():
    digits = load_small_digits()
    images = np.concatenate([digits.train_images, digits.test_images])
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    assert images.shape == (1797, 1, 8, 8) and images.dtype == np.float32
    assert labels.dtype == np.int64 and digits.name == "small digits"
    # As the repository's own description counts them.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # The table's first row, checked against scikit-learn's load_digits by eye.
    assert (images[0, 0, 0] * 16).tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert images.min() == 0 and images.max() == 1


def test_small_digits_are_cut_where_a_form_ends():
    """Each form repeats the list of digits of the last one, which is complete."""
    digits = load_small_digits()
    form = digits.test_labels[-130:]
    for part in (digits.train_labels, digits.test_labels):
        np.testing.assert_array_equal(part[:30], list(range(10)) * 3)  # as every form begins
    np.testing.assert_array_equal(digits.train_labels[-10:], form[-12:-2])  # this one lacks two
    assert len(digits.train_labels) == 1415
    assert np.bincount(digits.test_labels).min() >= 35


def test_small_digits_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="size must be 8 or 28, got 14"):
        load_small_digits(14)


def test_a_damaged_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "SMALL_DIGITS_FILE", tmp_path / "digits.npz")
    for content in (None, b"", b"PK\3\4 and no more", b"something else"):
        if content is not None:
            (tmp_path / "digits.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"digits\.npz: .*; install the course again"):
            load_small_digits()


def test_enlarged_digits_have_mnists_frame():
    small, large = load_small_digits(8), load_small_digits(28)
    assert large.train_images.shape == (1415, 1, 28, 28) and large.train_images.dtype == np.float32
    assert large.train_images.min() == 0 and large.train_images.max() == 1
    np.testing.assert_array_equal(large.test_labels, small.test_labels)
    inside = large.train_images[:, :, 4:24, 4:24].sum()
    assert inside / large.train_images.sum() > 0.97
    # Ink grows with the area.
    ratio = large.train_images.mean() * 28**2 / (small.train_images.mean() * 8**2)
    assert abs(ratio - 2.5**2) < 0.25  # the cut to 0 ... 1 adds a little


@pytest.mark.parametrize("H, W, size, border", [(8, 8, 28, 4), (5, 7, 30, 3), (4, 9, 12, 0)])
def test_enlarging_equals_pillows_bicubic(rng, H, W, size, border):
    images = rng.random((2, 3, H, W), dtype=np.float32) * 0.6 + 0.2
    large = enlarge(images, size, border)
    assert large.shape == (2, 3, size, size) and large.dtype == np.float32
    zeros = 8
    per_row, per_column = H / (size - 2 * border), W / (size - 2 * border)
    box = (
        zeros - border * per_column,
        zeros - border * per_row,
        zeros + W + border * per_column,
        zeros + H + border * per_row,
    )
    for image, enlarged in zip(images.reshape(-1, H, W), large.reshape(-1, size, size)):
        frame = Image.fromarray(np.pad(image, zeros))
        expected = np.asarray(frame.resize((size, size), Image.Resampling.BICUBIC, box))
        np.testing.assert_allclose(enlarged, np.clip(expected, 0, 1), atol=2e-6)


def test_the_maker_of_the_file_writes_the_same_bytes(tmp_path):
    """What it writes is what the package holds, and a second time the same bytes."""
    tool = Path(__file__).parent.parent / "tools" / "make_digits.py"
    specification = importlib.util.spec_from_file_location("make_digits", tool)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    with np.load(data.SMALL_DIGITS_FILE, allow_pickle=False) as file:
        module.write_npz(tmp_path / "again.npz", **file)
    again, shipped = dict(np.load(tmp_path / "again.npz")), dict(np.load(data.SMALL_DIGITS_FILE))
    assert list(again) == list(shipped) == ["images", "labels"]
    assert all(np.array_equal(again[name], shipped[name]) for name in shipped)
    before = (tmp_path / "again.npz").read_bytes()
    module.write_npz(tmp_path / "again.npz", **shipped)
    assert (tmp_path / "again.npz").read_bytes() == before
    (tmp_path / "other.csv.gz").write_bytes(b"other")
    with pytest.raises(SystemExit, match=r"other\.csv\.gz: expected sha256 09f66e6d.*, found"):
        module.read_table(tmp_path / "other.csv.gz")


# ---- lines ----------------------------------------------------------------------------------


def test_lines_are_whole_straight_and_inside(rng):
    images, labels = make_lines(rng, noise=0)
    assert images.shape == (240, 1, 8, 8) and images.dtype == np.float32
    assert labels.shape == (240,) and labels.dtype == np.int64
    assert np.all(images.sum(axis=(1, 2, 3)) == 8)
    columns = np.all(images[:, 0] == 1, axis=1)  # (N, W): this column is all ones
    rows = np.all(images[:, 0] == 1, axis=2)
    np.testing.assert_array_equal(columns.sum(axis=1), labels == 0)
    np.testing.assert_array_equal(rows.sum(axis=1), labels == 1)
    assert set(np.nonzero(columns)[1]) == set(np.nonzero(rows)[1]) == {1, 2, 3, 4, 5, 6}


def test_lines_are_balanced_in_both_parts_and_shuffled(rng):
    _, labels = make_lines(rng)
    assert labels[:200].sum() == 100 and labels[200:].sum() == 20
    firsts = labels[::2]
    assert 30 < firsts.sum() < 90  # 120 coin tosses, not a pattern
    assert abs(int(make_lines(rng, count=7)[1].sum()) * 2 - 7) == 1


def test_noise_has_the_asked_deviation(rng):
    images, _ = make_lines(rng, count=2000, noise=0.1)
    noise = images[images != 1]
    assert len(noise) == 2000 * 56
    assert abs(noise.mean()) < 2e-3 and abs(noise.std() - 0.1) < 2e-3


def test_lines_repeat_with_the_seed_and_change_with_it():
    draw = [make_lines(np.random.default_rng(seed))[0] for seed in (3, 3, 4)]
    assert np.array_equal(draw[0], draw[1]) and not np.array_equal(draw[0], draw[2])


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"count": 0}, "count must be a whole number, at least 1, got 0"),
        ({"count": 2.5}, "count must be a whole number, at least 1, got 2.5"),
        ({"size": 2}, "size must be a whole number, at least 3, got 2"),
        ({"noise": -0.1}, "noise must be a number, at least 0, got -0.1"),
        ({"noise": float("nan")}, "noise must be a number, at least 0, got nan"),
        ({"rng": 0}, r"rng must be np.random.default_rng\(seed\), got 0"),
    ],
)
def test_lines_refuse_wrong_arguments(rng, arguments, match):
    with pytest.raises(ValueError, match=f"make_lines: {match}"):
        make_lines(**{"rng": rng, **arguments})


# ---- image folders --------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "pictures"


def save(folder, name, pixels, **options):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(folder / name, **options)


def fill(folder, text, *names, shape=(3, 5)):
    """Write labels.txt and a grey image for each name."""
    folder.mkdir(exist_ok=True)
    (folder / "labels.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    for name in names:
        save(folder, name, np.full(shape, 51, np.uint8))


def folder_error(folder, *matches, **arguments):
    with pytest.raises(DataError) as caught:
        load_image_folder(folder, **arguments)
    for match in matches:
        assert match in str(caught.value), str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("channels, color", [(1, "grey"), (3, "rgb")])
def test_folder_comes_back_bit_for_bit(folder, rng, channels, color):
    pixels = rng.integers(0, 256, (7, channels, 5, 8))
    images = np.divide(pixels, 255, dtype=np.float32)
    labels = np.array([1, 0, 1, 1, 0, 1, 0])
    write_image_folder(folder, images, labels)
    read, read_labels, class_names = load_image_folder(folder, color=color)
    np.testing.assert_array_equal(read, images)
    assert read.dtype == np.float32 and read_labels.dtype == np.int64
    np.testing.assert_array_equal(read_labels, labels)
    assert class_names == ("0", "1")


def test_names_with_blanks_folders_and_unicode(folder, rng):
    images = np.divide(rng.integers(0, 256, (3, 1, 4, 6)), 255, dtype=np.float32)
    names = ["a b  c 1.png", "sub folder/ü.png", "x.PNG"]
    write_image_folder(folder, images, [2, 0, 1], class_names=["cat", "dog", "Yak"], names=names)
    text = (folder / "labels.txt").read_bytes()
    assert text == "a b  c 1.png Yak\nsub folder/ü.png cat\nx.PNG dog\n".encode()
    read, labels, class_names = load_image_folder(folder)
    np.testing.assert_array_equal(read, images)
    assert class_names == ("Yak", "cat", "dog") and labels.tolist() == [0, 1, 2]
    labels = load_image_folder(folder, class_names=["cat", "dog", "Yak", "eel"])[1]
    assert labels.tolist() == [2, 0, 1]


def test_windows_line_ends_byte_order_mark_tabs_and_empty_lines(folder):
    fill(folder, b"\xef\xbb\xbfa.png 0\r\n\r\n  \r\nb.png\t 1 \r\n", "a.png", "b.png")
    images, labels, _ = load_image_folder(folder)
    assert labels.tolist() == [0, 1] and images.shape == (2, 1, 3, 5)
    assert np.all(images == np.float32(0.2))


def test_numbers_stay_numbers_when_a_class_is_absent(folder):
    fill(folder, "a.png 5\nb.png 3\n", "a.png", "b.png")
    _, labels, class_names = load_image_folder(folder)
    assert labels.tolist() == [5, 3] and class_names == ("0", "1", "2", "3", "4", "5")
    for first, second in (("05", "1"), ("7", "1000"), ("-1", "1"), ("²", "1")):
        fill(folder, f"a.png {first}\nb.png {second}\n")
        _, labels, class_names = load_image_folder(folder)
        assert class_names == tuple(sorted([first, second]))
        assert [class_names[label] for label in labels] == [first, second]


def test_everything_wrong_is_reported_together_with_line_numbers(folder, tmp_path):
    save(tmp_path, "outside.png", np.zeros((3, 5), np.uint8))
    text = [
        "good.png 0",
        "absent.png 1",
        "../outside.png 1",
        "good.png 1",
        "wide.png 0",
        "text.png 0",
        "lonely",
        f"{tmp_path}/outside.png 0",
        "link.png 0",
        "sub 0",
    ]
    fill(folder, "\n".join(text), "good.png", "unnamed.png")
    save(folder, "wide.png", np.zeros((3, 6), np.uint8))
    (folder / "text.png").write_text("no image")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "sub").mkdir()
    message = folder_error(
        folder,
        "labels.txt: 11 problems:",
        "line 2: absent.png: no such file",
        "line 3: '../outside.png' leads out of the folder",
        "line 4: good.png: named a second time, first on line 1",
        "line 5: wide.png: expected 3x5 pixels as in good.png (line 1), found 3x6",
        "line 6: text.png: cannot be decoded: cannot identify image file",
        "line 7: expected `NAME CLASS`, found 'lonely'",
        "outside.png' leads out of the folder",
        "line 9: link.png: a link that leads out of the folder",
        "line 10: sub: expected an image file, found something else",
        "... and 1 more",
    )
    assert message.count("\n") == 11
    lines = [line for line in message.split("\n") if line.startswith("  line")]
    assert [int(line.split()[1][:-1]) for line in lines] == list(range(2, 11))


def test_images_without_a_line_are_an_error_unless_allowed(folder):
    fill(
        folder, "a.png 0\nsub/b.png 1\n", "a.png", "sub/b.png", "c.png", "sub/d.JPG", ".hidden.png"
    )
    (folder / "notes.md").write_text("not an image")
    message = folder_error(folder, "2 problems", "  c.png: an image without a line in labels.txt")
    assert "  sub/d.JPG: an image" in message
    assert len(load_image_folder(folder, allow_unlabelled=True)[0]) == 2


BAD_LABELS = {
    "empty": (b"", "expected one line `NAME CLASS` for each image, found no line"),
    "blank": (b" \n\r\n", "found no line"),
    "Latin-1": (b"a.png 0\nb\xe9.png 1\n", "line 2, byte 9: expected UTF-8, found 0xe9"),
    "UTF-16": ("a.png 0\n".encode("utf-16"), "line 1, byte 0: expected UTF-8, found 0xff"),
    "comma": (b"a.png,0\n", "line 1: expected `NAME CLASS`, found 'a.png,0'"),
    "null": (b"a\0.png 0\n", r"line 1: 'a\x00.png' is no portable file name"),
    "backslash": (b"sub\\a.png 0\n", r"line 1: 'sub\\a.png' is no portable file name"),
    "drive": (b"C:/a.png 0\n", "line 1: 'C:/a.png' leads out of the folder"),
    "network": (b"//host/share/a.png 0\n", "leads out of the folder"),
    "climbing": (b"sub/../../a.png 0\n", "line 1: 'sub/../../a.png' leads out of the folder"),
    "climbing on Windows": (b"sub\\..\\..\\a.png 0\n", "leads out of the folder"),
    "the folder itself": (b". 0\n", "line 1: '.' is no portable file name"),
    "long name": (b"x" * 5000 + b" 0\n", "line 1: xxx"),
    "device": (b"/dev/zero 0\n", "line 1: '/dev/zero' leads out of the folder"),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_bad_labels_are_refused(folder, kind):
    fill(folder, BAD_LABELS[kind][0])
    message = folder_error(folder, BAD_LABELS[kind][1])
    assert message.startswith(f"{folder / 'labels.txt'}: ")


def test_missing_folder_and_labels(folder):
    folder_error(folder, "pictures: expected a folder of images, found no folder")
    folder.mkdir()
    folder_error(folder, "labels.txt: no such file; expected one line `NAME CLASS`")
    folder_error(folder, "train.txt: no such file", labels_file="train.txt")


def test_labels_of_absurd_length_are_refused(folder, monkeypatch):
    monkeypatch.setattr(image_folder, "MAX_LABELS_BYTES", 10)
    fill(folder, "a.png 0\nb.png 0\n", "a.png", "b.png")
    folder_error(folder, "labels.txt: expected at most 10 bytes, found 16")


def test_two_links_to_one_image_are_duplicates(folder):
    fill(folder, "a.png 0\n./a.png 0\nb.png 1\n", "a.png")
    (folder / "b.png").symlink_to("a.png")
    folder_error(folder, "line 2: ./a.png: named a second", "line 3: b.png: named a second time")


def test_a_loop_of_links_is_reported(folder):
    fill(folder, "a.png 0\n")
    (folder / "a.png").symlink_to("b.png")
    (folder / "b.png").symlink_to("a.png")
    assert "line 1: a.png: " in folder_error(folder, "1 problem:")


def test_classes_outside_the_given_ones_are_reported(folder):
    fill(folder, "a.png cat\nb.png dgo\n", "a.png", "b.png")
    names = ["cat", "dog"]
    folder_error(
        folder, "line 2: b.png: expected a class of cat, dog, found dgo", class_names=names
    )


def damaged_png(folder, name):
    save(folder, name, np.arange(256, dtype=np.uint8).reshape(16, 16))
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])


def test_truncated_and_empty_images_are_reported(folder):
    fill(folder, "a.png 0\nb.png 0\nc.png 0\n", "a.png")
    damaged_png(folder, "b.png")
    (folder / "c.png").write_bytes(b"")
    folder_error(folder, "line 2: b.png: cannot be decoded", "line 3: c.png: cannot be decoded")


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), min_size=1, max_size=3))
def test_damaged_pictures_never_do_harm(fuzz_folder, changes):
    content = bytearray(PICTURE)
    for place, value in changes:
        content[place % len(content)] = value
    (fuzz_folder / "a.png").write_bytes(content)
    try:
        images, _, _ = load_image_folder(fuzz_folder)
        assert images.shape[1] == 1 and np.all((images >= 0) & (images <= 1))
    except DataError as error:
        assert "line 1: a.png: " in str(error)


def picture_bytes():
    buffer = io.BytesIO()
    Image.fromarray(np.arange(15, dtype=np.uint8).reshape(3, 5)).save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = picture_bytes()


@pytest.fixture(scope="module")
def fuzz_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "labels.txt").write_text("a.png 0\n")
    return folder


def test_only_formats_that_pillow_decodes_itself_are_tried(folder):
    fill(folder, "a.png 0\n")
    (folder / "a.png").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 3\n%%EndComments\n"
    )
    folder_error(folder, "line 1: a.png: cannot be decoded: cannot identify image file")


def test_large_pictures_are_refused_before_decoding(folder, recwarn):
    fill(folder, "a.png 0\n", "a.png", shape=(30, 50))
    folder_error(folder, "a.png: expected at most 1,000 pixels, found 30x50", max_pixels=1000)
    bomb = bytearray((folder / "a.png").read_bytes())
    bomb[16:24] = struct.pack(">II", 20000, 5000)  # width, height: past Pillow's own warning
    bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
    (folder / "a.png").write_bytes(bomb)
    found = []
    match = "expected at most 16,777,216 pixels, found 5000x20000"
    assert peak_bytes(lambda: found.append(folder_error(folder, match))) < 2_000_000
    assert not recwarn.list  # Pillow's own warning about such a picture says nothing new


def test_all_pictures_together_are_bounded(folder, monkeypatch):
    monkeypatch.setattr(image_folder, "MAX_TOTAL_BYTES", 100)
    fill(folder, "a.png 0\nb.png 0\n", "a.png", "b.png")
    folder_error(folder, "line 2: b.png: up to here the images need more than 100 bytes", "3x5")


def test_what_cannot_be_shown_in_8_bits_is_refused(folder):
    fill(folder, "a.png 0\nb.png 0\n")
    save(folder, "a.png", np.full((3, 5), 40000, np.uint16))
    transparent = np.zeros((3, 5, 4), np.uint8)
    save(folder, "b.png", transparent)
    folder_error(folder, "a.png: expected 8 bits a channel", "b.png: has transparent pixels")
    transparent[..., 3] = 255
    fill(folder, "b.png 0\n")
    save(folder, "b.png", transparent)
    assert load_image_folder(folder, allow_unlabelled=True)[0].shape == (1, 1, 3, 5)


def test_colour_becomes_grey_and_grey_becomes_colour(folder):
    fill(folder, "a.png 0\nb.png 1\n", "b.png")
    save(folder, "a.png", np.tile(np.array([255, 0, 0], np.uint8), (3, 5, 1)))
    rgb = load_image_folder(folder, color="rgb")[0]
    assert rgb.shape == (2, 3, 3, 5)
    np.testing.assert_array_equal(rgb[0, :, 1, 1], [1, 0, 0])
    np.testing.assert_array_equal(rgb[1, :, 1, 1], np.float32([0.2, 0.2, 0.2]))
    grey = load_image_folder(folder)[0]
    assert abs(grey[0, 0, 1, 1] - 0.299) < 2 / 255  # the usual weight of red


def test_resizing_takes_height_then_width(folder):
    fill(folder, "a.png 0\nb.png 1\n", "a.png")
    save(folder, "b.png", np.full((9, 4), 51, np.uint8))
    images = load_image_folder(folder, size=(6, 10))[0]
    assert images.shape == (2, 1, 6, 10) and np.all(images == np.float32(0.2))
    assert load_image_folder(folder, size=7)[0].shape == (2, 1, 7, 7)


def test_photos_are_turned_upright(folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    fill(folder, "a.jpg 0\n")
    save(folder, "a.jpg", np.zeros((8, 16), np.uint8), exif=exif)
    assert load_image_folder(folder)[0].shape == (1, 1, 16, 8)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"color": "gray"}, "color must be 'grey' or 'rgb', got 'gray'"),
        ({"size": 0}, "size must be a whole number, at least 1, got 0"),
        ({"size": 10**6}, r"size must be at most 16,777,216 pixels, got \(1000000, 1000000\)"),
        ({"max_pixels": 1.5}, "max_pixels must be a whole number, at least 1, got 1.5"),
        ({"class_names": ["a", "a"]}, r"class_names must differ, got \['a', 'a'\]"),
    ],
)
def test_folder_refuses_wrong_arguments(folder, arguments, match):
    fill(folder, "a.png 0\n", "a.png")
    with pytest.raises(ValueError, match=f"load_image_folder: {match}"):
        load_image_folder(folder, **arguments)


ONES = np.ones((2, 1, 3, 5))


@pytest.mark.parametrize(
    "images, labels, arguments, match",
    [
        (ONES[0], [0], {}, r"expected images \(N, 1 or 3, H, W\), got \(1, 3, 5\)"),
        (ONES[:, [0, 0]], [0, 1], {}, r"expected images .*got \(2, 2, 3, 5\)"),
        (ONES[:0], [], {}, r"expected images .*got \(0, 1, 3, 5\)"),
        (ONES, [0], {}, r"expected 2 integer labels, got shape \(1,\)"),
        (ONES, [0.0, 1.0], {}, r"expected 2 integer labels, got shape \(2,\), float64"),
        (ONES * 255, [0, 1], {}, "expected values 0 to 1, got 255 to 255"),
        (-ONES, [0, 1], {}, "expected values 0 to 1, got -1 to -1"),
        (ONES * np.nan, [0, 1], {}, "expected values 0 to 1, got nan"),
        (ONES, [0, -1], {}, "expected labels 0 to inf, got -1 to 0"),
        (ONES, [0, 1], {"class_names": ["a"]}, "expected labels 0 to 0, got 0 to 1"),
        (ONES, [0, 1], {"class_names": ["a", "b c"]}, "class names of one word, got 'b c'"),
        (ONES, [0, 1], {"names": ["a.png"]}, "expected 2 different names.*got 1, 1 of them"),
        (ONES, [0, 1], {"names": ["a.png", "A.png"]}, "2 different names.*got 2, 1 of them"),
        (ONES, [0, 1], {"names": ["a.png", "./a.png"]}, "2 different names.*got 2, 1 of them"),
        (ONES, [0, 1], {"names": ["a.png", "b.jpg"]}, r"'b.jpg' must end in .png"),
        (ONES, [0, 1], {"names": ["a.png", "../b.png"]}, r"'../b.png' leads out of the folder"),
        (ONES, [0, 1], {"names": ["a.png", " b.png"]}, r"' b.png' is no portable file name"),
        (ONES, [0, 1], {"names": ["a.png", "b\n.png"]}, r"'b\\n.png' is no portable file name"),
    ],
)
def test_writing_refuses_what_could_not_be_read_back(folder, images, labels, arguments, match):
    with pytest.raises(ValueError, match=f"write_image_folder: .*{match}"):
        write_image_folder(folder, images, np.array(labels), **arguments)
    assert not folder.exists()


def test_writing_twice_is_fine_but_not_over_other_files(folder):
    for value in (0, 1):
        write_image_folder(folder, ONES * value, [0, 1])
        assert np.all(load_image_folder(folder)[0] == value)
    with pytest.raises(DataError, match=r"pictures: expected a new or empty.*it: 00001\.png"):
        write_image_folder(folder, ONES[:1], [0])
    (folder / "file").write_text("x")
    with pytest.raises(DataError, match=r"expected a new or empty folder, .*in it: file\. Noth"):
        write_image_folder(folder, ONES, [0, 1])
    with pytest.raises(DataError, match=r"file: cannot be written: "):
        write_image_folder(folder / "file", ONES, [0, 1])


def test_writing_leaves_its_inputs_alone(folder, rng):
    images = rng.random((2, 3, 4, 5), dtype=np.float32)
    before = images.copy()
    write_image_folder(folder, images, np.array([0, 1]))
    np.testing.assert_array_equal(images, before)
    read = load_image_folder(folder, color="rgb")[0]
    assert np.abs(read - images).max() <= 0.5 / 255 + 1e-7  # rounded to 8 bits, not cut
