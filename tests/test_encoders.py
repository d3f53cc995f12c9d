"""The graph encoders: layers by hand, symmetries, independence, gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lsched.learn.encoders import GcnEncoder, TreeEncoder
from lsched.learn.encoders.gcn import Sweep
from lsched.learn.encoders.summary import Summary
from lsched.learn.encoders.tree import TreeConvolution
from lsched.learn.graph import Embeddings, Graph
from lsched.learn.order import sorted_rows

NUM_FEATURES = (5, 3, 2)
WIDTH = 4
Encoder = GcnEncoder | TreeEncoder
ENCODERS = [GcnEncoder, TreeEncoder]

# 0 feeds 1 and 2, both feed 3, and 0 feeds 3 directly: an edge over two levels. 4 stands alone.
DIAMOND = [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)]


def heights(num_operators: int, edges: list[tuple[int, int]]) -> list[int]:
    """By definition, slowly: edges go from lower to higher rows."""
    height = [0] * num_operators
    for producer in reversed(range(num_operators)):
        for p, c in edges:
            if p == producer:
                height[producer] = max(height[producer], height[c] + 1)
    return height


def make_graph(
    plans: list[list[tuple[int, list[tuple[int, int]]]]], generator: torch.Generator
) -> Graph:
    """Per simulation, its queries: number of operators and edges. Features are random."""
    edges: list[tuple[int, int]] = []
    query_of: list[int] = []
    height: list[int] = []
    simulation_of: list[int] = []
    for simulation, queries in enumerate(plans):
        for num_operators, inside in queries:
            first = len(query_of)
            edges += [(first + p, first + c) for p, c in inside]
            query_of += [len(simulation_of)] * num_operators
            height += heights(num_operators, inside)
            simulation_of.append(simulation)
    producer, consumer = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).unbind(1)
    sizes = (len(query_of), len(simulation_of), len(plans))
    features = [
        torch.randn(size, number, generator=generator)
        for size, number in zip(sizes, NUM_FEATURES, strict=True)
    ]
    return Graph(
        *features,
        producer=producer,
        consumer=consumer,
        is_breaking=torch.rand(len(edges), generator=generator) < 0.5,
        query_of=torch.tensor(query_of, dtype=torch.int64),
        simulation_of=torch.tensor(simulation_of, dtype=torch.int64),
        height=torch.tensor(height, dtype=torch.int64),
    )


def random_plan(generator: np.random.Generator) -> tuple[int, list[tuple[int, int]]]:
    num_operators = int(generator.integers(1, 7))
    pairs = [(p, c) for c in range(num_operators) for p in range(c)]
    return num_operators, [pair for pair in pairs if generator.random() < 0.4]


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def graph(generator: torch.Generator) -> Graph:
    """Three simulations with three, one and two queries."""
    plans = np.random.default_rng(3)
    simulations = [[random_plan(plans) for _ in range(number)] for number in (3, 1, 2)]
    simulations[0][1] = (5, DIAMOND)
    return make_graph(simulations, generator)


@pytest.fixture(params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return request.param(*NUM_FEATURES, WIDTH)  # type: ignore[no-any-return]


def arrays(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().double().numpy() for name, value in module.named_parameters()}


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def dense(weights: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    product = weights[f"{name}.weight"] @ x
    return product + weights[f"{name}.bias"] if f"{name}.bias" in weights else product


def two(weights: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return dense(weights, f"{name}.2", leaky(dense(weights, f"{name}.0", x)))


def assert_same(left: Embeddings, right: Embeddings, atol: float = 1e-5) -> None:
    for name in ("operators", "queries", "simulations"):
        torch.testing.assert_close(getattr(left, name), getattr(right, name), atol=atol, rtol=0)


# ------------------------------------------------------------------------------ by hand


def test_a_sweep_of_numbers_that_fit_in_the_head() -> None:
    """Width 1, f and g the identity on positive numbers, prep too: e is a sum over paths."""
    sweep = Sweep(1, 1)
    with torch.no_grad():
        for name, value in sweep.named_parameters():
            value.fill_(0.0 if name.endswith("bias") else 1.0)
    graph = make_graph([[(5, DIAMOND)]], torch.Generator())
    graph = replace(graph, operators=torch.tensor([[1.0], [10.0], [100.0], [1000.0], [7.0]]))
    # 3: 1000; 1: 10 + 1000; 2: 100 + 1000; 0: 1 + 1010 + 1100 + 1000.
    expected = torch.tensor([[3111.0], [1010.0], [1100.0], [1000.0], [7.0]])
    torch.testing.assert_close(sweep(graph), expected)


def test_a_sweep_follows_the_equation(generator: torch.Generator) -> None:
    graph = make_graph([[(5, DIAMOND)]], generator)
    sweep = Sweep(NUM_FEATURES[0], WIDTH)
    weights, x = arrays(sweep), graph.operators.double().numpy()
    e = np.zeros((5, WIDTH))
    for v in (3, 4, 2, 1, 0):
        total = np.zeros(WIDTH)
        for producer, consumer in DIAMOND:
            if producer == v:
                total += leaky(dense(weights, "f", e[consumer]))
        e[v] = leaky(dense(weights, "g", total)) + two(weights, "prep", x[v])
    np.testing.assert_allclose(sweep(graph).detach().numpy(), e, atol=1e-5)


def test_a_tree_convolution_follows_the_equation(generator: torch.Generator) -> None:
    graph = make_graph([[(5, DIAMOND)]], generator)
    convolution = TreeConvolution(WIDTH)
    weights = arrays(convolution)
    h = torch.randn(5, WIDTH, generator=generator)
    is_breaking = graph.is_breaking.tolist()
    assert len(set(is_breaking)) == 2, "both kinds of edges"

    def side(v: int, number: int, edges: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
        """What v gets from its children (number 0) or parents (number 1): embedding and edges."""
        near = [
            (u, int(breaking))
            for (u, w), breaking in zip(edges, is_breaking, strict=True)
            if w == v
        ]
        scores = [
            dense(weights, "scores", states[u])[number]
            + dense(weights, "scores", states[v])[2 + 2 * number + kind]
            for u, kind in near
        ]
        exponentials = np.exp(leaky(np.array(scores)))
        seen, kinds = np.zeros(WIDTH), np.zeros(2)
        for (u, kind), alpha in zip(near, exponentials / exponentials.sum(), strict=True):
            seen += alpha * states[u]
            kinds[kind] += alpha
        return seen, kinds

    states = h.double().numpy()
    expected = []
    for v in range(5):
        children, to_children = side(v, 0, DIAMOND)
        parents, to_parents = side(v, 1, [(c, p) for p, c in DIAMOND])
        window = np.concatenate([states[v], children, parents, to_children, to_parents])
        expected.append(states[v] + leaky(dense(weights, "filter", window)))
    result = convolution(h, graph.neighbours).detach().numpy()
    np.testing.assert_allclose(result, np.array(expected), atol=1e-5)


def test_a_summary_follows_the_equation(generator: torch.Generator) -> None:
    """The last whole has no parts."""
    summary = Summary(5, 3, WIDTH)
    weights = arrays(summary)
    parts, wholes = torch.randn(3, 5, generator=generator), torch.randn(3, 3, generator=generator)
    result = summary(parts, torch.tensor([0, 0, 1]), wholes).detach().numpy()
    messages = [leaky(dense(weights, "f", part)) for part in parts.double().numpy()]
    sums = [messages[0] + messages[1], messages[2], np.zeros(WIDTH)]
    for row, (total, whole) in enumerate(zip(sums, wholes.double().numpy(), strict=True)):
        expected = leaky(dense(weights, "g", total)) + two(weights, "prep", whole)
        np.testing.assert_allclose(result[row], expected, atol=1e-5)


def test_attention_sums_to_one_in_each_group_and_survives_huge_scores(graph: Graph) -> None:
    convolution = TreeConvolution(WIDTH)
    nodes = 1e4 * torch.randn(len(graph.operators), WIDTH, generator=torch.Generator())
    alpha = convolution.attention(nodes, graph.neighbours)
    sums = torch.zeros(2 * len(nodes)).index_add_(0, graph.neighbours.edges[1], alpha)
    groups = graph.neighbours.edges[1].unique()
    torch.testing.assert_close(sums[groups], torch.ones(len(groups)))


# --------------------------------------------------------------------------- symmetries


def shuffled(graph: Graph, generator: torch.Generator) -> tuple[Graph, list[Tensor]]:
    """The same graph with simulations, queries in them, operators in those and edges reordered.

    Also, per group, the old row at each new row.
    """
    simulations = torch.randperm(len(graph.simulations), generator=generator)
    new_simulation = torch.argsort(simulations)
    queries = torch.randperm(len(graph.queries), generator=generator)
    by_simulation = new_simulation[graph.simulation_of[queries]]
    queries = queries[torch.argsort(by_simulation, stable=True)]
    new_query = torch.argsort(queries)
    operators = torch.randperm(len(graph.operators), generator=generator)
    operators = operators[torch.argsort(new_query[graph.query_of[operators]], stable=True)]
    new_operator = torch.argsort(operators)
    edges = torch.randperm(len(graph.producer), generator=generator)
    other = Graph(
        graph.operators[operators],
        graph.queries[queries],
        graph.simulations[simulations],
        producer=new_operator[graph.producer[edges]],
        consumer=new_operator[graph.consumer[edges]],
        is_breaking=graph.is_breaking[edges],
        query_of=new_query[graph.query_of[operators]],
        simulation_of=new_simulation[graph.simulation_of[queries]],
        height=graph.height[operators],
    )
    return other, [operators, queries, simulations]


def test_reordering_a_graph_reorders_its_embeddings(encoder: Encoder, graph: Graph) -> None:
    before = encoder(graph)
    for seed in range(3):
        other, (operators, queries, simulations) = shuffled(
            graph, torch.Generator().manual_seed(seed)
        )
        assert (other.query_of.diff() >= 0).all()
        assert (other.simulation_of.diff() >= 0).all()
        expected = Embeddings(
            before.operators[operators], before.queries[queries], before.simulations[simulations]
        )
        assert_same(encoder(other), expected)


def test_simulations_do_not_see_each_other(encoder: Encoder, graph: Graph) -> None:
    together = encoder(graph)
    for simulation in range(len(graph.simulations)):
        queries = torch.nonzero(graph.simulation_of == simulation).flatten()
        operators = torch.nonzero(torch.isin(graph.query_of, queries)).flatten()
        edges = torch.isin(graph.producer, operators)
        alone = Graph(
            graph.operators[operators],
            graph.queries[queries],
            graph.simulations[simulation : simulation + 1],
            producer=graph.producer[edges] - operators[0],
            consumer=graph.consumer[edges] - operators[0],
            is_breaking=graph.is_breaking[edges],
            query_of=graph.query_of[operators] - queries[0],
            simulation_of=torch.zeros(len(queries), dtype=torch.int64),
            height=graph.height[operators],
        )
        expected = Embeddings(
            together.operators[operators],
            together.queries[queries],
            together.simulations[simulation : simulation + 1],
        )
        assert_same(encoder(alone), expected)


# --------------------------------------------------------------------- what may be seen


def reached(before: Tensor, after: Tensor) -> list[int]:
    return torch.nonzero((before - after).abs().amax(1) > 1e-7).flatten().tolist()


def chain(length: int, generator: torch.Generator) -> Graph:
    return make_graph([[(length, [(i, i + 1) for i in range(length - 1)])]], generator)


def changed_features(graph: Graph, operator: int) -> Graph:
    operators = graph.operators.clone()
    operators[operator] += 1
    return replace(graph, operators=operators)


def test_a_sweep_carries_the_sink_to_the_source_of_a_long_chain(
    generator: torch.Generator,
) -> None:
    graph = chain(12, generator)
    encoder = GcnEncoder(*NUM_FEATURES, WIDTH).double()
    graph = replace(
        graph,
        **{name: getattr(graph, name).double() for name in ("operators", "queries", "simulations")},
    )
    leaf = graph.operators.requires_grad_()
    encoder(graph).operators[0].sum().backward()
    assert leaf.grad is not None
    assert (leaf.grad.abs().amax(1) > 0).all(), "every operator downstream matters to the source"
    graph = replace(graph, operators=leaf.detach())
    before, after = encoder(graph), encoder(changed_features(graph, 5))
    assert (before.operators[6:] == after.operators[6:]).all(), "nothing flows to consumers"


@pytest.mark.parametrize("num_layers", [1, 2])
def test_a_tree_layer_sees_one_edge_far_both_ways(
    num_layers: int, generator: torch.Generator
) -> None:
    graph = chain(9, generator)
    torch.manual_seed(0)
    encoder = TreeEncoder(*NUM_FEATURES, WIDTH, num_layers=num_layers)
    before, after = encoder(graph), encoder(changed_features(graph, 4))
    near = list(range(4 - num_layers, 4 + num_layers + 1))
    assert reached(before.operators, after.operators) == near


def test_a_tree_sees_which_edges_break_pipelines(graph: Graph) -> None:
    encoder = TreeEncoder(*NUM_FEATURES, WIDTH, num_layers=1)
    flipped = graph.is_breaking.clone()
    flipped[0] = ~flipped[0]
    before, after = encoder(graph), encoder(replace(graph, is_breaking=flipped))
    ends = sorted([int(graph.producer[0]), int(graph.consumer[0])])
    assert reached(before.operators, after.operators) == ends
    assert reached(before.queries, after.queries) == [int(graph.query_of[ends[0]])]


def test_summaries_see_features_of_their_own(encoder: Encoder, graph: Graph) -> None:
    before = encoder(graph)
    queries = graph.queries.clone()
    queries[1] += 1
    after = encoder(replace(graph, queries=queries))
    assert reached(before.operators, after.operators) == []
    assert reached(before.queries, after.queries) == [1]
    assert reached(before.simulations, after.simulations) == [0]
    simulations = graph.simulations.clone()
    simulations[2] += 1
    after = encoder(replace(graph, simulations=simulations))
    assert reached(before.queries, after.queries) == []
    assert reached(before.simulations, after.simulations) == [2]


def test_every_parameter_learns(encoder: Encoder, graph: Graph) -> None:
    embeddings = encoder(graph)
    weights = torch.Generator().manual_seed(2)
    total = torch.zeros(())
    for rows in (embeddings.operators, embeddings.queries, embeddings.simulations):
        total = total + (rows * torch.randn(rows.shape, generator=weights)).sum()
    total.backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


# ----------------------------------------------------------------------- special graphs


@pytest.mark.parametrize(
    "plans",
    [[[(1, [])]], [[(3, []), (1, [])], [(2, [])]], [[(1, [])], [(4, [(0, 3)])]]],
    ids=["one operator", "no edges", "few edges"],
)
def test_graphs_of_few_edges(
    encoder: Encoder,
    plans: list[list[tuple[int, list[tuple[int, int]]]]],
    generator: torch.Generator,
) -> None:
    graph = make_graph(plans, generator)
    embeddings = encoder(graph)
    for rows, features in zip(
        (embeddings.operators, embeddings.queries, embeddings.simulations),
        (graph.operators, graph.queries, graph.simulations),
        strict=True,
    ):
        assert rows.shape == (len(features), WIDTH)
        assert rows.isfinite().all()
    embeddings.simulations.sum().backward()


def test_systems_without_queries(encoder: Encoder, generator: torch.Generator) -> None:
    """An empty system beside a busy one, and nothing but an empty system."""
    busy = make_graph([[(5, DIAMOND)]], generator)
    idle = torch.ones(1, NUM_FEATURES[2])
    both = replace(busy, simulations=torch.cat([busy.simulations, idle]))
    torch.testing.assert_close(encoder(both).queries, encoder(busy).queries)
    embeddings = encoder(replace(make_graph([[]], generator), simulations=idle))
    assert embeddings.operators.shape == embeddings.queries.shape == (0, WIDTH)
    torch.testing.assert_close(embeddings.simulations[0], encoder(both).simulations[1])


def test_a_copy_on_another_device_has_the_same_rows(graph: Graph) -> None:
    copy = graph.to("meta")
    assert copy.operators.shape == graph.operators.shape
    assert copy.operators.device.type == copy.height.device.type == "meta"


# ------------------------------------------------------------------------------- order


@pytest.mark.parametrize("num_keys", [1, 7, 1 << 16, (1 << 16) + 1, 1 << 20, 1 << 33])
def test_rows_are_sorted_stably(num_keys: int) -> None:
    keys = np.random.default_rng(num_keys).integers(0, num_keys, 500)
    keys[250:] = keys[:250]
    keys[0] = num_keys - 1
    expected = np.argsort(keys, kind="stable")
    np.testing.assert_array_equal(sorted_rows(keys, num_keys), expected)
