"""What the tests of local pages look at: requests, the console, contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page

__all__ = ["LEAST_CONTRAST", "Watch", "check_form_stays"]


class Watch:
    """All that a page asks for, and all that its console shows."""

    def __init__(self, page: Page) -> None:
        self.requests: list[str] = []
        self.problems: list[tuple[str, str]] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.problems.append(("", str(error))))
        page.on("console", self._note)

    def check(self, address: str, gone: str = "nowhere") -> None:
        """Nothing went wrong, and nothing left the machine.

        A page from a server that is ``gone`` may still have asked that for its icon, in vain.
        """
        assert [text for url, text in self.problems if not url.startswith(gone)] == []
        assert self.requests
        assert [url for url in self.requests if not url.startswith((address, gone))] == []

    def _note(self, message: ConsoleMessage) -> None:
        self.problems.append((message.location["url"], message.text))


# As WCAG 2.1 defines it, over all elements with text of their own; grounds here are opaque.
LEAST_CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const ratios = [...document.body.querySelectorAll("*")]
    .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((one) => {
      const pair = [luminance(parse(getComputedStyle(one).color)), luminance(ground(one))];
      return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    });
  return Math.min(...ratios);
}"""


def check_form_stays(page: Page, width: int, height: int, *, stays: bool) -> None:
    """In a window of this size the form is in sight, taking a third at most; or it is below."""
    page.set_viewport_size({"width": width, "height": height})
    box = page.locator("form").bounding_box()
    assert box is not None
    assert (box["y"] + box["height"] <= height) is stays, f"{width} x {height}"
    assert not stays or box["height"] <= height / 3
