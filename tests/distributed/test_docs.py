"""Files for clusters in the documentation are what Ray takes."""

from __future__ import annotations

import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.support.pages import DOCS, blocks

FILES = {block.file: block.text for block in blocks(DOCS / "cluster.md", "yaml")}


def test_the_cluster_of_ones_own_machines() -> None:
    """Ray's launcher takes the file as it stands, and every command runs in the environment."""
    config = yaml.safe_load(FILES["cluster.yaml"])

    validate_config(prepare_config(config))

    setup, *others = config["setup_commands"]
    commands = [*others, *config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    assert setup.endswith("-m venv /opt/llm-judge/venv")
    assert all(command.startswith("/opt/llm-judge/venv/bin/") for command in commands)
