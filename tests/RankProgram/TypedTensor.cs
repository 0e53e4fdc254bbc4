using KvShiftScale.Parallel.Collectives;
using static TorchSharp.torch;

namespace KvShiftScale.RankProgram;

/// <summary>Tensors of any element type that ranks exchange, seen as float64. Values have to be exact in the type.</summary>
internal static class TypedTensor
{
    /// <summary>[elements], zeros where no value is given.</summary>
    public static Tensor Make(CollectiveDataType type, int elementCount, Func<int, double>? value = null)
    {
        var values = Enumerable.Range(0, elementCount).Select(value ?? (_ => 0)).ToArray();
        var made = tensor(values).to(type switch
        {
            CollectiveDataType.Float32 => ScalarType.Float32,
            CollectiveDataType.Float64 => ScalarType.Float64,
            CollectiveDataType.BFloat16 => ScalarType.BFloat16,
            CollectiveDataType.Int32 => ScalarType.Int32,
            _ => ScalarType.Int64,
        });
        Expect.Elements(values, made.Values(), $"values kept as {type}");
        return made;
    }

    /// <summary>The elements.</summary>
    public static double[] Values(this Tensor tensor) => tensor.to(ScalarType.Float64).data<double>().ToArray();
}
