"""Folders of image files with a labels.txt beside them: reading and writing.

Uses NumPy, Pillow, idx.py (for DataError) and shapes.py; data.py passes these functions on.
All that is wrong with a folder is collected and reported together, with line numbers.
"""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from course_lib.idx import DataError
from course_lib.shapes import as_integer, as_pair

# Formats that Pillow decodes by itself: EPS, for one, would start another program.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp"}
MODES = {"grey": ("L", 1), "rgb": ("RGB", 3)}  # colour -> Pillow's mode, channels
EIGHT_BITS = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"}
MAX_PIXELS = 4096 * 4096  # of one image
MAX_LABELS_BYTES = 2**24
MAX_TOTAL_BYTES = 2**31  # of all images together, as float32
PROBLEMS_SHOWN = 10


class Entry(NamedTuple):
    """One line of labels.txt."""

    line: int
    name: str
    class_name: str


def load_image_folder(
    path: str | Path,
    labels_file: str = "labels.txt",
    size: int | tuple[int, int] | None = None,
    color: str = "grey",
    class_names: Sequence[str] | None = None,
    max_pixels: int = MAX_PIXELS,
    allow_unlabelled: bool = False,
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Load the images that labels.txt names.

    Each line of labels.txt is `NAME CLASS`: the class is the last word, and what stands before it,
    blanks included, is the file's name, relative to the folder (`/` between folders):

        zero_01.png 0
        my drawings/a one.png 1

    UTF-8, with or without byte order mark; empty lines are skipped. Classes that are all whole
    numbers below 1000 are labels as they stand (a folder without any 4 keeps 5 as 5). Other
    classes are numbered in the order of their names; give `class_names` of the training folder to
    the test folder, so that both count alike.

    Arguments  size              None: all images must have one size; H or (H, W): resize to it
               color             "grey" (C = 1) or "rgb" (C = 3)
               max_pixels        the largest image to decode
               allow_unlabelled  False: an image in the folder without a line is an error
    Returns    images (N, C, H, W) float32 from 0 to 1; labels (N,) int64; the classes' names
    Errors     DataError listing every bad line, file and name; ValueError for a bad argument
    """
    if color not in MODES:
        raise ValueError(f"load_image_folder: color must be 'grey' or 'rgb', got {color!r}.")
    size = None if size is None else as_pair(size, "size", "load_image_folder")
    max_pixels = as_integer(max_pixels, "max_pixels", "load_image_folder")
    if size is not None and size[0] * size[1] > max_pixels:
        raise ValueError(
            f"load_image_folder: size must be at most {max_pixels:,} pixels, got {size}."
        )
    if class_names is not None and len(set(class_names)) != len(class_names):
        raise ValueError(f"load_image_folder: class_names must differ, got {class_names!r}.")
    folder, labels_path = Path(path), Path(path) / labels_file
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder of images, found no folder there.")
    entries, problems = _parse_labels(_read_text(labels_path), labels_path)
    entries, files = _resolve_names(folder, entries, problems)
    class_names, labels = _number_classes(entries, class_names, problems)
    images = _read_images(entries, files, color, size, max_pixels, problems)
    if not allow_unlabelled:
        _report_unlabelled(folder, labels_path, files, problems)
    _raise_together(labels_path, problems)
    return np.divide(np.stack(images), 255, dtype=np.float32), labels, class_names


def _read_text(path):
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected one line `NAME CLASS` for each image.")
    try:
        length = path.stat().st_size
        if length > MAX_LABELS_BYTES:
            raise DataError(
                f"{path}: expected at most {MAX_LABELS_BYTES:,} bytes, found {length:,}."
            )
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line}, byte {error.start}: expected UTF-8, "
            f"found {data[error.start]:#04x}. Save the file as UTF-8."
        ) from None


def _parse_labels(text, path):
    """Return the entries and a list of (line, problem), which the next steps add to."""
    entries, problems = [], []
    for line, words in enumerate(text.split("\n"), start=1):
        if not words.strip():
            continue
        parts = words.strip().rsplit(maxsplit=1)
        if len(parts) == 2:
            entries.append(Entry(line, *parts))
        else:
            problems.append((line, f"expected `NAME CLASS`, found {words.strip()!r}"))
    if not entries and not problems:
        raise DataError(f"{path}: expected one line `NAME CLASS` for each image, found no line.")
    return entries, problems


def name_problem(name: str) -> str | None:
    """Say why a file name may not stand in labels.txt, on any system; None if it may."""
    windows, posix = PureWindowsPath(name), PurePosixPath(name)
    if windows.anchor or ".." in windows.parts:
        return f"{name!r} leads out of the folder; expected a name inside it"
    if not name.isprintable() or name != name.strip() or "\\" in name or not posix.parts:
        return f"{name!r} is no portable file name; expected printable characters and `/`"
    return None


def _resolve_names(folder, entries, problems):
    """Keep the entries whose file is there, inside the folder and named once; list the others."""
    root = folder.resolve()
    kept, files, first_lines = [], [], {}
    for entry in entries:
        problem, file = name_problem(entry.name), None
        if problem is None:
            try:
                file = (folder / entry.name).resolve()
                problem = _file_problem(entry, file, root, first_lines)
            except (OSError, RuntimeError, ValueError) as error:  # name too long, loop of links
                problem = f"{entry.name}: {error}"
        if problem is not None:
            problems.append((entry.line, problem))
        else:
            kept.append(entry)
            files.append(file)
    return kept, files


def _file_problem(entry, file, root, first_lines):
    if not file.is_relative_to(root):
        return f"{entry.name}: a link that leads out of the folder, to {file}"
    if not file.exists():
        return f"{entry.name}: no such file"
    if not file.is_file():
        return f"{entry.name}: expected an image file, found something else of that name"
    first = first_lines.setdefault(os.path.normcase(file), entry)
    if first is not entry:
        return f"{entry.name}: named a second time, first on line {first.line}"
    return None


def _number_classes(entries, class_names, problems):
    words = {entry.class_name for entry in entries}
    if class_names is not None:
        class_names = tuple(class_names)
    elif all(_is_class_number(word) for word in words):
        class_names = tuple(map(str, range(max(map(int, words), default=-1) + 1)))
    else:
        class_names = tuple(sorted(words))
    numbers = {word: number for number, word in enumerate(class_names)}
    for entry in entries:
        if entry.class_name not in numbers:
            known = ", ".join(class_names)
            problem = f"{entry.name}: expected a class of {known}, found {entry.class_name}"
            problems.append((entry.line, problem))
    labels = [numbers.get(entry.class_name, -1) for entry in entries]
    return class_names, np.array(labels, dtype=np.int64)


def _is_class_number(word):
    """A whole number below 1000, written without leading zeros."""
    return word.isascii() and word.isdigit() and len(word) <= 3 and str(int(word)) == word


def _read_images(entries, files, color, size, max_pixels, problems):
    """Decode every file; where one cannot be used, note why and go on to the next."""
    images, first, total = [], None, 0
    for entry, file in zip(entries, files):
        try:
            pixels = _read_image(file, color, size, max_pixels)
        except Exception as error:  # Pillow's decoders raise whatever they stumble over
            reason = str(error) if isinstance(error, DataError) else f"cannot be decoded: {error}"
            problems.append((entry.line, f"{entry.name}: {reason}"))
            continue
        first = first or (entry, pixels.shape)
        if pixels.shape != first[1]:
            problems.append((entry.line, _size_problem(entry, pixels.shape, *first)))
            continue
        total += pixels.size * np.dtype(np.float32).itemsize
        if total > MAX_TOTAL_BYTES:
            problems.append((entry.line, _total_problem(entry, first[1])))
            break
        images.append(pixels)
    return images


def _size_problem(entry, shape, first_entry, first_shape):
    return (
        f"{entry.name}: expected {first_shape[1]}x{first_shape[2]} pixels as in {first_entry.name} "
        f"(line {first_entry.line}), found {shape[1]}x{shape[2]}; `size=` resizes all"
    )


def _total_problem(entry, shape):
    return (
        f"{entry.name}: up to here the images need more than {MAX_TOTAL_BYTES:,} bytes of memory "
        f"at {shape[1]}x{shape[2]} pixels; `size=` makes them smaller"
    )


def _read_image(file, color, size, max_pixels):
    """Return the pixels of one file, (C, H, W) uint8."""
    mode, C = MODES[color]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # max_pixels is stricter
        with Image.open(file, formats=FORMATS) as image:
            W, H = image.size
            if W * H > max_pixels:
                raise DataError(f"expected at most {max_pixels:,} pixels, found {H}x{W}")
            if image.mode not in EIGHT_BITS:
                raise DataError(f"expected 8 bits a channel, found Pillow's mode {image.mode}")
            image.load()
            if image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255:
                raise DataError("has transparent pixels; put it on a background first")
            image = ImageOps.exif_transpose(image).convert(mode)  # photos lie on their side
            if size is not None:
                image = image.resize(size[::-1], Image.Resampling.BILINEAR)
            W, H = image.size
            return np.asarray(image, dtype=np.uint8).reshape(H, W, C).transpose(2, 0, 1)


def _report_unlabelled(folder, labels_path, files, problems):
    """Images without a line, in the folder itself and in those where labelled images lie."""
    root = folder.resolve()
    named = {_identity(file) for file in files}
    for place in sorted({root, *(file.parent for file in files)}):
        for file in sorted(place.iterdir()):
            is_image = file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
            if is_image and file.is_file() and _identity(file) not in named:
                name = file.relative_to(root).as_posix()
                problems.append((None, f"{name}: an image without a line in {labels_path.name}"))


def _identity(file):
    """What two names of one file have in common, where systems differ about a and A."""
    status = file.stat()
    return status.st_dev, status.st_ino


def _raise_together(path, problems):
    if not problems:
        return
    problems.sort(key=lambda problem: (problem[0] is None, problem[0] or 0))
    texts = [f"  line {line}: {text}" if line else f"  {text}" for line, text in problems]
    more = len(texts) - PROBLEMS_SHOWN
    rest = [f"  ... and {more} more"] if more > 0 else []
    count = f"{len(texts)} problem" + "s" * (len(texts) > 1)
    raise DataError("\n".join([f"{path}: {count}:", *texts[:PROBLEMS_SHOWN], *rest]))


# ---- writing --------------------------------------------------------------------------------


def write_image_folder(
    path: str | Path,
    images: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Write images as PNG files, and labels.txt with a line `NAME CLASS` for each.

    Values are stored as round(255 * value), so images that came from 8 bits return bit for bit.
    The folder must be new or empty, or hold only the files that are written now.

    Shapes     images (N, 1, H, W) or (N, 3, H, W) with values from 0 to 1; labels (N,) int
    Arguments  class_names  the word for each label; without it the label's number
               names        a file name for each image; without it 00000.png, 00001.png ...
    Errors     DataError: other files are in the folder, or it cannot be written
               ValueError: images, labels or names that cannot be stored
    """
    images, labels = np.asarray(images), np.asarray(labels)
    _check_arrays(images, labels)
    words = _class_words(labels, class_names)
    names = [f"{i:05d}.png" for i in range(len(images))] if names is None else names
    names = _checked_names(names, len(images))
    folder = Path(path)
    try:
        _check_is_ours(folder, {*names, "labels.txt"})
        for name, image in zip(names, images):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.rint(image * 255.0).astype(np.uint8).transpose(1, 2, 0)
            Image.fromarray(pixels[:, :, 0] if len(image) == 1 else pixels).save(file, "PNG")
        lines = [f"{name} {word}\n" for name, word in zip(names, words)]
        (folder / "labels.txt").write_text("".join(lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error}.") from error


def _check_arrays(images, labels):
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"write_image_folder: expected images (N, 1 or 3, H, W), got {images.shape}."
        )
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"write_image_folder: expected {len(images)} integer labels, "
            f"got shape {labels.shape}, {labels.dtype}."
        )
    low, high = images.min(), images.max()
    if not (0 <= low and high <= 1):  # also refuses nan
        raise ValueError(f"write_image_folder: expected values 0 to 1, got {low:g} to {high:g}.")


def _class_words(labels, class_names):
    highest = np.inf if class_names is None else len(class_names) - 1
    if labels.min() < 0 or labels.max() > highest:
        raise ValueError(
            f"write_image_folder: expected labels 0 to {highest}, "
            f"got {labels.min()} to {labels.max()}."
        )
    if class_names is None:
        return [str(label) for label in labels]
    for word in class_names:
        if not word or not word.isprintable() or len(word.split()) != 1:
            raise ValueError(f"write_image_folder: expected class names of one word, got {word!r}.")
    return [class_names[label] for label in labels]


def _checked_names(names, count):
    for name in names:
        problem = name_problem(name)
        if problem is None and not name.lower().endswith(".png"):
            problem = f"{name!r} must end in .png"
        if problem is not None:
            raise ValueError(f"write_image_folder: {problem}.")
    names = [PurePosixPath(name).as_posix() for name in names]
    different = len({name.lower() for name in names})
    if not len(names) == different == count:
        raise ValueError(
            f"write_image_folder: expected {count} different names (upper and lower case count as "
            f"one), got {len(names)}, {different} of them different."
        )
    return names


def _check_is_ours(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if not file.is_dir() and name not in names:
            raise DataError(
                f"{folder}: expected a new or empty folder, found another file in it: {name}. "
                f"Nothing was written."
            )
