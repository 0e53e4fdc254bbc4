using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvShiftScale.Testing;
using static TorchSharp.torch;

namespace KvShiftScale.Compat.Tests.Torch;

public sealed class TensorMemoryTests
{
    [Fact]
    public void ATensorOverAFileSharesItOrHasItForItself()
    {
        using var scope = NewDisposeScope();
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, [.. new double[] { 1, 2, 3 }.SelectMany(BitConverter.GetBytes)]);
            var shared = from_file(path, shared: true, size: 3, dtype: ScalarType.Float64);
            var apart = from_file(path, size: 2, dtype: ScalarType.Float64);
            Assert.Equal([1.0, 2.0, 3.0], shared.data<double>().ToArray());
            apart.select(0, 1).fill_(20);
            shared.select(0, 0).fill_(10);
            Assert.Equal([1.0, 20.0], apart.data<double>().ToArray());
            Assert.Equal([10.0, 2.0, 3.0], from_file(path, shared: true, size: 3, dtype: ScalarType.Float64).data<double>().ToArray());
            Assert.Throws<ExternalException>(() => from_file(path + ".none", shared: false, size: 1));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void BufferIsSharedBothWays()
    {
        using var scope = NewDisposeScope();
        int[] array = [1, 2, 3, 4];
        var tensor = frombuffer(array, ScalarType.Int32);
        array[0] = 10;
        tensor.select(0, 3).fill_(40);
        Assert.Equal([10, 2, 3, 40], tensor.data<int>().ToArray());
        Assert.Equal([10, 2, 3, 40], array);
    }

    [Fact]
    public void BufferTakesAPartOfTheArray()
    {
        using var scope = NewDisposeScope();
        double[] array = [0, 1, 2, 3];
        Assert.Equal([1.0, 2.0], frombuffer(array, ScalarType.Float64, count: 2, offset: 1).data<double>().ToArray());
        Assert.Equal([2.0, 3.0], frombuffer(array, ScalarType.Float64, offset: 2).data<double>().ToArray());
        Assert.Throws<ArgumentException>(() => frombuffer(array, ScalarType.Float64, count: 4, offset: 1));
    }

    [Fact]
    public void BufferLivesAsLongAsTheLastTensorOverIt()
    {
        var (view, array) = ViewOfBuffer();
        LiveTensors.Collect();
        Assert.True(array.IsAlive);
        Assert.Equal([2f, 3f], view.data<float>().ToArray());

        view.Dispose();
        LiveTensors.Collect();
        Assert.False(array.IsAlive);
    }

    [Fact]
    public void CopiesAreIndependentOfTheirArray()
    {
        float[] array = [1, 2];
        using var copy = tensor(array);
        array[0] = 9;
        Assert.Equal([1f, 2f], copy.data<float>().ToArray());
    }

    [Fact]
    public void BytesAreTheElementsInPlace()
    {
        using var scope = NewDisposeScope();
        var x = tensor([1f, 2f, 3f]);
        MemoryMarshal.Cast<byte, float>(x.bytes)[1] = 20;
        Assert.Equal([1f, 20f, 3f], x.data<float>().ToArray());
        Assert.Equal(8, x.narrow(0, 1, 2).bytes.Length);
        Assert.Equal(20f, MemoryMarshal.Cast<byte, float>(x.narrow(0, 1, 2).bytes)[0]);
        Assert.Throws<InvalidOperationException>(() => _ = arange(4).view(2, 2).t().bytes.Length);
    }

    [Fact]
    public unsafe void BytesBeginAtTheStoragePlusTheOffset()
    {
        using var scope = NewDisposeScope();
        var part = arange(10, ScalarType.Int64).narrow(0, 3, 2);
        var storage = part.storage<long>();
        fixed (byte* first = part.bytes)
        {
            Assert.Equal(storage.data_ptr() + (nint)(part.storage_offset() * sizeof(long)), (nint)first);
        }
        Assert.Equal(10, storage.ToArray().Length);
    }

    [Fact]
    public void BFloat16KeepsTheUpperHalfOfAFloat()
    {
        using var scope = NewDisposeScope();
        // 1 = 0x3F80; -2.5 = 0xC020; 1 + 2^-8 lies halfway and rounds to even, 1; 1 + 3 * 2^-8 rounds up to 1 + 2^-6.
        var x = tensor([1f, -2.5f, 1 + 1 / 256f, 1 + 3 / 256f]).to(bfloat16);
        Assert.Equal([0x3F80, 0xC020, 0x3F80, 0x3F82], MemoryMarshal.Cast<byte, ushort>(x.bytes).ToArray());
        Assert.Equal([1f, -2.5f, 1f, 1.015625f], x.to(ScalarType.Float32).data<float>().ToArray());
        Assert.Throws<ArgumentException>(() => x.data<float>());
    }

    [Fact]
    public void ElementsAreReadAsTheirOwnTypeOnly()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(7, tensor([7L]).item<long>());
        Assert.Equal(0.5f, tensor([0.5f]).item<float>());
        Assert.Throws<ArgumentException>(() => tensor([0.5f]).item<int>());
        Assert.Throws<ArgumentException>(() => tensor([0.5f]).data<double>());
        Assert.Throws<ExternalException>(() => tensor([1f, 2f]).item<float>());
    }

    [Fact]
    public void AccessorCopiesAndEnumerates()
    {
        using var scope = NewDisposeScope();
        var accessor = arange(4, ScalarType.Int32).view(2, 2).t().data<int>();
        Assert.Equal([0, 2, 1, 3], accessor);
        var target = new int[4];
        accessor.CopyTo(target, arrayIndex: 1, tensorIndex: 1);
        Assert.Equal([0, 2, 1, 3], target);
    }

    [Fact]
    public void NativeErrorsCarryTheTextOfLibtorch()
    {
        using var scope = NewDisposeScope();
        var exception = Assert.Throws<ExternalException>(() => zeros(2, 3).mm(zeros(2, 3)));
        Assert.Contains("shapes cannot be multiplied (2x3 and 2x3)", exception.Message, StringComparison.Ordinal);
        exception = Assert.Throws<ExternalException>(() => zeros(6).view(4));
        Assert.Contains("is invalid for input of size 6", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void HandleMovesBetweenWrappers()
    {
        var before = LiveTensors.Settled();
        var first = tensor([3f]);
        var second = Tensor.UnsafeCreateTensor(first.DecoupleFromNativeHandle());
        Assert.True(first.IsInvalid);
        Assert.Throws<InvalidOperationException>(() => first.Handle);
        Assert.Equal(3f, second.item<float>());
        second.Dispose();
        second.Dispose();
        Assert.Throws<InvalidOperationException>(() => second.sum());
        Assert.True(Tensor.UnsafeCreateTensor(0).IsInvalid);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (Tensor View, WeakReference Array) ViewOfBuffer()
    {
        float[] array = [1, 2, 3];
        using var whole = frombuffer(array, ScalarType.Float32);
        return (whole.narrow(0, 1, 2), new WeakReference(array));
    }
}
