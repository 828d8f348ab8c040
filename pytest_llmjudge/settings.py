"""Every option: its name, its meaning, how its text is read, and what a suite makes of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.data import AgreementLimits
from pytest_llmjudge.data.comparison import NO_DROP, NOT_WORSE, SIGNIFICANCE, WARN
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.paths import FOLDER, instead_of_file
from pytest_llmjudge.values import (
    ALL,
    Parser,
    check_averages,
    check_choice,
    check_correlation,
    check_criteria,
    check_drop,
    check_fields,
    check_flag,
    check_overlap,
    check_path,
    check_paths,
    check_sample,
    check_score,
    check_text,
    either,
    parse_alpha,
    parse_average,
    parse_choice,
    parse_correlation,
    parse_count,
    parse_count_or_auto,
    parse_drop,
    parse_fields,
    parse_flag,
    parse_most_or_all,
    parse_ray_address,
    parse_renamed,
    parse_score,
    parse_seconds,
    parse_seed,
    parse_shard,
    parse_share,
    parse_stop,
    parse_temperature,
    parse_text,
    parse_texts,
    read_keywords,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_llmjudge.data import Criterion
    from pytest_llmjudge.sharding import Shard

__all__ = [
    "BASELINE_KEYWORDS",
    "CHAT",
    "DECIDING",
    "EMBEDDED",
    "JUDGED_KEYWORDS",
    "LOCAL",
    "OLLAMA",
    "OPENAI",
    "OPTIONS",
    "RAW",
    "RECORD_KEYWORDS",
    "Decoding",
    "Option",
    "Settings",
    "SuiteSettings",
    "check_can_fail",
    "checkpoint_of",
    "chosen_for",
    "read_settings",
    "resolve_suite",
]

OLLAMA = "ollama:"
"""What the name of a model under test begins with that Ollama serves."""

OPENAI = "openai:"
"""What the name of a model begins with that is behind an OpenAI-compatible endpoint."""

SERVED = (OLLAMA, OPENAI)
"""What the name of a model under test begins with that a server answers for."""

LOCAL = "local:"
"""What the name of a judge begins with that runs in this process, before the path of its folder."""

EMBEDDED = "embedded"
"""Name of the judge that needs no server, where others have that of a model."""

CHAT = "chat"
"""The ``prompt`` that leaves it to the model's own chat template."""

RAW = "raw"
"""The ``prompt`` that is the record's instruction as it stands."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option, on the command line and in ini files alike.

    Attributes:
        name: Without dashes, such as ``llm-judge-timeout``.
        help: For ``pytest --help``.
        parse: Turns ``(where, text)`` into the value, or raises SettingsError.
        default: The value when nothing is given.
        metavar: Of the argument; empty for a flag.
        is_path: Whether a relative value is a path, taken from where it was written.
        is_model: Whether it is such a path or the name of a served model.
        is_list: Whether it may be given several times; else the last one counts.
        ends_with: What stands behind each of several values in the text that ``parse`` gets.
    """

    name: str
    help: str
    parse: Parser = parse_text
    default: Any = None
    metavar: str = ""
    is_path: bool = False
    is_model: bool = False
    is_list: bool = False
    ends_with: str = "\n"

    @property
    def flag(self) -> str:
        """As written on the command line."""
        return f"--{self.name}"

    @property
    def key(self) -> str:
        """As written in an ini file."""
        return self.name.replace("-", "_")


OPTIONS: tuple[Option, ...] = (
    Option(
        "llm-judge", parse=parse_flag, default=False, help="Run items that a judge model scores"
    ),
    Option(
        "llm-judge-checkpoint",
        metavar="PATH",
        is_model=True,
        help="The model under test: a checkpoint, a folder, or 'ollama:NAME' or 'openai:NAME' for "
        "a served one; on the command line it wins over the marker",
    ),
    Option(
        "llm-judge-checkpoint-url",
        parse=parse_texts,
        metavar="URL",
        is_list=True,
        help="Where a served model under test answers; several times for several servers "
        "(default: as the judge's)",
    ),
    Option(
        "llm-judge-prompt",
        metavar="NAME",
        help="What the model under test reads, for suites whose marker does not say: alpaca, phi3, "
        "chatml, llama3, gemma, mistral, vicuna, raw, chat (its own chat template), or the path of "
        "a template (default: alpaca)",
    ),
    Option(
        "llm-judge-responses-field",
        metavar="NAME",
        help="The records' field that holds the responses, for suites that name neither a field "
        "nor a model; nothing is generated then",
    ),
    Option(
        "llm-judge-base",
        metavar="PATH",
        is_path=True,
        help="The model that a LoRA adapter is added to, whatever model its own config names; on "
        "the command line of a run without an adapter it is an error",
    ),
    Option(
        "llm-judge-tokenizer",
        metavar="PATH",
        is_path=True,
        help="The tokenizer of the checkpoint, a file or a folder that holds one, whatever lies "
        "beside the checkpoint; on the command line of a run without a checkpoint that takes one "
        "it is an error",
    ),
    Option(
        "llm-judge-model",
        default="llama3",
        metavar="NAME",
        help="The judge: an Ollama model, 'openai:NAME' for an OpenAI-compatible endpoint, "
        "'local:FOLDER' for a model in this process, or 'embedded' for chrF without a model "
        "(default: llama3)",
    ),
    Option(
        "llm-judge-url",
        parse=parse_texts,
        metavar="URL",
        is_list=True,
        help="Where the judge answers; several times for several servers "
        "(default: $OLLAMA_HOST, else http://localhost:11434)",
    ),
    Option(
        "llm-judge-min-score",
        parse=parse_score,
        metavar="N",
        help="Fail a record that scores below N, for suites that set none",
    ),
    Option(
        "llm-judge-min-average",
        parse=parse_average,
        metavar="X",
        help="Fail a suite that averages below X, for suites that set none",
    ),
    Option(
        "llm-judge-labels",
        metavar="FILE",
        is_path=True,
        help="People's scores of responses, as llmjudge label writes them, to compare the judge "
        "with, for suites that name none",
    ),
    Option(
        "llm-judge-correct",
        parse=parse_flag,
        default=False,
        help="Decide over averages and changes as people's labels of a random sample correct them, "
        "in suites with labels",
    ),
    Option(
        "llm-judge-min-agreement",
        parse=parse_correlation,
        metavar="R",
        help="Fail a suite if its judge's rank correlation (Spearman) with people may be below R, "
        "for suites with labels that set none",
    ),
    Option(
        "llm-judge-max-judge-error",
        parse=parse_drop,
        metavar="POINTS",
        help="Fail a suite if the mean absolute error of its judge against people may be above "
        "POINTS, for suites with labels that set none",
    ),
    Option(
        "llm-judge-max-judge-bias",
        parse=parse_drop,
        metavar="POINTS",
        help="Fail a suite if the mean of judge minus people may be above POINTS or below -POINTS, "
        "for suites with labels that set none",
    ),
    Option(
        "llm-judge-baseline",
        metavar="FILE",
        is_path=True,
        help="Compare with the results of an earlier run, and fail a suite that is worse",
    ),
    Option(
        "llm-judge-max-drop",
        parse=parse_drop,
        default=0.0,
        metavar="POINTS",
        help="Points of its average that a suite may lose to the baseline (default: 0)",
    ),
    Option(
        "llm-judge-baseline-rule",
        parse=parse_choice(NO_DROP, NOT_WORSE),
        default=NO_DROP,
        metavar="RULE",
        help="How suites are held to the baseline: no-drop fails a drop that is shown, not-worse "
        "passes where it is proved that less than --llm-judge-max-drop was lost (default: no-drop)",
    ),
    Option(
        "llm-judge-inconclusive",
        parse=parse_choice("fail", WARN),
        default="fail",
        metavar="MODE",
        help="When not-worse can neither be proved nor disproved: fail, or warn and pass "
        "(default: fail)",
    ),
    Option(
        "llm-judge-alpha",
        parse=parse_alpha,
        default=SIGNIFICANCE,
        metavar="SHARE",
        help="How often equal models may fail a run, by a drop in any of its suites that is "
        "chance, and how often not-worse may pass a suite that lost all that it may "
        f"(default: {SIGNIFICANCE})",
    ),
    Option(
        "llm-judge-baseline-partial",
        parse=parse_flag,
        default=False,
        help="Let a run lack suites that the baseline has; otherwise that is a usage error",
    ),
    Option(
        "llm-judge-baseline-suite",
        parse=parse_renamed,
        default=(),
        metavar="OLD=NEW",
        is_list=True,
        help="Compare the suite NEW with the suite OLD of the baseline, where the names differ; "
        "several times for several suites",
    ),
    Option(
        "llm-judge-report",
        metavar="FILE",
        is_path=True,
        help="Write all results to FILE as JSON",
    ),
    Option(
        "llm-judge-shard",
        parse=parse_shard,
        metavar="K/N",
        help="Run the samples of part K of N, by a hash of their ids; gates over whole suites are "
        "left to 'llmjudge merge', so that --llm-judge-report is needed",
    ),
    Option(
        "llm-judge-html",
        metavar="FILE",
        is_path=True,
        help="Write a report to FILE as one HTML page, to be opened in a browser",
    ),
    Option(
        "llm-judge-responses",
        metavar="DIR",
        is_path=True,
        help="Write each suite's records with model_response and score to "
        "DIR/<stem>-with-response.json",
    ),
    Option(
        "llm-judge-markdown",
        metavar="FILE",
        is_path=True,
        help="Write a report of the run to FILE as Markdown",
    ),
    Option(
        "llm-judge-mlflow",
        metavar="EXPERIMENT",
        help="Write the run to this experiment of MLflow, which is where MLflow's own environment "
        "says",
    ),
    Option(
        "llm-judge-annotations",
        parse=parse_choice("off", "github"),
        default="off",
        metavar="WHERE",
        help="Annotate the files of what failed: github prints workflow commands (default: off)",
    ),
    Option(
        "llm-judge-fields",
        parse=parse_fields,
        metavar="NAME=FIELD",
        is_list=True,
        help="Which field of a record is which part of it, such as instruction=question "
        "output=answer, for suites that say nothing of it (default: by the format)",
    ),
    Option(
        "llm-judge-split",
        metavar="NAME",
        help="Which split of a records file or data set to read, for suites that name none",
    ),
    Option(
        "llm-judge-concurrency",
        parse=parse_count,
        default=1,
        metavar="N",
        help="Requests in flight at each server (default: 1)",
    ),
    Option(
        "llm-judge-ask",
        parse=parse_choice("integer", "weighted", "weighted1"),
        default="integer",
        metavar="HOW",
        help="Integer: the lecture's question; weighted: a yes or no, weighed by its "
        "probabilities; weighted1: its first version, for old baselines (default: integer)",
    ),
    Option(
        "llm-judge-context",
        parse=parse_count_or_auto,
        default=2048,
        metavar="N",
        help="Tokens of an Ollama judge's context; auto: enough for the longest question of the "
        "run (default: 2048)",
    ),
    Option(
        "llm-judge-samples",
        parse=parse_count,
        default=1,
        metavar="K",
        help="Verdicts for each record, of which the median is the score (default: 1)",
    ),
    Option(
        "llm-judge-timeout",
        parse=parse_seconds,
        default=120.0,
        metavar="S",
        help="Seconds for one request to a server, queueing at the server included (default: 120)",
    ),
    Option(
        "llm-judge-check",
        parse=parse_choice("strict", "warn", "off"),
        default="strict",
        metavar="MODE",
        help="When the judge cannot tell known right answers from wrong ones: strict fails the "
        "suite, warn warns, off does not ask (default: strict)",
    ),
    Option(
        "llm-judge-check-near",
        parse=parse_share,
        metavar="AUC",
        help="The judge also has to rank right answers above near misses, which have one thing "
        "changed: least area under the ROC curve, above 0 and at most 1 (default: none)",
    ),
    Option(
        "llm-judge-explain",
        parse=parse_most_or_all,
        default=0,
        metavar="N",
        help="Ask the judge, after all scores, what is wrong with the N worst failing responses of "
        "each judged suite, or with all of them; it changes no score (default: 0)",
    ),
    Option(
        "llm-judge-cache",
        parse=parse_choice("use", "refresh", "off"),
        default="use",
        metavar="MODE",
        help="Responses and verdicts of earlier runs: use, refresh or off (default: use)",
    ),
    Option(
        "llm-judge-batch-size",
        parse=parse_count_or_auto,
        metavar="N",
        help="Prompts generated together (default: auto)",
    ),
    Option(
        "llm-judge-max-new-tokens",
        parse=parse_count,
        default=256,
        metavar="N",
        help="Longest response in tokens (default: 256)",
    ),
    Option(
        "llm-judge-device",
        default="auto",
        metavar="NAME",
        help="Torch device to generate on, for example cpu or cuda:1 (default: auto)",
    ),
    Option(
        "llm-judge-dtype",
        parse=parse_choice("auto", "float32", "bfloat16", "float16"),
        default="auto",
        metavar="NAME",
        help="Number format to generate with (default: auto, float32 on a CPU)",
    ),
    Option(
        "llm-judge-temperature",
        parse=parse_temperature,
        default=0.0,
        metavar="T",
        help="Temperature of generation; 0 takes the likeliest token (default: 0)",
    ),
    Option(
        "llm-judge-top-k",
        parse=parse_count_or_auto,
        metavar="N",
        help="Draw among the N likeliest tokens, above temperature 0 (default: auto, all)",
    ),
    Option(
        "llm-judge-top-p",
        parse=parse_share,
        default=1.0,
        metavar="P",
        help="Draw among the likeliest tokens of this probability, above temperature 0 "
        "(default: 1)",
    ),
    Option(
        "llm-judge-seed",
        parse=parse_seed,
        default=123,
        metavar="N",
        help="Seed of generation above temperature 0 (default: 123)",
    ),
    Option(
        "llm-judge-stop",
        parse=parse_stop,
        default=(),
        metavar="TEXT",
        is_list=True,
        ends_with="\0",
        help="End a response before TEXT; several times for several texts",
    ),
    Option(
        "llm-judge-ray",
        parse=parse_ray_address,
        metavar="ADDRESS",
        help="Divide the work of models in files among actors of Ray (extra: ray): local for this "
        "machine's GPUs, auto for the cluster that it belongs to, or ray://HOST:10001; on the "
        "command line of a run without such a model it is an error",
    ),
    Option(
        "llm-judge-ray-cpus",
        parse=parse_count,
        metavar="N",
        help="Cores of each actor of Ray, where nodes have no GPUs (default: all of a node)",
    ),
)

DECIDING: Final = (
    *("checkpoint", "prompt", "responses_field", "base", "tokenizer", "fields", "split"),
    *("model", "ask", "context", "samples", "check", "check_near"),
    *("min_score", "min_average"),
    *("labels", "correct", "min_agreement", "max_judge_error", "max_judge_bias"),
    *("baseline", "max_drop", "baseline_rule", "inconclusive", "alpha", "baseline_partial"),
    "baseline_suite",
    *("max_new_tokens", "temperature", "top_k", "top_p", "seed", "stop", "device", "dtype"),
)
"""Names of the options that may change what a run decides, as :class:`Settings` has them.

The others say where results go, how fast they come, or from where.
"""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a token is chosen.

    Attributes:
        temperature: Divides the logits; 0 takes the likeliest token.
        top_k: Draw among so many of the likeliest tokens; ``None`` for all.
        top_p: Draw among the likeliest tokens that together have this probability.
        seed: Of the drawing; each text draws by itself, whatever else is generated with it.
        stop: Texts before which an answer ends.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0
    seed: int = 123
    stop: tuple[str, ...] = ()

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken, so that nothing is drawn."""
        return self.temperature == 0

    @property
    def decides(self) -> dict[str, object]:
        """What of it can change a text."""
        if self.is_greedy:
            return {"temperature": 0.0, "stop": self.stop}
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one run, read and checked.

    Attributes:
        checkpoint_forced: The checkpoint stood on the command line and so wins over markers.
        checkpoint_url: Addresses of the servers of a served model under test, ``None`` for the
            judge's.
        checkpoint_url_forced: They stood on the command line, and so are meant for this run.
        prompt: Name of a built-in prompt, or the path of a template, for markers that name none;
            ``None`` when that is left to the default too.
        responses_field: The records' field that holds the responses.
        responses_field_forced: It stood on the command line.
        base: The model that a LoRA adapter under test is added to.
        base_forced: The base stood on the command line, and so is meant for this run.
        tokenizer: The tokenizer of checkpoints, a file or a folder, whatever lies beside them.
        tokenizer_forced: It stood on the command line.
        url: Addresses of the judge's servers, ``None`` for what the environment names.
        baseline: Results file of the release to compare with.
        baseline_forced: It stood on the command line, and so is meant for this run.
        max_drop: Points that a suite may lose to it.
        baseline_rule: ``no-drop`` or ``not-worse``, for suites whose marker does not say.
        inconclusive: Of a suite of which ``not-worse`` cannot tell: ``fail`` or ``warn``.
        alpha: How often a run of equal models may fail anywhere.
        baseline_partial: Whether a run may lack suites that the baseline has.
        baseline_suite: Which suites have another name in the baseline, as ``OLD=NEW``.
        mlflow: Experiment of MLflow that the run is written to.
        annotations: ``off`` or ``github``.
        fields: Which field of a record is which part of it, for suites that say nothing of it.
        split: Which split is read, for suites that name none.
        model: The judge: a name as users give it, where the path of a ``local:`` one is absolute.
        concurrency: Requests in flight at each server.
        ask: ``integer``, ``weighted`` or ``weighted1``.
        context: Tokens of the context that an Ollama judge is asked for; ``None`` for automatic.
        check_near: Least AUC of right answers against near misses, 0 to 1; ``None`` for none.
        samples: Verdicts for each record.
        explain: Of how many records of a suite the judge is asked why they failed, ``None`` for
            all that did.
        explain_forced: That stood on the command line, and so is meant for this run.
        timeout: Seconds for one request to a server.
        batch_size: Prompts generated together, ``None`` for automatic.
        max_new_tokens: Longest response in tokens.
        temperature: Of generation, as the four that follow: see :class:`Decoding`.
        labels: The file of people's labels.
        correct: Whether averages that labels correct decide.
        min_agreement: What judges' agreement with people has to reach, as the two that follow: see
            :class:`~pytest_llmjudge.data.AgreementLimits`.
        ray: Where Ray is: ``local``, ``auto`` or ``ray://HOST:PORT``; ``None`` to do without.
        ray_forced: It stood on the command line, and so is meant for this run.
        ray_cpus: Cores of each actor on nodes without GPUs, ``None`` for all of a node.
        paths: What ini options of single kinds of suites name, by key.
        shard: The part of the run that this one is; ``None`` for the whole.
        labels_options: Options on the command line that only suites with labels obey.
        server_options: Options on the command line that only requests to a server obey.
        suite_options: Options on the command line that only suites obey whose marker does not say.
    """

    checkpoint: Path | str | None
    checkpoint_forced: bool
    checkpoint_url: tuple[str, ...] | None
    prompt: str | None
    responses_field: str | None
    base: Path | None
    tokenizer: Path | None
    model: str
    url: tuple[str, ...] | None
    min_score: int | None
    min_average: float | None
    labels: Path | None
    correct: bool
    min_agreement: float | None
    max_judge_error: float | None
    max_judge_bias: float | None
    baseline: Path | None
    max_drop: float
    baseline_rule: str
    inconclusive: str
    alpha: float
    baseline_partial: bool
    baseline_suite: tuple[str, ...]
    report: Path | None
    html: Path | None
    responses: Path | None
    markdown: Path | None
    mlflow: str | None
    annotations: str
    fields: Mapping[str, str] | None
    split: str | None
    concurrency: int
    ask: str
    context: int | None
    samples: int
    timeout: float
    check: str
    check_near: float | None
    explain: int | None
    cache: str
    batch_size: int | None
    max_new_tokens: int
    device: str
    dtype: str
    temperature: float
    top_k: int | None
    top_p: float
    seed: int
    stop: tuple[str, ...]
    ray: str | None
    ray_cpus: int | None
    paths: Mapping[str, Path] = field(default_factory=dict)
    shard: Shard | None = None
    checkpoint_url_forced: bool = False
    base_forced: bool = False
    tokenizer_forced: bool = False
    explain_forced: bool = False
    responses_field_forced: bool = False
    baseline_forced: bool = False
    ray_forced: bool = False
    labels_options: tuple[str, ...] = ()
    server_options: tuple[str, ...] = ()
    suite_options: tuple[str, ...] = ()

    @property
    def is_judge_ollama(self) -> bool:
        """Whether the judge is a model of Ollama, which takes its context with each request."""
        return self.model != EMBEDDED and not self.model.startswith((OPENAI, LOCAL))

    @property
    def is_judge_local(self) -> bool:
        """Whether the judge is a language model that runs in this process."""
        return self.model.startswith(LOCAL)

    @property
    def decoding(self) -> Decoding:
        """How tokens are chosen."""
        return Decoding(self.temperature, self.top_k, self.top_p, self.seed, self.stop)


def read_settings(
    given: Mapping[str, tuple[str, str]],
    cli_dir: Path,
    ini_dir: Path,
    ini_name: str,
    paths: Mapping[str, str] | None = None,
) -> Settings:
    """Read the options' texts.

    Args:
        given: For an option's key, its text and where it was written: ``cli`` or ``ini``.
        cli_dir: Folder that relative paths on the command line start from.
        ini_dir: The same for paths in the ini file.
        ini_name: Name of the ini file, for messages.
        paths: What ini options of single kinds of suites name, by key.

    Raises:
        SettingsError: A text cannot be read.
    """
    values: dict[str, Any] = {}
    for option in OPTIONS:
        text, source = given.get(option.key, ("", "none"))
        if source == "none":
            values[option.key] = option.default
            continue
        where = option.flag if source == "cli" else f"{ini_name}: {option.key}"
        value = option.parse(where, text)
        base = cli_dir if source == "cli" else ini_dir
        if option.is_model:
            value = checkpoint_of(value, base)
        elif option.name == "llm-judge-prompt":
            value = _prompt(where, value, base)
        elif option.name == "llm-judge-model" and value.startswith(LOCAL):
            value = _local_judge(where, value, base)
        elif option.is_path:
            value = base / value
        values[option.key] = value
    # Whoever reads the settings runs with --llm-judge.
    del values["llm_judge"]
    fields = {key.removeprefix("llm_judge_"): value for key, value in values.items()}
    for name in _MEANT_FOR_THIS_RUN:
        fields[f"{name}_forced"] = _source(given, f"llm_judge_{name}") == "cli"
    of_baseline, of_labels, of_requests, of_suites = (
        tuple(o.flag for o in OPTIONS if o.key in keys and _source(given, o.key) == "cli")
        for keys in (_OF_BASELINE, _OF_LABELS, _OF_REQUESTS, _OF_SUITES)
    )
    if of_baseline and fields["baseline"] is None:
        problem = "there is no baseline to compare with"
        raise SettingsError(", ".join(of_baseline), problem, "add --llm-judge-baseline")
    named = {key: ini_dir / text for key, text in (paths or {}).items()}
    settings = Settings(
        paths=named,
        labels_options=of_labels,
        server_options=of_requests,
        suite_options=of_suites,
        **fields,
    )
    _check_context(given, settings)
    _check_explain(settings)
    _check_url(given, settings, ini_name)
    _check_candidates(given, ini_name)
    _check_near(given, settings)
    _check_ray_cpus(given, settings)
    _check_shard(given, settings, ini_name)
    return settings


_OF_BASELINE = (
    "llm_judge_max_drop",
    "llm_judge_baseline_rule",
    "llm_judge_inconclusive",
    "llm_judge_alpha",
    "llm_judge_baseline_partial",
    "llm_judge_baseline_suite",
)


_MEANT_FOR_THIS_RUN = (
    "checkpoint",
    "checkpoint_url",
    "base",
    "tokenizer",
    "responses_field",
    "baseline",
    "explain",
    "ray",
)
"""On the command line; each has a field of the settings that says so."""
_OF_LABELS = (
    "llm_judge_labels",
    "llm_judge_correct",
    "llm_judge_min_agreement",
    "llm_judge_max_judge_error",
    "llm_judge_max_judge_bias",
)
_OF_REQUESTS = ("llm_judge_concurrency", "llm_judge_timeout")
_OF_SUITES = (
    "llm_judge_min_score",
    "llm_judge_min_average",
    "llm_judge_fields",
    "llm_judge_split",
)


def _source(given: Mapping[str, tuple[str, str]], key: str) -> str:
    """Say where an option was written: ``cli``, ``ini`` or ``none``."""
    return given.get(key, ("", "none"))[1]


def _local_judge(where: str, name: str, base: Path) -> str:
    """Return the name of a judge that runs in this process, with the whole path of its folder."""
    folder = name.removeprefix(LOCAL).strip()
    if not folder:
        hint = f"write {LOCAL} and the path of a Hugging Face folder"
        raise SettingsError(where, f'"{name}" names no folder', hint)
    return f"{LOCAL}{base / folder}"


def _check_url(given: Mapping[str, tuple[str, str]], settings: Settings, ini_name: str) -> None:
    """Refuse an address for a judge that has none.

    One in an ini file waits there for another judge, unless the file names this one too.
    """
    source = _source(given, "llm_judge_url")
    is_meant = source == "cli" or (source == "ini" and _source(given, "llm_judge_model") == "ini")
    if settings.is_judge_local and is_meant:
        where = "--llm-judge-url" if source == "cli" else f"{ini_name}: llm_judge_url"
        problem = f"a judge that is named {LOCAL} runs in this process, and answers at no address"
        raise SettingsError(where, problem, "leave it out, or name a judge at a server")


def _check_candidates(given: Mapping[str, tuple[str, str]], ini_name: str) -> None:
    """Refuse an ini file that names both a model and a field with responses of another."""
    keys = ("llm_judge_checkpoint", "llm_judge_responses_field")
    if all(_source(given, key) == "ini" for key in keys):
        problem = "a suite takes its responses from the model or from the field, not from both"
        hint = "leave one out, and give it on the command line or in the marker of a suite"
        where = f"{ini_name}: {', '.join(keys)}"
        raise SettingsError(where, problem, hint)


def _check_near(given: Mapping[str, tuple[str, str]], settings: Settings) -> None:
    """Refuse a limit on the command line of a run that does not check its judge."""
    if settings.check == "off" and _source(given, "llm_judge_check_near") == "cli":
        where, hint = "--llm-judge-check-near", "leave one of them out"
        problem = "with --llm-judge-check=off the judge is asked about no near misses"
        raise SettingsError(where, problem, hint)


def _check_ray_cpus(given: Mapping[str, tuple[str, str]], settings: Settings) -> None:
    """Refuse the cores of actors where there are none, and a GPU by its number where there are."""
    if settings.ray is None and _source(given, "llm_judge_ray_cpus") == "cli":
        where, problem = "--llm-judge-ray-cpus", "without Ray there are no actors to give cores to"
        raise SettingsError(where, problem, "add --llm-judge-ray")
    if settings.ray is not None and settings.device.startswith("cuda:"):
        where, problem = "--llm-judge-device", "an actor of Ray sees one GPU, which Ray chooses"
        raise SettingsError(where, problem, f"write cuda instead of {settings.device}")


def _check_context(given: Mapping[str, tuple[str, str]], settings: Settings) -> None:
    """Refuse a context on the command line of a run whose judge takes none with a request."""
    if settings.is_judge_ollama or _source(given, "llm_judge_context") != "cli":
        return
    where, judge = "--llm-judge-context", settings.model
    if settings.is_judge_local:
        problem = "a judge in this process has the context of its model"
        raise SettingsError(where, problem, "leave it out")
    if judge == EMBEDDED:
        raise SettingsError(where, "the embedded judge has no context", "leave it out")
    problem = f"the server of {judge} sets its context when it starts, not with each request"
    hint = "leave it out, and start the server with a longer one (vLLM: --max-model-len)"
    raise SettingsError(where, problem, hint)


def _check_explain(settings: Settings) -> None:
    """Refuse explanations of the embedded judge, where the command line asks for them."""
    if settings.explain != 0 and settings.explain_forced and settings.model == EMBEDDED:
        problem = "the embedded judge compares texts, and cannot say what is wrong with one"
        where, hint = "--llm-judge-explain", "leave it out, or name a judge with --llm-judge-model"
        raise SettingsError(where, problem, hint)


def _check_shard(given: Mapping[str, tuple[str, str]], settings: Settings, ini_name: str) -> None:
    """Refuse a shard of which nothing could be merged, or not as a whole run has it."""
    if settings.shard is None:
        return
    key = "llm_judge_shard"
    where = "--llm-judge-shard" if _source(given, key) == "cli" else f"{ini_name}: {key}"
    if settings.report is None:
        problem = "nothing of a shard can be merged without its results file"
        raise SettingsError(where, problem, "add --llm-judge-report=FILE")
    if settings.explain:
        problem = "which responses are the worst of a suite is known once its shards are merged"
        raise SettingsError(where, problem, "leave out --llm-judge-explain, or give it all")


@dataclass(frozen=True, slots=True)
class SuiteSettings:
    """What decides over one suite, after marker, command line, ini and default.

    Attributes:
        prompt: Name of a built-in prompt, or the absolute path of a template.
        responses: Record field that holds the responses; nothing is generated then.
        sample: How many records are drawn, ``None`` for all.
        system: System text of the records that have none of their own; empty for none.
        fields: Which field of a record is which part of it, ``None`` to go by its format.
        split: Which part of the file is read, where it has several.
        is_prompt_given: Whether ``prompt`` was asked for, so that no format of records changes it.
        by: Record field that holds a record's category, where the marker names it.
        min_averages: What the averages of single categories have to reach, by category.
        criteria: What responses to records without criteria of their own are judged by.
        group: Record field that holds a record's group, where marker or option names it.
        training: What the model was trained on, in which no record is to stand.
        max_overlap: Share of the records that may appear there, word for word or nearly; ``None``
            where none may word for word.
        labels: The file of people's labels that marker or option names.
        correct: Whether the average that they correct decides.
        limits: What the judge's agreement with people has to reach.
    """

    min_score: int | None
    min_average: float | None
    checkpoint: Path | str | None
    prompt: str
    responses: str | None
    sample: int | None
    fields: Mapping[str, str] | None = None
    split: str | None = None
    system: str = ""
    is_prompt_given: bool = False
    by: str | None = None
    min_averages: Mapping[str, float] = field(default_factory=dict)
    criteria: tuple[Criterion, ...] = ()
    group: str | None = None
    training: tuple[Path, ...] = ()
    max_overlap: float | None = None
    labels: Path | None = None
    correct: bool = False
    limits: AgreementLimits = field(default_factory=AgreementLimits)


BASELINE_KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "baseline_rule": check_choice(NO_DROP, NOT_WORSE),
    "max_drop": check_drop,
}
"""Of the markers of suites that are compared with a baseline in points."""
RECORD_KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "checkpoint": check_path,
    "prompt": check_path,
    "system": check_text,
    "responses": check_text,
    "sample": check_sample,
    "group": check_text,
    "fields": check_fields,
    "split": check_text,
    "training": check_paths,
    "max_overlap": check_overlap,
}
"""Of the markers of all suites of records."""
JUDGED_KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "criteria": check_criteria,
    **RECORD_KEYWORDS,
}
"""Of those whose responses a judge reads."""
_KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "min_score": check_score,
    "min_average": check_averages,
    "by": check_text,
    "labels": check_path,
    "correct": check_flag,
    "min_agreement": check_correlation,
    "max_judge_error": check_drop,
    "max_judge_bias": check_drop,
    **BASELINE_KEYWORDS,
    **JUDGED_KEYWORDS,
}
_LIMITS = ("min_agreement", "max_judge_error", "max_judge_bias")
BUILT_IN_PROMPTS = (
    "alpaca",
    "phi3",
    "chatml",
    "llama3",
    "gemma",
    "mistral",
    "vicuna",
    RAW,
    CHAT,
)
JINJA_SUFFIXES = (".jinja", ".j2")
"""Of template files that are Jinja; others are texts with ``{instruction}``."""


def checkpoint_of(text: str, base: Path) -> Path | str:
    """Return the path that ``text`` means, or the name of a served model as it is."""
    return text if text.startswith(SERVED) else base / text


def resolve_suite(
    where: str, keywords: Mapping[str, object], base: Path, settings: Settings
) -> SuiteSettings:
    """Join a marker's keywords with the run's options.

    Args:
        where: The suite, for messages.
        keywords: As the marker gives them.
        base: Folder that relative paths of the marker start from.
        settings: The run's options, for what the marker leaves out.

    Raises:
        SettingsError: An unknown keyword, a value that cannot be used, or no gate at all.
    """
    checked = read_keywords(where, keywords, _KEYWORDS)
    min_score = checked.get("min_score", settings.min_score)
    averages: dict[str, float] = dict(checked.get("min_average", {}))
    min_average = averages.pop(ALL, settings.min_average)
    limits = AgreementLimits(
        **{name: checked.get(name, getattr(settings, name)) for name in _LIMITS}
    )
    labels = settings.labels
    if "labels" in checked:
        labels = base / checked["labels"]
    chosen = replace(
        chosen_for(where, checked, base, settings),
        min_score=min_score,
        min_average=min_average,
        by=checked.get("by"),
        min_averages=averages,
        labels=labels,
        correct=checked.get("correct", settings.correct),
        limits=limits,
    )
    check_can_fail(where, chosen, settings)
    return chosen


def check_can_fail(where: str, chosen: SuiteSettings, settings: Settings) -> None:
    """Refuse a judged suite that passes whatever its records score.

    Args:
        where: The suite, for messages.
        chosen: Its settings.
        settings: The run's options.

    Raises:
        SettingsError: It has no gate.
    """
    gates = (chosen.min_score, chosen.min_average, settings.baseline)
    if chosen.min_averages or chosen.limits or any(gate is not None for gate in gates):
        return
    hint = (
        "set min_score or min_average, or --llm-judge-min-score or --llm-judge-min-average, "
        "or compare with --llm-judge-baseline"
    )
    problem = "it has no gate and so cannot fail"
    if chosen.training:
        problem = "no score of it can fail, only its overlap with the training data"
    raise SettingsError(where, problem, hint)


def chosen_for(
    where: str,
    keywords: Mapping[str, Any],
    base: Path,
    settings: Settings,
    *,
    takes_responses: bool = True,
) -> SuiteSettings:
    """Settle what all suites of records have, which is without a gate of its own.

    Args:
        where: The suite, for messages.
        keywords: The marker's keywords, checked.
        base: Folder that relative paths of the marker start from.
        settings: The run's options, for what the marker leaves out.
        takes_responses: Whether the records may hold what is measured.

    Raises:
        SettingsError: The prompt is neither a built-in one nor a file, or the marker names the
            field of the groups twice, or both a model and responses.
    """
    checkpoint = settings.checkpoint
    if "checkpoint" in keywords and not settings.checkpoint_forced:
        checkpoint = checkpoint_of(keywords["checkpoint"], base)
    fields = keywords.get("fields", settings.fields)
    if "group" in keywords and "group" in (keywords.get("fields") or ()):
        problem = "group and fields both name the field that holds the groups"
        raise SettingsError(where, problem, "leave it out of one of them")
    if "checkpoint" in keywords and "responses" in keywords:
        problem = "it names a checkpoint, and a field with responses, so that nothing would ask it"
        raise SettingsError(where, problem, "leave checkpoint= or responses= out")
    return SuiteSettings(
        min_score=None,
        min_average=None,
        checkpoint=checkpoint,
        prompt=(
            _prompt(f"{where}: prompt", keywords["prompt"], base)
            if "prompt" in keywords
            else settings.prompt or "alpaca"
        ),
        responses=_responses(keywords, settings) if takes_responses else None,
        sample=keywords.get("sample"),
        fields=fields,
        split=keywords.get("split", settings.split),
        system=keywords.get("system", ""),
        criteria=keywords.get("criteria", ()),
        group=keywords.get("group", (fields or {}).get("group")),
        is_prompt_given="prompt" in keywords or settings.prompt is not None,
        training=_training(where, keywords, base),
        max_overlap=keywords.get("max_overlap"),
    )


def _training(where: str, keywords: Mapping[str, Any], base: Path) -> tuple[Path, ...]:
    """Return where the training data lies.

    Raises:
        SettingsError: It is not there, or a share is given without it.
    """
    share, data = f"{where}: max_overlap", f"{where}: training"
    if "max_overlap" in keywords and "training" not in keywords:
        hint = "name the data that the model was trained on with training="
        raise SettingsError(share, "there is no training data", hint)
    paths = tuple(base / name for name in keywords.get("training", ()))
    for path in paths:
        instead = instead_of_file(path)
        if instead is not None and instead != FOLDER:
            problem = f'"{path.name}" is {instead}'
            raise SettingsError(data, problem, f"expected it at {path}")
    return paths


def _responses(keywords: Mapping[str, Any], settings: Settings) -> str | None:
    """Return the field that holds a suite's responses; ``None`` when a model makes them."""
    if "responses" in keywords:
        return str(keywords["responses"])
    is_candidate = settings.checkpoint_forced and not settings.responses_field_forced
    return None if "checkpoint" in keywords or is_candidate else settings.responses_field


def _prompt(where: str, name: str, base: Path) -> str:
    if name in BUILT_IN_PROMPTS:
        return name
    path = base / name
    instead = instead_of_file(path)
    if instead is not None:
        hint = f"name {either(BUILT_IN_PROMPTS)}, or the path of a template file"
        raise SettingsError(where, f'"{name}" is no prompt, and as a file it is {instead}', hint)
    return str(path)
