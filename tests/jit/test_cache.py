"""Machine code comes from memory, then from disk, then from the compiler; damaged files count as absent."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nki_sim.engines.jit.cache import ObjectCache, digest
from nki_sim.engines.jit.compile import CodeStore, module_for
from nki_sim.engines.jit.layout import Layout, Signature, TileKey, row_major
from nki_sim.program.dtypes import dtype_of

FLOAT32 = dtype_of("float32")


def signatures(widths: range) -> list[Signature]:
    """Copies of tiles of these widths: cheap to compile, all different."""
    made = []
    for width in widths:
        key = TileKey(Layout(FLOAT32, ((4096, 2), *row_major((width,), 4)), True))
        made.append(Signature("tensor_copy", (("dst", key), ("src", key))))
    return made


def test_second_process_finds_the_code_on_disk(tmp_path: Path) -> None:
    first = CodeStore(ObjectCache(tmp_path)).functions(signatures(range(1, 4)))
    assert (first.from_memory, first.from_disk, first.compiled) == (0, 0, 3)
    store = CodeStore(ObjectCache(tmp_path))
    again = store.functions(signatures(range(1, 5)))
    assert (again.from_memory, again.from_disk, again.compiled) == (0, 3, 1)
    third = store.functions(signatures(range(1, 5)))
    assert (third.from_memory, third.from_disk, third.compiled) == (4, 0, 0)
    assert [code.address for code in third.codes] == [code.address for code in again.codes]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "reference", "gone"])
def test_damaged_files_are_compiled_anew(tmp_path: Path, damage: str) -> None:
    wanted = signatures(range(1, 3))
    CodeStore(ObjectCache(tmp_path)).functions(wanted)
    (body,) = tmp_path.glob("*.obj")
    data = body.read_bytes()
    if damage == "cut":
        body.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        body.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    elif damage == "empty":
        body.write_bytes(b"")
    elif damage == "reference":
        (tmp_path / (digest(wanted[0].text()) + ".ref")).write_bytes(b"\xff\x00no batch")
    else:
        body.unlink()
    found = CodeStore(ObjectCache(tmp_path)).functions(wanted)
    assert found.compiled == (1 if damage == "reference" else 2)
    repaired = CodeStore(ObjectCache(tmp_path)).functions(wanted)
    assert repaired.compiled == 0


def test_unwritable_directory_only_means_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = CodeStore(ObjectCache(tmp_path / "file" / "below")).functions(signatures(range(1, 2)))
    assert found.compiled == 1 and found.codes[0].address


def test_nothing_is_left_behind_but_objects_and_references(tmp_path: Path) -> None:
    CodeStore(ObjectCache(tmp_path)).functions(signatures(range(1, 6)))
    assert sorted({path.suffix for path in tmp_path.iterdir()}) == [".obj", ".ref"]


def test_equal_signatures_have_equal_texts_and_different_ones_do_not() -> None:
    names = [digest(signature.text()) for signature in signatures(range(1, 50))]
    assert len(set(names)) == len(names)
    assert names == [digest(signature.text()) for signature in signatures(range(1, 50))]


def test_the_same_signature_gives_the_same_code() -> None:
    wanted = {"f": signatures(range(37, 38))[0]}
    assert str(module_for(wanted)) == str(module_for(wanted))


def test_threads_may_compile_at_once(tmp_path: Path) -> None:
    store = CodeStore(ObjectCache(tmp_path))
    found: list[list[int]] = []

    def work() -> None:
        found.append([code.address for code in store.functions(signatures(range(1, 6))).codes])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(addresses == found[0] for addresses in found)


_LEAK = """
import sys
from tests.jit.test_cache import signatures
from nki_sim.engines.jit.cache import ObjectCache
from nki_sim.engines.jit import compile as jit

jit.RESIDENT_FUNCTIONS = 64
store = jit.CodeStore(ObjectCache(None))

def resident_kib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4

def compile_some(first, count):
    for start in range(first, first + count, 25):
        store.functions(signatures(range(start, start + 25)))

compile_some(1, 500)
before = resident_kib()
compile_some(501, 1500)
print(resident_kib() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_stays_flat_over_two_thousand_compiles() -> None:
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", _LEAK], cwd=root, capture_output=True, text=True, check=True)
    # 1,500 functions would fill 6 MiB if each kept one page.
    assert int(ran.stdout) < 3072, ran.stdout
