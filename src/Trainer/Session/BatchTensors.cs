using KvShiftScale.Data.Loading;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>A batch of integers as the tensors that a model takes, over the batch's own memory.</summary>
internal sealed class BatchTensors : IDisposable
{
    /// <summary>Belongs to the current dispose scope; the batch must outlive it.</summary>
    /// <param name="batch">Whole rows.</param>
    /// <param name="device">Where the model computes.</param>
    /// <param name="region">How ranks share rows.</param>
    public BatchTensors(TokenBatch batch, Device device, ContextRegion region)
    {
        var count = (long)batch.Rows * batch.Context;
        Layout = new TokenLayout(batch.Rows, batch.Context, frombuffer(batch.Positions, int32, count), region);
        Ids = Layout.TakeOwn(frombuffer(batch.Inputs, int32, count)).to(device);
        Targets = Layout.TakeOwn(frombuffer(batch.Targets, int32, count)).to(device);
    }

    /// <summary>int32 [rows * own tokens].</summary>
    public Tensor Ids { get; }

    /// <summary>int32 [rows * own tokens].</summary>
    public Tensor Targets { get; }

    /// <summary>Rows, tokens and documents.</summary>
    public TokenLayout Layout { get; }

    public void Dispose()
    {
        Ids.Dispose();
        Targets.Dispose();
        Layout.Dispose();
    }
}
