"""Makes the pictures of both local pages: ``python -m tests.browser.pictures docs/images``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tests.browser.chromium import label_by_keys, launched, vote_by_key
from tests.support.ballots import labelling, record, suite_of, voting, write_results

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

__all__ = ["write_asked"]


class Asked(NamedTuple):
    """An instruction with its reference and two answers."""

    instruction: str
    input: str
    output: str
    old: str
    new: str


ASKED = [
    Asked(
        "Explain to a child why leaves turn yellow in autumn.",
        "",
        "Leaves look green because of a stuff called chlorophyll, with which the tree catches "
        "sunlight. When days get short the tree takes it back, and the yellow that was there all "
        "along can be seen.",
        "In autumn the days get shorter and colder. Trees stop making chlorophyll, which is the "
        "green stuff in their leaves. The yellow was in the leaf all summer, hidden under the "
        "green, and now it is its turn to be seen.",
        "Leaves turn yellow because they get old. Old things change their colour, as hair does. "
        "Then the wind comes and blows them down.",
    ),
    Asked(
        "Rewrite the sentence in the passive voice.",
        "The gardener watered the roses before sunrise.",
        "The roses were watered by the gardener before sunrise.",
        "Before sunrise the roses were watered by the gardener.",
        "The roses had been watering the gardener before sunrise.",
    ),
    Asked(
        "Suggest a name for a bakery that is run by two sisters.",
        "",
        "Flour Sisters",
        "You could call it “Two Ovens”: short, easy to remember, and it tells of the two.",
        "The Bakery",
    ),
    Asked(
        "Give three tips for a first night in a tent.",
        "",
        "Put the tent up by daylight, keep a torch within reach, and wear dry socks.",
        "1. Put the tent up while it is light.\n2. Change into dry clothes before you sleep.\n"
        "3. Keep a torch where your hand finds it.",
        "1. Sleep well.\n2. Sleep warm.\n3. Sleep well and warm.",
    ),
]


def write_asked(folder: Path) -> None:
    """Write ``a.json`` and ``b.json`` with answers as models give them."""
    for file, model, side in (("a.json", "release.pth", "old"), ("b.json", "candidate.pth", "new")):
        records = []
        for number, asked in enumerate(ASKED * 6):
            fields = asked._asdict()
            response = fields[side]
            texts = {name: fields[name] for name in ("instruction", "input", "output")}
            score = 80 - number if side == "old" else 62
            records.append(record(number, response, **texts, score=score))
        write_results(folder / file, suite_of(model, records))


def _shoot(
    browser: Browser,
    address: str,
    path: Path,
    *,
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
    showing: str,
    go_on: Callable[[Page], None],
    key: str = "",
    is_phone: bool = False,
) -> None:
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",
        is_mobile=is_phone,
        has_touch=is_phone,
    )
    page = context.new_page()
    page.goto(address)
    while showing not in page.inner_text(".question"):
        go_on(page)
    page.wait_for_selector("html[data-ready]", state="attached")
    if key:
        page.keyboard.press(key)
    page.screenshot(path=path)
    context.close()


def main(folder: Path) -> None:
    """Write a large and a small picture of each page."""

    def vote(page: Page) -> None:
        vote_by_key(page, "1")

    def label(page: Page) -> None:
        label_by_keys(page, "6", "Enter")

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, launched() as browser:
        write_asked(Path(work))
        with voting(Path(work), "--voter=ann") as server:
            _shoot(
                *(browser, server.address, folder / "vote-desktop.png"),
                size=(1024, 640),
                scheme="light",
                showing="leaves",
                go_on=vote,
            )
        with voting(Path(work), "--voter=bob") as server:
            _shoot(
                *(browser, server.address, folder / "vote-phone.png"),
                size=(375, 760),
                scheme="dark",
                showing="passive",
                go_on=vote,
                is_phone=True,
            )
        with labelling(Path(work), "--labeler=eve") as server:
            _shoot(
                *(browser, server.address, folder / "label-desktop.png"),
                size=(1024, 700),
                scheme="light",
                showing="leaves",
                go_on=label,
                key="8",
            )
        with labelling(Path(work), "--labeler=bob") as server:
            _shoot(
                *(browser, server.address, folder / "label-phone.png"),
                size=(375, 760),
                scheme="dark",
                showing="passive",
                go_on=label,
                key="f",
                is_phone=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
