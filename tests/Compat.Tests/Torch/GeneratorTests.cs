using TorchSharp;
using static TorchSharp.torch;

namespace KvShiftScale.Compat.Tests.Torch;

public sealed class GeneratorTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void SameSeedSameNumbers()
    {
        using var a = new Generator(7);
        using var b = new Generator(7);
        using var c = new Generator(8);
        var first = Draw(a);
        Assert.Equal(first, Draw(b));
        Assert.NotEqual(first, Draw(c));
        Assert.NotEqual(first, Draw(a));
        a.manual_seed(7);
        Assert.Equal(first, Draw(a));
    }

    [Fact]
    public void GeneratorsDoNotDisturbEachOther()
    {
        using var a = new Generator(7);
        using var b = new Generator(7);
        var (first, second) = (Draw(a), Draw(a));
        Draw(new Generator(1));
        manual_seed(3);
        Assert.Equal(first, Draw(b));
        _ = randn([100]);
        Assert.Equal(second, Draw(b));
    }

    [Fact]
    public void ManualSeedSetsTheDefaultGenerator()
    {
        manual_seed(11);
        var first = randn([8]).data<float>().ToArray();
        manual_seed(11);
        Assert.Equal(first, randn([8]).data<float>().ToArray());
        Assert.NotEqual(first, randn([8]).data<float>().ToArray());
    }

    [Fact]
    public void NormalNumbersHaveTheirMoments()
    {
        // 100,000 draws: the mean is within 5 standard errors (0.016) of 0, the variance within 5 (0.022) of 1.
        using var generator = new Generator(5);
        var values = randn([100_000], generator: generator).data<float>().ToArray();
        var mean = values.Average(value => (double)value);
        Assert.InRange(mean, -0.016, 0.016);
        Assert.InRange(values.Average(value => (value - mean) * (value - mean)), 0.978, 1.022);
    }

    [Fact]
    public void MultinomialFollowsItsWeights()
    {
        using var generator = new Generator(5);
        var weights = tensor([0f, 1f, 3f]);
        var counts = new int[3];
        foreach (var index in weights.multinomial(10_000, replacement: true, generator).data<long>().ToArray()) counts[index]++;
        // 7,500 of index 2 expected, standard deviation 43.
        Assert.Equal(0, counts[0]);
        Assert.InRange(counts[2], 7_285, 7_715);
        Assert.Equal([1L, 2L], weights.multinomial(2).data<long>().ToArray().Order());
    }

    [Fact]
    public void OtherDevicesAreRefusedByName()
    {
        var exception = Assert.Throws<ArgumentException>(() => new Generator(1, device("cuda:0")));
        Assert.Contains("cuda:0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DisposedGeneratorSaysSo()
    {
        var generator = new Generator(1);
        generator.Dispose();
        generator.Dispose();
        Assert.Throws<ObjectDisposedException>(() => randn([1], generator: generator));
    }

    [Fact]
    public void ThreadCountIsSet()
    {
        var before = get_num_threads();
        set_num_threads(2);
        Assert.Equal(2, get_num_threads());
        set_num_threads(before);
    }

    private static float[] Draw(Generator generator) => randn([8], generator: generator).data<float>().ToArray();
}
