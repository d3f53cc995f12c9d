"""Graph encoders: from a graph's features to embeddings."""

from lsched.learn.encoders.gcn import GcnEncoder
from lsched.learn.encoders.tree import TreeEncoder

__all__ = ["GcnEncoder", "TreeEncoder"]
