"""Plain values as YAML that people read: keys in order, long text in blocks, no aliases."""

from collections.abc import Sequence
from typing import Any


def yaml_text(value: Any, head: str = "") -> str:
    """One YAML document, after comment lines."""
    return _comments(head) + _dump(value)


def yaml_documents(values: Sequence[Any], head: str = "") -> str:
    """Several YAML documents in one file."""
    return _comments(head) + "---\n".join(_dump(value) for value in values)


def _comments(head: str) -> str:
    return "".join(f"# {line}\n" for line in head.splitlines())


def _dump(value: Any) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes text of several lines as a block, and repeats what is equal."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    def text(dumper: yaml.SafeDumper, content: str) -> yaml.ScalarNode:
        block = "|" if "\n" in content else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", content, style=block)

    def items(dumper: yaml.SafeDumper, content: list[Any]) -> yaml.SequenceNode:
        numbers = bool(content) and all(isinstance(each, int) for each in content)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", content, flow_style=numbers)

    Dumper.add_representer(str, text)
    Dumper.add_representer(list, items)
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)
