"""Example declarations: drawn the same every time, found in a file, refused when they name nothing."""

import sys
from pathlib import Path

import numpy as np
import pytest

from nki_sim.testing import Example, load_examples

FILE = """
from nki_sim.testing import Example

def double(x):
    return x * 2

EXAMPLES = {"double": Example(inputs=lambda rng: (rng.standard_normal((2, 3)), "static"), reference=double)}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "some_kernels.py"
    path.write_text(text)
    return path


def test_examples_are_found_with_their_kernels(tmp_path: Path) -> None:
    found = load_examples(write(tmp_path, FILE))
    assert list(found) == ["double"]
    one = found["double"]
    array, static = one.example.draw()
    assert (array.shape, static) == ((2, 3), "static")
    assert np.array_equal(one.kernel(array), array * 2)
    assert sys.modules[one.kernel.__module__].__file__ == str(tmp_path / "some_kernels.py")


def test_a_seed_gives_the_same_inputs_every_time() -> None:
    example = Example(inputs=lambda rng: (rng.standard_normal(8),))
    assert np.array_equal(example.draw(3)[0], example.draw(3)[0])
    assert not np.array_equal(example.draw(3)[0], example.draw(4)[0])


def test_two_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = load_examples(write(tmp_path / "a", FILE))["double"].kernel
    two = load_examples(write(tmp_path / "b", FILE.replace("x * 2", "x * 3")))["double"].kernel
    assert (one(1), two(1)) == (2, 3)


def test_a_file_without_examples_has_none(tmp_path: Path) -> None:
    assert load_examples(write(tmp_path, "x = 1\n")) == {}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (FILE.replace('{"double"', '{"triple"'), KeyError, "triple"),
        ('EXAMPLES = {"x": 3}\nx = 1\n', TypeError, "not an nki_sim.testing.Example"),
        ("1 / 0\n", ZeroDivisionError, "division"),
    ],
)
def test_bad_declarations_are_refused(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_examples(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.py is not a file"):
        load_examples(tmp_path / "nowhere.py")
