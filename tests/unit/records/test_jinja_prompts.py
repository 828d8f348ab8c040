"""Prompts by Jinja template files, and that a hostile one does nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Record, Turn
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.records import jinja_prompts
from pytest_llmjudge.records.jinja_prompts import render_prompts

if TYPE_CHECKING:
    from pathlib import Path

WHERE = "test_it.py::test_it: prompt my.jinja"
PLAIN = "{% for one in messages %}[{{ one.role }}] {{ one.content }}\n{% endfor %}"
TURNS = (Turn("user", "Say 1."), Turn("assistant", "one"))
RECORDS = [
    Record("first", "Say {{ 2 }}.", "x\ny", "two", {}),
    Record("second", "Say 3.", "", "three", {}, "In words.", TURNS),
]


def error_of(template: str) -> str:
    with pytest.raises(SettingsError) as caught:
        render_prompts(WHERE, template, RECORDS)
    return str(caught.value)


def test_a_template_gets_messages() -> None:
    """With roles and contents, which stay data; a record of one turn has one message."""
    assert render_prompts(WHERE, PLAIN, RECORDS).prompts == {
        "first": "[user] Say {{ 2 }}.\n\nx\ny\n",
        "second": "[system] In words.\n[user] Say 1.\n[assistant] one\n[user] Say 3.\n",
    }


UNDER_A_LOWER_LIMIT = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))
from tests.unit.records.test_jinja_prompts import PLAIN, RECORDS, WHERE
from pytest_llmjudge.records.jinja_prompts import render_prompts
print(len(render_prompts(WHERE, PLAIN, RECORDS).prompts))
"""


def test_where_the_system_refuses_the_limit_of_memory() -> None:
    """As macOS does whatever it is, and any other one that is above what is allowed already."""
    command = [sys.executable, "-c", UNDER_A_LOWER_LIMIT]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("2\n", "")


def test_what_else_a_template_gets() -> None:
    """As from transformers, with a day that stands still and no token for the beginning."""
    more = (
        "{{ bos_token }}{{ add_generation_prompt }} {{ enable_thinking }} {{ tools is none }} "
        "{{ strftime_now('%Y-%m-%d') }} {{ {'a': '<ü>'} | tojson }}"
        "{% generation %}{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}"
        "{% endfor %}{% endgeneration %}"
    )

    texts = render_prompts(WHERE, PLAIN + more, RECORDS[:1]).prompts

    assert texts["first"].endswith('True False True 2024-07-26 {"a": "<ü>"}01')


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{% if %}", "TemplateSyntaxError: Expected an expression"),
        ("{{ raise_exception('no system') }}", "TemplateError: no system"),
        ("{{ messages.__class__.__mro__ }}", "SecurityError: access to attribute '__class__'"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "SecurityError: access to attribute"),
        ("{{ cycler.__init__.__globals__.os.system('id') }}", "SecurityError: access to attribute"),
        ("{{ messages.append(1) }}", "SecurityError"),
        ("{% include '/etc/passwd' %}", "TypeError: no loader for this environment"),
        ("{% for i in range(10**12) %}x{% endfor %}", "OverflowError: Range too big"),
        ("{{ 'a' * 10**12 }}", "it takes more than 1 GiB of memory"),
        (
            (
                "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}"
                "{% set n.s = n.s ~ n.s %}{% endfor %}"
            ),
            "it takes more than 1 GiB of memory",
        ),
        ("{{ 'a' * 2000000 }}", "ValueError: its text has 2,000,000 characters"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "it calls itself without an end"),
        (
            "{{ messages[0].content ~ eos_token }}",
            "ValueError: it asks for eos_token, which a file does not know: write the token itself",
        ),
    ],
)
def test_a_template_that_cannot_be_rendered(template: str, problem: str) -> None:
    """It ends in one line with its cause, and has seen and done nothing."""
    message = error_of(template)

    assert message.startswith(f"{WHERE}: it cannot be rendered for record first ({problem}")
    assert message.endswith("); correct the template")
    assert "\n" not in message


def test_a_template_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process is killed."""
    monkeypatch.setattr(jinja_prompts, "_SECONDS", 1)
    loop = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"

    assert error_of(loop) == (
        f"{WHERE}: it was not rendered within 2 seconds of processor time; correct the template"
    )


@pytest.mark.parametrize(
    ("template", "lost"),
    [
        ("{{ message }}", "record first out, whose role is user"),
        # What the sandbox shows of such attributes is nothing.
        ("{{ messages.__class__ }}", "record first out, whose role is user"),
        ("{{ '{0.__class__}'.format(messages) }}", "record first out, whose role is user"),
        (
            "{% for one in messages if one.role != 'system' %}{{ one.content }}{% endfor %}",
            "record second out, whose role is system",
        ),
        ("{{ messages[0].content }}", "record second out, whose role is user"),
        (
            "{% for one in messages if one.role != 'assistant' %}{{ one.content }}{% endfor %}",
            "record second out, whose role is assistant",
        ),
    ],
)
def test_a_template_that_leaves_a_message_out(template: str, lost: str) -> None:
    """The model would be asked something else than the record says."""
    assert error_of(template) == (f"{WHERE}: it leaves a message of {lost}; correct the template")


def test_nothing_of_the_working_folder_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module there that is named like one of ours does not run."""
    (tmp_path / "jinja2.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)

    assert set(render_prompts(WHERE, PLAIN, RECORDS).prompts) == {"first", "second"}
