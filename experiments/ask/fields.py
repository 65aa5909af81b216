"""Kinds of values that an experiment's keys take: what each accepts, and how messages say it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

MAX_TOKENS = 10_000_000
MAX_GPUS = 100_000
MAX_MS = 1e9
AUTO = "auto"
"""In place of a format: whatever the checkpoint, the engine and the GPU's tables allow."""

Text = Annotated[str, Meta(min_length=1, description="text")]
Format = Annotated[str, Meta(min_length=1, description="the name of a number format, such as fp8")]
Formats = Annotated[
    Format | Annotated[tuple[Format, ...], Meta(min_length=1, max_length=8)],
    Meta(description="the name of a number format, such as fp8, a list of several to choose from, or auto"),
]
Tokens = Annotated[
    int, Meta(ge=1, le=MAX_TOKENS, description=f"a whole number of tokens from 1 to {MAX_TOKENS:,}")
]
Bound = Annotated[
    float,
    Meta(ge=1e-6, le=MAX_MS, description="milliseconds above 0 (leave the key out for no bound)"),
]
BoundOrPercentile = Annotated[
    float,
    Meta(
        ge=1e-6,
        le=MAX_MS,
        description="milliseconds above 0 (leave the key out for no bound), or of a percentile: {p99: 2000}",
    ),
]
Percentile = Annotated[
    float, Meta(ge=50, le=99.9, description="a percentage of the requests from 50 to 99.9, such as 99")
]
Degree = Annotated[int, Meta(ge=1, le=1024, description="a whole number from 1 to 1,024")]
Batch = Annotated[int, Meta(ge=1, le=65_536, description="a whole number from 1 to 65,536")]
Degrees = Annotated[
    tuple[Degree, ...],
    Meta(
        min_length=1, max_length=64, description="a list of whole numbers from 1 to 1,024, such as [1, 2, 4]"
    ),
]
Batches = Annotated[
    tuple[Batch, ...],
    Meta(
        min_length=1,
        max_length=4096,
        description="a list of whole numbers from 1 to 65,536, such as [16, 32, 64]",
    ),
]
ChunkTokens = Annotated[
    Annotated[
        tuple[Annotated[int, Meta(ge=1, le=MAX_TOKENS)], ...],
        Meta(min_length=1, max_length=256),
    ]
    | Literal["auto"],
    Meta(description="a list of whole numbers of tokens, such as [2048, 4096], or auto"),
]
SystemName = Annotated[
    Text, Meta(description="the name of a GPU system, such as h100_sxm", title="GPU system")
]
Gpus = Annotated[
    int,
    Meta(ge=1, le=MAX_GPUS, description=f"a whole number of GPUs from 1 to {MAX_GPUS:,}", title="GPUs"),
]
NodeGpus = Annotated[
    int,
    Meta(
        ge=1,
        le=1024,
        description="a whole number of GPUs from 1 to 1,024",
        title="GPUs of a node, if not usual",
    ),
]
Price = Annotated[
    float,
    Meta(
        ge=0, le=1e6, description="a price from 0 to 1,000,000, in any currency", title="Price of a GPU-hour"
    ),
]
Rate = Annotated[float, Meta(ge=0, le=1, description="a share from 0 to 1")]


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of the experiment: strict and unchangeable."""
