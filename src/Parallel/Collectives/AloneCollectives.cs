using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>Collectives of a rank alone, on any device: each is the identity or a copy.</summary>
internal sealed class AloneCollectives : ICollectives
{
    public void AllReduce(Tensor tensor, ReduceOperation operation)
    {
    }

    public void ReduceScatter(Tensor whole, Tensor part, ReduceOperation operation) => Copy(whole, part);

    public void AllGather(Tensor part, Tensor whole) => Copy(part, whole);

    public void Broadcast(Tensor tensor, int root)
    {
    }

    public void Send(Tensor tensor, int receiver) => throw Nobody();

    public void Receive(Tensor tensor, int sender) => throw Nobody();

    public Work StartSend(Tensor tensor, int receiver) => throw Nobody();

    public Work StartReceive(Tensor tensor, int sender) => throw Nobody();

    public Tensor? Allocate(long elementCount, ScalarType type) => null;

    public void Dispose()
    {
    }

    private static void Copy(Tensor from, Tensor to)
    {
        using var mode = no_grad();
        using var source = from.view(to.shape);
        to.copy_(source);
    }

    private static InvalidOperationException Nobody() => new("a rank alone has nobody to talk to");
}
