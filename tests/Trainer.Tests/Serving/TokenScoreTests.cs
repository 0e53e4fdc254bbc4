using KvShiftScale.Trainer.Serving;

namespace KvShiftScale.Trainer.Tests.Serving;

public sealed class TokenScoreTests
{
    [Fact]
    public void LogProbabilitiesAreThoseOfASoftmax()
    {
        // Weights 1, 4, 3, 4 of 12; the shift of all logits by 500 changes nothing and would overflow an exponential.
        float[] logits = [500, 500 + MathF.Log(4), 500 + MathF.Log(3), 500 + MathF.Log(4)];

        var score = TokenScore.Of(logits, 2, 3);

        Assert.Equal(Math.Log(3.0 / 12), score.LogProbability!.Value, 1e-4);
        // Of equally likely ids the lower first.
        Assert.Equal([1, 3, 2], score.Top.Select(entry => entry.Id));
        Assert.Equal(Math.Log(4.0 / 12), score.Top[1].LogProbability, 1e-4);
        Assert.Equal(4, TokenScore.Of(logits, 0, 100).Top.Count);
        Assert.Empty(TokenScore.Of(logits, 0, 0).Top);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void LogitsThatAreNoNumbersAreTold(float logit)
        => Assert.Contains("not numbers", Assert.Throws<InvalidDataException>(() => TokenScore.Of([1, logit], 0, 1)).Message);
}
