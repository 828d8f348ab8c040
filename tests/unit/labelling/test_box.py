"""One labeler's responses: each is labelled once, whatever happens, and can be corrected."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from pytest_llmjudge.data import LabelsFile
from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.labelling.box import LabelBox, design_of
from pytest_llmjudge.local_page.box import Progress
from pytest_llmjudge.stats.labels import seal
from pytest_llmjudge.storage.labels import append_design, append_label, read_labels
from tests.support.races import race
from tests.unit.labelling.making import label_on, sample_of, write_responses

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmjudge.labelling.sample import Sample

COUNT = 6


@pytest.fixture(name="sample")
def six_responses(tmp_path: Path) -> Sample:
    return sample_of(write_responses(tmp_path / "a.json", [f"p{n}" for n in range(COUNT)]))


@pytest.fixture(name="path")
def labels_file(tmp_path: Path) -> Path:
    return tmp_path / "labels.jsonl"


def test_every_response_once(sample: Sample, path: Path) -> None:
    """In their order, below the design; all of it is in the file."""
    box = LabelBox(sample, path, "ann")
    shown = []
    while (item := box.next()) is not None:
        shown.append(item)
        box.save(item, 10 * len(shown), f"note {len(shown)}")

    assert tuple(shown) == sample.items
    assert box.progress() == Progress(COUNT, 0, COUNT)
    file = read_labels(path)
    assert file.design == sample.design
    assert [(one.record, one.score, one.note, one.labeler) for one in file.labels] == [
        (item.record, 10 * number, f"note {number}", "ann") for number, item in enumerate(shown, 1)
    ]
    assert {one.at[-6:] for one in file.labels} == {"+00:00"}


def test_nothing_is_written_before_the_first_label(sample: Sample, path: Path) -> None:
    """Who looks at the page and goes has drawn nothing."""
    box = LabelBox(sample, path, "ann")
    box.skip(sample.items[0])

    assert box.next() == sample.items[1]
    assert not path.exists()


def test_a_second_label_is_not_written(sample: Sample, path: Path) -> None:
    """The first stands, and is returned."""
    box = LabelBox(sample, path, "ann")
    item = sample.items[0]
    first = box.save(item, 70, "")

    assert box.save(item, 70, "") == box.save(item, 20, "") == box.save(item, 70, "so") == first
    assert box.written_now == len(read_labels(path).labels) == 1


def test_a_correction(sample: Sample, path: Path) -> None:
    """It names the label that it replaces, of the score or the note; an equal one is none."""
    box = LabelBox(sample, path, "ann")
    item = sample.items[0]
    first = box.save(item, 70, "")
    second = box.save(item, 60, "", seal(first))
    third = box.save(item, 60, "because", seal(second))

    assert box.save(item, 60, "because", seal(third)) == third
    assert box.save(item, 5, "late", seal(first)) == third
    assert (second.replaces, third.replaces) == (seal(first), seal(second))
    assert box.labels() == (third,)
    assert box.label_of(item) == third
    assert len(path.read_text().splitlines()) == 4


def test_a_correction_of_a_label_that_is_gone(sample: Sample, path: Path) -> None:
    """Somebody took its line out: what is saved is the first label again."""
    box = LabelBox(sample, path, "ann")
    first = box.save(sample.items[0], 70, "")
    path.unlink()

    assert box.save(sample.items[0], 40, "", seal(first)).replaces == ""
    assert [one.score for one in read_labels(path).labels] == [40]


def test_going_back(sample: Sample, path: Path) -> None:
    """From one label to the one before, by the order in the file, and no further than the first."""
    box = LabelBox(sample, path, "ann")
    one, two, three = sample.items[:3]
    assert box.before(None) is None
    for item in (one, two):
        box.save(item, 50, "")

    assert box.before(None) == box.before(three) == two
    assert box.before(two) == one
    assert box.before(one) is None
    assert LabelBox(sample, path, "ben").before(None) is None


def test_others_do_not_matter(sample: Sample, path: Path) -> None:
    """Another labeler's label leaves the response to be labelled; both are in one file."""
    append_design(path, sample.design)
    append_label(path, label_on(sample.items[0], 90, labeler="ben"))
    box = LabelBox(sample, path, "ann")

    assert box.next() == sample.items[0]
    box.save(sample.items[0], 10, "")
    assert [one.labeler for one in box.labels()] == ["ben", "ann"]
    assert path.read_text().count("design") == 1


def test_labels_at_the_same_time(sample: Sample, path: Path) -> None:
    """Of many threads on the same responses one writes each, and one the design."""
    box = LabelBox(sample, path, "ann")
    start = threading.Barrier(8)

    def label(score: int) -> None:
        start.wait()
        for item in sample.items:
            box.save(item, score, "")

    threads = [threading.Thread(target=label, args=(score,)) for score in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(one.record for one in read_labels(path).labels) == [f"r{n}" for n in range(COUNT)]
    assert len(path.read_text().splitlines()) == 1 + COUNT


def test_a_label_of_another_process_meanwhile(sample: Sample, path: Path) -> None:
    """Whoever comes second waits until the first is done, and is told what stands."""
    box = LabelBox(sample, path, "ann")
    item = sample.items[0]
    scores: list[int] = []
    waiting = threading.Thread(target=lambda: scores.append(box.save(item, 10, "").score))
    with FileLock(f"{path}.lock"):
        waiting.start()
        waiting.join(0.2)
        assert (scores, path.exists()) == ([], False)
        append_design(path, sample.design)
        append_label(path, label_on(item, 90))
    waiting.join()

    assert scores == [90]
    assert (box.written_now, len(read_labels(path).labels)) == (0, 1)


def test_processes_of_one_labeler_at_the_same_time(tmp_path: Path, path: Path) -> None:
    """Each response has one label, and both know which."""
    results = write_responses(tmp_path / "b.json", [f"p{n}" for n in range(60)])
    code = """if True:
        import sys
        from pathlib import Path
        from pytest_llmjudge.labelling.box import LabelBox
        from tests.unit.labelling.making import sample_of

        path, results, score = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
        sample = sample_of(results, size=60)
        box = LabelBox(sample, path, "ann")
        print("ready", flush=True)
        sys.stdin.readline()
        print([box.save(item, score, "").score for item in sample.items], box.written_now)
    """
    printed = race(code, *((path, results, score) for score in ("10", "90")))
    outputs = [one.rpartition(" ") for one in printed]

    labels = read_labels(path).labels
    assert len({one.record for one in labels}) == len(labels) == 60
    assert outputs[0][0] == outputs[1][0]
    assert sum(int(written) for _, _, written in outputs) == 60
    assert len(path.read_text().splitlines()) == 61


def test_another_sample_meanwhile(sample: Sample, path: Path) -> None:
    """Another process began the file with another seed: no label is mixed into it."""
    box = LabelBox(sample, path, "ann")
    append_design(path, replace(sample.design, seed=7))

    with pytest.raises(PeopleFileError) as error:
        box.save(sample.items[0], 50, "")

    assert str(error.value) == (
        f"--out {path}: it has the labels of another sample now; start llmjudge label again with "
        "another file"
    )
    assert len(path.read_text().splitlines()) == 1


def test_a_file_of_another_tool(sample: Sample, path: Path) -> None:
    """Nobody knows how its records were drawn, and a design cannot be made up afterwards."""
    label = label_on(sample.items[0], 50)

    with pytest.raises(PeopleFileError) as error:
        design_of(LabelsFile(str(path), None, (label,)))

    assert str(error.value) == (
        f"--out {path}: it does not say how the records of its labels were drawn; name another "
        "file, to which llmjudge label can write that first"
    )


def test_after_the_end(sample: Sample, path: Path) -> None:
    """A form that comes late is refused."""
    box = LabelBox(sample, path, "ann")
    box.close()

    with pytest.raises(PeopleFileError) as error:
        box.save(sample.items[0], 50, "")

    assert str(error.value) == "llmjudge label: it has ended; start it again to go on"
    assert not path.exists()
