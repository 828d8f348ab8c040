"""A suite's preferences: from the store, or from the judge, asked in both orders."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Choice, Preference
from pytest_llmjudge.errors import JudgeError, LlmJudgeError, one_line, storable
from pytest_llmjudge.judging.decoys import confirm_choice_by_decoys
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.pipeline.judgements import AskedJudgements
from pytest_llmjudge.pipeline.protocols import Pair, judge_name
from pytest_llmjudge.pipeline.user_code import described, user_code
from pytest_llmjudge.scoring import join_orders
from pytest_llmjudge.servers.fleet import servers_that_answer
from pytest_llmjudge.storage.store import Failure
from pytest_llmjudge.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.judging.judge import Judge
    from pytest_llmjudge.judging.pair_check import PairProbe

__all__ = ["Preferences"]


class Preferences(AskedJudgements[Pair, Preference]):
    """Preferences of one judge; see :class:`~pytest_llmjudge.pipeline.judgements.AskedJudgements`.

    A judge of this package is asked for a choice in each order; one of the user's own has
    ``compare(record, a, b) -> Preference`` and is asked once.
    """

    def load(
        self, pairs: Sequence[tuple[Record, Pair]]
    ) -> Iterator[tuple[Record, Pair, Preference]]:
        """Yield those pairs that need not be asked about any more."""
        self._watch.adopt()
        asked = []
        for record, pair in pairs:
            known = self._known(pair)
            if known is not None:
                yield record, pair, known
            else:
                asked.append((record, pair, self._keys(record, pair)))
        suspicious = []
        stored = self._stored([keys for *_, keys in asked])
        for (record, pair, _), preference in zip(asked, stored, strict=True):
            if preference is not None:
                decoys = [key for _, key in self._decoy_choices(record, pair, preference)]
                if decoys:
                    suspicious.append((record, pair, preference, decoys))
                else:
                    yield record, pair, preference
        choices = self._store.choices([key for *_, keys in suspicious for key in keys], _choice)
        for record, pair, preference, decoys in suspicious:
            held = confirm_choice_by_decoys(record, preference, map(choices.get, decoys))
            if held is not None:
                yield record, pair, held

    def get(self, record: Record, candidate: Pair) -> Preference:
        """Return the preference; ask the judge if there is none.

        Raises:
            LlmJudgeError: The judge cannot be named, or the cache cannot be used.
        """
        return self._known(candidate) or self._settle(record, candidate)

    def find(self, record: Record, candidate: Pair) -> Preference | None:
        """Return the preference where the judge need not be asked any more."""
        known = self._known(candidate)
        if known is not None:
            return known
        keys = self._keys(record, candidate)
        (preference,) = self._stored([keys])
        if preference is not None:
            decoys = [key for _, key in self._decoy_choices(record, candidate, preference)]
            if not decoys:
                return preference
            return confirm_choice_by_decoys(record, preference, map(self._stored_choice, decoys))
        for key in keys:
            failure = self._store.failure(key)
            if failure is not None:
                return _failed(failure)
        return None

    def probe(self, probe: PairProbe) -> Preference:
        """Return the preference for a pair whose better answer is known.

        Identical answers, which are usually not sent, are sent here. Such choices are kept under
        keys of their own.

        Raises:
            LlmJudgeError: As :meth:`get`.
        """
        return self._settle(probe.record, Pair(probe.a, probe.b), probe=probe.kind)

    def name(self, record: Record, candidate: Pair) -> str:
        """Name the preference among the judgements of this run."""
        return self._keys(record, candidate)[0]

    def forget_failure(self, record: Record, candidate: Pair) -> None:
        """Let a preference that could not be had be tried again."""
        for key in self._keys(record, candidate):
            self._store.forget_failure(key)
        self._forget_decoys(record, candidate)

    def forget_failed_probe(self, probe: PairProbe) -> None:
        """Let a preference for a known pair that could not be had be tried again."""
        for key in self._keys(probe.record, Pair(probe.a, probe.b), probe=probe.kind):
            self._store.forget_failure(key)

    def failed(self, error: LlmJudgeError) -> Preference:
        """Return a preference without a winner."""
        return Preference(
            None, error=str(error), final=False, is_infrastructure=error.is_infrastructure
        )

    def _known(self, pair: Pair) -> Preference | None:
        return None if self._ours is None else self._ours.known_preference(*pair)

    def _settle(self, record: Record, pair: Pair, *, probe: str = "") -> Preference:
        keys = self._keys(record, pair, probe=probe)
        if self._ours is None:
            preference = self._settle_custom(keys[0], record, pair)
        else:
            orders = (pair, Pair(pair.b, pair.a))
            ours = self._ours
            preference = join_orders(
                self._settle_order(ours, key, record, order, is_last=order is not pair)
                for key, order in zip(keys, orders, strict=True)
            )
            if not probe:
                preference = self._held(ours, record, pair, preference)
        return preference

    def _held(self, judge: Judge, record: Record, pair: Pair, preference: Preference) -> Preference:
        """Ask decoy questions about a preferred answer that looks suspicious."""
        questions = self._decoy_choices(record, pair, preference)
        if not questions:
            return preference
        choices = (
            self._settle_order(judge, key, other, order, is_last=False, counts=False)
            for (other, order), key in questions
        )
        return confirm_choice_by_decoys(record, preference, choices) or preference

    def _decoy_choices(
        self, record: Record, pair: Pair, preference: Preference
    ) -> list[tuple[tuple[Record, Pair], str]]:
        """Return the decoy questions about a preferred answer, each with its key."""
        if self._ours is None:
            return []
        asked = self._ours.decoy_choices(record, pair, preference, self._decoys)
        named = f"decoy{self._load}"
        return [
            (
                (other, Pair(*order)),
                make_key("pair probe/1", named, self._ours.choice_key(other, *order)),
            )
            for other, *order in asked
        ]

    def _forget_decoys(self, record: Record, pair: Pair) -> None:
        for winner in "ab":
            for _, key in self._decoy_choices(record, pair, Preference(winner)):
                self._store.forget_failure(key)

    def _settle_order(
        self,
        judge: Judge,
        key: str,
        record: Record,
        order: Pair,
        *,
        is_last: bool,
        counts: bool = True,
    ) -> Choice:
        choice = self._stored_choice(key)
        if choice is not None:
            return choice
        with self._turn(key):
            choice = self._stored_choice(key)
            if choice is not None:
                return choice
            self._watch.check()
            with servers_that_answer() as servers:
                try:
                    choice = judge.choose(record, *order)
                except LlmJudgeError as error:
                    choice = Choice(
                        None, "", str(error), final=False, is_infrastructure=error.is_infrastructure
                    )
            choice = replace(choice, reply=storable(choice.reply))
            if counts and (is_last or choice.winner is None):
                self._count(has_score=choice.winner is not None)
            if choice.final:
                facts = json.dumps(asdict(choice))
                self._store.add_choice(key, facts, self._watch.awaits(servers))
                self._watch.wrote()
                return self._stored_choice(key) or choice
            failure = Failure(str(choice.error), choice.is_infrastructure, choice.too_long)
            self._store.add_failure(key, failure)
            return choice

    def _stored_choice(self, key: str) -> Choice | None:
        stored = self._store.choices([key], _choice)
        if key in stored:
            return stored[key]
        failure = self._store.failure(key)
        if failure is None:
            return None
        message = failure.message
        return Choice(
            None,
            "",
            message,
            final=False,
            is_infrastructure=failure.is_infrastructure,
            too_long=failure.too_long,
        )

    def _settle_custom(self, key: str, record: Record, pair: Pair) -> Preference:
        with self._turn(key):
            stored = self._store.choices([key], _preference)
            if key in stored:
                return stored[key]
            failure = self._store.failure(key)
            if failure is not None:
                return _failed(failure)
            try:
                preference = self._compared(record, pair)
            except LlmJudgeError as error:
                preference = self.failed(error)
            self._count(has_score=preference.winner is not None)
            if preference.winner is not None:
                self._store.add_choice(key, json.dumps(asdict(preference)))
                return self._store.choices([key], _preference).get(key, preference)
            # Nobody knows whether a judge of the user's own would fail again, so it may try.
            self._store.add_failure(
                key,
                Failure(str(preference.error), preference.is_infrastructure, preference.too_long),
            )
            return preference

    def _compared(self, record: Record, pair: Pair) -> Preference:
        name = judge_name(self._judge)
        compare = getattr(self._judge, "compare", None)
        if not callable(compare):
            problem = "it has no compare(record, a, b), which llm_compare needs"
            raise JudgeError(name, problem, "give it one that returns a Preference")
        hint = "correct it, or return a Preference with an error"
        with user_code(
            lambda error: JudgeError(name, f"compare() raised {described(error)}", hint)
        ):
            preference: object = compare(record, *pair)
            # Whatever is in its fields, or not there at all, is the user's as well.
            valid = (
                preference if isinstance(preference, Preference) and _is_valid(preference) else None
            )
        if valid is None:
            problem = f"compare() gave {shown(preference, 100)}"
            hint = 'return a Preference with winner "a", "b" or "tie", or with an error'
            raise JudgeError(name, problem, hint)
        message = None if valid.error is None else one_line(valid.error, 2000)
        replies = tuple(storable(reply) for reply in valid.replies)
        return replace(valid, replies=replies, error=message)

    def _stored(self, asked: Sequence[Sequence[str]]) -> Iterator[Preference | None]:
        """Yield for the keys of each pair the preference that is stored under them."""
        every = [key for keys in asked for key in keys]
        if self._ours is None:
            preferences = self._store.choices(every, _preference)
            yield from (preferences.get(key) for (key,) in asked)
            return
        choices = self._store.choices(every, _choice)
        for keys in asked:
            orders = [choices[key] for key in keys if key in choices]
            yield join_orders(orders) if len(orders) == len(keys) else None

    def _keys(self, record: Record, pair: Pair, *, probe: str = "") -> list[str]:
        if self._ours is None:
            return [self._custom_key("custom preference/1", record, *pair, probe)]
        keys = [self._ours.choice_key(record, *order) for order in (pair, (pair.b, pair.a))]
        if not probe:
            return keys
        # Of identical answers both orders are the same question, which is to be asked twice.
        return [
            make_key("pair probe/1", f"{probe} {number}{self._load}", key)
            for number, key in enumerate(keys)
        ]


def _choice(facts: str) -> Choice:
    """Return the choice that was stored.

    Raises:
        ValueError: It is none.
        TypeError: The same.
    """
    choice = Choice(**json.loads(facts))
    orders = () if choice.winner is None else (choice.winner,)
    known = {"A": "a", "B": "b", "tie": "tie"}
    winner = None if choice.winner is None else known.get(choice.winner, "")
    if not _is_valid(Preference(winner, orders, (choice.reply,), choice.error)):
        raise ValueError
    return choice


def _preference(facts: str) -> Preference:
    """Return the preference that was stored.

    Raises:
        ValueError: It is none.
        TypeError: The same.
        KeyError: The same.
    """
    plain = json.loads(facts)
    texts = {name: tuple(plain[name]) for name in ("orders", "replies")}
    preference = Preference(**{**plain, **texts})
    if not _is_valid(preference):
        raise ValueError
    return preference


def _failed(failure: Failure) -> Preference:
    return Preference(
        None,
        error=failure.message,
        final=False,
        is_infrastructure=failure.is_infrastructure,
        too_long=failure.too_long,
    )


def _is_valid(preference: Preference) -> bool:
    orders: object = preference.orders
    replies: object = preference.replies
    error: object = preference.error
    if not isinstance(orders, tuple) or not isinstance(replies, tuple):
        return False
    if not all(isinstance(text, str) for text in (*orders, *replies)):
        return False
    flags = (
        preference.final,
        preference.is_infrastructure,
        preference.too_long,
        preference.injection,
    )
    if not all(isinstance(flag, bool) for flag in flags):
        return False
    if not set(orders) <= {"A", "B", "tie"} or len(orders) > 2 or len(replies) > 2:
        return False
    if preference.winner is None:
        return isinstance(error, str) and bool(error.strip())
    return error is None and preference.winner in ("a", "b", "tie")
