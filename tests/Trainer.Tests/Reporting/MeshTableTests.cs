using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class MeshTableTests
{
    [Fact]
    public void FewRanksHaveALineEach() => Assert.Equal(
        [
            "4 ranks: data 2 x tensor 2",
            "  rank  pipeline  data  context  tensor  host   device",
            "     0         0     0        0       0  node1  cpu",
            "     1         0     0        0       1  node1  cpu",
            "     2         0     1        0       0  node2  cpu",
            "     3         0     1        0       1  node2  cpu",
        ],
        MeshTable.Lines(MeshLayout.Create(4, new ParallelConfig { Tensor = 2 }), ["node1", "node1", "node2", "node2"], "cpu"));

    [Fact]
    public void ManyRanksHaveALineForEachMachine() => Assert.Equal(
        [
            "32 ranks: data 4 x context 2 x tensor 4",
            "  a: ranks 0-7, 24-31; pipeline 0, data 0, 3, context 0-1, tensor 0-3; 16 x cuda",
            "  b: ranks 8-23; pipeline 0, data 1-2, context 0-1, tensor 0-3; 16 x cuda",
        ],
        MeshTable.Lines(MeshLayout.Create(32, new ParallelConfig { Tensor = 4, Context = 2 }), [.. Enumerable.Range(0, 32).Select(rank => rank is < 8 or >= 24 ? "a" : "b")], "cuda"));
}
