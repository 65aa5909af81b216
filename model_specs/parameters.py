"""Number of parameters of a whole model."""

from dataclasses import replace

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.attention_kinds import AttentionKind
from aicfg.model_specs.compressed import parameters as compressed_parameters
from aicfg.model_specs.gemma_facts import GemmaFacts
from aicfg.model_specs.parts import BlockIndexFacts, IndexerFacts, LatentFacts, MoeFacts


def parameter_count(arch: Architecture) -> int:
    """Parameters of the whole language model.

    Tied embeddings count once; norms and biases are included, draft layers (MTP) and vision encoders are not.
    """
    norm = 2 * arch.hidden_size if "norm" in arch.biases else arch.hidden_size
    embeddings = arch.vocab_size * (1 if arch.tie_word_embeddings else 2) + arch.learned_positions
    mixers = arch.softmax_layers + (arch.recurrent.layers if arch.recurrent else 0)
    layers = _attention(arch) + _feed_forward(arch) + (mixers + arch.feed_forwards) * norm
    return embeddings * arch.hidden_size + layers + norm


def _attention(arch: Architecture) -> int:
    """Attention of all layers."""
    if arch.latent is not None:
        indexers = _indexers(arch, arch.latent, arch.indexer) if arch.indexer else 0
        return arch.softmax_layers * _latent(arch, arch.latent) + indexers + _recurrent(arch)
    if arch.compressed is not None:
        return compressed_parameters(arch, arch.compressed)
    if arch.block_index is not None:
        return arch.num_layers * _grouped_query(arch) + _block_indexes(arch, arch.block_index)
    if arch.shapes:
        alike = ((shape.layers, replace(arch, num_kv_heads=shape.kv_heads)) for shape in arch.shapes)
        return sum(layers * _grouped_query(each) for layers, each in alike if each.num_kv_heads)
    if arch.attentions:
        return sum(_of_kind(arch, kind) for kind in arch.attentions)
    return arch.softmax_layers * _grouped_query(arch) + _recurrent(arch)


def _recurrent(arch: Architecture) -> int:
    """Layers that keep a state instead of a cache."""
    return arch.recurrent.layers * arch.recurrent.parameters(arch.hidden_size) if arch.recurrent else 0


def _grouped_query(arch: Architecture) -> int:
    hidden, queries, kv = arch.hidden_size, arch.num_heads * arch.head_dim, arch.num_kv_heads * arch.head_dim
    gate = hidden * queries if arch.output_gate else 0
    weights = hidden * (queries + 2 * kv) + queries * hidden + gate
    qkv_bias = queries + 2 * kv if "qkv" in arch.biases else 0
    output_bias = hidden if "output" in arch.biases else 0
    head_norms = 2 * arch.head_dim if arch.qk_norm else 0
    return weights + qkv_bias + output_bias + head_norms


def _of_kind(arch: Architecture, kind: AttentionKind) -> int:
    """Attention of the layers of one kind."""
    queries = kind.layers * (arch.hidden_size * kind.heads * (kind.head_dim + kind.value_dim))
    keys_values = kind.owners * arch.hidden_size * kind.kv_heads * kind.key_value_columns
    head_norms = (kind.layers + kind.owners) * kind.head_dim if arch.qk_norm else 0
    gates = kind.layers * arch.hidden_size * kind.heads if arch.head_gate else 0
    return queries + keys_values + head_norms + gates


def _latent(arch: Architecture, facts: LatentFacts) -> int:
    queries = (facts.q_lora_rank or arch.hidden_size) * arch.num_heads * facts.query_head
    keys_values = facts.kv_lora_rank * arch.num_heads * facts.key_value_head
    output = arch.num_heads * facts.v_head_dim * arch.hidden_size
    gate = output if arch.output_gate else 0
    norms = facts.q_lora_rank + facts.kv_lora_rank
    return arch.hidden_size * facts.compressed + queries + keys_values + output + gate + norms


def _indexers(arch: Architecture, latent: LatentFacts, facts: IndexerFacts) -> int:
    """Queries, head weights and keys of every indexer, and the layer norm (with a bias) of its keys."""
    queries = latent.q_lora_rank * facts.heads * facts.head_dim
    return facts.layers * (queries + arch.hidden_size * (facts.heads + facts.head_dim) + 2 * facts.head_dim)


def _block_indexes(arch: Architecture, facts: BlockIndexFacts) -> int:
    """Queries and the one key of every index, and the norms of both."""
    return facts.layers * ((facts.heads + 1) * arch.hidden_size * facts.head_dim + 2 * facts.head_dim)


def _feed_forward(arch: Architecture) -> int:
    """Dense networks and mixtures of all layers."""
    ups = 2 if arch.gated_mlp else 1
    if arch.shapes:
        columns = sum(shape.layers * shape.inner for shape in arch.shapes)
        return (ups + 1) * arch.hidden_size * columns
    bias = ups * arch.intermediate_size + arch.hidden_size if "mlp" in arch.biases else 0
    dense = (ups + 1) * arch.hidden_size * arch.intermediate_size + bias
    if arch.gemma is not None:
        mixtures = arch.num_layers * _mixture(arch.hidden_size, arch.moe) if arch.moe else 0
        return arch.num_layers * dense + mixtures + _beside(arch, arch.gemma)
    if arch.moe is None:
        return arch.feed_forwards * dense
    mixtures = arch.feed_forwards - arch.moe.dense_layers
    return arch.moe.dense_layers * dense + mixtures * _mixture(arch.hidden_size, arch.moe)


def _beside(arch: Architecture, facts: GemmaFacts) -> int:
    mixture = arch.moe is not None
    return facts.parameters(arch.hidden_size, arch.num_layers, arch.intermediate_size, mixture)


def _mixture(hidden: int, moe: MoeFacts) -> int:
    products, width = 3 if moe.gated else 2, moe.latent or hidden
    experts = moe.experts * products * width * moe.inner + 2 * hidden * moe.latent
    biases = moe.experts * (2 * moe.inner + hidden + 1) if moe.biases else 0
    shared = products * hidden * moe.shared_inner + (hidden if moe.shared_gate else 0)
    return moe.experts * hidden + experts + biases + shared
