using KvShiftScale.Core.Numbers;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Trainer.Experiments.Induction;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Tests.Experiments;

/// <summary>Claims against results that were made up.</summary>
public sealed class InductionClaimsTests
{
    private static readonly InductionStudy QuickStudy = InductionPreset.Studies(InductionPreset.Quick, [KvShiftVariant.Kv])[0];

    [Fact]
    public void AllHoldWhereTheyShould()
    {
        var claims = Check(Good());

        Assert.Equal(6, claims.Count);
        Assert.All(claims, claim => Assert.True(claim.Holds, claim.Sentence));
        Assert.Contains("2 of 2 seeds; steps 200, 300", claims[0].Found);
        Assert.Contains("1,000 against 250, 4.0 times", claims[2].Found);
    }

    [Theory]
    [InlineData(0, "kv-1-layer", 32, new[] { 0.1, 0.98 })] // One seed falls short of 0.99.
    [InlineData(1, "none-1-layer", 32, new[] { 0.05, 0.12 })] // 0.12 is not under 0.12.
    [InlineData(2, "none-2-layers", 32, new[] { 0.1, 0.2, 0.99 })] // 300 steps against 250.
    [InlineData(3, "none-4-layers", 32, new[] { 0.1, 0.99 })] // 200 steps against 250.
    [InlineData(5, "kv-1-layer", 8, new[] { 0.1, 0.95 })] // 0.95 does not pass 0.95.
    [InlineData(5, "none-2-layers", 8, new[] { 0.1, 0.5, 0.2 })] // Once at 0.5 is not under 0.5.
    public void OneFailsWhereItsFiguresDo(int broken, string arm, int width, double[] accuracies)
    {
        var results = Good().Where(result => result.Arm.Slug != arm || result.Width != width)
            .Concat([Result(arm, width, 0, accuracies), Result(arm, width, 1, accuracies)]).ToArray();

        var claims = Check(results);

        for (var i = 0; i < claims.Count; i++)
        {
            // A shift that learns later or never breaks what is compared with it, too.
            if (i == broken)
            {
                Assert.False(claims[i].Holds, claims[i].Sentence);
            }
            else if (broken != 0)
            {
                Assert.True(claims[i].Holds, claims[i].Sentence);
            }
        }
    }

    [Fact]
    public void WithoutItsModelsAClaimIsNotMeasured()
    {
        var claims = Check([.. Good().Where(result => result.Arm.Variant == KvShiftVariant.Kv)]);

        Assert.Equal([true, null, null, null, true, null], claims.Select(claim => claim.Holds));
        Assert.Equal("not measured", claims[1].Verdict);
    }

    [Fact]
    public void AModelThatNeverLearnsCountsAsSlower()
    {
        var results = Good().Where(result => result.Arm.Layers != 2 || result.Width != 32)
            .Concat([Result("none-2-layers", 32, 0, [0.1, 0.2]), Result("none-2-layers", 32, 1, [0.1, 0.3])]).ToArray();

        var claim = Check(results)[2];

        Assert.True(claim.Holds);
        Assert.Contains("more than 2,000 against 250", claim.Found);
    }

    [Theory]
    [InlineData(-0.7, 0.2, 0.1, 1.5, true)] // The key's sign is the projection's matter.
    [InlineData(0.2, 0.7, 0.1, 1.5, false)]
    [InlineData(0.7, 0.2, 1.5, -0.1, false)]
    public void ScalarsOfAnInductionHeadAreKnown(double previousKey, double currentKey, double previousValue, double currentValue, bool holds)
    {
        var scalars = Scalars(previousKey, currentKey, previousValue, currentValue);
        var results = Good().Select(result => result with { Scalars = scalars }).ToArray();

        Assert.Equal(holds, Check(results)[4].Holds);
    }

    [Theory]
    [InlineData(new[] { 3.0, 1, 2 }, 2)]
    [InlineData(new[] { 4.0, 1, 2, double.PositiveInfinity }, 3)]
    [InlineData(new[] { 1.0, double.PositiveInfinity, double.PositiveInfinity }, double.PositiveInfinity)]
    public void MedianIsTheMiddle(double[] values, double median) => Assert.Equal(median, Median.Of(values));

    private static IReadOnlyList<Claim> Check(IReadOnlyList<InductionResult> results) => InductionClaims.Check(QuickStudy, results);

    // Steps are 0, 100, 200, ...
    private static InductionResult[] Good() =>
    [
        Result("kv-1-layer", 32, 0, [0.05, 0.5, 0.99]),
        Result("kv-1-layer", 32, 1, [0.05, 0.5, 0.7, 1]),
        Result("none-1-layer", 32, 0, [0.05, 0.06, 0.119]),
        Result("none-1-layer", 32, 1, [0.05, 0.06, 0.07]),
        Result("none-2-layers", 32, 0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0.9, 0.995]),
        Result("none-2-layers", 32, 1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0.9, 0.995]),
        Result("none-4-layers", 32, 0, [0, 0, 0, 0, 0, 0, 0.99]),
        Result("none-4-layers", 32, 1, [0, 0, 0, 0, 0, 0, 0.99]),
        Result("kv-1-layer", 8, 0, [0.1, 0.951]),
        Result("none-2-layers", 8, 0, [0.1, 0.499]),
    ];

    // As checkpoints have them: the previous token's weight first. The first head is of no use.
    private static Dictionary<string, double[]> Scalars(double previousKey, double currentKey, double previousValue, double currentValue) => new()
    {
        ["model.layers.0.self_attn.k_shift"] = [0.4, 0.6, previousKey, currentKey],
        ["model.layers.0.self_attn.v_shift"] = [0.4, 0.6, previousValue, currentValue],
    };

    private static InductionResult Result(string arm, int width, long seed, double[] accuracies) => new()
    {
        Study = QuickStudy.Name,
        Arm = QuickStudy.Arms.Single(candidate => candidate.Slug == arm),
        Width = width,
        Seed = seed,
        Parameters = 1,
        PlannedSteps = 2000,
        Curve = [.. accuracies.Select((accuracy, index) => new InductionPoint(100 * index, 1, accuracy, accuracy))],
        Scalars = arm.StartsWith("kv", StringComparison.Ordinal) ? Scalars(1, 0, 0, 1) : new Dictionary<string, double[]>(),
        Seconds = 1,
        Settings = "",
    };
}
