using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Kernels;
using Microsoft.Win32.SafeHandles;
using TorchSharp;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// Collectives of libkvshift over tensors in host memory, through MPI or memory that the ranks of one machine share. They ask libtorch for addresses
/// and sizes alone, and so may be called by a thread that must not get compute threads of its own.
/// </summary>
internal sealed class HostCollectives : ICollectives
{
    private readonly GroupHandle _group;
    private readonly bool _sharesMemory;

    /// <summary>Collective where memory is to be shared.</summary>
    /// <param name="group">The ranks, which outlive this.</param>
    /// <param name="shareMemory">
    /// Sums of float32 and float64, and gathers, go through memory of the machine, where a rank that waits sleeps; through MPI all the same where the
    /// ranks are on several machines or there is no room in /dev/shm.
    /// </param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public HostCollectives(GroupHandle group, bool shareMemory)
    {
        _group = group;
        _sharesMemory = shareMemory && CollectivesLibrary.ShareMemory(group);
    }

    public void AllReduce(Tensor tensor, ReduceOperation operation)
    {
        CollectivesLibrary.AllReduce(_group, tensor.ElementType(), operation, TensorMemory.Address(tensor), tensor.numel());
        GC.KeepAlive(tensor);
    }

    public void ReduceScatter(Tensor whole, Tensor part, ReduceOperation operation)
    {
        CollectivesLibrary.ReduceScatter(_group, part.ElementType(), operation, TensorMemory.Address(whole), TensorMemory.Address(part), part.numel());
        GC.KeepAlive(whole);
        GC.KeepAlive(part);
    }

    public void AllGather(Tensor part, Tensor whole)
    {
        CollectivesLibrary.AllGather(_group, part.ElementType(), TensorMemory.Address(part), TensorMemory.Address(whole), part.numel());
        GC.KeepAlive(part);
        GC.KeepAlive(whole);
    }

    public void Broadcast(Tensor tensor, int root)
    {
        CollectivesLibrary.Broadcast(_group, tensor.ElementType(), TensorMemory.Address(tensor), tensor.numel(), root);
        GC.KeepAlive(tensor);
    }

    public void Send(Tensor tensor, int receiver)
    {
        CollectivesLibrary.Send(_group, tensor.ElementType(), TensorMemory.Address(tensor), tensor.numel(), receiver);
        GC.KeepAlive(tensor);
    }

    public void Receive(Tensor tensor, int sender)
    {
        CollectivesLibrary.Receive(_group, tensor.ElementType(), TensorMemory.Address(tensor), tensor.numel(), sender);
        GC.KeepAlive(tensor);
    }

    public Work StartSend(Tensor tensor, int receiver)
        => new HostWork(CollectivesLibrary.StartSend(_group, tensor.ElementType(), TensorMemory.Address(tensor), tensor.numel(), receiver), tensor);

    public Work StartReceive(Tensor tensor, int sender)
        => new HostWork(CollectivesLibrary.StartReceive(_group, tensor.ElementType(), TensorMemory.Address(tensor), tensor.numel(), sender), tensor);

    public Tensor? Allocate(long elementCount, ScalarType type)
    {
        if (!_sharesMemory)
        {
            return null;
        }

        var byteCount = elementCount * type.ElementSize();
        using var file = elementCount > 0 ? CollectivesLibrary.SharedFile(byteCount) : null;
        var memory = file is null ? null : Open(file, elementCount, type);
        if (CollectivesLibrary.ShareArea(_group, memory is null ? null : file, TensorMemory.AddressOrNull(memory), byteCount))
        {
            return memory;
        }

        memory?.Dispose();
        return null;
    }

    public void Dispose()
    {
    }

    private static Tensor? Open(SafeFileHandle file, long elementCount, ScalarType type)
    {
        try
        {
            return from_file($"/proc/self/fd/{file.DangerousGetHandle()}", shared: true, size: elementCount, dtype: type);
        }
        catch (ExternalException)
        {
            // Without /proc or address space there is no such memory; the other ranks have to hear of it.
            return null;
        }
    }

    // Keeps the tensor from the collector.
    private sealed class HostWork(nint work, Tensor tensor) : Work
    {
        private nint _work = work;

        public override bool IsCompleted => _work == 0 || CollectivesLibrary.Test(_work);

        public override void Wait()
        {
            if (_work == 0)
            {
                return;
            }

            var work = _work;
            _work = 0;
            CollectivesLibrary.Wait(work);
            GC.KeepAlive(tensor);
        }
    }
}
