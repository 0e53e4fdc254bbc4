using KvShiftScale.Core;
using KvShiftScale.Core.Faults;

namespace KvShiftScale.Trainer.Tests.Faults;

public sealed class InjectedFaultTests
{
    [Fact]
    public void EveryPartIsRead()
    {
        Assert.Equal(new InjectedFault("kill", "save.write", 3, 1), InjectedFault.Parse("kill@save.write:3,rank=1"));
        Assert.Equal(new InjectedFault("stall", "step", null, null), InjectedFault.Parse("stall@step"));
    }

    [Theory]
    [InlineData("kill")]
    [InlineData("kill@")]
    [InlineData("kill@step:x")]
    [InlineData("kill@step:1,rank=-1")]
    [InlineData("kill@step:1 rank=0")]
    public void OtherFormsAreRefusedByName(string text)
    {
        var fault = Assert.Throws<UsageException>(() => InjectedFault.Parse(text));
        Assert.Contains($"'{text}'", fault.Message, StringComparison.Ordinal);
        Assert.Contains(InjectedFaults.Variable, fault.Message, StringComparison.Ordinal);
    }
}
