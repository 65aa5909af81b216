"""Parses command lines with a server's own argument parser, on a machine without its GPUs.

    python server_parsers.py vllm|sglang|vllm-router|sglang-router [FOLDER] < commands.jsonl

Runs in the server's environment (docs/deploy.md has the recipe); FOLDER holds an unpacked wheel. Each line of
the standard input is a list of words after the program. Modules that are missing, such as GPU kernels, are
replaced by empty ones: a parser needs none of them.
"""

import argparse
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import sys
import types
from collections.abc import Callable
from typing import Any

Parse = Callable[[list[str]], Any]
MOST_STUBS = 60
STUBS = "AICFG_STUBBED_MODULES"


class Nothing(type):
    """A class of which every attribute is another such class."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return nothing(name)

    def __or__(cls, other: Any) -> Any:
        return Any

    __ror__ = __or__

    def __getitem__(cls, key: Any) -> Any:
        return cls


def nothing(name: str) -> Any:
    """An empty class that can be derived from, called, and used as a decorator."""

    def new(cls: Any, *given: Any, **named: Any) -> Any:
        return given[0] if len(given) == 1 and callable(given[0]) and not named else object.__new__(cls)

    def call(self: Any, *given: Any, **named: Any) -> Any:
        return given[0] if given and callable(given[0]) else self

    quiet = {"__new__": new, "__call__": call, "__init__": lambda self, *given, **named: None}
    return Nothing(name, (), {**quiet, "__init_subclass__": classmethod(lambda cls, **named: None)})


class Stub(types.ModuleType):
    """A module that holds whatever is asked of it."""

    __path__ = ()
    __version__ = "0.0.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(self, name, nothing(name))
        return getattr(self, name)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules that are stubbed."""

    def __init__(self, stubbed: list[str]) -> None:
        self.stubbed = stubbed

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if any(name == each or name.startswith(f"{each}.") for each in self.stubbed):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return Stub(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        return None


def vllm() -> Parse:
    """vLLM's parser of ``vllm serve``."""
    import vllm.platforms
    from vllm.platforms.cpu import CpuPlatform

    vllm.platforms.current_platform = CpuPlatform()
    try:
        from vllm.entrypoints.openai.cli_args import make_arg_parser
    except ImportError:
        from vllm.entrypoints.common.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    return make_arg_parser(FlexibleArgumentParser()).parse_args


def sglang() -> Parse:
    """SGLang's parser of ``sglang.launch_server``."""
    from sglang.srt.server_args import ServerArgs

    parser = argparse.ArgumentParser()
    ServerArgs.add_cli_args(parser)
    return parser.parse_args


def vllm_router() -> Parse:
    """The parser of vLLM's router."""
    from vllm_router.launch_router import parse_router_args

    return parse_router_args


def sglang_router() -> Parse:
    """The parser of SGLang's router."""
    from sglang_router.launch_router import parse_router_args

    return parse_router_args


PARSERS = {"vllm": vllm, "sglang": sglang, "vllm-router": vllm_router, "sglang-router": sglang_router}


def main() -> int:
    """Parse every line; the exit status."""
    server, *folders = sys.argv[1:]
    sys.path[:0] = folders
    stubbed = [name for name in os.environ.get(STUBS, "").split(",") if name]
    sys.meta_path.append(Finder(stubbed))
    parse = _parser(server, stubbed)
    count = 0
    for line in sys.stdin:
        try:
            parse(json.loads(line))
        except SystemExit:
            print(f"refused: {line}", file=sys.stderr)
            return 1
        count += 1
    print(f"{server}: {count} commands parsed; stubs: {', '.join(stubbed) or 'none'}")
    return 0


def _parser(server: str, stubbed: list[str]) -> Parse:
    """The parser; what its import misses is stubbed, one module after the other, in a fresh process each."""
    try:
        return PARSERS[server]()
    except ModuleNotFoundError as error:
        own = (error.name or "").split(".")[0] == server.replace("-", "_")
        if own or len(stubbed) >= MOST_STUBS:
            raise
        os.environ[STUBS] = ",".join([*stubbed, str(error.name)])
        os.execv(sys.executable, [sys.executable, *sys.argv])


if __name__ == "__main__":
    sys.exit(main())
