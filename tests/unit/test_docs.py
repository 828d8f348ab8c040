"""README and docs name what there is, all of it."""

from __future__ import annotations

import ast
import html
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import pytest_llmjudge
from docgen.commands import commands as subcommands
from docgen.pages import MAKERS, PART, filled
from pytest_llmjudge.cli import make_parser
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds import choices, exact, pairing
from pytest_llmjudge.kinds.markers import ASK_MODEL, MARKERS
from pytest_llmjudge.mmlu import exam
from pytest_llmjudge.plugin import options
from pytest_llmjudge.settings import _KEYWORDS, OPTIONS
from tests.support.pages import DOCS, PAGES, REPO, blocks, commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
FLAGS = {option.flag: option for option in OPTIONS}
PACKAGE = Path(pytest_llmjudge.__file__).parent


class _Config(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name functions of its theme."""


_Config.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda *_: None)


@EACH_PAGE
def test_every_option_that_is_named_exists(page: Path) -> None:
    """A renamed option is renamed in the docs too."""
    named = set(re.findall(r"--llm-judge(?:-[a-z]+)*", page.read_text("utf-8")))

    assert named
    assert named <= set(FLAGS)


def test_every_option_is_in_the_reference() -> None:
    """On the command line and in ini files, those that are ini options alone included."""
    text = (DOCS / "options.md").read_text("utf-8")
    ini = [*(option.key for option in OPTIONS), options.FILES_INI]
    ini += [path.key for marker in MARKERS for path in marker.paths]

    assert [flag for flag in FLAGS if f"| `{flag}" not in text] == []
    assert [key for key in ini if f"| `{key}` |" not in text] == []


@pytest.mark.parametrize(
    ("marker", "keywords"),
    [
        ("llm_judge", _KEYWORDS),
        ("llm_compare", pairing.KEYWORDS),
        ("llm_mmlu", exam._KEYWORDS),
        ("llm_choices", choices._KEYWORDS),
        ("llm_exact", exact._KEYWORDS),
    ],
)
def test_every_keyword_is_in_the_reference(marker: str, keywords: Mapping[str, object]) -> None:
    """Each marker's section has a row for each of its keywords, and for no others."""
    text = (DOCS / "markers.md").read_text("utf-8")
    section = text.partition(f"\n## {marker}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    assert named == set(keywords)


def test_every_fixture_and_class_is_in_the_reference() -> None:
    """What users may import or ask for is described."""
    text = (DOCS / "fixtures.md").read_text("utf-8")
    classes = [name for name in pytest_llmjudge.__all__ if name != "__version__"]

    fixtures = ["llm_judge", *ASK_MODEL]
    fixtures += [one.name for marker in MARKERS for one in marker.fixtures]

    assert [name for name in fixtures if f"| `{name}` |" not in text] == []
    assert [name for name in classes if f"\n::: pytest_llmjudge.{name}\n" not in text] == []


def test_every_subcommand_is_in_the_reference() -> None:
    """With its help as it is printed."""
    text = (DOCS / "command.md").read_text("utf-8")

    assert set(subcommands()) == set(re.findall(r"^## llmjudge (\w+)$", text, re.MULTILINE))
    assert text.count("usage: llmjudge ") == len(subcommands())


def test_all_that_is_made_has_its_place() -> None:
    """Each part that is made out of the sources stands in one page, and its end is marked."""
    asked = [part["name"] for page in PAGES for part in PART.finditer(page.read_text("utf-8"))]

    assert sorted(asked) == sorted(MAKERS)


@EACH_PAGE
def test_what_is_made_is_as_the_sources_are(page: Path) -> None:
    """Whoever reads a page in the checkout reads what the code says now."""
    text = page.read_text("utf-8")
    made = filled(text)
    if page.name == "command.md" and sys.version_info >= (3, 13):
        # argparse folds a usage at other places since then.
        made, text = " ".join(made.split()), " ".join(text.split())

    assert made == text, f"{page.name}: the sources say something else; run python -m docgen"


def test_every_command_can_be_given() -> None:
    """Lines that begin with llmjudge are understood by it."""
    text = "\n".join(page.read_text("utf-8").replace("\\\n", " ") for page in PAGES)
    lines = re.findall(r"^ *(?:\$|run:|-) (llmjudge .*?)(?:  +#.*|>>.*)?$", text, re.MULTILINE)

    assert lines
    for line in lines:
        make_parser().parse_args(shlex.split(line)[1:])


@EACH_PAGE
def test_every_value_of_an_option_can_be_read(page: Path) -> None:
    """Commands of the docs give options values that they take."""
    lines = [command.text for block in blocks(page, "console") for command in commands(block.text)]
    words = [word for line in lines for word in shlex.split(line.replace("$(", "("))]
    given = [word.partition("=") for word in words if word.startswith("--llm-judge")]

    for flag, equals, value in given:
        option = FLAGS[flag]
        assert bool(equals) == bool(option.metavar), f"{flag} in {page.name}"
        if equals:
            option.parse(flag, value)


def test_every_page_has_its_place() -> None:
    """The site's list of contents has all pages, and no others."""
    nav = yaml.load((REPO / "mkdocs.yml").read_text("utf-8"), _Config)["nav"]  # noqa: S506  # a safe loader

    assert sorted(_leaves(nav)) == sorted(page.name for page in PAGES[1:])


def _leaves(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _leaves(value)
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value)


@EACH_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    """Files that pages link to are there, and headings too, as GitHub and the site name them."""
    links = re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", page.read_text("utf-8"))
    for path, anchor in links:
        target = page.parent / path if path else page
        assert target.is_file(), path
        # Headings of classes are made of the docstrings; the build of the site looks for them.
        if anchor and not anchor.startswith("#pytest_llmjudge."):
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", name).lower().replace(" ", "-") for name in headings}
            assert anchor[1:] in slugs, anchor


def test_every_message_is_explained() -> None:
    """The page on troubleshooting has the words of all errors, found without its own means."""
    page = _words((DOCS / "troubleshooting.md").read_text("utf-8"))
    literals = [
        argument.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and _called(node).endswith("Error")
        for argument in node.args[_problem(node) : _problem(node) + 2]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    missing = [text for text in literals if _words(text) not in page]

    assert len(literals) > 100
    assert missing == []


def _problem(call: ast.Call) -> int:
    """Return which argument says what is wrong: the first where the place is known elsewhere."""
    return _called(call) not in {"BadRecordError", "BadCriteriaError", "BadQuestionError"}


def _called(call: ast.Call) -> str:
    function = call.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _words(text: str) -> str:
    return " ".join(html.unescape(text.replace("&#124;", "|")).split())


def _said(function: object, *arguments: object) -> str:
    with pytest.raises(SettingsError) as caught:
        function(*arguments)  # type: ignore[operator]
    return str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        'instruction-data.json: record 7: "output" is missing; every record needs a reference answer, or criteria',
        "data.json: it is a records file; add --llm-judge to judge its records",
        (
            "t.py::t: it has no gate and so cannot fail; set min_score or min_average, or "
            "--llm-judge-min-score or --llm-judge-min-average, or compare with --llm-judge-baseline"
        ),
        _said(FLAGS["--llm-judge-timeout"].parse, "--llm-judge-timeout", "0"),
        _said(FLAGS["--llm-judge-cache"].parse, "--llm-judge-cache", "on"),
        _said(FLAGS["--llm-judge-top-p"].parse, "--llm-judge-top-p", "2"),
        'http://x: has no model "llama3"; installed: none; "ollama pull llama3" gets it',
        (
            "http://x: gave no complete reply within 120 s; raise --llm-judge-timeout, or see whether "
            "the server is overloaded"
        ),
        (
            'http://x: llama3 wrote "no" and, asked again for JSON, "no", neither of which is a score '
            "from 0 to 100; a larger judge keeps to the format more often, name one with "
            "--llm-judge-model"
        ),
        (
            "m.pth: the embedding's width 80 does not tell the number of heads; write "
            '{"n_heads": …} into m.config.json beside it'
        ),
        (
            "m.pth: GPT-2's tokenizer is not on this machine and cannot be downloaded; run python -c "
            "\"import tiktoken; tiktoken.get_encoding('gpt2')\" with a network and "
            "TIKTOKEN_CACHE_DIR=folder, copy the folder here and set TIKTOKEN_CACHE_DIR to it, or put "
            "m.tiktoken beside the checkpoint"
        ),
        (
            "data.json: its content is not the same in a.json and b.json (0 and 1); run all shards in "
            "the same way"
        ),
    ],
)
def test_a_message_can_be_looked_up(message: str) -> None:
    """What a user sees fits a row, with the blanks filled in."""
    _, _, rest = message.partition(": ")
    rows = re.findall(
        r"^\| (<code>.+) \| (.+) \|$",
        (DOCS / "troubleshooting.md").read_text("utf-8"),
        re.MULTILINE,
    )
    fits = [
        row
        for row in rows
        if any(
            re.search(f"{problem}; {hint}$", rest)
            for problem in _patterns(row[0])
            for hint in _patterns(row[1])
        )
    ]

    assert fits, rest


def _patterns(cell: str) -> list[str]:
    texts = re.findall(r"<code>(.*?)</code>", cell)
    return [re.escape(_words(text)).replace("…", ".+") for text in texts] or [".+"]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("is below min_score", "is below min_score"),
        ("is below min_average", "is below min_average"),
        ("is below min_win_rate", "is below min_win_rate"),
        ("is below min_accuracy", "is below {limit}"),
        ("is unscored, so there is no average", "unscored, so there is no {figure}"),
        ("the difference is within noise", "; the difference is within noise"),
        (
            "more than --llm-judge-max-drop",
            "{more} than {rule.option} {rule.margin:g}",
        ),
        (
            "cannot tell whether it is worse by",
            "cannot tell whether it is {_worse_by_margin(rule, measure)}",
        ),
        ("because of inconclusive=warn", "because of inconclusive=warn"),
        ("are too few for a margin of", "are too few for a margin of"),
        ("no drop shown:", "no {measure.drop} shown: "),
        (
            "results of different judges do not compare",
            "results of different {what} do not compare",
        ),
        (
            "it does not tell right answers from wrong and empty ones",
            "it does not tell right answers from wrong and empty ones",
        ),
        ("answers changed when asked about again", "answers changed when asked about again"),
        (
            "wrong answers with a grader injection get",
            "wrong answers with a grader injection get",
        ),
        ("known answers got no score", "known answers got no score"),
        ("needs --llm-judge", "needs --llm-judge"),
        ("is used in a test that judges nothing", "is used in {where}"),
        (
            "is used by an autouse fixture, and a gate has no",
            "used by an autouse fixture, and a gate",
        ),
        ("NOT FIT, ", "NOT FIT, "),
        ("samples on both sides of", "samples on both sides of"),
        ("the process that ran it crashed", "the process that ran it crashed"),
        ("; the run goes on with", "; the run goes on with "),
        ("the same command goes on from there", "same command goes on from there"),
        ("not kept, because the cache is off", "not kept, because the cache is off"),
        ("off, because pytest's cacheprovider is", "off, because pytest's cacheprovider is"),
        (
            "temperature, seed and stop texts do not reach a conftest's own llm_model",
            "temperature, seed and stop texts do not reach a conftest's own llm_model",
        ),
        ("the judge's version was", "the judge's version was"),
        ("nothing is judged, and", "nothing is judged, and"),
        (
            "the baseline was made with this very checkpoint",
            "the baseline was made with this very checkpoint",
        ),
        ("the average cannot be corrected: ", "the average cannot be corrected: "),
        ("of 100 points, which hardly anything", "of 100 points, which hardly anything"),
    ],
)
def test_what_else_a_user_reads_is_explained(shown: str, said: str) -> None:
    """Sentences of gates and of the judge's check, which are no errors, have an entry too."""
    sources = "".join(path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py")))

    assert said in sources
    assert shown in (DOCS / "troubleshooting.md").read_text("utf-8")


def test_the_map_has_every_room_and_only_modules_that_are_there() -> None:
    """CONTRIBUTING.md names each folder of modules in a row of its own, and no module of old."""
    text = (REPO / "CONTRIBUTING.md").read_text("utf-8")
    modules = {path.name for path in PACKAGE.rglob("*.py")}
    rooms = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    named = re.findall(r"`(\w+\.py)`", text[text.index("## The house") : text.index("## Style")])

    assert rooms
    assert [room for room in rooms if not re.search(rf"^\| .*`{room}/`", text, re.MULTILINE)] == []
    assert named
    assert set(named) - modules == set()


@pytest.mark.parametrize(
    "page", [REPO / "README.md", DOCS / "tutorial.md"], ids=lambda page: page.name
)
def test_every_extra_is_listed_where_installing_is_told(page: Path) -> None:
    """A reader learns of extras before a page needs one."""
    project = (REPO / "pyproject.toml").read_text("utf-8")
    section = project.split("[project.optional-dependencies]\n")[1].split("\n\n")[0]
    extras = re.findall(r"^(\w+) = ", section, re.MULTILINE)
    listed = re.search(
        r"[Ee]xtras(?: are)?:? ((?:`?\w+`?(?:,\s| and\s)?)+)", page.read_text("utf-8")
    )

    assert listed
    assert sorted(re.findall(r"\w+", listed[1].replace(" and", ""))) == sorted(extras)


def test_hints_to_install_can_be_typed_in_any_shell() -> None:
    """In zsh brackets without quotes are a pattern, and nothing is installed."""
    sources = [path.read_text("utf-8") for path in PACKAGE.rglob("*.py")]
    extras = [match for text in sources for match in re.findall(r".{13}pytest-llmjudge\[", text)]

    assert extras
    assert [extra for extra in extras if not extra.startswith('pip install "')] == []
