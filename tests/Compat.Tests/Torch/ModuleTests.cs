using KvShiftScale.Testing;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace KvShiftScale.Compat.Tests.Torch;

public sealed class ModuleTests
{
    [Fact]
    public void ParametersAreNamedOwnFirstThenSubmodules()
    {
        using var outer = new Outer();
        Assert.Equal(["scale", "first.weight", "second.weight"], outer.named_parameters().Select(entry => entry.name));
        Assert.Equal(["scale"], outer.named_parameters(recurse: false).Select(entry => entry.name));
        Assert.Equal(3, outer.parameters().Count());
        Assert.Equal("outer", outer.GetName());
    }

    [Fact]
    public void SharedParametersAppearOnce()
    {
        using var outer = new Outer();
        outer.register_parameter("tied", outer.parameters().Last());
        Assert.Equal(3, outer.parameters().Count());
    }

    [Fact]
    public void FieldsAreRegisteredUnderTheirNames()
    {
        using var module = new WithFields();
        Assert.Equal(["own", "inner.weight"], module.named_parameters().Select(entry => entry.name));
    }

    [Fact]
    public void CallRunsForward()
    {
        using var scope = NewDisposeScope();
        using var module = new Scale("scale", 3);
        Assert.Equal(6f, module.call(tensor([2f])).item<float>());
        nn.IModule<Tensor, Tensor> any = module;
        Assert.Equal(6f, any.call(tensor([2f])).item<float>());
        using var pair = new WeightedSum();
        Assert.Equal(8f, pair.call(tensor([2f]), 3).item<float>());
    }

    [Fact]
    public void DisposalReachesSubmodules()
    {
        var before = LiveTensors.Settled();
        var outer = new Outer();
        var parameters = outer.parameters().ToList();
        outer.Dispose();
        Assert.All(parameters, parameter => Assert.True(parameter.IsInvalid));
        Assert.Equal(before, Tensor.TotalCount);
    }

    private sealed class Scale : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter _weight;

        public Scale(string name, float weight) : base(name)
        {
            _weight = new Parameter(tensor([weight]));
            register_parameter("weight", _weight);
        }

        public override Tensor forward(Tensor input) => input * _weight;
    }

    private sealed class WeightedSum() : nn.Module<Tensor, double, Tensor>("weighted sum")
    {
        public override Tensor forward(Tensor input1, double input2) => input1 + input1 * input2;
    }

    private sealed class Outer : nn.Module
    {
        public Outer() : base("outer")
        {
            register_module("first", new Scale("first", 1));
            register_parameter("scale", new Parameter(ones([2])));
            register_module("second", new Scale("second", 2));
        }
    }

    private sealed class WithFields : nn.Module
    {
        public readonly Parameter own = new(ones([1]));
        public readonly Scale inner = new("inner", 1);

        public WithFields() : base("with fields") => RegisterComponents();
    }
}
