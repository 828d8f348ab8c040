"""A records file and what decides over it, joined into a suite."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.data.records import label_of
from pytest_llmjudge.errors import RecordsError, SettingsError, one_line
from pytest_llmjudge.paths import POINTER, PULL, instead_of_file, is_pointer
from pytest_llmjudge.reading import SETTINGS_LIMIT, read_file, why_unreadable
from pytest_llmjudge.records.answers import final_turn
from pytest_llmjudge.records.fieldmap import field_at
from pytest_llmjudge.records.files import find_source, source_digest
from pytest_llmjudge.records.json_values import listed
from pytest_llmjudge.records.loading import draw_sample
from pytest_llmjudge.records.prompts import (
    CONVERSATIONS,
    built_in_frame,
    check_fit,
    framed_prompt,
    messages_of,
    model_prompt,
)
from pytest_llmjudge.settings import BUILT_IN_PROMPTS, CHAT, JINJA_SUFFIXES, RAW, SuiteSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_llmjudge.data import Prompt, Record, Turn
    from pytest_llmjudge.records.files import Source

    _Place = tuple[str, tuple[Turn, ...]]
    """A record's id, and what was said before its question."""

__all__ = ["Suite", "read_suite", "with_groups", "with_system"]

_GROUP = "group"
_SHOWN_NAME = 60


@dataclass(frozen=True, eq=False)
class Suite:
    """The records of one file, judged by one test function.

    Attributes:
        name: Node id of the test function.
        path: The records file, or the folder of a data set.
        digest: SHA-256 of its content, in hex.
        records: Those to judge, in file order.
        settings: Gates and the rest.
        template: Name of a built-in prompt, or the text of a template.
    """

    name: str
    path: Path
    digest: str
    records: tuple[Record, ...]
    settings: SuiteSettings
    template: str

    @property
    def is_jinja(self) -> bool:
        """Whether ``template`` is the text of a Jinja template."""
        return _is_jinja(self.settings.prompt)

    @property
    def is_chat(self) -> bool:
        """Whether the model's own chat template makes the prompts."""
        return self.template == CHAT and not self.is_jinja

    @property
    def is_benchmark(self) -> bool:
        """Whether prompts are the texts of a benchmark, which a model goes on from.

        Those that are too long lose their beginning, and what is written stays as it is.
        """
        return False

    def check_prompts(self) -> None:
        """Prove that the template has a place for all that the records have.

        Raises:
            SettingsError: It has not, or it cannot be rendered.
        """
        if self.is_jinja:
            self._rendered  # noqa: B018  # rendering is the check
        else:
            check_fit(self.where, [*map(final_turn, self.records)], self.template)

    @property
    def has_frame(self) -> bool:
        """Whether a chat template of this suite, not the model's own, stands around messages."""
        return self.is_jinja or (self.template in CONVERSATIONS and not self.is_chat)

    def prompt(self, record: Record) -> Prompt:
        """Return what the model under test reads for one of the records; see :meth:`prompts`."""
        return next(self.prompts([record]))

    def prompts(self, records: Sequence[Record]) -> Iterator[Prompt]:
        """Yield what the model under test reads for some of the records.

        Args:
            records: Some of the suite's, or single turns of theirs with the answers before them.

        Raises:
            SettingsError: The template cannot be rendered.
        """
        if not self.is_jinja:
            yield from (model_prompt(record, self.template) for record in records)
            return
        rendered = self._rendered
        rendered |= self._render([one for one in records if _place(one) not in rendered])
        yield from (rendered[_place(record)] for record in records)

    def framed(self, record: Record, prompt: Prompt, special_tokens: frozenset[str]) -> Prompt:
        """Tell what the template wrote into a prompt, if it wrote special tokens.

        Args:
            record: What the prompt is of.
            prompt: As :meth:`prompt` returns it.
            special_tokens: Of the model's tokenizer.

        Returns:
            A :class:`.FramedText`; the prompt itself where the template writes none of the tokens.

        Raises:
            SettingsError: The template writes one and changes a message, so that nobody can tell
                which of them are the message's.
        """
        if not self.has_frame or not isinstance(prompt, str):
            return prompt
        roles = tuple(turn.role for turn in messages_of(record))
        if roles not in self._frames:
            self._frames[roles] = built_in_frame(record, self.template)
        frame = self._frames[roles]
        token = _first_in(frame, special_tokens)
        if token is None:
            return prompt
        text = framed_prompt(record, prompt, frame)
        if text is None:
            problem = f'it writes "{token}", a special token of the model, and changes a message of'
            hint = 'let it write each message as it is, or choose prompt="chat"'
            raise SettingsError(self.where, f"{problem} record {record.id}", hint)
        return text

    @property
    def where(self) -> str:
        """The suite and its prompt, for messages."""
        return f"{self.name}: prompt {Path(self.settings.prompt).name}"

    @cached_property
    def _rendered(self) -> dict[_Place, str]:
        # Render last turns now, so that a template error shows before anything is generated.
        turns = [final_turn(record) for record in self.records if record.follow_ups]
        return self._render(self.records) | self._render(turns)

    def _render(self, records: Sequence[Record]) -> dict[_Place, str]:
        if not records:
            return {}
        # Few suites have such a template, and its rendering takes a process.
        from pytest_llmjudge.records.jinja_prompts import render_prompts

        rendered = render_prompts(self.where, self.template, records)
        self._frames.update(rendered.frames)
        return {_place(record): rendered.prompts[record.id] for record in records}

    @cached_property
    def _frames(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        """What the template writes around messages of some roles, as :func:`.split_frame` does."""
        return {}


def _place(record: Record) -> _Place:
    return record.id, record.turns


def read_suite(
    name: str,
    file: str,
    base: Path,
    chosen: SuiteSettings,
    read: Callable[[Source], tuple[Record, ...]],
) -> Suite:
    """Read a suite's records and its prompt.

    Args:
        name: Node id of the test function, also used in messages.
        file: Records file, relative to ``base``.
        base: Folder of the test file.
        chosen: The suite's settings.
        read: Returns all records of a source, or raises what is wrong with them.

    Raises:
        SettingsError: The prompt cannot be used, or some records are in no group.
        RecordsError: The records file cannot be used.
    """
    path = base / file
    source = find_source(path, chosen.split)
    instead = instead_of_file(path)
    if instead is not None and source.dataset is None:
        raise RecordsError(name, f'records file "{file}" is {instead}', f"expected it at {path}")
    records = read(source)
    if records and not chosen.is_prompt_given and all(record.is_raw for record in records):
        chosen = replace(chosen, prompt=RAW)
    records = with_groups(name, records, chosen.group)
    records = with_system(draw_sample(records, chosen.sample), chosen.system)
    return Suite(
        name=name,
        path=path,
        digest=source_digest(source),
        records=records,
        settings=chosen,
        template=_template(name, chosen.prompt),
    )


def with_system(records: Sequence[Record], system: str) -> tuple[Record, ...]:
    """Give a system text to the records that have none of their own."""
    if not system:
        return tuple(records)
    return tuple(record if record.system else replace(record, system=system) for record in records)


def with_groups(where: str, records: Sequence[Record], field: str | None) -> tuple[Record, ...]:
    """Give each record its group, where records have groups.

    Args:
        where: The suite, for messages.
        records: All of its file.
        field: Name or dotted path of the field that holds it; ``None`` for the default one, which
            records need not have.

    Raises:
        SettingsError: Some records have one and others have none, a value cannot be one, or no
            record has the field that is named.
    """
    path = field or _GROUP
    values = [field_at(record.fields, path) for record in records]
    quoted = f'"{one_line(path, _SHOWN_NAME)}"'
    groups = list(map(label_of, values))
    lacking = [record for record, group in zip(records, groups, strict=True) if group is None]
    odd = [
        record
        for record, group, value in zip(records, groups, values, strict=True)
        if group is None and not isinstance(value, str | None)
    ]
    if odd:
        problem = f"{quoted} is neither a text nor a whole number in {_some(odd, records)}"
        hint = "write the name or the number of its group into each record"
        raise SettingsError(where, problem, hint)
    if len(lacking) == len(records) and field is None:
        return tuple(records)
    if len(lacking) == len(records):
        fields = dict.fromkeys(name for record in records for name in record.fields)
        problem = f"group {quoted} is no field with a text or a number in any record"
        raise SettingsError(where, problem, f"the fields are {listed(fields)}")
    if lacking:
        problem = f"there is no group in {quoted} of {_some(lacking, records)}"
        hint = "give each record one; a record that belongs to no other has a group of its own"
        raise SettingsError(where, problem, hint)
    return tuple(
        replace(record, group=group) for record, group in zip(records, groups, strict=True)
    )


def _some(some: Sequence[Record], records: Sequence[Record]) -> str:
    first = one_line(some[0].id, _SHOWN_NAME)
    return f"{len(some)} of {len(records)} records (the first is {first})"


def _template(name: str, prompt: str) -> str:
    if prompt in BUILT_IN_PROMPTS:
        return prompt
    where = f"{name}: prompt {Path(prompt).name}"
    try:
        content = read_file(Path(prompt), SETTINGS_LIMIT)
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read()
    except OSError as error:
        raise SettingsError(where, why_unreadable(error), "correct the file") from None
    except UnicodeDecodeError:
        problem = "it cannot be read (it is not UTF-8)"
        raise SettingsError(where, problem, "correct the file") from None
    if is_pointer(content):
        raise SettingsError(where, POINTER, PULL)
    if "\0" in text:
        raise SettingsError(where, "it holds a NUL character", "remove it")
    if _is_jinja(prompt):
        return text
    if "{instruction}" not in text:
        problem = "it has no {instruction}"
        raise SettingsError(where, problem, "write {instruction} and {input} where they belong")
    return text


@lru_cache(maxsize=64)
def _first_in(frame: tuple[str, ...], tokens: frozenset[str]) -> str | None:
    """Return one of some tokens that a template writes."""
    return next((token for token in sorted(tokens) if any(token in part for part in frame)), None)


def _is_jinja(prompt: str) -> bool:
    return prompt not in BUILT_IN_PROMPTS and prompt.endswith(JINJA_SUFFIXES)
